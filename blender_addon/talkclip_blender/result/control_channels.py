# SPDX-License-Identifier: GPL-3.0-or-later
"""Driven shapes move through their controls: what to key on sliders and bones so that shapes get their values."""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np

from talkclip_rigs.controls import solve

from ..character import axes
from ..character.places import Place
from ..character.ways import DrivenShape
from .keying import Channel

# Differences a viewer does not see are not worth a note.
_NOTICED = 0.05


@dataclass(frozen=True)
class Moved:
    """A driven shape and the values it should have."""

    shape: DrivenShape
    values: np.ndarray
    """float32 (T,)."""


def control_channels(moved: list[Moved]) -> tuple[list[Channel], list[str]]:
    """What to key on the controls of these shapes -> (channels, notes)."""
    by_place: dict[Place, list[Moved]] = {}
    for each in moved:
        by_place.setdefault(each.shape.driven.control.place, []).append(each)
    channels, notes = [], []
    angles: dict[tuple[bpy.types.ID, str], dict[int, np.ndarray]] = {}
    for place, group in by_place.items():
        values, note = _solved(place, group)
        notes += note
        if group[0].shape.driven.control.is_turned:
            angles.setdefault((place.owner, place.data_path), {})[place.index] = values
        else:
            channels.append(Channel(place.owner, place.data_path, place.index, values, "TalkCLIP"))
    for (owner, path), turned in angles.items():
        posed = by_place[Place(owner, path, next(iter(turned)))][0].shape.driven.control.posed
        channels += _turned_channels(owner, path, posed.rotation_mode, turned)
    if by_place:
        shapes, controls = len(moved), len(by_place)
        plural = "s" * (shapes > 1), "s" * (controls > 1)
        notes.insert(0, f"{shapes} driven shape key{plural[0]} through {controls} control{plural[1]}.")
    return channels, notes


def _solved(place: Place, group: list[Moved]) -> tuple[np.ndarray, list[str]]:
    driven = [each.shape.driven for each in group]
    solution = solve([each.link for each in driven], np.stack([each.values for each in group]), driven[0].control.rest)
    worst = float(solution.off.max())
    notes = []
    if worst > _NOTICED:
        names = " and ".join(dict.fromkeys(each.shape for each in driven))
        reason = "they share its value" if len(group) > 1 else "it reaches no farther"
        notes.append(f"{place.label} moves {names}: {reason}, off by up to {worst:.2f}.")
    return solution.values.astype(np.float32), notes


def _turned_channels(owner: bpy.types.ID, path: str, mode: str, angles: dict[int, np.ndarray]) -> list[Channel]:
    """Euler angles (XYZ, as drivers read them) on what turns by a quaternion or by axis and angle."""
    still = np.zeros_like(next(iter(angles.values())))
    euler = np.stack([angles.get(index, still) for index in range(3)], axis=1)
    values = axes.rotation_values(euler, mode, np.eye(3))
    path = path.removesuffix("rotation_euler") + axes.ROTATION_PATH[mode]
    return [Channel(owner, path, index, values[:, index], "TalkCLIP") for index in range(values.shape[1])]

# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes values over time into an Action of its own, by Blender's fast path."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np

from .. import compat


@dataclass(frozen=True)
class Channel:
    """One animated number."""

    owner: bpy.types.ID
    """The datablock that is animated: a Key or an Object."""
    data_path: str
    index: int
    values: np.ndarray
    """float32 (T,)."""
    group: str
    """Group it is shown in."""

    @property
    def address(self) -> tuple[str, int]:
        """What F-curves of the same owner are told apart by."""
        return self.data_path, self.index


@dataclass(frozen=True)
class Written:
    """The part of the new animation that moves one datablock."""

    owner: bpy.types.ID
    action: bpy.types.Action
    slot: Any
    addresses: frozenset[tuple[str, int]]


def write(name: str, frames: np.ndarray, channels: Sequence[Channel]) -> list[Written]:
    """Key channels at scene frames into a new Action, linear between keys.

    Args:
        name: of the Action.
        frames: (T,) float64, rising.
        channels: at least one; all of T values.

    Returns:
        One entry per owner. All share one Action where Blender has slots (4.4+).
    """
    written = []
    action = None
    for owner in dict.fromkeys(channel.owner for channel in channels):
        if action is None or not compat.HAS_SLOTS:
            action = bpy.data.actions.new(name)
        curves, slot = compat.open_action(action, owner)
        own = [channel for channel in channels if channel.owner == owner]
        for channel in own:
            _write_curve(curves.new(channel.data_path, index=channel.index), frames, channel.values)
        written.append(Written(owner, action, slot, frozenset(channel.address for channel in own)))
    return written


def shape_path(name: str) -> str:
    """Data path of a shape key's value, from its Key datablock."""
    return f'key_blocks["{bpy.utils.escape_identifier(name)}"].value'


def addresses(curves: Iterable[bpy.types.FCurve]) -> set[tuple[str, int]]:
    """(data path, index) of F-curves."""
    return {(curve.data_path, curve.array_index) for curve in curves}


def _write_curve(curve: bpy.types.FCurve, frames: np.ndarray, values: np.ndarray) -> None:
    if values.min() == values.max():  # a still channel needs its ends only, and stays easy to edit
        frames, values = frames[[0, -1]][: len(frames)], values[[0, -1]][: len(values)]
    points = curve.keyframe_points
    points.add(len(frames))
    points.foreach_set("co", np.stack([frames, values], axis=1).astype(np.float32).ravel())
    linear = bpy.types.Keyframe.bl_rna.properties["interpolation"].enum_items["LINEAR"].value
    points.foreach_set("interpolation", np.full(len(frames), linear, np.intc))
    curve.update()

# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes values over time into an Action of its own, by Blender's fast path, and a stretch of them anew in place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import bpy
import numpy as np

from .. import compat
from .decimation import Fit

# What differs by less is rounding, not movement; it keeps the sum of all layers well within 1e-5 of the track.
STILL: Final = 1e-6

Address = tuple[str, int]
"""Data path and array index: what F-curves of one datablock are told apart by."""


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
    def address(self) -> Address:
        """What F-curves of the same owner are told apart by."""
        return self.data_path, self.index

    @property
    def moves(self) -> bool:
        """Whether it adds anything."""
        return bool(np.abs(self.values).max() > STILL)


@dataclass(frozen=True)
class Written:
    """The part of a new animation that moves one datablock in one layer."""

    layer: str
    owner: bpy.types.ID
    action: bpy.types.Action
    slot: Any
    addresses: frozenset[Address]


def write(name: str, frames: np.ndarray, layers: Mapping[str, Sequence[Channel]]) -> list[Written]:
    """Key channels at scene frames into a new Action, linear between keys.

    Args:
        name: of the Action.
        frames: (T,) float64, rising.
        layers: {layer: channels}; all of T values.

    Returns:
        One entry per layer and owner. All share one Action where Blender has slots (4.4+).
    """
    written = []
    action = None
    for layer, channels in layers.items():
        for owner in dict.fromkeys(channel.owner for channel in channels):
            if action is None or not compat.HAS_SLOTS:
                action = bpy.data.actions.new(name)
            curves, slot = compat.open_action(action, owner, f"{owner.name} {layer}")
            own = [channel for channel in channels if channel.owner == owner]
            for channel in own:
                _write_curve(curves.new(channel.data_path, index=channel.index), frames, channel.values)
            written.append(Written(layer, owner, action, slot, frozenset(channel.address for channel in own)))
    return written


def shape_path(name: str) -> str:
    """Data path of a shape key's value, from its Key datablock."""
    return f'key_blocks["{bpy.utils.escape_identifier(name)}"].value'


def addresses(curves: Iterable[bpy.types.FCurve]) -> set[Address]:
    """(data path, index) of F-curves."""
    return {(curve.data_path, curve.array_index) for curve in curves}


def is_still(values: np.ndarray) -> bool:
    """Whether a channel keeps its value."""
    return bool(values.max() - values.min() <= STILL)


def write_all(curve: bpy.types.FCurve, frames: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Let a curve have one key a frame, linear between them; a curve that has as many keys keeps their other settings.

    Args:
        curve: new, with all of the keys, or with fewer.
        frames, values: (T,) each.

    Returns:
        What `points_of` gives now.
    """
    keys = curve.keyframe_points
    missing = len(frames) - len(keys)
    keys.add(missing)
    points = np.stack([frames, values], axis=1).astype(np.float32)
    keys.foreach_set("co", points.ravel())
    if missing:
        linear = bpy.types.Keyframe.bl_rna.properties["interpolation"].enum_items["LINEAR"].value
        keys.foreach_set("interpolation", np.full(len(frames), linear, np.intc))
    curve.update()
    return points


def write_bezier(curve: bpy.types.FCurve, frames: np.ndarray, fitted: Fit) -> None:
    """Replace a curve's keys by fewer ones.

    Args:
        curve: whatever it holds is lost.
        frames: (T,) scene frames of the samples that the fit goes through.
        fitted: the keys.
    """
    at = np.asarray(frames, np.float64)[fitted.samples]
    values = np.asarray(fitted.values, np.float64)
    thirds = np.diff(at, prepend=at[0] - 3, append=at[-1] + 3) / 3
    keys = curve.keyframe_points
    keys.clear()
    keys.add(len(at))
    for name, points in (
        ("co", (at, values)),
        ("handle_left", (at - thirds[:-1], fitted.left)),
        ("handle_right", (at + thirds[1:], fitted.right)),
    ):
        keys.foreach_set(name, np.stack(points, axis=1).astype(np.float32).ravel())
    kinds = bpy.types.Keyframe.bl_rna.properties["handle_left_type"].enum_items
    types = np.where(fitted.in_line, kinds["ALIGNED"].value, kinds["FREE"].value).astype(np.intc)
    keys.foreach_set("handle_left_type", types)
    keys.foreach_set("handle_right_type", types)
    curve.update()


def points_of(curve: bpy.types.FCurve) -> np.ndarray:
    """Frame and value of each key, float32 (N, 2)."""
    points = np.empty(len(curve.keyframe_points) * 2, np.float32)
    curve.keyframe_points.foreach_get("co", points)
    return points.reshape(-1, 2)


def _write_curve(curve: bpy.types.FCurve, frames: np.ndarray, values: np.ndarray) -> None:
    if is_still(values):  # needs its ends only, and stays easy to edit
        frames, values = frames[[0, -1]][: len(frames)], values[[0, 0]][: len(values)]
    write_all(curve, frames, values)

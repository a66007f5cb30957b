# SPDX-License-Identifier: GPL-3.0-or-later
"""Bake: the layers become one ordinary Action, with the pose as it was; clean-up: fewer keys, within a bound of error.

Where an animator has nothing of their own on a datablock, or wants it baked too, the Action becomes the datablock's
active one. Otherwise it plays from an NLA track of its own, over the line only, above what they made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np

from talkclip.errors import InputError

from .. import compat
from . import decimation, keying, parts, rest, sampling, strips
from .keying import Address, Channel


@dataclass(frozen=True)
class Baked:
    """What was made."""

    written: list[keying.Written]
    """For each datablock; all in one Action."""
    first: int
    last: int
    n_curves: int


def bake(character: Any, scene: bpy.types.Scene, with_own: bool) -> Baked:
    """Turn the layers into an ordinary Action and take their tracks away.

    Args:
        character: whose layers; all of its lines.
        scene: where it stands.
        with_own: bake the animator's own animation of the same datablocks too. Their tracks stay, muted.

    Raises:
        InputError: there is nothing to bake, or something may not be changed.
    """
    owners = [owner for owner in parts.owners(character) if _own_strips(owner)]
    if not owners:
        raise InputError(f"'{character.id_data.name}' plays no take.", "Speak a line, or choose a take in the list.")
    for owner in owners:
        strips.require_free(owner)
    wanted = {owner: sorted(_addresses(owner, with_own)) for owner in owners}
    first, last = _span(owners, scene, with_own)
    frames = np.arange(first, last + 1)
    values = sampling.sampled(scene, wanted, [int(frame) for frame in frames])
    channels = [
        Channel(owner, path, index, values[owner][:, column], "TalkCLIP")
        for owner, addresses in wanted.items()
        for column, (path, index) in enumerate(addresses)
    ]
    name = f"{character.id_data.name} baked"
    written = keying.write(name, frames.astype(np.float64), {"baked": channels})
    for one in written:
        _put_in_place(one, name, (first, last), with_own)
    scene.frame_set(scene.frame_current, subframe=scene.frame_subframe)
    return Baked(written, first, last, len(channels))


def thin(action: bpy.types.Action, slot: Any, bound: float) -> tuple[int, int, float]:
    """Replace keys, one on each frame, by fewer with Bezier curves between them.

    Curves that have other than one key a frame are left as they are.

    Args:
        action, slot: what to clean up.
        bound: the largest error allowed at a frame, in the channel's units.

    Returns:
        (keys before, keys now, largest error at a frame as Blender plays it).
    """
    before = now = 0
    worst = 0.0
    for curve in compat.curves_in(action, slot):
        points = keying.points_of(curve)
        before += len(points)
        if len(points) > 2 and np.allclose(np.diff(points[:, 0]), 1.0, atol=1e-3):
            keying.write_bezier(curve, points[:, 0], decimation.fit(points[:, 1], bound))
            played = np.array([curve.evaluate(frame) for frame in points[:, 0]])
            worst = max(worst, float(np.abs(played - points[:, 1]).max()))
        now += len(curve.keyframe_points)
    return before, now, worst


def thin_take(take: Any, bound: float) -> tuple[int, int, float]:
    """`thin` all layers of a take; as they add up, each gets its share of the bound. The error is that of the sum."""
    here = parts.of(take)
    before = now = 0
    worst: dict[bpy.types.ID, float] = {}
    for part in here:
        share = bound / sum(other.owner == part.owner for other in here)
        counts = thin(part.action, part.slot, share)
        before, now = before + counts[0], now + counts[1]
        worst[part.owner] = worst.get(part.owner, 0.0) + counts[2]
    return before, now, max(worst.values(), default=0.0)


def _own_strips(owner: bpy.types.ID) -> list[Any]:
    return [strip for layer in strips.LAYERS for strip in strips.on_track(owner, layer.track)]


def _addresses(owner: bpy.types.ID, with_own: bool) -> set[Address]:
    found = {address for strip in _own_strips(owner) for address in keying.addresses(strips.curves_of(strip))}
    found |= rest.kept(owner).keys()
    if with_own:
        found |= {address for address in rest.animated_by_user(owner) if _exists(owner, address[0])}
    return found


def _exists(owner: bpy.types.ID, data_path: str) -> bool:
    """Whether a curve leads anywhere: animators keep those of bones that were renamed."""
    try:
        owner.path_resolve(data_path)
    except ValueError:
        return False
    return True


def _span(owners: list[bpy.types.ID], scene: bpy.types.Scene, with_own: bool) -> tuple[int, int]:
    """First and last frame to bake: a frame more on each side of the lines, where the animator's pose is."""
    ends = [(strip.frame_start - 1, strip.frame_end + 1) for owner in owners for strip in _own_strips(owner)]
    if with_own:
        ends += [(scene.frame_start, scene.frame_end), *(own for owner in owners for own in rest.frames_of_user(owner))]
    return int(np.floor(min(start for start, _ in ends))), int(np.ceil(max(end for _, end in ends)))


def _put_in_place(written: keying.Written, name: str, span: tuple[int, int], with_own: bool) -> None:
    """Take our tracks away, and let the Action play instead."""
    owner = written.owner
    data = owner.animation_data
    is_free = data.action is None and not rest.animated_by_user(owner)
    for layer in strips.LAYERS:
        strips.remove_track(owner, layer.track)
    if with_own:
        rest.mute_user(owner)
    if with_own or is_free:
        strips.remove_track(owner, strips.REST_TRACK)
        data.action = written.action
        compat.set_slot(data, written.slot)
        data.action_extrapolation, data.action_blend_type, data.action_influence = "HOLD", "REPLACE", 1.0
        return
    track = data.nla_tracks.new()
    track.name = name
    strip = strips.add(track, name, span, written.action, written.slot)
    strip.blend_type, strip.extrapolation = "REPLACE", "NOTHING"

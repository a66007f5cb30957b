# SPDX-License-Identifier: GPL-3.0-or-later
"""What the animator made stays as it is: the values left without keys, and the keys of the same channels."""

from __future__ import annotations

from typing import Any, Final

import bpy
import numpy as np

from .. import compat
from . import keying, strips
from .keying import Address, Channel

_REST_FRAME: Final = 0.0
# How far an action with repeating or sloping ends is laid out to both sides when it becomes a strip.
_FAR_FRAMES: Final = 100_000.0


def animated_by_user(owner: bpy.types.ID) -> set[Address]:
    """Channels the animator has keyed, in the active action or in strips that are not ours."""
    data = owner.animation_data
    if data is None:
        return set()
    found = keying.addresses(compat.fcurves_of(data.action, compat.slot_of(data)))
    for track in data.nla_tracks:
        if track.name not in strips.OURS:
            for strip in track.strips:
                found |= keying.addresses(strips.curves_of(strip))
    return found


def frames_of_user(owner: bpy.types.ID) -> list[tuple[float, float]]:
    """First and last frame of each piece of animation that the animator has made."""
    data = owner.animation_data
    curves = compat.fcurves_of(data.action, compat.slot_of(data))
    found = [tuple(data.action.frame_range)] if curves else []
    for track in data.nla_tracks:
        for strip in track.strips if track.name not in strips.OURS else ():
            laid_out = strip.frame_end - strip.frame_start > _FAR_FRAMES
            found.append(tuple(strip.action.frame_range) if laid_out else (strip.frame_start, strip.frame_end))
    return found


def mute_user(owner: bpy.types.ID) -> None:
    """Switch off what the animator made; an active action becomes a muted track, so that it can be found again."""
    data = owner.animation_data
    for track in data.nla_tracks:
        track.mute |= track.name not in strips.OURS
    if data.action is not None:
        action, slot = data.action, compat.slot_of(data)
        data.action = None
        track = data.nla_tracks.new()
        track.name, track.mute = action.name, True
        start, end = action.frame_range
        strips.add(track, action.name, (start, max(end, start + 1.0)), action, slot)


def rest_value(owner: bpy.types.ID, data_path: str, index: int) -> float:
    """What a channel holds where TalkCLIP does not speak: the value kept before, or the present one.

    A channel that TalkCLIP already moves has its default there, unless `TalkCLIP rest` says otherwise.
    """
    held = kept(owner)
    if (data_path, index) in held:
        return held[data_path, index]
    if (data_path, index) in _spoken(owner):
        return _default(owner, data_path, index)
    value = owner.path_resolve(data_path)
    return float(value if isinstance(value, (int, float)) else value[index])


def make_room(owner: bpy.types.ID, addresses: frozenset[Address]) -> list[str]:
    """Let layers on these channels play, without a trace outside of them -> notes for the user.

    Call it before anything else changes the owner: the present values are kept.
    """
    data = owner.animation_data or owner.animation_data_create()
    rest = _new_rest(owner, addresses)
    notes = _push_down(owner, addresses)
    track = strips.track_of(data, strips.REST_TRACK)
    if rest:
        _add_rest(owner, track, rest)
    return notes


def restore(owner: bpy.types.ID, addresses: set[Address]) -> None:
    """After strips were taken away: channels that nothing animates any more would keep the last pose; reset them."""
    held = kept(owner)
    for path, index in addresses - _spoken(owner) - animated_by_user(owner):
        holder, name, is_custom = _property(owner, path)
        value = held.get((path, index), _default(owner, path, index))
        if is_custom:
            holder[name] = value
        elif holder.bl_rna.properties[name].is_array:
            getattr(holder, name)[index] = value
        else:
            setattr(holder, name, value)


def kept(owner: bpy.types.ID) -> dict[Address, float]:
    """What `TalkCLIP rest` holds."""
    return {
        (curve.data_path, curve.array_index): curve.evaluate(_REST_FRAME)
        for strip in strips.on_track(owner, strips.REST_TRACK)
        for curve in strips.curves_of(strip)
    }


def _spoken(owner: bpy.types.ID) -> set[Address]:
    """Channels in the layers that are there."""
    return {
        address
        for layer in strips.LAYERS
        for strip in strips.on_track(owner, layer.track)
        for address in keying.addresses(strips.curves_of(strip))
    }


def _new_rest(owner: bpy.types.ID, addresses: frozenset[Address]) -> dict[Address, float]:
    """{channel: value} to be kept: not default, not animated by the animator, not known from an earlier time."""
    new = addresses - animated_by_user(owner) - kept(owner).keys() - _spoken(owner)
    values = {address: rest_value(owner, *address) for address in new}
    moved = {path for (path, index), value in values.items() if abs(value - _default(owner, path, index)) > 1e-6}
    return {address: value for address, value in values.items() if address[0] in moved}


def _add_rest(owner: bpy.types.ID, track: Any, rest: dict[Address, float]) -> None:
    """Keep values for ever; those kept before stay, in the same Action."""
    values = {**kept(owner), **rest}
    for strip in list(track.strips):
        old = strip.action
        track.strips.remove(strip)
        if old.users == 0:
            bpy.data.actions.remove(old)
    channels = [
        Channel(owner, path, index, np.array([value], np.float32), "") for (path, index), value in values.items()
    ]
    (held,) = keying.write(f"{strips.REST_TRACK} {owner.name}", np.array([_REST_FRAME]), {"rest": channels})
    strip = strips.add(track, strips.REST_TRACK, (_REST_FRAME, _REST_FRAME + 1.0), held.action, held.slot)
    strip.extrapolation = "HOLD"


def _push_down(owner: bpy.types.ID, addresses: frozenset[Address]) -> list[str]:
    """Move the animator's active action to a track below ours, if it keys the same channels -> notes.

    The active action is played above all tracks; a key on jawOpen there would keep the mouth shut.
    """
    data = owner.animation_data
    action, slot = data.action, compat.slot_of(data)
    curves = compat.fcurves_of(action, slot)
    shared = addresses & keying.addresses(curves)
    if not shared:
        return []
    below = _track_below_ours(data)
    track = data.nla_tracks.new() if below is None else data.nla_tracks.new(prev=below)
    track.name = action.name
    start, end = action.frame_range
    if any(curve.extrapolation != "CONSTANT" or curve.modifiers for curve in curves):
        start, end = start - _FAR_FRAMES, end + _FAR_FRAMES
    influence, blend, extrapolation = data.action_influence, data.action_blend_type, data.action_extrapolation
    strip = strips.add(track, action.name, (start, max(end, start + 1.0)), action, slot)
    strip.blend_type, strip.extrapolation = blend, extrapolation
    if influence != 1.0:
        strips.set_influence(strip, influence)
    data.action = None
    return [
        f"Your action '{action.name}' keys {len(shared)} of the same channels. "
        f"It now lies below TalkCLIP on the NLA track '{track.name}'; its keys are as they were."
    ]


def _track_below_ours(data: bpy.types.AnimData) -> Any:
    """The track under which the animator's action goes: None when ours do not exist yet (a new track is on top)."""
    ours = [number for number, track in enumerate(data.nla_tracks) if track.name in strips.OURS]
    # Blender cannot add a track below the lowest one; above `TalkCLIP rest` is as good, since rest only holds
    # channels that the animator had not keyed.
    return data.nla_tracks[max(ours[0] - 1, 0)] if ours else None


def _default(owner: bpy.types.ID, data_path: str, index: int) -> float:
    """A channel's default, which the NLA gives it where no strip plays."""
    holder, name, is_custom = _property(owner, data_path)
    if is_custom:
        default = holder.id_properties_ui(name).as_dict().get("default", 0.0)
        return float(default[index] if isinstance(default, (list, tuple)) else default)
    rna = holder.bl_rna.properties[name]
    return float(rna.default_array[index] if rna.is_array else rna.default)


def _property(owner: bpy.types.ID, data_path: str) -> tuple[Any, str, bool]:
    """What a data path leads to -> (holder, name of its property, whether that is a custom one)."""
    is_custom = data_path.endswith('"]')
    holder_path, _, name = data_path.rpartition('["' if is_custom else ".")
    holder = owner.path_resolve(holder_path) if holder_path else owner
    return holder, bpy.utils.unescape_identifier(name[:-2]) if is_custom else name, is_custom

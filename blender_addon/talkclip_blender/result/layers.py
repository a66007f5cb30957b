# SPDX-License-Identifier: GPL-3.0-or-later
"""Where TalkCLIP's Actions live: NLA tracks above everything the animator made.

From bottom to top: the animator's tracks; the animator's own active action, pushed down to a track of its own only
where it keys the same channels; `TalkCLIP rest`; `TalkCLIP`. No key of the animator is changed, added or removed.

`TalkCLIP rest` is there because the NLA sets every channel it knows to its default outside the strips: a brow the
animator had left raised would drop. One constant key holds such a value.
"""

from __future__ import annotations

from typing import Any, Final

import bpy
import numpy as np

from talkclip.errors import InputError

from .. import compat
from ..character.places import Place, default_of
from . import keying
from .keying import Channel, Written

SPEECH_TRACK: Final = "TalkCLIP"
REST_TRACK: Final = "TalkCLIP rest"
_REST_FRAME: Final = 0.0
# How far an action with repeating or sloping ends is laid out to both sides when it becomes a strip.
_FAR_FRAMES: Final = 100_000.0


def require_free(owner: bpy.types.ID) -> None:
    """Whether the datablock's NLA can be written to.

    Raises:
        InputError: it is linked, in tweak mode, or its NLA is switched off.
    """
    if not getattr(owner, "is_editable", owner.library is None):
        raise InputError(f"'{owner.name}' is linked from another file.", "Make a library override of it first.")
    data = owner.animation_data
    if data is None:
        return
    if data.use_tweak_mode:
        raise InputError(
            f"'{owner.name}' is in the NLA's tweak mode.", "Leave it (Tab in the NLA editor) and try again."
        )
    if data.nla_tracks and not data.use_nla:
        raise InputError(f"The NLA of '{owner.name}' is switched off.", "Switch its tracks on in the NLA editor first.")


def animated_by_user(owner: bpy.types.ID) -> set[tuple[str, int]]:
    """Channels the animator has keyed, in the active action or in strips that are not ours."""
    data = owner.animation_data
    if data is None:
        return set()
    found = keying.addresses(compat.fcurves_of(data.action, compat.slot_of(data)))
    for track in data.nla_tracks:
        if track.name not in (SPEECH_TRACK, REST_TRACK):
            for strip in track.strips:
                found |= keying.addresses(compat.fcurves_of(strip.action, compat.slot_of(strip)))
    return found


def rest_value(owner: bpy.types.ID, data_path: str, index: int) -> float:
    """What a channel holds where TalkCLIP does not speak: the value kept before, or the present one.

    A channel that TalkCLIP already moves has its default there, unless `TalkCLIP rest` says otherwise.
    """
    data = owner.animation_data
    for track_name in (REST_TRACK, SPEECH_TRACK):
        for strip in _strips(data, track_name):
            for curve in compat.fcurves_of(strip.action, compat.slot_of(strip)):
                if (curve.data_path, curve.array_index) == (data_path, index):
                    return (
                        curve.evaluate(_REST_FRAME) if track_name == REST_TRACK else _default(owner, data_path, index)
                    )
    value = owner.path_resolve(data_path)
    return float(value if _is_scalar(value) else value[index])


def place(written: Written, label: str, ease_frames: float) -> list[str]:
    """Put a new animation on top, in place of what TalkCLIP had over the same frames -> notes for the user.

    The rest values are kept first, so call this before anything else changes the owner.
    """
    owner = written.owner
    data = owner.animation_data or owner.animation_data_create()
    rest = _new_rest(written)
    notes = _push_down(owner, written.addresses)
    rest_track = _track(data, REST_TRACK)
    if rest:
        _add_rest(owner, rest_track, rest)
    track = _track(data, SPEECH_TRACK)
    start, end = written.action.frame_range
    end = max(end, start + 1.0)  # the NLA does not play a strip without length
    for strip in list(track.strips):
        if strip.frame_start < end and strip.frame_end > start:
            track.strips.remove(strip)
    strip = _add_strip(track, label, start, end, written.action, written.slot)
    strip.extrapolation = "NOTHING"
    strip.blend_in = strip.blend_out = min(ease_frames, (end - start) / 4)
    return notes


def _new_rest(written: Written) -> dict[tuple[str, int], float]:
    """{channel: value} to be kept: not default, not animated by the animator, not known from an earlier time."""
    owner = written.owner
    known = animated_by_user(owner)
    for name in (REST_TRACK, SPEECH_TRACK):
        for strip in _strips(owner.animation_data, name):
            known |= keying.addresses(compat.fcurves_of(strip.action, compat.slot_of(strip)))
    values = {address: rest_value(owner, *address) for address in written.addresses - known}
    moved = {path for (path, index), value in values.items() if abs(value - _default(owner, path, index)) > 1e-6}
    return {address: value for address, value in values.items() if address[0] in moved}


def _add_rest(owner: bpy.types.ID, track: Any, rest: dict[tuple[str, int], float]) -> None:
    """Keep values for ever; those kept before stay, in the same Action."""
    kept = {
        (curve.data_path, curve.array_index): curve.evaluate(_REST_FRAME)
        for strip in track.strips
        for curve in compat.fcurves_of(strip.action, compat.slot_of(strip))
    }
    for strip in list(track.strips):
        old = strip.action
        track.strips.remove(strip)
        if old.users == 0:
            bpy.data.actions.remove(old)
    channels = [
        Channel(owner, path, index, np.array([value], np.float32), "")
        for (path, index), value in {**kept, **rest}.items()
    ]
    (held,) = keying.write(f"{REST_TRACK} {owner.name}", np.array([_REST_FRAME]), channels)
    strip = _add_strip(track, REST_TRACK, _REST_FRAME, _REST_FRAME + 1.0, held.action, held.slot)
    strip.extrapolation = "HOLD"


def _push_down(owner: bpy.types.ID, addresses: frozenset[tuple[str, int]]) -> list[str]:
    """Move the animator's active action to a track below ours, if it keys the same channels -> notes.

    The active action is played above all tracks; a key on jawOpen there would keep the mouth shut.
    """
    data = owner.animation_data
    action, slot = data.action, compat.slot_of(data)
    shared = addresses & keying.addresses(compat.fcurves_of(action, slot))
    if action is None or not shared:
        return []
    below = _track_below_ours(data)
    track = data.nla_tracks.new() if below is None else data.nla_tracks.new(prev=below)
    track.name = action.name
    start, end = action.frame_range
    curves = compat.fcurves_of(action, slot)
    if any(curve.extrapolation != "CONSTANT" or curve.modifiers for curve in curves):
        start, end = start - _FAR_FRAMES, end + _FAR_FRAMES
    influence, blend, extrapolation = data.action_influence, data.action_blend_type, data.action_extrapolation
    strip = _add_strip(track, action.name, start, max(end, start + 1.0), action, slot)
    strip.blend_type, strip.extrapolation = blend, extrapolation
    if influence != 1.0:
        strip.use_animated_influence = True
        strip.influence = influence
    data.action = None
    return [
        f"Your action '{action.name}' keys {len(shared)} of the same channels. "
        f"It now lies below TalkCLIP on the NLA track '{track.name}'; its keys are as they were."
    ]


def _track_below_ours(data: bpy.types.AnimData) -> Any:
    """The track under which the animator's action goes: None when ours do not exist yet (a new track is on top)."""
    names = [track.name for track in data.nla_tracks]
    ours = [names.index(name) for name in (REST_TRACK, SPEECH_TRACK) if name in names]
    if not ours:
        return None
    # Blender cannot add a track below the lowest one; above `TalkCLIP rest` is as good, since rest only holds
    # channels that the animator had not keyed.
    return data.nla_tracks[max(min(ours) - 1, 0)]


def _track(data: bpy.types.AnimData, name: str) -> Any:
    track = data.nla_tracks.get(name)
    if track is None:
        track = data.nla_tracks.new()
        track.name = name
    return track


def _strips(data: bpy.types.AnimData | None, track_name: str) -> list[Any]:
    track = data.nla_tracks.get(track_name) if data else None
    return list(track.strips) if track else []


def _add_strip(track: Any, name: str, start: float, end: float, action: bpy.types.Action, slot: Any) -> Any:
    """A strip that plays `action` at its own frames from `start` to `end`."""
    strip = track.strips.new(name, round(start), action)
    compat.set_slot(strip, slot)
    strip.use_sync_length = False
    strip.action_frame_start, strip.action_frame_end = start, end
    strip.frame_start, strip.frame_end = start, end
    strip.scale = 1.0
    return strip


def _is_scalar(value: Any) -> bool:
    return isinstance(value, (int, float))


def _default(owner: bpy.types.ID, data_path: str, index: int) -> float:
    """A channel's default, which the NLA gives it where no strip plays."""
    return default_of(Place(owner, data_path, index))

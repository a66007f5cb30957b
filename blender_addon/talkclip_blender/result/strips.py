# SPDX-License-Identifier: GPL-3.0-or-later
"""Where TalkCLIP's Actions play: strips on NLA tracks above everything the animator made.

From bottom to top: the animator's tracks; the animator's own active action, pushed down to a track of its own only
where it keys the same channels (see `rest`); `TalkCLIP rest`; the layers in the order of `LAYERS`. No key of the
animator is changed, added or removed.

`TalkCLIP rest` is there because the NLA sets every channel it knows to its default outside the strips: a brow the
animator had left raised would drop. One constant key holds such a value.

Blender adds up the layers first and cuts the sum at a slider's range then, so a layer may be beyond it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

import bpy
import numpy as np

from talkclip.errors import InputError

from .. import compat


@dataclass(frozen=True)
class Layer:
    """A part of the movement that has a gain of its own."""

    name: str
    """In `layering.layered`."""
    track: str
    """Name of its NLA track."""
    blend: Literal["REPLACE", "ADD"]
    """How it is laid over what is below."""
    gain: str
    """The property of the character that says how much of it plays."""
    mute: str
    """The property of the character that switches it off."""


# The eyes hold their target against the head's turn: with less of the turn, less of it.
LAYERS: Final = (
    Layer("mouth", "TalkCLIP mouth", "REPLACE", "gain_mouth", "mute_mouth"),
    Layer("expression", "TalkCLIP expression", "ADD", "gain_expression", "mute_expression"),
    Layer("blinks", "TalkCLIP blinks", "ADD", "gain_blinks", "mute_blinks"),
    Layer("gaze", "TalkCLIP gaze", "ADD", "gain_head", "mute_head"),
    Layer("head", "TalkCLIP head", "REPLACE", "gain_head", "mute_head"),
)
REST_TRACK: Final = "TalkCLIP rest"
OURS: Final = (REST_TRACK, *(layer.track for layer in LAYERS))
_WITHOUT_LENGTH: Final = 1.0  # the NLA does not play a strip without length


def layer_named(name: str) -> Layer:
    """One of `LAYERS`."""
    return next(layer for layer in LAYERS if layer.name == name)


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


def on_track(owner: bpy.types.ID, track_name: str) -> list[Any]:
    """The strips of a track; [] without the track."""
    data = owner.animation_data
    track = data.nla_tracks.get(track_name) if data else None
    return list(track.strips) if track else []


def curves_of(strip: Any) -> list[bpy.types.FCurve]:
    """The F-curves that a strip plays."""
    return compat.fcurves_of(strip.action, compat.slot_of(strip))


def track_of(data: bpy.types.AnimData, name: str) -> Any:
    """The track of ours of that name; made, in its place, when it is not there."""
    tracks = data.nla_tracks
    if name in tracks:
        return tracks[name]
    lower = OURS[: OURS.index(name)]
    below = [track for track in tracks if track.name in lower]
    track = tracks.new(prev=below[-1]) if below else tracks.new()
    track.name = name
    return track


def remove_track(owner: bpy.types.ID, name: str) -> None:
    """Take a track away with its strips; Actions that nothing else uses go with them."""
    tracks = owner.animation_data.nla_tracks
    if name not in tracks:
        return
    actions = {strip.action for strip in tracks[name].strips if strip.action is not None}
    tracks.remove(tracks[name])
    for action in actions:
        if action.users == 0:
            bpy.data.actions.remove(action)


def clear(owner: bpy.types.ID, start: float, end: float, staying: Iterable[Any] = ()) -> None:
    """Take the layers' strips away that play between two frames, but for those that stay."""
    staying = list(staying)
    _remove(owner, lambda strip: strip.frame_start < end and strip.frame_end > start and strip not in staying)


def remove_playing(owner: bpy.types.ID, action: bpy.types.Action) -> None:
    """Take the layers' strips away that play an action."""
    _remove(owner, lambda strip: strip.action == action)


def _remove(owner: bpy.types.ID, unwanted: Callable[[Any], bool]) -> None:
    for layer in LAYERS:
        for strip in on_track(owner, layer.track):
            if unwanted(strip):
                owner.animation_data.nla_tracks[layer.track].strips.remove(strip)


def exchange(strip: Any, name: str, action: bpy.types.Action, slot: Any) -> None:
    """Let a strip play another action of the same frames."""
    strip.name = name
    strip.action = action
    compat.set_slot(strip, slot)


def lay(
    owner: bpy.types.ID,
    layer: Layer,
    name: str,
    span: tuple[float, float],
    action: bpy.types.Action,
    slot: Any,
    scale: float = 1.0,
) -> Any:
    """Play an action in a layer, where `clear` has made room -> the strip.

    Args:
        owner: what it moves.
        layer: one of `LAYERS`.
        name: of the strip.
        span: first and last frame of the action; it begins at the same scene frame.
        action, slot: what is played.
        scale: scene frames for one of the action's.
    """
    data = owner.animation_data or owner.animation_data_create()
    start, end = span
    strip = add(track_of(data, layer.track), name, (start, max(end, start + _WITHOUT_LENGTH)), action, slot, scale)
    strip.blend_type = layer.blend
    strip.extrapolation = "NOTHING"
    return strip


def add(
    track: Any, name: str, span: tuple[float, float], action: bpy.types.Action, slot: Any, scale: float = 1.0
) -> Any:
    """A strip that plays the frames `span` of `action`, beginning at the same scene frame."""
    start, end = span
    strip = track.strips.new(name, round(start), action)
    compat.set_slot(strip, slot)
    strip.use_sync_length = False
    for _ in range(2):  # an end before the present start is silently not taken, nor a start after the present end
        strip.action_frame_end, strip.action_frame_start = end, start
    strip.scale = scale
    for _ in range(2):
        strip.frame_end, strip.frame_start = start + (end - start) * scale, start
    return strip


def set_ease(strip: Any, ease_frames: float) -> None:
    """Let a strip fade in and out over this many frames, as far as it is long enough."""
    strip.blend_in = strip.blend_out = min(ease_frames, (strip.frame_end - strip.frame_start) / 4)


def set_gain(strip: Any, gain: float) -> None:
    """How much of a strip plays, 0..1; its fades stay.

    Blender fades a strip by itself only while its influence is not animated, so a gain below 1 takes four keys.
    """
    if gain == 1.0:
        strip.use_animated_influence = False
        return
    start, end = strip.frame_start, strip.frame_end
    if strip.blend_in == 0.0:
        set_influence(strip, gain)
        return
    rising, falling = start + strip.blend_in, end - strip.blend_out
    _set_influence_keys(strip, [(start, 0.0), (rising, gain), (falling, gain), (end, 0.0)])


def set_influence(strip: Any, influence: float) -> None:
    """A constant influence, 0..1."""
    _set_influence_keys(strip, [(strip.frame_start, influence)])


def _set_influence_keys(strip: Any, points: list[tuple[float, float]]) -> None:
    strip.use_animated_influence = True
    curve = strip.fcurves.find("influence")
    keys = curve.keyframe_points
    while len(keys) > len(points):
        keys.remove(keys[-1], fast=True)
    keys.add(len(points) - len(keys))
    keys.foreach_set("co", np.array(points, np.float32).ravel())
    for key in keys:
        key.interpolation = "LINEAR"
    curve.update()

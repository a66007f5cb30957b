# SPDX-License-Identifier: GPL-3.0-or-later
"""How strongly a prompt segment plays: one custom property of the object per segment, named by the segment's uid.

A data path such as `talkclip.segments[3].intensity` means another segment as soon as rows move. A custom property
does not move, is keyed and driven by Blender's own buttons, and its F-curve lies in the object's own action.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import bpy
import numpy as np

from talkclip.errors import InputError
from talkclip.timeline import INTENSITY_MAX

from .. import compat

DEFAULT: Final = 1.0
HELP: Final = "0 is neutral, 1 as the prompt says, 2 twice as much. Can be keyed"
_PREFIX: Final = "talkclip_intensity_"
_KEY_NUMBERS: Final = ("co", "handle_left", "handle_right", "back", "amplitude", "period")
_KEY_CHOICES: Final = ("handle_left_type", "handle_right_type", "interpolation", "easing", "type")
_EXACT: Final = frozenset({"LINEAR", "CONSTANT"})
_HINT_STEPS: Final = 24
_STEP: Final = 1e-3  # frames: how steep a constant key jumps once it is a line


def property_name(uid: str) -> str:
    """Name of the custom property."""
    return _PREFIX + uid


def data_path(uid: str) -> str:
    """Data path from the object."""
    return f'["{property_name(uid)}"]'


def exists(owner: bpy.types.Object, uid: str) -> bool:
    """Whether the segment has its property; without it the intensity is 1."""
    return property_name(uid) in owner


def value_of(owner: bpy.types.Object, uid: str) -> float:
    """The present value; where it is keyed, that of the current frame."""
    return float(owner.get(property_name(uid), DEFAULT))


def set_value(owner: bpy.types.Object, uid: str, value: float) -> None:
    """Give the segment its property, and a value in 0..2."""
    name = property_name(uid)
    new = name not in owner
    owner[name] = float(min(max(value, 0.0), INTENSITY_MAX))
    if new:
        owner.id_properties_ui(name).update(
            min=0.0, max=INTENSITY_MAX, soft_min=0.0, soft_max=INTENSITY_MAX, default=DEFAULT, description=HELP
        )
        owner.property_overridable_library_set(data_path(uid), True)


def curve_of(owner: bpy.types.Object, uid: str) -> bpy.types.FCurve | None:
    """The keys: the curve in the object's active action, else in the uppermost NLA strip that has one."""
    return _found(owner, uid)[1]


def require_editable(owner: bpy.types.Object, uid: str) -> None:
    """Raises InputError when the keys lie in a file that is only linked."""
    curve = curve_of(owner, uid)
    if curve is not None and not getattr(curve.id_data, "is_editable", curve.id_data.library is None):
        raise InputError(
            f"The intensity's keys are in the action '{curve.id_data.name}', which is linked from another file.",
            "Make the action local, or give the character one of its own.",
        )


def remove(owner: bpy.types.Object, uid: str) -> None:
    """Take away the property and its keys, of this segment only."""
    curves, curve = _found(owner, uid)
    while curve is not None:
        curves.remove(curve)
        curves, curve = _found(owner, uid)
    if owner.animation_data is not None:
        owner.driver_remove(data_path(uid))
    if exists(owner, uid):
        del owner[property_name(uid)]


def copy(owner: bpy.types.Object, uid: str, to_uid: str) -> None:
    """The value and the keys of one segment for another one too."""
    set_value(owner, to_uid, value_of(owner, uid))
    curves, curve = _found(owner, uid)
    if curve is not None:
        columns, extrapolation = _keys(curve), curve.extrapolation
        new = curves.new(data_path(to_uid))  # may move the others in memory
        new.extrapolation = extrapolation
        _write_keys(new, columns)


def shift(owner: bpy.types.Object, uid: str, frames: float) -> None:
    """Move the keys along the time."""
    _map_frames(owner, uid, lambda at: at + frames)


def retime(owner: bpy.types.Object, uid: str, factor: float, pivot: float) -> None:
    """Stretch the keys' frames around a frame."""
    _map_frames(owner, uid, lambda at: (at - pivot) * factor + pivot)


def join(owner: bpy.types.Object, uid: str, later_uid: str, border: float) -> None:
    """Give `uid` the keys of `later_uid` from the border on; each keeps what it says on its side of the border.

    Where neither is keyed, `uid` keeps its value.
    """
    if curve_of(owner, uid) is None and curve_of(owner, later_uid) is None:
        return
    for each, side in ((uid, border - 1.0), (later_uid, border)):
        _key_at(owner, each, side)
    kept, added = _keys(curve_of(owner, uid)), _keys(curve_of(owner, later_uid))
    before, after = kept["co"][:, 0] < border - _STEP, added["co"][:, 0] >= border - _STEP
    merged = {name: np.concatenate([kept[name][before], added[name][after]]) for name in kept}
    curve = curve_of(owner, uid)
    curve.keyframe_points.clear()
    _write_keys(curve, merged)


def keys_over(
    owner: bpy.types.Object, uid: str, curve: bpy.types.FCurve, first: float, end: float
) -> tuple[tuple[float, float], ...]:
    """((scene frame, intensity), ...) rising, to be joined by lines; () where the keys are switched off.

    Exact for linear and constant keys; other curves are sampled at every frame from `first` to `end`.

    Args:
        owner: the character.
        uid: of the segment.
        curve: its keys; see `curve_of`.
        first, end: scene frames.
    """
    data = owner.animation_data
    if curve.mute or curve.is_empty:
        return ()
    if curve.id_data == data.action and _is_polyline(curve):
        return tuple(_corners(curve))
    at = np.arange(np.floor(first), np.ceil(end) + 1.0)
    evaluate = curve.evaluate if curve.id_data == data.action else _in_nla(data, uid)
    values = np.clip([evaluate(frame) for frame in at], 0.0, INTENSITY_MAX)
    return tuple((float(frame), float(value)) for frame, value in _without_needless(np.stack([at, values], axis=1)))


def curves_of(owner: bpy.types.Object) -> dict[str, bpy.types.FCurve]:
    """All keyed intensities of an object, by uid; see `curve_of`."""
    start = f'["{_PREFIX}'
    found: dict[str, bpy.types.FCurve] = {}
    for curves in _collections(owner):
        for curve in curves:
            if curve.data_path.startswith(start):
                found.setdefault(curve.data_path[len(start) : -2], curve)
    return found


def hint(
    owner: bpy.types.Object, uid: str, curve: bpy.types.FCurve | None, first: float, end: float
) -> tuple[tuple[float, float], ...]:
    """About how the intensity goes between two frames, to be drawn; () where it is the default throughout."""
    if curve is None:
        value = value_of(owner, uid)
        return () if value == DEFAULT else ((first, value), (end, value))
    keys = {point.co[0] for point in curve.keyframe_points if first < point.co[0] < end}
    frames = sorted(keys.union(np.linspace(first, end, _HINT_STEPS).tolist()))
    return tuple((frame, min(max(curve.evaluate(frame), 0.0), INTENSITY_MAX)) for frame in frames)


# --- curves -----------------------------------------------------------------------------------------------------------


def _collections(owner: bpy.types.Object) -> list[Any]:
    """Collections of F-curves: of the active action, then of the NLA strips from the uppermost track down."""
    data = owner.animation_data
    if data is None:
        return []
    users = [data, *(strip for track in reversed(data.nla_tracks) for strip in track.strips)]
    return [curves for user in users for curves in compat.curve_collections(user.action, compat.slot_of(user))]


def _found(owner: bpy.types.Object, uid: str) -> tuple[Any, bpy.types.FCurve | None]:
    """(the collection it is in, the curve)."""
    path = data_path(uid)
    for curves in _collections(owner):
        for curve in curves:
            if curve.data_path == path:
                return curves, curve
    return None, None


def _key_at(owner: bpy.types.Object, uid: str, frame: float) -> None:
    """A key of what plays at a frame, where there is none."""
    curve = curve_of(owner, uid)
    if curve is None:
        set_value(owner, uid, value_of(owner, uid))
        owner.keyframe_insert(data_path(uid), frame=frame)
    elif all(abs(point.co[0] - frame) > _STEP for point in curve.keyframe_points):
        curve.keyframe_points.insert(frame, curve.evaluate(frame))


def _keys(curve: bpy.types.FCurve) -> dict[str, np.ndarray]:
    points = curve.keyframe_points
    columns = {}
    for name in _KEY_NUMBERS + _KEY_CHOICES:
        size = 2 if name in _KEY_NUMBERS[:3] else 1
        values = np.empty(len(points) * size, np.float32 if name in _KEY_NUMBERS else np.intc)
        points.foreach_get(name, values)
        columns[name] = values.reshape(len(points), size)
    return columns


def _write_keys(curve: bpy.types.FCurve, columns: dict[str, np.ndarray]) -> None:
    points = curve.keyframe_points
    points.add(len(columns["co"]) - len(points))
    for name in _KEY_CHOICES + _KEY_NUMBERS:
        points.foreach_set(name, np.ascontiguousarray(columns[name]).ravel())
    curve.update()


def _map_frames(owner: bpy.types.Object, uid: str, moved: Callable[[np.ndarray], np.ndarray]) -> None:
    curve = curve_of(owner, uid)
    if curve is None:
        return
    require_editable(owner, uid)
    columns = _keys(curve)
    for name in ("co", "handle_left", "handle_right"):
        columns[name][:, 0] = moved(columns[name][:, 0])
    _write_keys(curve, columns)


# --- sampling ---------------------------------------------------------------------------------------------------------


def _is_polyline(curve: bpy.types.FCurve) -> bool:
    points = curve.keyframe_points
    inside = all(0.0 <= point.co[1] <= INTENSITY_MAX for point in points)
    straight = all(point.interpolation in _EXACT for point in points[:-1])
    return inside and straight and curve.extrapolation == "CONSTANT" and not len(curve.modifiers) and len(points) > 0


def _corners(curve: bpy.types.FCurve) -> list[tuple[float, float]]:
    corners: list[tuple[float, float]] = []
    held: float | None = None
    for point in curve.keyframe_points:
        frame, value = point.co
        if held is not None and held != value:
            corners.append((frame - _STEP, held))
        if not corners or frame > corners[-1][0]:
            corners.append((frame, value))
        held = value if point.interpolation == "CONSTANT" else None
    return corners


def _without_needless(points: np.ndarray) -> np.ndarray:
    """(n, 2) samples at equal steps, without those on the line between their neighbours."""
    values = points[:, 1]
    bent = np.abs(values[:-2] - 2 * values[1:-1] + values[2:]) > 1e-6
    return points[np.concatenate([[True], bent, [True]])] if len(points) > 2 else points


def _in_nla(data: bpy.types.AnimData, uid: str) -> Callable[[float], float]:
    """What the uppermost strip with this intensity says at a scene frame; DEFAULT where none plays."""
    strips = [
        strip for track in reversed(data.nla_tracks) if not track.mute for strip in track.strips if not strip.mute
    ]
    found = [
        (strip, curve)
        for strip in strips
        for curve in compat.fcurves_of(strip.action, compat.slot_of(strip))
        if curve.data_path == data_path(uid)
    ]

    def evaluate(frame: float) -> float:
        for strip, curve in found:
            past, before = frame > strip.frame_end, frame < strip.frame_start
            holds = strip.extrapolation == "HOLD" or (past and strip.extrapolation == "HOLD_FORWARD")
            if (past or before) and not holds:
                continue
            inside = min(max(frame, strip.frame_start), strip.frame_end) - strip.frame_start
            return float(curve.evaluate(strip.action_frame_start + inside / strip.scale))
        return DEFAULT

    return evaluate

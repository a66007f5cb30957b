# SPDX-License-Identifier: GPL-3.0-or-later
"""A track becomes channels: what is keyed on which datablock of a character.

`channels_of` looks at the character and changes nothing; `make_way` then changes what would keep the keys from moving
it.
"""

from __future__ import annotations

import dataclasses
from typing import Final

import bpy
import numpy as np
from mathutils import Euler, Matrix, Quaternion

from talkclip.coefficients import HEAD6, CoefficientTrack
from talkclip.errors import InputError
from talkclip_rigs.profiles import drives_of, limits_of, turns_of
from talkclip_rigs.retarget import HEAD_ROTATION, Curves, Drive, RigProfile, RotationDrive, retarget

from ..character import axes, face
from ..character.face import Face, Turner
from . import keying, rest
from .keying import Channel

_BLENDERS_DEFAULT_RANGE: Final = (0.0, 1.0)
_SLIDER_REACH: Final = 10.0  # hard limit of `ShapeKey.slider_min` and `slider_max`
_OBJECT: Final = ""


def owners(found: Face) -> list[bpy.types.ID]:
    """Datablocks that may be keyed."""
    turned = [found.head.owner] if found.head else []
    if found.rig.turns and found.armature is not None:
        turned.append(found.armature)
    return list(dict.fromkeys([*found.keys, *turned]))


def channels_of(found: Face, track: CoefficientTrack) -> tuple[list[Channel], list[str]]:
    """What to key on which datablock -> (channels, notes about what cannot be keyed).

    Raises:
        InputError: none of the face's shapes can be keyed.
    """
    turns, turners, notes = _turns(found, track)
    channels: list[Channel] = []
    for body in found.objects:
        curves = _retargeted(found, track, drives=drives_of(found.rows[body.name]))
        own, skipped = _shape_channels(body, curves)
        channels += own
        notes += skipped
    if not channels:
        raise InputError(
            f"All face shapes of '{found.mesh.name}' follow drivers.",
            "Key the controls they follow, or delete the drivers (right-click a value > Delete Drivers).",
        )
    curves = _retargeted(found, track, turns=turns)
    for turn in turns:
        euler = np.stack([curves.channels[f"{turn.bone}.rotation_{axis}"] for axis in "xyz"], axis=1)
        channels += _turn_channels(turners[turn.bone], euler)
    return channels, notes


def make_way(found: Face, channels: list[Channel]) -> list[str]:
    """Blender cuts a shape key's value at its slider's range. Widen ranges nobody chose; name the ones somebody did."""
    widened, cut = [], []
    ranges = {(keys, keying.shape_path(block.name)): block for keys in found.keys for block in keys.key_blocks}
    for channel in channels:
        block = ranges.get((channel.owner, channel.data_path))
        if block is None:
            continue
        low, high = float(channel.values.min()), float(channel.values.max())
        if low >= block.slider_min - 1e-6 and high <= block.slider_max + 1e-6:
            continue
        if (block.slider_min, block.slider_max) == _BLENDERS_DEFAULT_RANGE:
            if low < block.slider_min:
                block.slider_min = max(np.floor(low), -_SLIDER_REACH)
            if high > block.slider_max:
                block.slider_max = min(np.ceil(high), _SLIDER_REACH)
            widened.append(block.name)
        else:
            cut.append(block.name)
    notes = [f"{listed(widened)}: slider range widened, the movement goes beyond 0 to 1."] if widened else []
    if cut:
        notes.append(f"{listed(cut)}: the movement is cut at the slider's range you set (Shape Keys > Range).")
    return notes


def listed(names: list[str], most: int = 3) -> str:
    """A few of the names, and how many more there are."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _retargeted(
    found: Face, track: CoefficientTrack, drives: tuple[Drive, ...] = (), turns: tuple[RotationDrive, ...] = ()
) -> Curves:
    """What these drives and turns make of the track; whatever they do not use is left out on purpose."""
    profile = RigProfile(found.rig.name, found.space, drives, turns, limits_of(found.rig))
    unused = {*track.names, *HEAD6} - profile.sources()
    return retarget(track, dataclasses.replace(profile, ignored=tuple(sorted(unused))))


def _shape_channels(body: bpy.types.Object, curves: Curves) -> tuple[list[Channel], list[str]]:
    keys = body.data.shape_keys
    driven = face.driven_shapes(keys)
    shapes = [name for name in curves.channels if name in keys.key_blocks]
    free = [name for name in shapes if name not in driven]
    channels = [Channel(keys, keying.shape_path(name), 0, curves.channels[name], "TalkCLIP") for name in free]
    notes = []
    if held := [name for name in shapes if name in driven]:
        notes.append(
            f"{listed(held)} follow{'s' * (len(held) == 1)} a driver and did not get keys: key the control behind it, "
            "or delete the driver."
        )
    if muted := [name for name in free if keys.key_blocks[name].mute and np.ptp(curves.channels[name]) > 0]:
        notes.append(f"{listed(muted)} got keys but will not move: muted.")
    return channels, notes


# --- turns ------------------------------------------------------------------------------------------------------------


def _turns(found: Face, track: CoefficientTrack) -> tuple[tuple[RotationDrive, ...], dict[str, Turner], list[str]]:
    """What turns, fitted to the bones the rig really has -> (turns, {bone name in them: target}, notes)."""
    in_rig = found.rig.head_bone
    head_bone = None if found.head is None else in_rig or _OBJECT
    notes = _missing_channels(found, track)
    if found.head is None and track.head is not None and in_rig is None:
        notes.append("No head bone was found: the head keeps still.")
    present = {*track.names, *(HEAD6 if track.head is not None else ())}
    turns, turners = [], {}
    for turn in turns_of(found.rig, head_bone):
        if not present.issuperset(turn.sources):
            continue
        target = found.head if turn.sources == HEAD_ROTATION else face.turner(found.armature, turn.bone)
        if reason := _why_not(target, turn):
            notes.append(reason)
        else:
            turners[turn.bone] = target
            turns.append(_fitted(turn, target))
    return tuple(turns), turners, notes


def _missing_channels(found: Face, track: CoefficientTrack) -> list[str]:
    rule = found.rig.numbered
    if rule is None:
        return []
    driven = {row.channel for row in found.rows[found.mesh.name]}
    expected = [name for name in track.names if name.removeprefix(rule.channel).isdecimal() and name not in driven]
    offset = rule.first_shape - rule.first_channel
    absent = [f"{rule.shape}{int(name.removeprefix(rule.channel)) + offset}" for name in expected]
    return [f"The mesh lacks {listed(absent)}: left out."] if absent else []


def _why_not(target: Turner | None, turn: RotationDrive) -> str:
    """Why a turn cannot be keyed, or ""."""
    if target is None:
        return f"The armature has no bone '{turn.bone}': its movement is left out."
    if face.is_driven(target):
        return f"The {target.label} follows a driver or constraint: it did not get keys."
    keyed = {path for path, _ in rest.animated_by_user(target.owner)}
    if turn.sources == HEAD_ROTATION and any(path.startswith(target.path + "rotation") for path in keyed):
        return f"You have keyed the {target.label} yourself: the head was left to you."
    return ""


def _fitted(turn: RotationDrive, target: Turner) -> RotationDrive:
    lie = axes.bone_axes(target.owner, target.bone) if target.bone else axes.object_axes(target.owner)
    return dataclasses.replace(turn, axes=lie, order="XYZ")


def _turn_channels(target: Turner, euler: np.ndarray) -> list[Channel]:
    posed, mode = target.posed, target.posed.rotation_mode
    name = axes.ROTATION_PATH.get(mode, "rotation_euler")
    path = target.path + name
    stand = np.eye(3) if target.bone else _rest_rotation(target.owner, path, mode)
    values = axes.rotation_values(euler, mode, stand)
    group = target.bone or "TalkCLIP"
    return [Channel(posed.id_data, path, index, values[:, index], group) for index in range(values.shape[1])]


def _rest_rotation(owner: bpy.types.Object, path: str, mode: str) -> np.ndarray:
    """How an object stands where TalkCLIP does not turn it, 3x3."""
    size = 3 if mode not in axes.ROTATION_PATH else 4
    values = [rest.rest_value(owner, path, index) for index in range(size)]
    if mode == "QUATERNION":
        return np.array(Quaternion(values).normalized().to_matrix())
    if mode == "AXIS_ANGLE":
        return np.array(Matrix.Rotation(values[0], 3, values[1:]))
    return np.array(Euler(values, mode).to_matrix())

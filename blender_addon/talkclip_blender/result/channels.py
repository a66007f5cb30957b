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
from ..character.ways import driven_of, switch_drivers
from . import keying, rest
from .control_channels import Moved, control_channels
from .keying import Channel

_BLENDERS_DEFAULT_RANGE: Final = (0.0, 1.0)
_SLIDER_REACH: Final = 10.0  # hard limit of `ShapeKey.slider_min` and `slider_max`
_OBJECT: Final = ""


def owners(found: Face) -> list[bpy.types.ID]:
    """Datablocks that may be keyed."""
    turned = [found.head.owner] if found.head else []
    if found.rig.turns and found.armature is not None:
        turned.append(found.armature)
    controls = [each.driven.control.place.owner for each in driven_of(found) if each.way == "control"]
    return list(dict.fromkeys([*found.keys, *turned, *controls]))


def channels_of(found: Face, track: CoefficientTrack) -> tuple[list[Channel], list[str]]:
    """What to key on which datablock -> (channels, notes about what cannot be keyed).

    Each frame depends on that frame of the track alone (quaternions but for their sign).

    Raises:
        InputError: none of the face's shapes can be moved.
    """
    turns, turners, notes = _turns(found, track)
    driven = {(each.body, each.driven.shape): each for each in driven_of(found)}
    channels: list[Channel] = []
    moved: list[Moved] = []
    left: list[str] = []
    for body in found.objects:
        curves = _retargeted(found, track, drives=drives_of(found.rows[body.name]))
        for name, values in curves.channels.items():
            shape = driven.get((body, name))
            if shape is None or shape.way == "replace":
                channels.append(Channel(body.data.shape_keys, keying.shape_path(name), 0, values, "TalkCLIP"))
            elif shape.way == "control":
                moved.append(Moved(shape, values))
            elif shape.way == "leave":
                left.append(name)
    through, through_notes = control_channels(moved)
    channels += through
    if not channels:
        raise InputError(
            f"All face shapes of '{found.mesh.name}' follow drivers.",
            "Choose what is done about them in Character > Drivers, or delete the drivers.",
        )
    notes += through_notes + _left_notes(left) + _muted_notes(found, channels)
    return channels + _turned(found, track, turns, turners), notes


def make_way(found: Face, channels: list[Channel]) -> list[str]:
    """Change what would keep the keys from moving the character -> notes."""
    off = switch_drivers(found, driven_of(found))
    notes = [f"{off} drivers are switched off; Character > Drivers > Restore brings them back."] if off else []
    return notes + _widen_sliders(found, channels)


def _widen_sliders(found: Face, channels: list[Channel]) -> list[str]:
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
            # All the way: the next take may go farther than this one, and must not find a range that looks chosen.
            block.slider_min, block.slider_max = -_SLIDER_REACH, _SLIDER_REACH
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


def _left_notes(names: list[str]) -> list[str]:
    if not names:
        return []
    several = len(set(names)) > 1
    verb = "follow drivers" if several else "follows a driver"
    return [f"{listed(list(dict.fromkeys(names)))} {verb} and did not get keys: see Character > Drivers."]


def _muted_notes(found: Face, channels: list[Channel]) -> list[str]:
    moving = {(channel.owner, channel.data_path) for channel in channels if np.ptp(channel.values) > 0}
    muted = [
        block.name
        for keys in found.keys
        for block in keys.key_blocks
        if block.mute and (keys, keying.shape_path(block.name)) in moving
    ]
    return [f"{listed(muted)} got keys but will not move: muted."] if muted else []


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
    driven = {row.channel for rows in found.rows.values() for row in rows}
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


def _turned(
    found: Face, track: CoefficientTrack, turns: tuple[RotationDrive, ...], turners: dict[str, Turner]
) -> list[Channel]:
    curves = _retargeted(found, track, turns=turns)
    channels = []
    for turn in turns:
        euler = np.stack([curves.channels[f"{turn.bone}.rotation_{axis}"] for axis in "xyz"], axis=1)
        channels += _turn_channels(turners[turn.bone], euler)
    return channels


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

# SPDX-License-Identifier: GPL-3.0-or-later
"""What a track moves on a character: the channels to key, and what cannot be keyed."""

from __future__ import annotations

import dataclasses
from typing import Final

import bpy
import numpy as np
from mathutils import Euler, Matrix, Quaternion

from talkclip.coefficients import HEAD6, CoefficientTrack
from talkclip.errors import InputError
from talkclip_rigs.retarget import (
    HEAD_ROTATION,
    Curves,
    RigProfile,
    RotationDrive,
    arkit_profile,
    flame_profile,
    is_expression,
    retarget,
)

from ..character import axes, face
from ..character.face import Face, Turner
from . import keying, layers
from .keying import Channel

_BLENDERS_DEFAULT_RANGE: Final = (0.0, 1.0)
_SLIDER_REACH: Final = 10.0  # hard limit of `ShapeKey.slider_min` and `slider_max`
_OBJECT: Final = ""


def channels_of(found: Face, track: CoefficientTrack) -> tuple[list[Channel], list[str]]:
    """What to key on which datablock -> (channels, notes about what cannot be keyed)."""
    profile, turners, notes = _profile(found, track)
    curves = retarget(track, profile)
    channels, skipped = _shape_channels(found, curves)
    for turn in profile.rotations:
        target = turners[turn.bone]
        euler = np.stack([curves.channels[f"{turn.bone}.rotation_{axis}"] for axis in "xyz"], axis=1)
        channels += _turn_channels(target, euler)
    if not any(channel.owner == found.keys for channel in channels):
        raise InputError(
            f"All face shapes of '{found.mesh.name}' follow drivers.",
            "Key the controls they follow, or delete the drivers (right-click a value > Delete Drivers).",
        )
    return channels, notes + skipped


def _shape_channels(found: Face, curves: Curves) -> tuple[list[Channel], list[str]]:
    blocks = found.keys.key_blocks
    driven = face.driven_shapes(found.keys)
    shapes = [name for name, target in curves.targets.items() if target.kind == "shape" and name in blocks]
    free = [name for name in shapes if name not in driven]
    channels = [Channel(found.keys, keying.shape_path(name), 0, curves.channels[name], "TalkCLIP") for name in free]
    notes = []
    if held := [name for name in shapes if name in driven]:
        notes.append(
            f"{listed(held)} follow{'s' * (len(held) == 1)} a driver and did not get keys: key the control behind it, "
            "or delete the driver."
        )
    if muted := [name for name in free if blocks[name].mute and np.ptp(curves.channels[name]) > 0]:
        notes.append(f"{listed(muted)} got keys but will not move: muted.")
    return channels, notes


def _turn_channels(target: Turner, euler: np.ndarray) -> list[Channel]:
    posed, mode = target.posed, target.posed.rotation_mode
    name = axes.ROTATION_PATH.get(mode, "rotation_euler")
    path = target.path + name
    rest = np.eye(3) if target.bone else _rest_rotation(target.owner, path, mode)
    values = axes.rotation_values(euler, mode, rest)
    group = target.bone or "TalkCLIP"
    return [Channel(posed.id_data, path, index, values[:, index], group) for index in range(values.shape[1])]


def _rest_rotation(owner: bpy.types.Object, path: str, mode: str) -> np.ndarray:
    """How an object stands where TalkCLIP does not turn it, 3x3."""
    size = 3 if mode not in axes.ROTATION_PATH else 4
    values = [layers.rest_value(owner, path, index) for index in range(size)]
    if mode == "QUATERNION":
        return np.array(Quaternion(values).normalized().to_matrix())
    if mode == "AXIS_ANGLE":
        return np.array(Matrix.Rotation(values[0], 3, values[1:]))
    return np.array(Euler(values, mode).to_matrix())


def _profile(found: Face, track: CoefficientTrack) -> tuple[RigProfile, dict[str, Turner], list[str]]:
    """The rig's table, fitted to the bones it really has -> (profile, {bone name in it: target}, notes)."""
    if found.space == "flame":
        profile = flame_profile(track.names, head_bone=face.FLAME_HEAD_BONE if found.head else None)
        notes = _missing_expressions(found, track)
        wanted = {turn.bone: face.turner(found.armature, turn.bone) for turn in profile.rotations}
    else:
        profile = arkit_profile(found.match, head_bone=_OBJECT if found.head else None)
        notes = [] if track.head is None or found.head else ["No head bone was found: the head keeps still."]
        wanted = {_OBJECT: found.head}
    present = {*track.names, *(HEAD6 if track.head is not None else ())}
    turners = {}
    for turn in profile.rotations:
        if not present.issuperset(turn.sources):
            continue
        if reason := _why_not(wanted[turn.bone], turn):
            notes.append(reason)
        else:
            turners[turn.bone] = wanted[turn.bone]
    kept = tuple(_fitted(turn, turners[turn.bone]) for turn in profile.rotations if turn.bone in turners)
    left_out = tuple(source for turn in profile.rotations if turn.bone not in turners for source in turn.sources)
    profile = dataclasses.replace(profile, rotations=kept, ignored=profile.ignored + left_out)
    return profile, turners, notes


def _why_not(target: Turner | None, turn: RotationDrive) -> str:
    """Why a turn cannot be keyed, or ""."""
    if target is None:
        return f"The armature has no bone '{turn.bone}': its movement is left out."
    if face.is_driven(target):
        return f"The {target.label} follows a driver or constraint: it did not get keys."
    keyed = {path for path, _ in layers.animated_by_user(target.owner)}
    if turn.sources == HEAD_ROTATION and any(path.startswith(target.path + "rotation") for path in keyed):
        return f"You have keyed the {target.label} yourself: the head was left to you."
    return ""


def _fitted(turn: RotationDrive, target: Turner) -> RotationDrive:
    lie = axes.bone_axes(target.owner, target.bone) if target.bone else axes.object_axes(target.owner)
    return dataclasses.replace(turn, axes=lie, order="XYZ")


def _missing_expressions(found: Face, track: CoefficientTrack) -> list[str]:
    wanted = [f"Exp{int(name[3:]) + 1}" for name in track.names if is_expression(name)]
    absent = [name for name in wanted if name not in found.keys.key_blocks]
    return [f"The mesh lacks {listed(absent)}: left out."] if absent else []


def widen_sliders(found: Face, channels: list[Channel]) -> list[str]:
    """Blender cuts a shape key's value at its slider's range. Widen ranges nobody chose; name the ones somebody did."""
    widened, cut = [], []
    ranges = {keying.shape_path(block.name): block for block in found.keys.key_blocks}
    for channel in channels:
        block = ranges.get(channel.data_path) if channel.owner == found.keys else None
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
    """The first few names, for people."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"

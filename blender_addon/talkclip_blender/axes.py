# SPDX-License-Identifier: GPL-3.0-or-later
"""How a bone or object lies in its character, and how a turn is written in its rotation mode.

The character's axes are those of `talkclip_rigs.retarget`: +X to its left, +Y up, +Z the way the face looks.
"""

from __future__ import annotations

from typing import Final

import bpy
import numpy as np
from mathutils import Euler, Matrix

from talkclip_rigs.retarget import BLENDER_WORLD_AXES, CHARACTER_AXES, Axes

# Cosine of the angle from which on an object's axis counts as pointing up.
_UPRIGHT: Final = 0.7
ROTATION_PATH: Final = {"QUATERNION": "rotation_quaternion", "AXIS_ANGLE": "rotation_axis_angle"}


def object_axes(target: bpy.types.Object) -> Axes:
    """The object's own axes in the character's, one a row.

    Blender's characters stand along Z and face -Y. Models from Y-up programs (FLAME, glTF, FBX) often keep +Y up and
    +Z forward inside, with a quarter turn on the object: told apart by which of the object's axes points up.
    """
    up = target.matrix_world.to_3x3().normalized().inverted_safe() @ Matrix.Identity(3).col[2]
    return CHARACTER_AXES if up.y > _UPRIGHT else BLENDER_WORLD_AXES


def bone_axes(armature: bpy.types.Object, bone_name: str) -> Axes:
    """A bone's rest axes in the character's, one a row."""
    rest = np.array(armature.data.bones[bone_name].matrix_local.to_3x3(), np.float64)
    rows = rest.T @ np.array(object_axes(armature), np.float64)
    return tuple(tuple(float(x) for x in row) for row in rows)  # type: ignore[return-value]


def rotation_values(euler: np.ndarray, mode: str, rest: Matrix) -> np.ndarray:
    """Turns away from rest -> what to key on a bone or object.

    Args:
        euler: (T, 3) XYZ Euler angles in the target's own axes, radians.
        mode: its `rotation_mode`.
        rest: 3x3 rotation it has when nothing is turned; identity for a bone.

    Returns:
        (T, 4) for QUATERNION and AXIS_ANGLE, else (T, 3) Euler angles in the order of `mode`; without jumps.
    """
    columns = 3 if mode not in ROTATION_PATH else 4
    rows = np.empty((len(euler), columns), np.float32)
    before = None
    for row, angles in zip(rows, euler.tolist(), strict=True):
        turn = rest @ Euler(angles, "XYZ").to_matrix()
        if mode == "QUATERNION":
            value = turn.to_quaternion()
            if before is not None:
                value.make_compatible(before)
            row[:] = value
        elif mode == "AXIS_ANGLE":
            value = turn.to_quaternion()
            axis, angle = value.to_axis_angle()
            row[:] = (angle, *axis)
        else:
            value = turn.to_euler(mode) if before is None else turn.to_euler(mode, before)
            row[:] = value
        before = value
    return rows

# SPDX-License-Identifier: GPL-3.0-or-later
"""How a bone or object lies in its character, and how a turn is written in its rotation mode.

The character's axes are those of `talkclip_rigs.retarget`: +X to its left, +Y up, +Z the way the face looks.
"""

from __future__ import annotations

from typing import Final

import bpy
import numpy as np
from mathutils import Matrix, Vector

from talkclip_rigs.retarget import BLENDER_WORLD_AXES, CHARACTER_AXES, Axes
from talkclip_rigs.rotations import euler_from_matrix, matrix_from_euler

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


def upright(target: bpy.types.Object) -> tuple[Vector, Vector, Vector]:
    """World directions to the left of a character at rest, up, and the way it looks."""
    # Rows of `object_axes`: the object's own axes in the character's, so its transpose leads back.
    own = np.array(object_axes(target), np.float64)
    world = target.matrix_world.to_3x3().normalized()
    up, forward = (world @ Vector(own @ np.array(axis)) for axis in ((0.0, 1.0, 0.0), (0.0, 0.0, 1.0)))
    return up.cross(forward).normalized(), up, forward


def bone_axes(armature: bpy.types.Object, bone_name: str) -> Axes:
    """A bone's rest axes in the character's, one a row."""
    rest = np.array(armature.data.bones[bone_name].matrix_local.to_3x3(), np.float64)
    rows = rest.T @ np.array(object_axes(armature), np.float64)
    return tuple(tuple(float(x) for x in row) for row in rows)  # type: ignore[return-value]


def rotation_values(euler: np.ndarray, mode: str, rest: np.ndarray) -> np.ndarray:
    """Turns away from rest -> what to key on a bone or object.

    In double precision: an axis-angle of a hundredth of a radian, made from a single-precision quaternion as
    `mathutils` has them, is off by half a percent.

    Args:
        euler: (T, 3) XYZ Euler angles in the target's own axes, radians.
        mode: its `rotation_mode`.
        rest: 3x3 rotation it has when nothing is turned; identity for a bone.

    Returns:
        float32 (T, 4) for QUATERNION and AXIS_ANGLE, else (T, 3) Euler angles in the order of `mode`; without jumps.
    """
    turns = rest @ matrix_from_euler(euler, "XYZ")
    if mode not in ROTATION_PATH:
        return euler_from_matrix(turns, mode).astype(np.float32)
    quaternions = _quaternions(turns)
    if mode == "QUATERNION":
        return quaternions.astype(np.float32)
    sine = np.linalg.norm(quaternions[:, 1:], axis=1)
    angle = 2.0 * np.arctan2(sine, quaternions[:, 0])
    axis = np.where(sine[:, None] > 1e-12, quaternions[:, 1:] / np.maximum(sine, 1e-12)[:, None], (0.0, 1.0, 0.0))
    return np.concatenate([angle[:, None], axis], axis=1).astype(np.float32)


def _quaternions(turns: np.ndarray) -> np.ndarray:
    """(T, 3, 3) rotations -> (T, 4) unit quaternions w, x, y, z, each the nearer of its two to the one before.

    The eigenvector of the largest eigenvalue of a symmetric 4x4 matrix (I. Bar-Itzhack, "New method for extracting
    the quaternion from a rotation matrix", J. Guidance 23(6), 2000): equally exact for every angle.
    """
    r = np.moveaxis(turns, 0, -1)
    k = np.empty((4, 4, len(turns)))
    k[0, 0] = r[0, 0] + r[1, 1] + r[2, 2]
    k[0, 1] = k[1, 0] = r[2, 1] - r[1, 2]
    k[0, 2] = k[2, 0] = r[0, 2] - r[2, 0]
    k[0, 3] = k[3, 0] = r[1, 0] - r[0, 1]
    for i in range(3):
        for j in range(3):
            k[i + 1, j + 1] = r[i, j] + r[j, i]
        k[i + 1, i + 1] = 2 * r[i, i] - k[0, 0]
    quaternions = np.linalg.eigh(np.moveaxis(k, -1, 0))[1][:, :, -1]
    if quaternions[0, 0] < 0:
        quaternions[0] *= -1
    flips = np.where(np.sum(quaternions[1:] * quaternions[:-1], axis=1) < 0, -1.0, 1.0)
    quaternions[1:] *= np.cumprod(flips)[:, None]
    return quaternions

"""Rotations: axis-angle, Euler angles and the head's pitch, yaw and roll, as matrices. Radians, right-handed.

Matrices act on column vectors. The character's axes are +X to its left, +Y up, +Z the way the face looks, so that
positive pitch (looking down), yaw (turning to its left) and roll (top of the head towards its right shoulder) are
positive turns about X, Y and Z.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

Matrices = NDArray[np.float64]
_AXIS: Final = {"X": 0, "Y": 1, "Z": 2}


def matrix_from_axis_angle(vectors: ArrayLike) -> Matrices:
    """Rodrigues' formula: (..., 3) axis times angle -> (..., 3, 3)."""
    rotation = np.asarray(vectors, dtype=np.float64)
    angle = np.linalg.norm(rotation, axis=-1)[..., None, None]
    cross = _cross_matrix(rotation)
    # sin(a)/a and (1 - cos(a))/a^2 by their series near zero, where the quotients lose all digits.
    small = angle < 1e-4
    safe = np.where(small, 1.0, angle)
    first = np.where(small, 1.0 - angle**2 / 6.0, np.sin(safe) / safe)
    second = np.where(small, 0.5 - angle**2 / 24.0, (1.0 - np.cos(safe)) / safe**2)
    return np.asarray(np.eye(3) + first * cross + second * (cross @ cross), dtype=np.float64)


def axis_angle_from_matrix(matrix: ArrayLike) -> NDArray[np.float64]:
    """(3, 3) -> (3,) axis times angle, for turns of less than half a circle."""
    rotation = np.asarray(matrix, dtype=np.float64)
    skew = 0.5 * np.array([
        rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]
    ])  # fmt: skip
    sine, cosine = float(np.linalg.norm(skew)), (float(np.trace(rotation)) - 1.0) / 2.0
    return skew * (np.arctan2(sine, cosine) / sine) if sine > 1e-12 else np.zeros(3)


def matrix_from_pitch_yaw_roll(angles: ArrayLike) -> Matrices:
    """(..., 3) pitch, yaw, roll -> (..., 3, 3): first roll, then pitch, then yaw, as a head sits on a neck."""
    pitch, yaw, roll = np.moveaxis(np.asarray(angles, dtype=np.float64), -1, 0)
    return _axis_matrix("Y", yaw) @ _axis_matrix("X", pitch) @ _axis_matrix("Z", roll)


def matrix_from_euler(angles: ArrayLike, order: str = "XYZ") -> Matrices:
    """(..., 3) angles about X, Y, Z -> (..., 3, 3). `order` as in Blender: "XYZ" turns about X first, Z last."""
    values = np.asarray(angles, dtype=np.float64)
    first, second, third = (_axis_matrix(letter, values[..., _AXIS[letter]]) for letter in order)
    return third @ second @ first


def euler_from_matrix(matrices: ArrayLike, order: str = "XYZ") -> NDArray[np.float64]:
    """(T, 3, 3) -> (T, 3) angles about X, Y, Z in Blender's `order`, without jumps of a full turn along T.

    At a middle angle of exactly +-90 degrees the outer two are not unique; the first one is then 0.
    """
    rotation = np.asarray(matrices, dtype=np.float64)
    i, j, k = (_AXIS[letter] for letter in order)
    sign = 1.0 if (j - i) % 3 == 1 else -1.0
    middle = np.arcsin(np.clip(-sign * rotation[:, k, i], -1.0, 1.0))
    regular = np.abs(rotation[:, k, i]) < 1.0 - 1e-12
    first = np.where(regular, np.arctan2(sign * rotation[:, k, j], rotation[:, k, k]), 0.0)
    last = np.where(
        regular,
        np.arctan2(sign * rotation[:, j, i], rotation[:, i, i]),
        np.arctan2(-sign * rotation[:, i, j], rotation[:, j, j]),
    )
    angles = np.empty((len(rotation), 3), dtype=np.float64)
    angles[:, i], angles[:, j], angles[:, k] = first, middle, last
    return np.unwrap(angles, axis=0)


def _axis_matrix(letter: str, angle: NDArray[np.float64]) -> Matrices:
    vector = np.zeros((*np.shape(angle), 3))
    vector[..., _AXIS[letter]] = angle
    return matrix_from_axis_angle(vector)


def _cross_matrix(vectors: NDArray[np.float64]) -> Matrices:
    x, y, z = np.moveaxis(vectors, -1, 0)
    zero = np.zeros_like(x)
    rows = [np.stack(row, axis=-1) for row in ((zero, -z, y), (z, zero, -x), (-y, x, zero))]
    return np.stack(rows, axis=-2)

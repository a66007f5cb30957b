"""Fit the default head to landmarks: where the head is, who it is, and what its face does.

The camera stands a portrait's distance in front of the head; the three kinds of unknowns are solved together by
Gauss-Newton, with priors that say how far people and expressions usually go. Shape values keep to 0..1.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from talkclip.engine.tracking.face_model import FaceModel, face_model
from talkclip.engine.tracking.quadratic import bounded_quadratic
from talkclip_rigs.rotations import matrix_from_axis_angle

# A portrait lens: the picture hardly changes with it, and one picture cannot tell.
CAMERA_M = 1.02
# The network's errors on neighbouring points are alike: so many points count as one.
_POINTS_PER_FACT = 4.0
_PERSON_SIGMA = 1.0
# Shape values: a soft pull to zero, in units of the points' own certainty.
_VALUE_SIGMA = 0.6
# How sure the points must be before a shape leaves zero: one picture of an unknown person, or a known one.
PORTRAIT_COST, KNOWN_COST = 0.8, 0.2
_ITERATIONS = 8


@dataclasses.dataclass(frozen=True)
class HeadPose:
    """Where the head is in the picture.

    Attributes:
        turn: (3, 3) rotation from head axes to camera axes (+x right, +y up, +z to the camera).
        center: (2,) pixels where the head's pivot is seen.
        scale: pixels per metre at the pivot.
    """

    turn: np.ndarray
    center: np.ndarray
    scale: float

    def project(self, points: np.ndarray) -> np.ndarray:
        """(..., 3) metres in head axes -> (..., 2) pixels."""
        turned = points @ self.turn.T
        near = CAMERA_M / (CAMERA_M - turned[..., 2:])
        return self.center + self.scale * near * turned[..., :2] * np.array([1.0, -1.0])

    @property
    def angles(self) -> np.ndarray:
        """(3,) pitch, yaw, roll in radians, as in `HEAD6`."""
        m = self.turn
        pitch = np.arcsin(np.clip(-m[1, 2], -1, 1))
        yaw = np.arctan2(m[0, 2], m[2, 2])
        roll = np.arctan2(m[1, 0], m[1, 1])
        return np.array([pitch, yaw, roll])


@dataclasses.dataclass(frozen=True)
class FaceFit:
    """What explains a picture's landmarks.

    Attributes:
        pose: where the head is.
        person: (K,) identity in standard deviations.
        values: (52,) 0..1 in Apple's order; shapes that points cannot show are 0.
        error: root mean square of the remaining distances, as a share of the outer eye corners' distance.
    """

    pose: HeadPose
    person: np.ndarray
    values: np.ndarray
    error: float


def first_pose(points: np.ndarray, model: FaceModel | None = None) -> HeadPose:
    """Pose from 468 points with depth, by the similarity transform that maps the mean face on them (Umeyama, 1991).

    Args:
        points: (468, 3) as in `Landmarks`.
    """
    model = model or face_model()
    seen = points.astype(np.float64) * np.array([1.0, -1.0, -1.0])
    weight = 1.0 / model.deviation_m**2
    weight /= weight.sum()
    mean_a, mean_b = weight @ model.rest, weight @ seen
    a, b = model.rest - mean_a, seen - mean_b
    u, s, vt = np.linalg.svd((b * weight[:, None]).T @ a)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    turn = u @ np.diag(sign) @ vt
    scale = float((s * sign).sum() / (weight @ (a * a).sum(1)))
    center = mean_b - scale * turn @ mean_a
    return HeadPose(turn, np.array([center[0], -center[1]]), scale)


def fit_face(
    points: np.ndarray, start: FaceFit | None = None, person: np.ndarray | None = None,
    offsets: np.ndarray | None = None, iterations: int = _ITERATIONS,
    value_cost: float = PORTRAIT_COST,
) -> FaceFit:  # fmt: skip
    """Pose, person and expression from one set of landmarks.

    Args:
        points: (468, 3) as in `Landmarks`.
        start: begin here (the frame before).
        person: (K,) a known identity; None: find it too.
        offsets: (468, 3) metres on top of the person, what the identity basis cannot say.
        iterations: of Gauss-Newton.
        value_cost: linear cost of shapes, in standard deviations of the points.
    """
    model = face_model()
    n_person = len(model.identity)
    pose = start.pose if start else first_pose(points, model)
    who = person if person is not None else (start.person if start else np.zeros(n_person))
    values = start.values.astype(np.float64) if start else np.zeros(len(model.expression))
    extra = np.zeros((len(points), 3)) if offsets is None else offsets
    target = points[:, :2].astype(np.float64)
    for _ in range(iterations):
        shape = model.rest + extra + np.tensordot(who, model.identity, 1) + np.tensordot(values, model.expression, 1)
        pose, who, values = _step(model, target, pose, shape, who, values, person is None, value_cost)
    shape = model.rest + extra + np.tensordot(who, model.identity, 1) + np.tensordot(values, model.expression, 1)
    residual = np.linalg.norm(pose.project(shape) - target, axis=1)
    eyes = float(np.linalg.norm(target[33] - target[263]))
    return FaceFit(pose, who, values.astype(np.float32), float(np.sqrt((residual**2).mean())) / max(eyes, 1e-6))


def _step(
    model: FaceModel, target: np.ndarray, pose: HeadPose, shape: np.ndarray, who: np.ndarray, values: np.ndarray,
    find_person: bool, value_cost: float,
) -> tuple[HeadPose, np.ndarray, np.ndarray]:  # fmt: skip
    """One Gauss-Newton step with priors and bounds."""
    seen = np.flatnonzero(model.seen)
    to_pixels = _pixels_per_metre(pose, shape)
    certainty = 1.0 / (pose.scale * np.hypot(model.deviation_m, 0.001) * np.sqrt(_POINTS_PER_FACT))
    residual = (target - pose.project(shape)) * certainty[:, None]
    blocks = [_pose_columns(pose, shape, to_pixels)]
    if find_person:
        blocks.append(np.einsum("lij,klj->lik", to_pixels, model.identity))
    blocks.append(np.einsum("lij,klj->lik", to_pixels, model.expression[seen]))
    matrix = (np.concatenate(blocks, 2) * certainty[:, None, None]).reshape(2 * len(shape), -1)
    n_person = len(who) if find_person else 0
    now = np.concatenate([np.zeros(6), who if find_person else [], values[seen]])
    pull = np.concatenate(
        [np.full(6, 1e-3), np.full(n_person, 1 / _PERSON_SIGMA), np.full(len(seen), 1 / _VALUE_SIGMA)]
    )
    normal = matrix.T @ matrix + np.diag(pull * pull)
    right = matrix.T @ (residual.ravel() + matrix @ now)
    # A linear cost on the values: small ones go to zero.
    right[6 + n_person :] -= value_cost / _VALUE_SIGMA
    low = np.concatenate([np.full(6 + n_person, -np.inf), np.zeros(len(seen))])
    high = np.concatenate([np.full(6 + n_person, np.inf), np.ones(len(seen))])
    solved = bounded_quadratic(normal, right, low, high, now)
    new_values = values.copy()
    new_values[seen] = solved[6 + n_person :]
    new_who = solved[6 : 6 + n_person] if find_person else who
    return _moved(pose, solved[:6]), new_who, new_values


def _pixels_per_metre(pose: HeadPose, shape: np.ndarray) -> np.ndarray:
    """(L, 2, 3): how a point's place in the picture changes with its place in the head."""
    turned = shape @ pose.turn.T
    near = CAMERA_M / (CAMERA_M - turned[:, 2])
    slope = np.zeros((len(shape), 2, 3))
    slope[:, 0, 0], slope[:, 1, 1] = near, -near
    slope[:, 0, 2] = near * near * turned[:, 0] / CAMERA_M
    slope[:, 1, 2] = -near * near * turned[:, 1] / CAMERA_M
    return pose.scale * slope @ pose.turn


def _pose_columns(pose: HeadPose, shape: np.ndarray, to_pixels: np.ndarray) -> np.ndarray:
    """(L, 2, 6): three turns about the camera's axes, two shifts in units of 0.1 m, relative size."""
    turned = shape @ pose.turn.T
    columns = np.zeros((len(shape), 2, 6))
    camera = to_pixels @ pose.turn.T
    for axis in range(3):
        columns[:, :, axis] = np.einsum("lij,lj->li", camera, np.cross(np.eye(3)[axis], turned))
    columns[:, 0, 3] = columns[:, 1, 4] = 0.1 * pose.scale
    columns[:, :, 5] = pose.project(shape) - pose.center
    return columns


def _moved(pose: HeadPose, change: np.ndarray) -> HeadPose:
    turn = matrix_from_axis_angle(np.clip(change[:3], -0.5, 0.5)) @ pose.turn
    return HeadPose(
        turn, pose.center + 0.1 * pose.scale * change[3:5], pose.scale * float(np.exp(np.clip(change[5], -0.5, 0.5)))
    )


__all__ = ["CAMERA_M", "KNOWN_COST", "PORTRAIT_COST", "FaceFit", "HeadPose", "first_pose", "fit_face"]

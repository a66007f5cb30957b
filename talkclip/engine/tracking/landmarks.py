"""468 points on one face: crop, run the network, crop again by its own result."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

from talkclip.engine.tracking.detector import Face, find_faces
from talkclip.engine.tracking.networks import LANDMARK_SIZE_PX, landmarks_raw
from talkclip.errors import InputError

N_LANDMARKS = 468
# Points of the numbering that MediaPipe publishes: outer eye corners, as seen in the picture.
EYE_OUTER_LEFT, EYE_OUTER_RIGHT = 33, 263
# The crop is this much wider than the face.
_MARGIN = 1.5
# Faces narrower than this many pixels give points that jump.
MIN_FACE_PX = 48
_MIN_PRESENCE = 0.5


@dataclasses.dataclass(frozen=True)
class Landmarks:
    """Points on a face.

    Attributes:
        points: (468, 3) float32 x, y in pixels of the picture (0, 0 is the corner of the first pixel), z in pixels,
            growing away from the camera, only relative.
        presence: 0..1, how surely the crop showed a face.
    """

    points: np.ndarray
    presence: float

    @property
    def eye_distance_px(self) -> float:
        """Between the outer eye corners."""
        return float(np.linalg.norm(self.points[EYE_OUTER_LEFT] - self.points[EYE_OUTER_RIGHT]))


def locate(image: np.ndarray, number: int | None = None, name: str = "portrait") -> Landmarks:
    """Landmarks of one face of a picture.

    Args:
        image: uint8 (H, W, 3) sRGB.
        number: which face from the left, from 1; None: there must be exactly one.
        name: what errors call the picture.

    Raises:
        InputError: no face, several and none chosen, no face of that number, too small, or hidden.
    """
    faces = find_faces(image)
    if not faces:
        raise InputError(
            f"{name}: no face was found.", "Give a picture that shows a face from the front, eyes and mouth visible."
        )
    if number is None and len(faces) > 1:
        places = ", ".join(f"{n} at x={(f.box[0] + f.box[2]) / 2:.0f}" for n, f in enumerate(faces, 1))
        raise InputError(f"{name}: shows {len(faces)} faces ({places}).", "Choose one with --face N, or crop.")
    if number is not None and not 1 <= number <= len(faces):
        raise InputError(f"{name}: has no face {number}; {len(faces)} found.", f"Choose 1 to {len(faces)}.")
    face = faces[(number or 1) - 1]
    if face.width_px < MIN_FACE_PX:
        raise InputError(
            f"{name}: the face is only {face.width_px:.0f} pixels wide.",
            f"Give a picture in which it has at least {MIN_FACE_PX}.",
        )
    marks = track_from(image, in_face(image, face))
    if marks.presence < _MIN_PRESENCE:
        raise InputError(
            f"{name}: the face is hidden or turned too far away (certainty {marks.presence:.2f}).",
            "Give a picture with eyes, nose and mouth uncovered.",
        )
    return marks


def in_face(image: np.ndarray, face: Face) -> Landmarks:
    """First pass, from the detector's box."""
    across = face.eyes[1] - face.eyes[0]
    side = _MARGIN * max(face.box[2] - face.box[0], face.box[3] - face.box[1])
    middle = np.array([face.box[0] + face.box[2], face.box[1] + face.box[3]]) / 2
    return in_square(image, middle, side, float(np.arctan2(across[1], across[0])))


def track_from(image: np.ndarray, last: Landmarks) -> Landmarks:
    """Another pass from points already known, in the same picture or the next one of a video."""
    return in_square(image, *square_of(last))


def square_of(marks: Landmarks) -> tuple[np.ndarray, float, float]:
    """The square that the network wants around known points: middle (2,) and side in pixels, turn in radians."""
    across = marks.points[EYE_OUTER_RIGHT, :2] - marks.points[EYE_OUTER_LEFT, :2]
    angle = float(np.arctan2(across[1], across[0]))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    upright = marks.points[:, :2] @ turn.T
    low, high = upright.min(0), upright.max(0)
    return turn.T @ ((low + high) / 2), _MARGIN * float((high - low).max()), angle


def in_square(image: np.ndarray, middle: np.ndarray, side: float, angle: float) -> Landmarks:
    """Run the network on a square that is turned upright."""
    scale = LANDMARK_SIZE_PX / max(side, 1.0)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    to_crop = np.empty((2, 3))
    to_crop[:, :2] = scale * turn
    to_crop[:, 2] = LANDMARK_SIZE_PX / 2 - to_crop[:, :2] @ middle
    source = image
    shrink = 1
    while scale * shrink < 0.5 and shrink < 16:
        # Halve big pictures with averaging, or the crop aliases.
        shrink *= 2
    if shrink > 1:
        source = cv2.resize(image, None, fx=1 / shrink, fy=1 / shrink, interpolation=cv2.INTER_AREA)
    # warpAffine counts from pixel centres.
    affine = to_crop.copy()
    affine[:, :2] *= shrink
    affine[:, 2] += 0.5 * affine[:, :2].sum(1) - 0.5
    crop = cv2.warpAffine(source, affine, (LANDMARK_SIZE_PX, LANDMARK_SIZE_PX), flags=cv2.INTER_LINEAR)
    raw, logit = landmarks_raw(crop.astype(np.float32) / 255.0)
    points = np.empty((N_LANDMARKS, 3), np.float32)
    points[:, :2] = (raw[:, :2] - to_crop[:, 2]) @ (turn / scale)
    points[:, 2] = raw[:, 2] / scale
    return Landmarks(points, float(1.0 / (1.0 + np.exp(-np.clip(logit, -50, 50)))))

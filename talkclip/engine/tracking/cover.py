"""Is anything in front of a face? Hands, hair, masks and dark glasses.

Where a feature is hidden, the landmark network guesses, and its guess moves with how the picture is cut: the same face
is marked in several crops, and points that do not agree are not seen. Dark glasses are the exception, since they look
like eyes to it: an eye without anything light in it is one behind them.
"""

from __future__ import annotations

import cv2
import numpy as np

from talkclip.engine.tracking.landmarks import EYE_OUTER_LEFT, EYE_OUTER_RIGHT, Landmarks, in_square, square_of
from talkclip.errors import InputError

# Points of each feature; right and left are the person's.
_FEATURES = {
    "right eye": (33, 133, 159, 145, 160, 153),
    "left eye": (263, 362, 386, 374, 387, 380),
    "mouth": (61, 291, 13, 14, 0, 17, 82, 312),
}
_EYE_EDGES = {
    "right eye": (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7),
    "left eye": (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249),
}
_CHEEKS = (50, 101, 36, 280, 330, 266)
_CROPS, _SEED = 8, 0
# Deviations of a crop's middle and size (shares) and of its turn (radians). Hidden eyes show in near crops already, a
# hidden mouth in crops of other sizes; in these, the network is also less sure of a face.
_NEAR, _FAR = (0.03, 0.08, 0.12), (0.03, 0.20, 0.12)
# Root mean square disagreement, over the eyes' distance, and certainty of the least sure crop beyond which something
# is hidden. Of 123 open faces, drawn, rendered and photographed, none reached them.
_MOST_EYES, _MOST_MOUTH, _LEAST_PRESENCE = 0.0165, (0.0138, 0.042), 0.999
# The lightest part of an eye over the cheeks' light: eyes in the shade reach half, dark glasses a sixth.
_LEAST_LIGHT = 0.38
_WORKING_PX = 160


def require_uncovered(image: np.ndarray, marks: Landmarks, name: str = "portrait") -> None:
    """Refuse a covered face.

    Raises:
        InputError: names what is hidden; `name` is what errors call the picture.
    """
    hidden = hidden_features(image, marks)
    if hidden:
        raise InputError(
            f"{name}: the {' and the '.join(hidden)} cannot be seen; a hand, hair, a mask or dark glasses would be "
            "drawn as skin.",
            "Give a picture of the uncovered face, or say --covered to draw it all the same.",
        )


def hidden_features(image: np.ndarray, marks: Landmarks) -> list[str]:
    """Which of "right eye", "left eye" (the person's) and "mouth" are not seen; empty for a face in the open.

    Args:
        image: uint8 (H, W, 3) sRGB.
        marks: the face in it.
    """
    near, _ = _disagreement(image, marks, _NEAR)
    far, certain = _disagreement(image, marks, _FAR)
    hidden = {name for name in _EYE_EDGES if near[name] > _MOST_EYES}
    if near["mouth"] > _MOST_MOUTH[0] or far["mouth"] > _MOST_MOUTH[1]:
        hidden.add("mouth")
    hidden |= {name for name, light in _eye_light(image, marks).items() if light < _LEAST_LIGHT}
    if certain < _LEAST_PRESENCE and not hidden:
        hidden.add("mouth")
    return [name for name in _FEATURES if name in hidden]


def _disagreement(
    image: np.ndarray, marks: Landmarks, spread: tuple[float, float, float]
) -> tuple[dict[str, float], float]:
    """How far crops disagree about each feature, over the eyes' distance; how sure the least sure of them is."""
    shift, grow, turn = spread
    rng = np.random.default_rng(_SEED)
    middle, side, angle = square_of(marks)
    found = []
    for _ in range(_CROPS):
        shifted = middle + rng.normal(0, shift, 2) * side
        found.append(in_square(image, shifted, side * float(np.exp(rng.normal(0, grow))), angle + rng.normal(0, turn)))
    points = np.array([each.points[:, :2] for each in found])
    points -= points.mean(1, keepdims=True)
    away = np.sqrt(((points - points.mean(0)) ** 2).sum(-1).mean(0)) / marks.eye_distance_px
    return (
        {name: float(away[list(rows)].mean()) for name, rows in _FEATURES.items()},
        min(each.presence for each in found),
    )


def _eye_light(image: np.ndarray, marks: Landmarks) -> dict[str, float]:
    """The lightest part of each eye over the light of the cheeks."""
    points = marks.points[:, :2]
    scale = _WORKING_PX / float(np.linalg.norm(points[EYE_OUTER_RIGHT] - points[EYE_OUTER_LEFT]))
    low, high = points.min(0), points.max(0)
    to_face = np.array([[scale, 0, -scale * low[0]], [0, scale, -scale * low[1]]])
    size = np.ceil(scale * (high - low)).astype(int) + 1
    face = cv2.warpAffine(image, to_face, (int(size[0]), int(size[1])), flags=cv2.INTER_AREA)
    grey = cv2.GaussianBlur(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), 2.0)
    at = scale * (points - low)
    cheeks = np.clip(at[list(_CHEEKS)].astype(int), 0, size - 1)
    usual = max(1.0, float(np.median(grey[cheeks[:, 1], cheeks[:, 0]])))
    light = {}
    for name, edge in _EYE_EDGES.items():
        inside = np.zeros(grey.shape, np.uint8)
        cv2.fillPoly(inside, [at[list(edge)].round().astype(np.int32)], 1)
        seen = grey[inside > 0]
        light[name] = float(np.percentile(seen, 95)) / usual if seen.size else 1.0
    return light

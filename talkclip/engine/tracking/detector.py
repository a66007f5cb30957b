"""Where faces are in a picture: boxes and six keypoints by a single-shot detector on the whole picture and on tiles."""

from __future__ import annotations

import dataclasses
import functools

import cv2
import numpy as np

from talkclip.engine.tracking.networks import FACE_SIZE_PX, detect_raw

MIN_SCORE = 0.5
# Faces that overlap more than this are one face.
_SAME_FACE = 0.3
# The network sees 128 pixels: a face that fills less of its view than this is found only on tiles.
_SMALL_SHARE = 0.22


@dataclasses.dataclass(frozen=True)
class Face:
    """One face.

    Attributes:
        box: left, top, right, bottom in pixels of the picture.
        eyes: (2, 2) x, y of the eye on the left and on the right of the picture.
        score: 0..1.
    """

    box: tuple[float, float, float, float]
    eyes: np.ndarray
    score: float

    @property
    def width_px(self) -> float:
        return self.box[2] - self.box[0]


def find_faces(image: np.ndarray) -> list[Face]:
    """All faces in uint8 (H, W, 3) sRGB, from left to right."""
    height, width = image.shape[:2]
    side = max(height, width)
    found = _faces_in(image, 0.0, 0.0, float(side))
    if not found or max(face.width_px for face in found) < _SMALL_SHARE * side:
        for share in (0.5, 0.25):
            found += _on_tiles(image, share * side)
            if len(found) > 0 and share == 0.5:
                break
    return sorted(_without_repeats(found), key=lambda face: face.box[0])


def _on_tiles(image: np.ndarray, tile: float) -> list[Face]:
    """Faces on square tiles that overlap by half."""
    height, width = image.shape[:2]
    found = []
    for top in np.arange(0, max(height - tile / 2, 1), tile / 2):
        for left in np.arange(0, max(width - tile / 2, 1), tile / 2):
            found += _faces_in(image, float(left), float(top), tile)
    return found


def _faces_in(image: np.ndarray, left: float, top: float, side: float) -> list[Face]:
    """Faces in a square part of the picture; what lies outside the picture is grey."""
    scale = FACE_SIZE_PX / side
    part = image[max(0, int(top)) : int(top + side) + 1, max(0, int(left)) : int(left + side) + 1]
    if part.size == 0:
        return []
    if scale < 0.5:
        # Shrink with averaging first: sampling a big picture directly would skip most of its pixels.
        size = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
        small = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    else:
        small = cv2.warpAffine(
            part, np.array([[scale, 0, 0], [0, scale, 0]]), (int(part.shape[1] * scale), int(part.shape[0] * scale))
        )
    view = np.full((FACE_SIZE_PX, FACE_SIZE_PX, 3), 128, np.uint8)
    small = small[:FACE_SIZE_PX, :FACE_SIZE_PX]
    view[: small.shape[0], : small.shape[1]] = small
    raw, logits = detect_raw(view.astype(np.float32) / 127.5 - 1.0)
    scores = 1.0 / (1.0 + np.exp(-np.clip(logits, -50, 50)))
    faces = []
    for row in np.flatnonzero(scores >= MIN_SCORE):
        points = raw[row].reshape(8, 2)
        middle = _anchors()[row] + points[0]
        corner_a, corner_b = middle - points[1] / 2, middle + points[1] / 2
        box = np.concatenate([corner_a, corner_b]) / scale + np.array([left, top, left, top])
        eyes = (_anchors()[row] + points[2:4]) / scale + np.array([left, top])
        faces.append(Face((box[0], box[1], box[2], box[3]), eyes.astype(np.float32), float(scores[row])))
    return _without_repeats(faces)


@functools.cache
def _anchors() -> np.ndarray:
    """(896, 2) pixel centres that the network's outputs are relative to: 2 per cell of 8 px, 6 per cell of 16 px."""
    centers = []
    for stride, per_cell in ((8, 2), (16, 6)):
        cells = FACE_SIZE_PX // stride
        y, x = np.mgrid[0:cells, 0:cells]
        cell = (np.stack([x, y], -1).reshape(-1, 2) + 0.5) * stride
        centers.append(np.repeat(cell, per_cell, axis=0))
    return np.concatenate(centers)


def _without_repeats(faces: list[Face]) -> list[Face]:
    """The surest face of every group that overlaps."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda f: -f.score):
        if all(_overlap(face.box, other.box) < _SAME_FACE for other in kept):
            kept.append(face)
    return kept


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    """Intersection over the smaller area: a tile may cut a face, and the cut piece is the same face."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    smaller = min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))
    return width * height / max(smaller, 1e-9)

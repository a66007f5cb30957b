"""What lies behind: the portrait without its openings, the background without the person, a soft mask of the person."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

from talkclip.engine.tracking.networks import MASK_SIZE_PX, person_raw

# Landmarks around the openings, in order along their edges.
MOUTH_EDGE = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
LIPS_EDGE = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
EYE_EDGES = (
    (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7),
    (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249),
)
# Lips further apart than this share of the mouth's width show what is behind them.
_OPEN_SHARE = 0.085
# Lashes and creases reach this far from an eye, in heights of its opening.
_LASHES_SHARE = 0.45


@dataclasses.dataclass(frozen=True)
class Plates:
    """Layers of a portrait, float32, sRGB 0..255; S is the working size, F the finer one that colours are read from.

    Attributes:
        person: (F, F, 4) what stands before the background: colour times alpha, so that colour + (1 - alpha) *
            background is the portrait, with an open mouth filled by its lips; alpha 0..1, all 1 without an outline.
        skin: (F, F, 3) the person's colour, extended past the outline.
        lids: (F, F, 3) the same without eyes, lashes and creases: what a closing lid is made of.
        eyes: (F, F, 3) the eyeballs, extended past the lids.
        background: (S, S, 3) without the person.
    """

    person: np.ndarray
    skin: np.ndarray
    lids: np.ndarray
    eyes: np.ndarray
    background: np.ndarray


def make_plates(image: np.ndarray, fine: np.ndarray, landmarks: np.ndarray, face: np.ndarray) -> Plates:
    """Args:
    image: uint8 (S, S, 3); fine: uint8 (F, F, 3) the same with more pixels.
    landmarks: (468, 2) pixels of `image`.
    face: (S, S) bool, where the fitted head is seen.
    """
    picture, size = fine.astype(np.float32), fine.shape[:2]
    alpha = _person_mask(image, face)
    far = cv2.dilate((alpha > 0.004).astype(np.uint8), np.ones((7, 7), np.uint8)) == 0
    background = _filled(image.astype(np.float32), far) if far.any() else image.astype(np.float32)
    solid = alpha > 0.995 if alpha.min() < 0.5 else np.ones(alpha.shape, bool)
    eroded = cv2.resize(
        cv2.erode(solid.astype(np.uint8), np.ones((3, 3), np.uint8)), size, interpolation=cv2.INTER_NEAREST
    )
    alone = _filled(picture, eroded > 0) if not solid.all() else picture
    points = landmarks * (fine.shape[0] / image.shape[0])
    skin = _without_mouth(alone, points)
    cover = cv2.resize(alpha, size, interpolation=cv2.INTER_LINEAR)[..., None]
    behind = cv2.resize(background, size, interpolation=cv2.INTER_LINEAR)
    # Whatever mask and background miss of the portrait belongs to the person and moves along.
    before = picture - (1 - cover) * behind + cover * (skin - alone)
    person = np.concatenate([before, cover], -1).astype(np.float32)
    return Plates(person, skin, _lids(skin, points), _eyeballs(picture, points), background)


def mouth_open(landmarks: np.ndarray) -> bool:
    """True when the lips of landmarks (468, 2) show what is behind them, and not just a line."""
    mouth = landmarks[list(MOUTH_EDGE)]
    return bool(np.linalg.norm(mouth[5] - mouth[15]) > _OPEN_SHARE * np.linalg.norm(mouth[0] - mouth[10]))


def brightest(picture: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """(3,) mean colour of the brightest fifth inside a polygon (N, 2) of pixels."""
    mask = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(polygon).astype(np.int32)], 1)
    inside = picture[mask > 0].astype(np.float32)
    bright = inside.sum(1)
    return np.asarray(inside[bright >= np.percentile(bright, 80)].mean(0))


def _filled(picture: np.ndarray, known: np.ndarray) -> np.ndarray:
    """`picture` where known; elsewhere smoothly continued (push-pull over a pyramid)."""
    return fill(picture, known.astype(np.float32))


def fill(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Continue (H, W, C) smoothly where weight (H, W) is 0: averages go up a pyramid, gaps fill on the way."""
    levels = [(values * weight[..., None], weight)]
    while min(levels[-1][1].shape) > 2:
        v, w = levels[-1]
        levels.append((cv2.pyrDown(v).reshape(*_half(w.shape), -1), cv2.pyrDown(w)))
    v, w = levels[-1]
    out = v / np.maximum(w, 1e-6)[..., None]
    for v, w in reversed(levels[:-1]):
        up = cv2.resize(out, (w.shape[1], w.shape[0]), interpolation=cv2.INTER_LINEAR).reshape(v.shape)
        known = np.minimum(1.0, w)[..., None]
        out = np.where(w[..., None] > 1e-4, v / np.maximum(w, 1e-4)[..., None], 0.0) * known + up * (1 - known)
    return np.asarray(out, np.float32)


def _half(shape: tuple[int, ...]) -> tuple[int, int]:
    return (shape[0] + 1) // 2, (shape[1] + 1) // 2


def _person_mask(image: np.ndarray, face: np.ndarray) -> np.ndarray:
    """(S, S) 0..1 by the segmentation network, its edge sharpened along the picture's own edges."""
    size = image.shape[0]
    method = cv2.INTER_AREA if size > MASK_SIZE_PX else cv2.INTER_LINEAR
    small = cv2.resize(image, (MASK_SIZE_PX, MASK_SIZE_PX), interpolation=method)
    mask = person_raw(small.astype(np.float32) / 255.0)
    mask = cv2.resize(mask, (size, size), interpolation=cv2.INTER_LINEAR)
    if mask[face].mean() < 0.6 or mask.mean() > 0.97:
        # A drawing that the network takes for no person: nothing is cut out, the whole picture bends.
        return np.ones((size, size), np.float32)
    guided = _guided(image.astype(np.float32) / 255.0, np.clip((mask - 0.15) / 0.7, 0, 1), max(3, size // 50))
    alpha = np.clip((guided - 0.10) / 0.80, 0, 1)
    alpha[face] = 1.0
    return np.asarray(alpha, np.float32)


def _guided(guide: np.ndarray, mask: np.ndarray, radius: int, softness: float = 4e-4) -> np.ndarray:
    """Guided filter (K. He, J. Sun, X. Tang, 2013) with a colour guide: the mask follows the picture's edges."""

    def mean(values: np.ndarray) -> np.ndarray:
        return np.asarray(cv2.blur(values, (2 * radius + 1, 2 * radius + 1)))

    center = mean(guide)
    cross = mean(guide * mask[..., None]) - center * mean(mask)[..., None]
    outer = mean((guide[..., :, None] * guide[..., None, :]).reshape(*mask.shape, 9)).reshape(*mask.shape, 3, 3)
    spread = outer - center[..., :, None] * center[..., None, :] + softness * np.eye(3, dtype=np.float32)
    slope = np.linalg.solve(spread, cross[..., None])[..., 0].astype(np.float32)
    offset = mean(mask) - (slope * center).sum(-1)
    return np.asarray((mean(slope) * guide).sum(-1) + mean(offset))


def _opening(shape: tuple[int, ...], points: np.ndarray, grow: float) -> np.ndarray:
    """(S, S) bool inside a polygon of pixels that grows from its middle line by `grow` pixels."""
    mask = np.zeros(shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round((points - 0.5) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    steps = int(np.ceil(abs(grow)))
    if steps:
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * steps + 1, 2 * steps + 1))
        mask = np.asarray((cv2.dilate if grow > 0 else cv2.erode)(mask, kernel))
    return mask > 127


def _without_mouth(person: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    size = person.shape[0]
    mouth = landmarks[list(MOUTH_EDGE)]
    out = person
    if mouth_open(landmarks):
        # Teeth shine over the edge of the lips: fill a little more than the gap, and from lips, not from chin.
        hole = _opening(person.shape, mouth, size / 256)
        lips = _opening(person.shape, landmarks[list(LIPS_EDGE)], 0) & ~hole
        from_lips = fill(person, lips.astype(np.float32))
        soft = cv2.GaussianBlur(hole.astype(np.float32), (0, 0), size / 512)[..., None]
        out = from_lips * soft + person * (1 - soft)
    return np.asarray(out, np.float32)


def _lids(skin: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    around = np.zeros(skin.shape[:2], bool)
    for edge in EYE_EDGES:
        points = landmarks[list(edge)]
        height = float(np.linalg.norm(points[4] - points[12]))
        around |= _opening(skin.shape, points, max(2.0, _LASHES_SHARE * height))
    return fill(skin, (~around).astype(np.float32))


def _eyeballs(picture: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    inside = np.zeros(picture.shape[:2], bool)
    for edge in EYE_EDGES:
        inside |= _opening(picture.shape, landmarks[list(edge)], 0)
    return fill(picture, inside.astype(np.float32)) if inside.any() else picture

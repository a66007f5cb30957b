"""What lies behind: the portrait without its openings, the background without the person, a soft mask of the person."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from scipy.spatial import cKDTree

from talkclip.engine.render.portrait.eyeballs import find_irises, whole_iris
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
# Of a lip's thickness, this much is surely lip.
_LIP_SHARE = 0.8
# The gap between lips may go this far, in thicknesses of the lips, beyond the fitted head's; how much nearer a colour
# there must be to the gap's own than to the lips'; fewer pixels than this tell no colour.
_GAP_REACH, _SURELY, _FEW = 0.4, 0.7, 12
# In heights of an eye's opening: what surely belongs to it, how far lashes reach, where the skin around begins.
_CORE_SHARE, _REACH_SHARE, _RING_SHARE = 0.15, 0.5, 0.9
# No skin: sRGB levels off the colour around, and how many times its own spread.
_OTHER, _OTHER_SPREADS = 30.0, 3.5
# Landmarks of an eye's edge that belong to the upper lid; its lashes: thickness as a share of its length, strength.
_UPPER_LID, _LASH_SHARE, _LASHES, _LASH_POINTS = 9, 0.055, 0.9, 60
# Of what is not iris between the lids, the darker part (per cent) is lashes, shade, and skin.
_WHITES, _LID_SHADE = 60, 0.45
# The skin that lids are made of is at least so bright as a share of the median around.
_DARK_SHARE = 0.75


@dataclasses.dataclass(frozen=True)
class Plates:
    """Layers of a portrait, float32, sRGB 0..255; S is the working size, F the finer one that colours are read from.

    Attributes:
        person: (F, F, 4) what stands before the background: colour times alpha, so that colour + (1 - alpha) *
            background is the portrait, with an open mouth filled by its lips; alpha 0..1, all 1 without an outline.
        skin: (F, F, 3) the person's colour, extended past the outline.
        lids: (F, F, 3) the same without eyes and creases, lashes as one line: what a closing lid is made of.
        eyes: (F, F, 3) the eyeballs, extended past the lids.
        zone: (F, F) 0..1 where eyes, lashes included, are seen.
        background: (S, S, 3) without the person.
    """

    person: np.ndarray
    skin: np.ndarray
    lids: np.ndarray
    eyes: np.ndarray
    zone: np.ndarray
    background: np.ndarray

    def alone(self) -> np.ndarray:
        """(F, F, 4) `person` without what the portrait's background left in its outline."""
        cover = self.person[..., 3:]
        return np.concatenate([self.skin * cover, cover], -1)


def make_plates(
    image: np.ndarray, fine: np.ndarray, landmarks: np.ndarray, face: np.ndarray, gap: np.ndarray | None
) -> Plates:
    """Args:
    image: uint8 (S, S, 3); fine: uint8 (F, F, 3) the same with more pixels.
    landmarks: (468, 2) pixels of `image`.
    face: (S, S) bool, where the fitted head is seen.
    gap: (F, F) bool, between the fitted head's open lips; None: they are shut.
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
    skin = alone if gap is None else _without_mouth(alone, points, gap)
    cover = cv2.resize(alpha, size, interpolation=cv2.INTER_LINEAR)[..., None]
    behind = cv2.resize(background, size, interpolation=cv2.INTER_NEAREST)
    # Whatever mask and background miss of the portrait belongs to the person and moves along.
    before = picture - (1 - cover) * behind + cover * (skin - alone)
    person = np.concatenate([before, cover], -1).astype(np.float32)
    regions = _eye_regions(skin, points)
    return Plates(
        person, skin, _lids(skin, points, regions), _eyeballs(picture, points), _soft_zone(regions), background
    )


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


def fill(values: np.ndarray, weight: np.ndarray, local: float = 1.0) -> np.ndarray:
    """Continue (H, W, C) smoothly where weight (H, W) is 0: averages go up a pyramid, gaps fill on the way.

    `local` above 1 believes the near more than the smooth.
    """
    levels = [(values * weight[..., None], weight)]
    while min(levels[-1][1].shape) > 2:
        v, w = levels[-1]
        levels.append((cv2.pyrDown(v).reshape(*_half(w.shape), -1), cv2.pyrDown(w)))
    v, w = levels[-1]
    out = v / np.maximum(w, 1e-6)[..., None]
    for v, w in reversed(levels[:-1]):
        up = cv2.resize(out, (w.shape[1], w.shape[0]), interpolation=cv2.INTER_LINEAR).reshape(v.shape)
        known = np.minimum(1.0, local * w)[..., None]
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


def _without_mouth(person: np.ndarray, landmarks: np.ndarray, gap: np.ndarray) -> np.ndarray:
    """The gap (F, F) of an open mouth becomes lip: each lip goes on into it as in a mirror at its edge."""
    size = person.shape[0]
    # Teeth shine over the edge of the lips: fill a little more than the gap.
    hole = _grown(_whole_gap(person, landmarks, gap), size / 512)
    lips = landmarks[list(LIPS_EDGE)]
    inner = landmarks[list(MOUTH_EDGE)]
    away, nearest = cv2.distanceTransformWithLabels(
        hole.astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )  # fmt: skip
    edge = np.zeros((nearest.max() + 1, 2), np.float32)
    rows, columns = np.nonzero(~hole)
    edge[nearest[rows, columns]] = np.stack([columns, rows], 1)
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    to_edge = edge[nearest] - np.stack([x, y], -1)
    # Deep in the gap the mirrored lip would be skin: it is folded back and forth within its thickness there.
    _, which = cKDTree(inner).query(edge)
    thick = np.linalg.norm(lips - inner, axis=1)[which][nearest].astype(np.float32)
    thick = np.maximum(1.0, _LIP_SHARE * thick - size / 256)
    depth = np.abs((away + thick) % (2 * thick) - thick)
    step = to_edge / np.maximum(away, 1e-3)[..., None]
    place = np.stack([x, y], -1) + step * (away + depth)[..., None]
    mirrored = cv2.remap(person, place[..., 0], place[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    mirrored = cv2.GaussianBlur(mirrored, (0, 0), max(0.5, size / 400))
    soft = cv2.GaussianBlur(hole.astype(np.float32), (0, 0), size / 512)[..., None]
    return np.asarray(mirrored * soft + person * (1 - soft), np.float32)


def _whole_gap(person: np.ndarray, landmarks: np.ndarray, gap: np.ndarray) -> np.ndarray:
    """(F, F) bool: `gap`, and what lies beside it and is of the colour of its teeth or its dark, not of the lips'."""
    lips, inner = (landmarks[list(edge)] for edge in (LIPS_EDGE, MOUTH_EDGE))
    thick = float(np.median(np.linalg.norm(lips - inner, axis=1)))
    reach = _grown(gap, _GAP_REACH * thick)
    ring = _grown(gap, 2 * _GAP_REACH * thick) & ~reach & _opening(person.shape, lips, 0)
    inside = person[_shrunk(gap, 1)]
    if len(inside) < _FEW or ring.sum() < _FEW:
        return gap
    light = inside.mean(1)
    own = [inside[light <= np.percentile(light, 25)].mean(0), inside[light >= np.percentile(light, 75)].mean(0)]
    rows = np.nonzero(ring)[0]
    lip = [np.median(person[ring][side], axis=0) for side in (rows < inner[:, 1].mean(), rows >= inner[:, 1].mean())
           if side.any()]  # fmt: skip
    to_own, to_lip = (np.min([np.abs(person - color).sum(-1) for color in colors], axis=0) for colors in (own, lip))
    _, label = cv2.connectedComponents(((reach & (to_own < _SURELY * to_lip)) | gap).astype(np.uint8))
    return np.asarray(np.isin(label, np.unique(label[gap])) & (label > 0))


def _eye_regions(skin: np.ndarray, landmarks: np.ndarray) -> list[np.ndarray]:
    """(F, F) bool for each eye: what is drawn or photographed of it, lashes included.

    Drawn eyes may be larger than the landmarks believe: whatever hangs together with the eye and is not of the colour
    of the skin around belongs to it.
    """
    regions = []
    for edge in EYE_EDGES:
        points = landmarks[list(edge)]
        height = float(np.linalg.norm(points[4] - points[12]))
        core = _opening(skin.shape, points, max(2.0, _CORE_SHARE * height))
        reach = _opening(skin.shape, points, max(4.0, _REACH_SHARE * height))
        ring = _opening(skin.shape, points, max(6.0, _RING_SHARE * height)) & ~reach
        usual = np.median(skin[ring], axis=0)
        off = np.abs(skin - usual).max(-1)
        other = off > max(_OTHER, _OTHER_SPREADS * float(np.median(off[ring])))
        _, label = cv2.connectedComponents(((other & reach) | core).astype(np.uint8))
        at = points.mean(0).round().astype(int)
        regions.append(label == label[at[1], at[0]])
    return regions


def _lids(skin: np.ndarray, landmarks: np.ndarray, regions: list[np.ndarray]) -> np.ndarray:
    """`skin` without eyes, filled from the skin around them that is neither crease nor ink; lashes at the edge."""
    out = skin.copy()
    light = skin.mean(2)
    for edge, region in zip(EYE_EDGES, regions, strict=True):
        height = float(np.ptp(np.nonzero(region)[0])) + 1.0
        around = _grown(region, max(2.0, 0.12 * height))
        ring = _grown(region, max(5.0, 0.5 * height)) & ~around
        dark = light < _DARK_SHARE * np.median(light[ring])
        # Ink in the crease would be drawn out over the lid as it unfolds.
        around |= _grown(ring & dark, max(1.0, 0.04 * height))
        filled = fill(skin, (~around).astype(np.float32))
        soft = cv2.GaussianBlur(around.astype(np.float32), (0, 0), max(1.0, 0.04 * height))[..., None]
        out += soft * (filled - out)
        points = landmarks[list(edge)]
        out += _lashes(skin.shape, points)[..., None] * (_lash_color(skin, region, points) - out)
    return out


def _lashes(shape: tuple[int, ...], edge: np.ndarray) -> np.ndarray:
    """(F, F) 0..1 a line along the upper lid, thinner towards the corners."""
    line = np.zeros(shape[:2], np.float32)
    upper = edge[:_UPPER_LID]
    thick = _LASH_SHARE * float(np.linalg.norm(upper[0] - upper[-1]))
    out = np.linspace(0, 1, _LASH_POINTS)
    x, y = (np.interp(out, np.linspace(0, 1, len(upper)), upper[:, k]) for k in (0, 1))
    for share, px, py in zip(out, x, y, strict=True):
        radius = 0.5 * thick * (0.45 + 0.55 * np.sin(np.pi * share))
        at = (round(16 * (px - 0.5)), round(16 * (py - 0.5 - 0.6 * radius)))
        cv2.circle(line, at, max(1, round(16 * radius)), 1.0, -1, cv2.LINE_8, 4)
    return np.asarray(_LASHES * cv2.GaussianBlur(line, (0, 0), max(0.6, 0.2 * thick)))


def _soft_zone(regions: list[np.ndarray]) -> np.ndarray:
    both = np.maximum(*regions)
    return cv2.GaussianBlur(_grown(both, both.shape[0] / 256).astype(np.float32), (0, 0), both.shape[0] / 400)


def _grown(mask: np.ndarray, pixels: float) -> np.ndarray:
    steps = int(np.ceil(pixels))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * steps + 1, 2 * steps + 1))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), kernel)) > 0


def _shrunk(mask: np.ndarray, pixels: float) -> np.ndarray:
    return ~_grown(~mask, pixels)


def _lash_color(picture: np.ndarray, zone: np.ndarray, edge: np.ndarray) -> np.ndarray:
    """(3,) usual colour of the upper border of an eye: in each column its darkest pixel.

    Args:
        zone: (F, F) bool where eyes are seen; edge: (16, 2) landmarks around this one, from corner to corner.
    """
    low, high = edge.min(0).astype(int), edge.max(0).astype(int)
    columns = np.arange(max(0, low[0]), min(zone.shape[1], high[0] + 1))
    middle = int(edge[:, 1].mean())
    above = zone[:middle, columns]
    # The topmost pixel of the zone in each column, and a strip below it that ends before the pupil.
    top = middle - 1 - np.argmin(above[::-1], axis=0)
    strip = np.arange(max(3, (high[1] - low[1]) // 2))
    rows = np.clip(top[:, None] + strip, 0, zone.shape[0] - 1)
    found = picture[rows, columns[:, None]].astype(np.float32)
    darkest = found[np.arange(len(columns)), found.sum(2).argmin(1)]
    return np.asarray(np.median(darkest, axis=0))


def _eyeballs(picture: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """The picture between the lids; around, its whites, and what the lids cover of the irises."""
    edges = [landmarks[list(edge)] for edge in EYE_EDGES]
    insides = [_opening(picture.shape, points, 0) for points in edges]
    if not all(inside.any() for inside in insides):
        return picture
    irises = find_irises(picture, edges, insides)
    if irises is None:
        return fill(picture, np.maximum(*insides).astype(np.float32))
    right = np.arange(picture.shape[1]) < np.mean([points[:, 0].mean() for points in edges])
    out = np.empty_like(picture)
    for columns, iris, points, inside in zip((right, ~right), irises, edges, insides, strict=True):
        colors, cover = whole_iris(picture, iris, inside)
        # Skin and lashes within the landmarks are never as bright in all three colours as the white.
        free, bright = inside & (cover == 0), picture.min(2)
        white = free & (bright >= np.percentile(bright[free], _WHITES)) if free.any() else inside
        ball = fill(picture, white.astype(np.float32))
        ball += cover[..., None] * (colors - ball)
        # What a rising lid uncovers lies in its shade.
        rows = np.arange(len(picture), dtype=np.float32)[:, None, None]
        top, bottom = points[:, 1].min(), points[:, 1].max()
        ball *= 1.0 - _LID_SHADE * np.clip((0.5 * (top + bottom) - rows) / max(0.5 * (bottom - top), 1.0), 0, 1)
        shown = _shrunk(inside, 1)
        ball[shown] = picture[shown]
        out[:, columns] = ball[:, columns]
    return out

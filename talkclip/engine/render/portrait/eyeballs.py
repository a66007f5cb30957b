"""Whole eyeballs from what a portrait shows of them between the lids: a look aside brings more of them into sight."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

# Shares of the eye's width: where the iris' middle and its radius are looked for, and on both sides of its edge.
_SHIFTS = np.linspace(-0.26, 0.26, 27)
_RADII, _BESIDE = np.linspace(0.15, 0.30, 16), 0.025
# The same as shares of its height.
_UP_SHIFTS = np.linspace(-0.30, 0.30, 13)
# Only the sides of an iris are sure to be free of the lids: directions to either side, radians.
_ARC = np.linspace(-0.9, 0.9, 19)
# Grey levels from iris to white that an iris must have.
_LEAST_STEP = 8.0
# The iris' soft edge, in radii.
_RIM = 0.10
_RINGS = 24


@dataclasses.dataclass(frozen=True)
class Iris:
    """A circle in pixels, corner of the picture at 0."""

    x: float
    y: float
    radius: float


def find_irises(picture: np.ndarray, edges: list[np.ndarray], insides: list[np.ndarray]) -> list[Iris] | None:
    """The circles, one in each eye and equally large, across which the eyes brighten most (J. Daugman, 1993); None
    where nothing looks like them.

    Args:
        picture: (F, F, 3) sRGB 0..255; edges: (16, 2) pixels around each eye; insides: (F, F) bool between its lids.
    """
    width = float(np.mean([np.ptp(edge[:, 0]) for edge in edges]))
    grey = cv2.GaussianBlur(picture.mean(2, dtype=np.float32), (0, 0), max(0.6, 0.02 * width))
    found = [_rises(grey, edge, inside, width) for edge, inside in zip(edges, insides, strict=True)]
    at_radius = np.min([rise.max((0, 1)) for rise, _ in found], axis=0)
    # A pupil has an edge too: the larger circle is the iris.
    best = int((at_radius * np.sqrt(_RADII)).argmax())
    if at_radius[best] < _LEAST_STEP:
        return None
    irises = []
    for rise, places in found:
        at = np.unravel_index(int(rise[..., best].argmax()), rise.shape[:2])
        irises.append(Iris(float(places[at][0]), float(places[at][1]), float(_RADII[best] * width)))
    return irises


def _rises(grey: np.ndarray, edge: np.ndarray, inside: np.ndarray, width: float) -> tuple[np.ndarray, np.ndarray]:
    """(X, Y, R) how much the eye brightens across each circle tried; (X, Y, 2) the middles."""
    (left_x, top_y), (right_x, bottom_y) = edge.min(0), edge.max(0)
    middle_x, middle_y, height = (left_x + right_x) / 2, (top_y + bottom_y) / 2, bottom_y - top_y
    directions = np.concatenate([_ARC, np.pi + _ARC])
    x, y, radius = np.meshgrid(
        middle_x + _SHIFTS * width, middle_y + _UP_SHIFTS * height, _RADII * width, indexing="ij"
    )
    steps, known = [], []
    for beside in (-_BESIDE, _BESIDE):
        reach = radius[..., None] + beside * width
        at_x, at_y = x[..., None] + reach * np.cos(directions), y[..., None] - reach * np.sin(directions)
        steps.append(_read(grey, at_x, at_y))
        known.append(_read(inside.astype(np.float32), at_x, at_y) > 0.5)
    both = known[0] & known[1]
    left, right = both[..., : len(_ARC)].sum(-1), both[..., len(_ARC) :].sum(-1)
    rise = ((steps[1] - steps[0]) * both).sum(-1) / np.maximum(both.sum(-1), 1)
    # Seen on one side alone, any shadow would do.
    rise[np.minimum(left, right) < len(_ARC) // 3] = 0.0
    return rise, np.stack([x[..., 0], y[..., 0]], -1)


def whole_iris(picture: np.ndarray, iris: Iris, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """-> (F, F, 3) the iris' usual colour at each distance from its middle, from what is seen of it between the lids
    (F, F); (F, F) 0..1 where it is."""
    y, x = np.mgrid[0 : picture.shape[0], 0 : picture.shape[1]].astype(np.float32) + 0.5
    away = np.hypot(x - iris.x, y - iris.y) / iris.radius
    colors, rings = [], np.linspace(0, 1, _RINGS)
    for ring in rings:
        seen = picture[inside & (np.abs(away - ring) < 1.0 / _RINGS)]
        colors.append(np.median(seen, axis=0) if len(seen) else np.full(3, np.nan))
    table = np.array(colors)
    filled = np.stack(
        [np.interp(away, rings[ok], table[ok, k]) for ok in [~np.isnan(table[:, 0])] for k in range(3)], axis=-1
    )
    return filled.astype(np.float32), np.clip((1.0 + _RIM / 2 - away) / _RIM, 0, 1).astype(np.float32)


def _read(values: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    shape = x.shape
    columns, rows = (array.reshape(shape[0], -1).astype(np.float32) - 0.5 for array in (x, y))
    read = cv2.remap(values, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(read).reshape(shape)

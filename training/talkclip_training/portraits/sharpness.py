"""Sharpness of a picture: cumulative probability of blur detection (N. Narvekar, L. Karam, 2011).

Blocks of 64 x 64 count when at least 0.2 % of their pixels are edges. In them, the width of every vertical edge is
measured (P. Marziliano, 2002): from the edge to the nearest extremum on either side, along the row. An edge is wide
enough to look blurred with probability 1 - exp(-(width / just noticeable)^3.6); the result is the share of edges for
which that is at most 63 %.

Vertical edges are thinned maxima of a Sobel filter, above twice its root mean square, whose gradient lies within 22.5
degrees of the row.
"""

from __future__ import annotations

import cv2
import numba
import numpy as np

_BLOCK, _EDGE_SHARE, _BETA, _LEAST = 64, 0.002, 3.6, 0.63
# Just noticeable width in pixels, for blocks of low and of high contrast (grey levels).
_WIDTHS, _LOW_CONTRAST = (5.0, 3.0), 50
_CANNY = (60, 140)


def cpbd(picture: np.ndarray) -> float:
    """0 blurred .. 1 sharp, of uint8 (H, W, 3) sRGB; 0 without any edge."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    edges = cv2.Canny(grey, *_CANNY) > 0
    widths = edge_widths(grey.astype(np.float32))
    counted, sharp = 0, 0
    for top in range(0, grey.shape[0] - _BLOCK + 1, _BLOCK):
        for left in range(0, grey.shape[1] - _BLOCK + 1, _BLOCK):
            place = (slice(top, top + _BLOCK), slice(left, left + _BLOCK))
            if edges[place].mean() <= _EDGE_SHARE:
                continue
            contrast = int(grey[place].max()) - int(grey[place].min())
            just_seen = _WIDTHS[0] if contrast <= _LOW_CONTRAST else _WIDTHS[1]
            found = widths[place][widths[place] > 0]
            blurred = 1.0 - np.exp(-((found / just_seen) ** _BETA))
            counted += found.size
            sharp += int((blurred <= _LEAST).sum())
    return sharp / counted if counted else 0.0


def edge_widths(grey: np.ndarray) -> np.ndarray:
    """(H, W) pixels over which each vertical edge of float32 (H, W) rises or falls; 0 where there is none."""
    slope = cv2.Sobel(grey, cv2.CV_32F, 1, 0, ksize=3) / 8.0
    strength = slope * slope
    strength[strength <= 4.0 * strength.mean()] = 0.0
    along_y, along_x = np.gradient(grey)
    vertical = np.abs(along_y) < np.tan(np.pi / 8) * np.abs(along_x)
    widths = np.zeros(grey.shape, np.float32)
    _measure(grey, _thinned(strength) & vertical, np.sign(along_x), widths)
    return widths


def _thinned(strength: np.ndarray) -> np.ndarray:
    """Maxima along rows or columns."""
    padded = np.pad(strength, 1)
    inside = padded[1:-1, 1:-1]
    row = (inside > padded[1:-1, :-2]) & (inside >= padded[1:-1, 2:])
    column = (inside > padded[:-2, 1:-1]) & (inside >= padded[2:, 1:-1])
    return row | column


@numba.njit(cache=True)
def _measure(grey, edges, rising, widths):
    height, width = grey.shape
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            if not edges[y, x]:
                continue
            sign = rising[y, x]
            low, high = x, x
            while low > 0 and sign * (grey[y, low] - grey[y, low - 1]) > 0:
                low -= 1
            while high < width - 1 and sign * (grey[y, high + 1] - grey[y, high]) > 0:
                high += 1
            widths[y, x] = high - low

"""The inner loops of the portrait warp, compiled by numba. Pictures are float32; x and y are in pixels, y down."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from talkclip.engine.render.raster import barycentric, inline, jit

# What a sample of the supersampled patches shows.
NOTHING, SKIN_SAMPLE, EYE_SAMPLE, MOUTH_SAMPLE = range(4)
# What is drawn of a pixel of a patch.
LEFT, ALL_SAMPLES, MIDDLE_SAMPLE = range(3)


@jit
def gather_flow(ids, n_front, screen, triangles, source, gain, flow, light, covered):
    """Read the visible triangles: for each pixel, where its colour comes from and how its light changes.

    Args:
        ids: (H, W) front-most triangle or -1; those from n_front on only hide.
        screen: (V, 3); source: (V, 2) the vertex in the portrait; gain: (V,) light now by light in the portrait.
        flow: (H, W, 2) out: source minus target; light: (H, W) out; covered: (H, W) out, 1 where a triangle is.
    """
    height, width = ids.shape
    for y in range(height):
        for x in range(width):
            t = ids[y, x]
            if t < 0 or t >= n_front:
                covered[y, x] = 0.0
                flow[y, x, 0] = 0.0
                flow[y, x, 1] = 0.0
                light[y, x] = 0.0
                continue
            a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            wa, wb, wc = barycentric(screen, a, b, c, x + 0.5, y + 0.5)
            flow[y, x, 0] = wa * source[a, 0] + wb * source[b, 0] + wc * source[c, 0] - (x + 0.5)
            flow[y, x, 1] = wa * source[a, 1] + wb * source[b, 1] + wc * source[c, 1] - (y + 0.5)
            light[y, x] = wa * gain[a] + wb * gain[b] + wc * gain[c] - 1.0
            covered[y, x] = 1.0


@inline
def _cubic(t):
    """Catmull-Rom weights of four neighbours at share t."""
    t2, t3 = t * t, t * t * t
    return -0.5 * t + t2 - 0.5 * t3, 1.0 - 2.5 * t2 + 1.5 * t3, 0.5 * t + 2.0 * t2 - 1.5 * t3, -0.5 * t2 + 0.5 * t3


@inline
def _sample(image, sx, sy, out):
    """Bicubic colour at a position, edges repeated."""
    height, width = image.shape[0], image.shape[1]
    fx, fy = sx - 0.5, sy - 0.5
    ix, iy = math.floor(fx), math.floor(fy)
    wx, wy = _cubic(fx - ix), _cubic(fy - iy)
    for k in range(3):
        out[k] = 0.0
    for j in range(4):
        row = min(max(iy - 1 + j, 0), height - 1)
        for i in range(4):
            column = min(max(ix - 1 + i, 0), width - 1)
            w = wx[i] * wy[j]
            for k in range(3):
                out[k] += w * image[row, column, k]


class Source(NamedTuple):
    """What the supersampled patches read from: float32 (F, F, 3) plates of the portrait with `fine` pixels per pixel
    and axis; zone (F, F) 0..1 is where it shows an eye, lashes included."""

    skin: np.ndarray
    lids: np.ndarray
    eyes: np.ndarray
    zone: np.ndarray
    fine: int


class Corners(NamedTuple):
    """What the vertices bring. source: (V, 2) pixel of the portrait; gain: (V,) light now by light there; closing: (V,)
    0..1 how much a point is a closing lid; cover: (V,) 0..1 how much it is one where the portrait shows an eye; color:
    (V, 3) sRGB 0..255 of the mouth's parts."""

    source: np.ndarray
    gain: np.ndarray
    closing: np.ndarray
    cover: np.ndarray
    color: np.ndarray


@inline
def _nearest(values, x, y):
    row, column = min(max(int(y), 0), values.shape[0] - 1), min(max(int(x), 0), values.shape[1] - 1)
    return values[row, column]


@inline
def _blend(one, other, share):
    for k in range(3):
        one[k] += share * (other[k] - one[k])


@jit
def choose_pixels(ids, triangles, kinds, source, closing, cover, zone, fine, scale, chosen):
    """Which pixels of a patch are drawn from its samples; the others show nothing but skin that is there already.

    Args:
        ids, triangles, kinds, scale: as in `shade_patch`; source, closing, cover: as in `Corners`; zone, fine: as in
            `Source`.
        chosen: (h, w) uint8 out: LEFT, ALL_SAMPLES or MIDDLE_SAMPLE.
    """
    h, w = chosen.shape
    full = scale * scale
    for y in range(h):
        for x in range(w):
            n_eye, n_mouth, n_skin, n_lid = 0, 0, 0, 0
            for s in range(full):
                t = ids[y * scale + s // scale, x * scale + s % scale]
                if t >= 0:
                    kind = kinds[t]
                    n_eye += kind == EYE_SAMPLE
                    n_mouth += kind == MOUTH_SAMPLE
                    n_skin += kind == SKIN_SAMPLE
                    if kind == SKIN_SAMPLE:
                        a = triangles[t, 0]
                        drawn = cover[a] > 0.0 and _nearest(zone, fine * source[a, 0], fine * source[a, 1]) > 0.0
                        n_lid += drawn or closing[a] > 0.0
            # Without finer plates, samples are only averaged where materials meet: inside one, that would blur.
            alone = fine == 1 and n_mouth == 0 and (n_eye == full or (n_eye == 0 and n_skin == full))
            if n_eye + n_mouth + n_lid == 0:
                chosen[y, x] = LEFT
            else:
                chosen[y, x] = MIDDLE_SAMPLE if alone else ALL_SAMPLES


@jit
def shade_patch(
    chosen, ids, screen, triangles, kinds, plates, corners, sealed, shown, scale, left, top, out
):  # fmt: skip
    """Lips, lids, eyes and the inside of the mouth, several samples per pixel.

    Args:
        chosen: (h, w) of `choose_pixels`.
        ids: (scale h, scale w) front-most triangles of the patch; screen: (V, 3) in samples of the patch.
        kinds: (T,) SKIN_SAMPLE, EYE_SAMPLE or MOUTH_SAMPLE.
        plates: `Source`. corners: `Corners`.
        sealed: 0..1 how much of the ball is covered for good. shown: 0..1 how much of the mouth's inside is seen.
        scale: samples per pixel and axis; left, top: pixel of the patch's corner.
        out: (S, S, 4) the warped person, colour times alpha and alpha, in and out.
    """
    # Taken out of their tuples once: numba counts references at every look into a tuple of arrays.
    skin, lids, eyes, zone, fine = plates.skin, plates.lids, plates.eyes, plates.zone, plates.fine
    source, gain, color = corners.source, corners.gain, corners.color
    closing, cover = corners.closing, corners.cover
    h, w = chosen.shape
    one, other, total = np.empty(3), np.empty(3), np.empty(3)
    full = scale * scale
    for y in range(h):
        for x in range(w):
            if chosen[y, x] == LEFT:
                continue
            alpha = out[top + y, left + x, 3]
            total[:] = 0.0
            count = 0
            first, last = (full // 2, full // 2 + 1) if chosen[y, x] == MIDDLE_SAMPLE else (0, full)
            for s in range(first, last):
                j, i = y * scale + s // scale, x * scale + s % scale
                t = ids[j, i]
                count += 1
                if t < 0:
                    for k in range(3):
                        total[k] += out[top + y, left + x, k]
                    continue
                a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
                wa, wb, wc = barycentric(screen, a, b, c, i + 0.5, j + 0.5)
                if kinds[t] == MOUTH_SAMPLE:
                    for k in range(3):
                        inside = alpha * (wa * color[a, k] + wb * color[b, k] + wc * color[c, k])
                        total[k] += shown * inside + (1.0 - shown) * out[top + y, left + x, k]
                    continue
                sx = fine * (wa * source[a, 0] + wb * source[b, 0] + wc * source[c, 0])
                sy = fine * (wa * source[a, 1] + wb * source[b, 1] + wc * source[c, 1])
                lid = sealed
                if kinds[t] == EYE_SAMPLE:
                    _sample(eyes, sx, sy, one)
                else:
                    _sample(skin, sx, sy, one)
                    drawn_eye = (wa * cover[a] + wb * cover[b] + wc * cover[c]) * _nearest(zone, sx, sy)
                    lid = max(wa * closing[a] + wb * closing[b] + wc * closing[c], drawn_eye)
                if lid > 0.0:
                    _sample(lids, sx, sy, other)
                    _blend(one, other, lid)
                g = wa * gain[a] + wb * gain[b] + wc * gain[c]
                for k in range(3):
                    total[k] += alpha * g * one[k]
            for k in range(3):
                out[top + y, left + x, k] = min(255.0, max(0.0, total[k] / count))

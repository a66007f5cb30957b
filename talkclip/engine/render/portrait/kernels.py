"""The inner loops of the portrait warp, compiled by numba. Pictures are float32; x and y are in pixels, y down."""

from __future__ import annotations

import math

import numpy as np

from talkclip.engine.render.raster import barycentric, inline, jit

# What a sample of the supersampled patches shows.
NOTHING, SKIN_SAMPLE, EYE_SAMPLE, MOUTH_SAMPLE = range(4)


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


@jit
def shade_patch(
    ids, screen, triangles, kinds, source, gain, closing, color, skin, lids, eyes, fine, scale, left, top, out
):
    """Lips, lids, eyes and the inside of the mouth, several samples per pixel.

    Args:
        ids: (scale h, scale w) front-most triangles of the patch; screen: (V, 3) in samples of the patch.
        kinds: (T,) SKIN_SAMPLE, EYE_SAMPLE or MOUTH_SAMPLE.
        source: (V, 2) pixels of the portrait; gain: (V,); closing: (V,) 0..1 how much a point is a closing lid.
        color: (V, 3) sRGB 0..255 of the mouth's parts.
        skin, lids, eyes: (F, F, 3) plates of the portrait, with `fine` pixels per pixel and axis.
        scale: samples per pixel and axis; left, top: pixel of the patch's corner.
        out: (S, S, 4) the warped person, colour times alpha and alpha, in and out; kept where a pixel shows nothing
            but skin.
    """
    h, w = ids.shape[0] // scale, ids.shape[1] // scale
    one, other, total = np.empty(3), np.empty(3), np.empty(3)
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
                    if kind == SKIN_SAMPLE and closing[triangles[t, 0]] > 0.0:
                        n_lid += 1
            if n_eye + n_mouth + n_lid == 0:
                continue
            alpha = out[top + y, left + x, 3]
            total[:] = 0.0
            count = 0
            # Without finer plates, samples are only averaged where materials meet: inside one, that would blur.
            alone = fine == 1 and n_mouth == 0 and (n_eye == full or (n_eye == 0 and n_skin == full))
            first, last = (full // 2, full // 2 + 1) if alone else (0, full)
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
                        total[k] += alpha * (wa * color[a, k] + wb * color[b, k] + wc * color[c, k])
                    continue
                sx = fine * (wa * source[a, 0] + wb * source[b, 0] + wc * source[c, 0])
                sy = fine * (wa * source[a, 1] + wb * source[b, 1] + wc * source[c, 1])
                _sample(eyes if kinds[t] == EYE_SAMPLE else skin, sx, sy, one)
                g = wa * gain[a] + wb * gain[b] + wc * gain[c]
                lid = wa * closing[a] + wb * closing[b] + wc * closing[c]
                if lid > 0.0 and kinds[t] == SKIN_SAMPLE:
                    _sample(lids, sx, sy, other)
                    for k in range(3):
                        one[k] += lid * (other[k] - one[k])
                for k in range(3):
                    total[k] += alpha * g * one[k]
            for k in range(3):
                out[top + y, left + x, k] = min(255.0, max(0.0, total[k] / count))

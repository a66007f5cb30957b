"""A z-buffer rasteriser for triangle meshes, compiled by numba.

It needs no display, no GPU and no graphics driver, so it draws the same picture on every machine. Buffers hold the
front-most triangle of each sample; shading happens afterwards, once per visible point (deferred shading).
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from talkclip.engine.compiled import compiled

_OPTIONS: dict[str, Any] = {"nogil": True, "fastmath": True, "error_model": "numpy"}
# Kernels that Python calls. nogil: frames are drawn by several threads.
jit = compiled(**_OPTIONS)
# Functions that kernels call. Not cached: numba would keep a stale one when a file it takes constants from changes.
device = numba.njit(**_OPTIONS)
inline = numba.njit(inline="always", **_OPTIONS)


@jit
def apply_sparse(indptr, indices, weights, values, out):
    """out (M, K) = a sparse matrix in CSR form (M, N) times values (N, K)."""
    columns = values.shape[1]
    for row in range(out.shape[0]):
        for k in range(columns):
            out[row, k] = 0.0
        for entry in range(indptr[row], indptr[row + 1]):
            weight = weights[entry]
            source = indices[entry]
            for k in range(columns):
                out[row, k] += weight * values[source, k]


@jit
def add_shapes(weights, shapes, out):
    """out (N, K) += sum of weights (S,) times shapes (S, N, K), skipping shapes at zero.

    A matrix product would do the same; BLAS threads, spinning beside the rendering threads, cost more than they help.
    """
    for s in range(weights.shape[0]):
        weight = weights[s]
        if weight != 0.0:
            for row in range(out.shape[0]):
                for k in range(out.shape[1]):
                    out[row, k] += weight * shapes[s, row, k]


@jit
def turn_points(points, follows, turns, shift):
    """Turn every point (V, 3) about the origin, in place, then move it.

    Args:
        follows: (V,) 0..1: a point's place in `turns`, and its share of the shift.
        turns: (L, 3, 3) rotations from none to the whole pose; between two of them the result is interpolated.
        shift: (3,) metres.
    """
    steps = turns.shape[0] - 1
    moved = np.empty(3)
    for v in range(points.shape[0]):
        place = min(1.0, max(0.0, follows[v])) * steps
        low = min(int(place), steps - 1)
        share = place - low
        for k in range(3):
            below = turns[low, k, 0] * points[v, 0] + turns[low, k, 1] * points[v, 1] + turns[low, k, 2] * points[v, 2]
            high = low + 1
            above = (
                turns[high, k, 0] * points[v, 0] + turns[high, k, 1] * points[v, 1] + turns[high, k, 2] * points[v, 2]
            )
            moved[k] = below + share * (above - below) + follows[v] * shift[k]
        for k in range(3):
            points[v, k] = moved[k]


@jit
def vertex_normals(points, triangles, out):
    """Area-weighted unit normals (V, 3) of points (V, 3) under triangles (T, 3), anticlockwise from outside."""
    out[:] = 0.0
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ux, uy, uz = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1], points[b, 2] - points[a, 2]
        vx, vy, vz = points[c, 0] - points[a, 0], points[c, 1] - points[a, 1], points[c, 2] - points[a, 2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for corner in (a, b, c):
            out[corner, 0] += nx
            out[corner, 1] += ny
            out[corner, 2] += nz
    for v in range(out.shape[0]):
        length = math.sqrt(out[v, 0] ** 2 + out[v, 1] ** 2 + out[v, 2] ** 2) + 1e-20
        out[v, 0] /= length
        out[v, 1] /= length
        out[v, 2] /= length


@jit
def project(points, eye_distance, focal, center_x, center_y, out):
    """Perspective of a camera at (0, 0, eye_distance) that looks along -z.

    Args:
        points: (V, 3) metres in camera-aligned axes (+x right, +y up, +z to the camera).
        focal: samples per unit of tangent.
        center_x, center_y: sample position of the optical axis.
        out: (V, 3): x right and y down in samples, and 1 / distance (grows towards the camera).
    """
    for v in range(points.shape[0]):
        near = 1.0 / (eye_distance - points[v, 2])
        out[v, 0] = center_x + focal * points[v, 0] * near
        out[v, 1] = center_y - focal * points[v, 1] * near
        out[v, 2] = near


@jit
def rasterise(screen, triangles, two_sided, first, last, depth, ids):
    """Draw triangles [first, last) into depth and id buffers; the greatest depth value wins.

    Args:
        screen: (V, 3) sample x, y (down) and a depth that is linear on the screen and grows towards the viewer.
        triangles: (T, 3) anticlockwise seen from outside (y up).
        two_sided: (T,) bool; others are dropped when they face away.
        depth: (H, W) float32, in and out.
        ids: (H, W) int32, in and out: triangle number.
    """
    height, width = depth.shape
    for t in range(first, last):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay, bx, by, cx, cy = screen[a, 0], screen[a, 1], screen[b, 0], screen[b, 1], screen[c, 0], screen[c, 1]
        # Twice the area; y points down, so a triangle that faces the viewer has a negative cross product.
        area = (cx - ax) * (by - ay) - (bx - ax) * (cy - ay)
        if area <= 0.0:
            if not two_sided[t] or area == 0.0:
                continue
            b, c = c, b
            bx, by, cx, cy = cx, cy, bx, by
            area = -area
        x0, x1 = max(0, math.ceil(min(ax, bx, cx) - 0.5)), min(width - 1, math.floor(max(ax, bx, cx) - 0.5))
        y0, y1 = max(0, math.ceil(min(ay, by, cy) - 0.5)), min(height - 1, math.floor(max(ay, by, cy) - 0.5))
        if x0 > x1 or y0 > y1:
            continue
        inv = 1.0 / area
        za, zb, zc = screen[a, 2], screen[b, 2], screen[c, 2]
        # Weights of b and c are linear in x and y; a's is what is left.
        wb_x, wb_y = -(cy - ay) * inv, (cx - ax) * inv
        wc_x, wc_y = (by - ay) * inv, -(bx - ax) * inv
        z_x = wb_x * (zb - za) + wc_x * (zc - za)
        for y in range(y0, y1 + 1):
            dx, dy = x0 + 0.5 - ax, y + 0.5 - ay
            wb = wb_x * dx + wb_y * dy
            wc = wc_x * dx + wc_y * dy
            z = za + wb * (zb - za) + wc * (zc - za)
            for x in range(x0, x1 + 1):
                if wb >= 0.0 and wc >= 0.0 and wb + wc <= 1.0 and z > depth[y, x]:
                    depth[y, x] = z
                    ids[y, x] = t
                wb += wb_x
                wc += wc_x
                z += z_x


@inline
def barycentric(screen, a, b, c, x, y):
    """Perspective-correct weights of a triangle's corners at sample position (x, y), kept inside the triangle."""
    ax, ay, bx, by, cx, cy = screen[a, 0], screen[a, 1], screen[b, 0], screen[b, 1], screen[c, 0], screen[c, 1]
    area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
    if abs(area) < 1e-12:
        return 1.0, 0.0, 0.0
    wb = ((x - ax) * (cy - ay) - (cx - ax) * (y - ay)) / area
    wc = ((bx - ax) * (y - ay) - (x - ax) * (by - ay)) / area
    wa = max(0.0, 1.0 - wb - wc) * screen[a, 2]
    wb = max(0.0, wb) * screen[b, 2]
    wc = max(0.0, wc) * screen[c, 2]
    total = wa + wb + wc + 1e-30
    return wa / total, wb / total, wc / total


@jit
def light_view(points, right, up, toward, scale, center, out):
    """Parallel view from a light: (V, 3) map x, map y (down), distance towards the light in metres."""
    for v in range(points.shape[0]):
        x, y, z = points[v, 0], points[v, 1], points[v, 2]
        out[v, 0] = center + scale * (x * right[0] + y * right[1] + z * right[2])
        out[v, 1] = center - scale * (x * up[0] + y * up[1] + z * up[2])
        out[v, 2] = x * toward[0] + y * toward[1] + z * toward[2]


@jit
def add_visibility(screen, facing, weight, depth, bias, total, seen):
    """For every vertex: add what one parallel light sends to it (cosine-weighted) to `seen`, its maximum to `total`."""
    height, width = depth.shape
    for v in range(screen.shape[0]):
        cosine = facing[v]
        if cosine <= 0.0:
            continue
        total[v] += weight * cosine
        x, y = int(screen[v, 0]), int(screen[v, 1])
        if x < 0 or y < 0 or x >= width or y >= height or screen[v, 2] + bias >= depth[y, x]:
            seen[v] += weight * cosine


def empty_buffers(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """A depth buffer in which anything is nearer, and an id buffer of -1."""
    return np.full((height, width), -np.inf, np.float32), np.full((height, width), -1, np.int32)

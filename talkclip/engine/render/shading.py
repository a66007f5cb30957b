"""Deferred shading: what light each visible point of the head sends to the camera, in linear RGB.

Skin is a wrapped diffuse term whose terminator shifts to red, spread over the picture like light under the skin
(`diffuse_under_skin`), under two GGX lobes (B. Walter et al., "Microfacet models for refraction through rough
surfaces", 2007; Fresnel after C. Schlick, 1994). Eyes are drawn, not textured: iris, pupil, limbal ring and the wet
highlight of the cornea follow the point's rest position on the eyeball.
"""

from __future__ import annotations

import inspect
import math
import zlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from talkclip.engine.render import folds, kinds, lights, materials, raster
from talkclip.engine.render.kinds import BROWS, EYE, HAIR, LASHES, SKIN
from talkclip.engine.render.lights import (
    ER,
    N_FIELDS,
    NX,
    NY,
    NZ,
    RED,
    RX,
    SR,
    VX,
    VY,
    VZ,
    X,
    Y,
    Z,
    light_point,
    normalise,
    reflect_softbox,
)  # fmt: skip
from talkclip.engine.render.raster import barycentric, inline, jit

# Points of one surface in neighbouring pixels are nearer to each other than this.
NEAR_M = 0.012
# Linear light above this rolls off to white.
SHOULDER = 0.55


class Surface(NamedTuple):
    """The mesh as the shader reads it. V vertices, T triangles.

    triangles (T, 3), kinds (T,); moving (V, 8): position, normal, arriving light, 0; paint (V, 8): rest position,
    linear albedo, share of lip (or of hair over skin), 0; side (V,): which eye a vertex belongs
    to; eye_centers (2, 3) at rest; eye_axes (2, 3) where they look; palette (3, 3): linear brows, hair, iris;
    folds (N_FOLDS,) depth of the expression lines.
    """

    triangles: np.ndarray
    kinds: np.ndarray
    moving: np.ndarray
    paint: np.ndarray
    side: np.ndarray
    eye_centers: np.ndarray
    eye_axes: np.ndarray
    palette: np.ndarray
    folds: np.ndarray


class Studio(NamedTuple):
    """Lamps (L, 7), see `lights`; sky and ground (3,) linear; camera distance in metres; noise volume (S, S, S, 4)."""

    lamps: np.ndarray
    sky: np.ndarray
    ground: np.ndarray
    eye_distance: float
    volume: np.ndarray


class Layers(NamedTuple):
    """What shading writes.

    skin_light (3, H, W): irradiance on skin times cover; skin_color (H, W, 3): its albedo times cover; skin_cover
    (H, W); direct (H, W, 4): everything else (highlights, eyes, mouth) and the total cover; distance (H, W) metres.
    """

    skin_light: np.ndarray
    skin_color: np.ndarray
    skin_cover: np.ndarray
    direct: np.ndarray
    distance: np.ndarray


@jit
def gather_fragments(ids, screen, triangles, kinds, pixel, triangle, cover):
    """List what is to be shaded: samples of a pixel that show one material at one depth share one fragment.

    Args:
        ids: (2 H, 2 W) front-most triangles, -1 for none.
        pixel, triangle, cover: (4 H W,) out: pixel number, triangle, share of the pixel.

    Returns:
        The number of fragments.
    """
    height, width = ids.shape[0] // 2, ids.shape[1] // 2
    n = 0
    for y in range(height):
        for x in range(width):
            start = n
            for s in range(4):
                t = ids[2 * y + (s >> 1), 2 * x + (s & 1)]
                if t < 0:
                    continue
                kind, away = kinds[t], 1.0 / screen[triangles[t, 0], 2]
                known = False
                for other in range(start, n):
                    u = triangle[other]
                    if u == t or (kinds[u] == kind and abs(1.0 / screen[triangles[u, 0], 2] - away) < 0.006):
                        cover[other] += 0.25
                        known = True
                        break
                if not known:
                    pixel[n], triangle[n], cover[n] = y * width + x, t, 0.25
                    n += 1
    return n


@inline
def _interpolate(p, t, px, py, screen, triangles, moving, paint):
    """Fill X .. SHARE at the middle of a pixel."""
    # Unsigned, or numba would test every index for Python's negative ones.
    a, b, c = np.uint32(triangles[t, 0]), np.uint32(triangles[t, 1]), np.uint32(triangles[t, 2])
    wa, wb, wc = barycentric(screen, a, b, c, 2.0 * px + 1.0, 2.0 * py + 1.0)
    for k in range(8):
        p[X + k] = wa * moving[a, k] + wb * moving[b, k] + wc * moving[c, k]
    for k in range(8):
        p[RX + k] = wa * paint[a, k] + wb * paint[b, k] + wc * paint[c, k]


@inline
def _look(p, kind, eye_distance):
    """Set the direction to the camera, turn thin sheets to face it -> distance in metres."""
    p[VX], p[VY], p[VZ] = -p[X], -p[Y], eye_distance - p[Z]
    away = math.sqrt(p[VX] * p[VX] + p[VY] * p[VY] + p[VZ] * p[VZ])
    normalise(p, VX)
    normalise(p, NX)
    thin = kind in (LASHES, BROWS, HAIR)
    if thin and p[NX] * p[VX] + p[NY] * p[VY] + p[NZ] * p[VZ] < 0.0:
        p[NX], p[NY], p[NZ] = -p[NX], -p[NY], -p[NZ]
    return away


@inline
def _deposit(p, is_skin, cover, px, py, layers):
    """Add a shaded point to its pixel."""
    for k in range(3):
        if is_skin:
            layers.skin_light[k, py, px] += cover * p[ER + k]
            layers.skin_color[py, px, k] += cover * p[RED + k]
            layers.direct[py, px, k] += cover * p[SR + k]
        else:
            layers.direct[py, px, k] += cover * (p[RED + k] * p[ER + k] + p[SR + k])
    if is_skin:
        layers.skin_cover[py, px] += cover
    layers.direct[py, px, 3] += cover


def _compiled_shade(stamp: int) -> Callable[..., None]:
    """The kernel, with `stamp` among the things numba's cache knows it by.

    The cache notices a changed file only for the function's own file; this one calls into four others.
    """

    @jit
    def shade(n_fragments, pixel, triangle, covers, screen, surface, studio, key, layers):
        if stamp < 0:
            return
        width = layers.skin_cover.shape[1]
        # Taken out of their tuples once: numba counts references at every look into a tuple of arrays.
        triangles, kinds, moving, paint = surface.triangles, surface.kinds, surface.moving, surface.paint
        folds_now, palette, side_of = surface.folds, surface.palette, surface.side
        lamps, sky, ground, volume = studio.lamps, studio.sky, studio.ground, studio.volume
        p = np.zeros(N_FIELDS)
        for fragment in range(n_fragments):
            py, px = pixel[fragment] // width, pixel[fragment] % width
            t = triangle[fragment]
            kind = kinds[t]
            cover = covers[fragment]
            _interpolate(p, t, px, py, screen, triangles, moving, paint)
            away = _look(p, kind, studio.eye_distance)
            if kind == SKIN:
                materials.skin(p, volume, folds_now)
            elif kind in (BROWS, HAIR):
                materials.hair(p, kind, volume, palette)
            elif kind == EYE:
                side = side_of[triangles[t, 0]]
                materials.eye(p, surface.eye_centers[side], surface.eye_axes[side], side, volume, palette)
            else:
                materials.mouth_or_lash(p, kind, volume)
            light_point(p, kind, lamps, sky, ground, key)
            if kind == EYE:
                reflect_softbox(p, lamps, key)
            _deposit(p, kind in (SKIN, BROWS, HAIR), cover, px, py, layers)
            known = layers.distance[py, px]
            # A pixel at an outline holds two distances: give it one of its own, so that no light spreads into it.
            layers.distance[py, px] = away if known == 0.0 or abs(known - away) < NEAR_M else -1.0 - pixel[fragment]

    return shade


_SOURCES = (raster, kinds, lights, folds, materials)
# Shade the fragments of `gather_fragments` and add them to the layers.
shade = _compiled_shade(zlib.crc32("".join(inspect.getsource(module) for module in _SOURCES).encode()))


@jit
def diffuse_under_skin(light, cover, distance, reach_px, out):
    """Spread one colour of skin irradiance along rows, from skin to near skin only.

    Args:
        light: (H, W) irradiance times cover.
        cover: (H, W) 0..1.
        distance: (H, W) metres from the camera; a step of 12 mm is another surface.
        reach_px: standard deviation.
        out: (H, W).
    """
    height, width = cover.shape
    radius = int(math.ceil(2.1 * reach_px))  # noqa: RUF046 - numba's ceil gives a float
    total, weight = np.empty(width, np.float32), np.empty(width, np.float32)
    for y in range(height):
        first, last = 0, width
        while first < last and cover[y, first] <= 0.0:
            first += 1
        while last > first and cover[y, last - 1] <= 0.0:
            last -= 1
        out[y, :first] = 0.0
        out[y, last:] = 0.0
        total[first:last] = 0.0
        weight[first:last] = 0.0
        # Taps outside, pixels inside: the inner loop has no branch and runs in vector registers.
        for tap in range(-radius, radius + 1):
            k = np.float32(math.exp(-0.5 * (tap / reach_px) ** 2))
            low, high = max(first, first - tap), min(last, last - tap)
            here, there = distance[y, low:high], distance[y, low + tap : high + tap]
            lit, has = light[y, low + tap : high + tap], cover[y, low + tap : high + tap]
            sum_light, sum_weight = total[low:high], weight[low:high]
            for i in range(here.shape[0]):
                near = k if abs(there[i] - here[i]) < np.float32(NEAR_M) else np.float32(0.0)
                sum_light[i] += near * lit[i]
                sum_weight[i] += near * has[i]
        for x in range(first, last):
            out[y, x] = cover[y, x] * total[x] / weight[x] if weight[x] > 0.0 else light[y, x]


def shoulder(light: np.ndarray) -> np.ndarray:
    """Linear light of any height -> 0..1, as `develop` does it for each pixel."""
    over = np.maximum(light - SHOULDER, 0.0) / (1.0 - SHOULDER)
    return np.clip(np.where(light > SHOULDER, 1.0 - (1.0 - SHOULDER) * np.exp(-over), light), 0.0, 1.0)


@jit
def develop(layers, background, exposure, curve, out):
    """Join the layers over the background and turn linear light into sRGB bytes (filmic shoulder, ordered dither).

    Args:
        background: (H, W, 3) float32 sRGB, 0..255, and linear light in its last three planes: (H, W, 6).
        curve: (N,) sRGB 0..255 of linear light 0..1.
    """
    skin_light, skin_color, skin_cover, direct, _ = layers
    height, width = skin_cover.shape
    steps = curve.shape[0] - 1
    for y in range(height):
        for x in range(width):
            cover = min(1.0, direct[y, x, 3])
            # A four by four Bayer pattern from bit-interleaving: hides the steps of a soft background.
            q = x ^ y
            bayer = ((q & 1) << 3) | ((y & 1) << 2) | (q & 2) | ((y & 2) >> 1)
            dither = (bayer + 0.5) / 16.0
            if cover <= 0.0:
                for k in range(3):
                    out[y, x, k] = np.uint8(min(255.0, background[y, x, k] + dither))
                continue
            inv = 1.0 / max(skin_cover[y, x], 1e-6)
            for k in range(3):
                v = (direct[y, x, k] + skin_light[k, y, x] * skin_color[y, x, k] * inv) * exposure / cover
                if v > SHOULDER:
                    # Linear up to the shoulder, then rolls off to white.
                    v = SHOULDER + (1.0 - SHOULDER) * (1.0 - math.exp((SHOULDER - v) / (1.0 - SHOULDER)))
                v = cover * v + (1.0 - cover) * background[y, x, 3 + k]
                out[y, x, k] = np.uint8(min(255.0, curve[int(min(1.0, max(0.0, v)) * steps)] + dither))

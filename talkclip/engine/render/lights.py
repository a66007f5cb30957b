"""Light on one point: sun-like lamps, a sky, the key's shadow, and what the surface sends back.

The point is a row of numbers, `p`, in the columns below: numba passes one small array faster than forty scalars.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from talkclip.engine.render.kinds import EYE, LASHES, TEETH, WET
from talkclip.engine.render.raster import device, inline

# Position, normal, light that arrives from around (one spare); rest position, albedo, share of lip (or of hair over
# skin) (one spare). Two blocks of eight, as in `PosedMesh.moving` and `RenderMesh.paint`.
X, Y, Z, NX, NY, NZ, AO = range(7)
RX, RY, RZ, RED, GREEN, BLUE, SHARE = range(8, 15)
# Direction to the camera; the normal the highlight sees; roughness, reflectance at normal incidence, wrap, gain.
VX, VY, VZ, HX, HY, HZ, ROUGHNESS, F0, WRAP, SHINE = range(16, 26)
# Results: diffuse irradiance and highlight; share of the key light that arrives.
ER, EG, EB, SR, SG, SB, LIT = range(26, 33)
N_FIELDS = 33

# Columns of the lamp table: direction towards the light x y z, radiance r g b, wrap. Row 0 is the key.
KEY = 0
# Wrapped light reaches further around in red than in blue: the terminator turns warm.
_WRAP_RED, _WRAP_GREEN, _WRAP_BLUE, _WRAP_DRY = 1.0, 0.45, 0.3, 0.3


class Key(NamedTuple):
    """The key light's depth map: (S, S) metres towards the light, map units per metre, middle, and its axes (3,)."""

    depth: np.ndarray
    scale: float
    center: float
    right: np.ndarray
    up: np.ndarray


@device
def smooth(low, high, x):
    """0 below `low`, 1 above `high`, a cubic between."""
    t = min(1.0, max(0.0, (x - low) / (high - low)))
    return t * t * (3.0 - 2.0 * t)


@device
def normalise(p, at):
    """Make p[at : at + 3] a unit vector."""
    inv = 1.0 / math.sqrt(p[at] * p[at] + p[at + 1] * p[at + 1] + p[at + 2] * p[at + 2] + 1e-20)
    p[at] *= inv
    p[at + 1] *= inv
    p[at + 2] *= inv


@device
def _ggx(n_h, n_v, n_l, v_h, roughness, f0):
    """Reflected share times cosine for one lamp (GGX, Smith-Schlick visibility, Schlick Fresnel)."""
    alpha = roughness * roughness
    a2 = alpha * alpha
    d = n_h * n_h * (a2 - 1.0) + 1.0
    k = 0.5 * alpha
    visible = 0.25 / ((n_v * (1.0 - k) + k) * (n_l * (1.0 - k) + k))
    one = 1.0 - v_h
    fresnel = f0 + (1.0 - f0) * one * one * one * one * one
    return a2 / (math.pi * d * d) * visible * fresnel * n_l


@inline
def _key_visible(p, key, lamps):
    """0 (shadow) .. 1: a 4 x 4 tent filter over the key's depth map, soft in depth as well."""
    # Looked up 2 mm above the surface, or it would shade itself.
    x, y, z = p[X] + 0.002 * p[NX], p[Y] + 0.002 * p[NY], p[Z] + 0.002 * p[NZ]
    size = key.depth.shape[0]
    u = key.center + key.scale * (x * key.right[0] + y * key.right[1] + z * key.right[2]) - 0.5
    v = key.center - key.scale * (x * key.up[0] + y * key.up[1] + z * key.up[2]) - 0.5
    here = x * lamps[KEY, 0] + y * lamps[KEY, 1] + z * lamps[KEY, 2]
    floor_u, floor_v = math.floor(u), math.floor(v)
    u0, v0 = int(floor_u), int(floor_v)
    lit = 0.0
    for j in range(-1, 3):
        weight_v = 2.0 - abs(j - (v - floor_v))
        for i in range(-1, 3):
            weight = (2.0 - abs(i - (u - floor_u))) * weight_v
            column, row = u0 + i, v0 + j
            if 0 <= column < size and 0 <= row < size:
                behind = key.depth[row, column] - here
                lit += weight * min(1.0, max(0.0, 1.0 - (behind - 0.0015) / 0.003))
            else:
                lit += weight
    return lit / 16.0


@device
def _wrapped(n_l, wrap):
    """Diffuse share with light reaching `wrap` beyond the terminator, at about the energy of the plain cosine."""
    d = max(0.0, n_l + wrap) / (1.0 + wrap)
    return d * (d * wrap + 1.0 - wrap)


@inline
def _lamp_shine(p, lamps, i, n_v, two_lobes):
    """Highlight of one lamp, before its colour."""
    n_l = p[HX] * lamps[i, 0] + p[HY] * lamps[i, 1] + p[HZ] * lamps[i, 2]
    if n_l <= 0.0:
        return 0.0
    mx, my, mz = lamps[i, 0] + p[VX], lamps[i, 1] + p[VY], lamps[i, 2] + p[VZ]
    inv = 1.0 / math.sqrt(mx * mx + my * my + mz * mz + 1e-12)
    n_h = max(0.0, (p[HX] * mx + p[HY] * my + p[HZ] * mz) * inv)
    v_h = max(0.0, (p[VX] * mx + p[VY] * my + p[VZ] * mz) * inv)
    shine = _ggx(n_h, n_v, n_l, v_h, p[ROUGHNESS], p[F0])
    if two_lobes:
        shine = 0.65 * shine + 0.35 * _ggx(n_h, n_v, n_l, v_h, 0.66 * p[ROUGHNESS], p[F0])
    # Lamps behind the head only graze it; their full highlight would look like oil.
    return shine * p[SHINE] * math.pi * (1.0 if lamps[i, 2] > 0.0 else 0.35)


@inline
def _sky_light(p, sky, ground, n_v, bounce):
    """Diffuse light from around, and the sky mirrored at grazing angles."""
    hemi, ao = 0.5 + 0.5 * p[NY], p[AO]
    one = 1.0 - n_v
    mirror = 0.5 + 0.5 * (2.0 * n_v * p[HY] - p[VY])
    grazing = (p[F0] + (1.0 - p[F0]) * one * one * one * one * one * (1.0 - p[ROUGHNESS])) * ao * ao * p[SHINE]
    # Light that bounces between close surfaces takes their colour: crevices go red, not grey.
    p[ER] = (ground[0] + (sky[0] - ground[0]) * hemi) * (1.0 + bounce) * ao / (1.0 + bounce * ao)
    p[EG] = (ground[1] + (sky[1] - ground[1]) * hemi) * ao
    p[EB] = (ground[2] + (sky[2] - ground[2]) * hemi) * ao
    p[SR] = grazing * (ground[0] + (sky[0] - ground[0]) * mirror)
    p[SG] = grazing * (ground[1] + (sky[1] - ground[1]) * mirror)
    p[SB] = grazing * (ground[2] + (sky[2] - ground[2]) * mirror)


@inline
def light_point(p, kind, lamps, sky, ground, key):
    """Fill ER .. LIT of a point from its surface fields."""
    n_v = max(0.02, p[HX] * p[VX] + p[HY] * p[VY] + p[HZ] * p[VZ])
    in_mouth = kind in (TEETH, WET)
    dry = kind in (EYE, LASHES)
    _sky_light(p, sky, ground, n_v, 0.4 if kind == TEETH else 0.0 if dry else 2.0)
    around = min(1.0, 1.35 * p[AO] * p[AO] + 0.05)
    for i in range(lamps.shape[0]):
        n_l = p[NX] * lamps[i, 0] + p[NY] * lamps[i, 1] + p[NZ] * lamps[i, 2]
        wrap = lamps[i, 6] * p[WRAP]
        if n_l <= -wrap and i != KEY:
            continue
        open_red, open_rest = around, around
        if i == KEY:
            # Past the terminator the wrapped light fades by itself; the map would cut it off in a hard line.
            shut = smooth(-0.08, 0.30, n_l)
            lit = 1.0 - shut + shut * _key_visible(p, key, lamps)
            if in_mouth:
                lit *= p[AO]
            elif kind == EYE:
                lit *= 0.4 + 0.6 * p[AO]
            p[LIT] = lit
            open_red, open_rest = 1.35 * lit / (lit + 0.35), lit
        elif in_mouth and lamps[i, 2] < 0.0:
            continue
        p[ER] += lamps[i, 3] * open_red * _wrapped(n_l, wrap * (_WRAP_DRY if dry else _WRAP_RED))
        p[EG] += lamps[i, 4] * open_rest * _wrapped(n_l, wrap * (_WRAP_DRY if dry else _WRAP_GREEN))
        p[EB] += lamps[i, 5] * open_rest * _wrapped(n_l, wrap * (_WRAP_DRY if dry else _WRAP_BLUE))
        shine = open_rest * _lamp_shine(p, lamps, i, n_v, not in_mouth and not dry)
        p[SR] += lamps[i, 3] * shine
        p[SG] += lamps[i, 4] * shine
        p[SB] += lamps[i, 5] * shine


@device
def reflect_softbox(p, lamps, key):
    """Add the key's reflection in a wet eye: it is a soft box, so a window with soft edges, not a point."""
    toward = 2.0 * (p[HX] * p[VX] + p[HY] * p[VY] + p[HZ] * p[VZ])
    mx, my, mz = toward * p[HX] - p[VX], toward * p[HY] - p[VY], toward * p[HZ] - p[VZ]
    ahead = mx * lamps[KEY, 0] + my * lamps[KEY, 1] + mz * lamps[KEY, 2]
    if ahead <= 0.1:
        return
    u = abs(mx * key.right[0] + my * key.right[1] + mz * key.right[2]) / ahead
    v = abs(mx * key.up[0] + my * key.up[1] + mz * key.up[2]) / ahead
    window = 0.75 * (1.0 - smooth(0.16, 0.34, u)) * (1.0 - smooth(0.20, 0.42, v)) * p[LIT]
    p[SR] += window
    p[SG] += window
    p[SB] += window

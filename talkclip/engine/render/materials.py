"""What each part of the head is made of: fills the surface fields of a point (see `lights`)."""

from __future__ import annotations

import math

from talkclip.engine.render.folds import add_folds
from talkclip.engine.render.kinds import BROWS, LASHES, TEETH
from talkclip.engine.render.lights import (
    BLUE,
    F0,
    GREEN,
    HX,
    HY,
    HZ,
    NX,
    NY,
    NZ,
    RED,
    ROUGHNESS,
    RX,
    RY,
    RZ,
    SHARE,
    SHINE,
    VX,
    VY,
    VZ,
    WRAP,
    normalise,
    smooth,
)
from talkclip.engine.render.raster import device, inline

_IRIS_ANGLE = 0.405
_PUPIL_SHARE = 0.40
_BROW_ROW, _HAIR_ROW, _IRIS_ROW = range(3)


@device
def _noise(volume, x, y, z):
    """Trilinear look-up in a tiling (S, S, S, 4) volume: gradient x y z and height."""
    size = volume.shape[0]
    fx, fy, fz = math.floor(x), math.floor(y), math.floor(z)
    tx, ty, tz = x - fx, y - fy, z - fz
    x0, y0, z0 = int(fx) % size, int(fy) % size, int(fz) % size
    x1, y1, z1 = (x0 + 1) % size, (y0 + 1) % size, (z0 + 1) % size
    r0 = r1 = r2 = r3 = 0.0
    for corner in range(8):
        ix, wx = (x1, tx) if corner & 1 else (x0, 1.0 - tx)
        iy, wy = (y1, ty) if corner & 2 else (y0, 1.0 - ty)
        iz, wz = (z1, tz) if corner & 4 else (z0, 1.0 - tz)
        w = wx * wy * wz
        r0 += w * volume[ix, iy, iz, 0]
        r1 += w * volume[ix, iy, iz, 1]
        r2 += w * volume[ix, iy, iz, 2]
        r3 += w * volume[ix, iy, iz, 3]
    return r0, r1, r2, r3


@device
def _height(volume, x, y, z):
    """The height alone."""
    return _noise(volume, x, y, z)[3]


@device
def _surface(p, roughness, f0, wrap, shine):
    p[ROUGHNESS], p[F0], p[WRAP], p[SHINE] = roughness, f0, wrap, shine


@device
def one_normal(p):
    """Normalise the normal and let the highlight see the same one."""
    normalise(p, NX)
    p[HX], p[HY], p[HZ] = p[NX], p[NY], p[NZ]


@inline
def skin(p, volume, folds):
    """Skin with pores and expression lines; glossy, creased lips."""
    lip = p[SHARE]
    g0, g1, g2, height = _noise(volume, p[RX] * 900.0, p[RY] * 900.0, p[RZ] * 900.0)
    # Seen from the side, pores hide each other; full bumps there would sparkle like orange peel.
    facing = p[NX] * p[VX] + p[NY] * p[VY] + p[NZ] * p[VZ]
    bump = 0.03 * (1.0 - lip) * smooth(0.15, 0.75, facing)
    p[NX] -= bump * g0
    p[NY] -= bump * g1
    p[NZ] -= bump * g2
    p[GREEN] *= 1.0 + 0.03 * height
    p[BLUE] *= 1.0 + 0.03 * height
    if lip > 0.02:
        # Lips crease from inside out: noise stretched across them.
        p[NX] -= 0.10 * lip * _noise(volume, p[RX] * 1300.0, p[RY] * 260.0, p[RZ] * 260.0)[0]
    add_folds(p, folds)
    _surface(p, 0.56 - 0.20 * lip, 0.028, 1.0, 0.72 + 0.6 * lip)
    one_normal(p)


@inline
def hair(p, kind, volume, palette):
    """Brows and short hair over the colour of the skin below: strands decide where it is seen."""
    if kind == BROWS:
        row, out = _BROW_ROW, abs(p[RX])
        across, along = 0.86 * out - 0.5 * p[RY], 0.5 * out + 0.86 * p[RY]
        g0, g1, _, strand = _noise(volume, across * 2700.0, along * 240.0, p[RZ] * 240.0)
    else:
        # Strands leave a crown towards all sides.
        row, turn = _HAIR_ROW, math.atan2(p[RX], p[RZ] + 0.035)
        away = math.sqrt(p[RX] * p[RX] + p[RZ] * p[RZ])
        clump = _height(volume, turn * 17.0, p[RY] * 45.0, 31.0)
        g0, g1, _, strand = _noise(volume, turn * 75.0, p[RY] * 110.0, 90.0 * away)
        strand = 0.75 * strand + 0.5 * clump
    share = smooth(0.22, 0.66, p[SHARE] + 0.42 * strand * (1.0 - 0.6 * p[SHARE]))
    tone = 1.0 + (0.5 if kind == BROWS else 0.8) * strand
    p[RED] += (palette[row, 0] * tone - p[RED]) * share
    p[GREEN] += (palette[row, 1] * tone - p[GREEN]) * share
    p[BLUE] += (palette[row, 2] * tone - p[BLUE]) * share
    if kind != BROWS:
        p[NX] += 0.30 * share * g0
        p[NZ] += 0.15 * share * g1
    _surface(p, 0.56, 0.028, 1.0, 0.72 - 0.45 * share)
    one_normal(p)


@device
def mouth_or_lash(p, kind, volume):
    """Teeth, wet tissue (tongue, gums, palate), and lashes."""
    if kind == TEETH:
        _surface(p, 0.30, 0.04, 0.35, 0.7)
    elif kind == LASHES:
        _surface(p, 0.55, 0.02, 0.4, 0.5)
    else:
        g0, g1, g2, height = _noise(volume, p[RX] * 700.0, p[RY] * 700.0, p[RZ] * 700.0)
        p[NX] -= 0.12 * g0
        p[NY] -= 0.12 * g1
        p[NZ] -= 0.12 * g2
        p[RED] *= 1.0 + 0.05 * height
        _surface(p, 0.30, 0.035, 0.8, 1.0)
    one_normal(p)


@device
def eye(p, center, axis, turn_by, volume, palette):
    """Eyeball: white, iris, pupil and limbal ring by the angle from the gaze axis, under a bulging cornea.

    Args:
        center: (3,) the eyeball's centre at rest.
        axis: (3,) where it looks now.
        turn_by: shifts the iris pattern, so that both eyes differ.
    """
    ex, ey, ez = p[RX] - center[0], p[RY] - center[1], p[RZ] - center[2]
    angle = math.acos(min(1.0, max(-1.0, ez / math.sqrt(ex * ex + ey * ey + ez * ez))))
    r = angle / _IRIS_ANGLE
    one_normal(p)
    # Redder towards the corners.
    edge = smooth(0.5, 1.2, angle)
    p[RED], p[GREEN], p[BLUE] = 0.74 - 0.10 * edge, 0.70 - 0.22 * edge, 0.66 - 0.24 * edge
    iris = 1.0 - smooth(0.95, 1.06, r)
    _surface(p, 0.12 - 0.05 * iris, 0.03, 0.5, 1.0)
    if iris <= 0.0:
        return
    _paint_iris(p, iris, r, math.atan2(ey, ex), turn_by, volume, palette)
    # The iris is a bowl behind the cornea: bright on the side away from the light, while the highlight sees a bulge.
    along = p[NX] * axis[0] + p[NY] * axis[1] + p[NZ] * axis[2]
    for k in range(3):
        sideways = p[NX + k] - along * axis[k]
        p[NX + k] -= 1.7 * iris * sideways
        p[HX + k] += 0.9 * iris * sideways
    normalise(p, NX)
    normalise(p, HX)


@device
def _paint_iris(p, iris, r, turn, turn_by, volume, palette):
    """Mix the iris over the white: fibres, a lighter collar around the pupil, a dark ring at the rim."""
    c, s = math.cos(turn), math.sin(turn)
    fibre = _height(volume, 9.0 * c, 9.0 * s, 2.2 * r + 11.0 * turn_by)
    fine = _height(volume, 22.0 * c, 22.0 * s, 3.0 * r + 5.0)
    tone = 1.0 + 0.55 * fibre + 0.35 * fine
    collar = 1.0 - smooth(0.42, 0.62, r)
    pupil = 1.0 - smooth(_PUPIL_SHARE - 0.035, _PUPIL_SHARE + 0.035, r)
    open_ = (1.0 - 0.80 * smooth(0.72, 1.0, r)) * (1.0 - pupil)
    p[RED] += ((palette[_IRIS_ROW, 0] * tone + 0.090 * collar) * open_ + 0.004 - p[RED]) * iris
    p[GREEN] += ((palette[_IRIS_ROW, 1] * tone + 0.045 * collar) * open_ + 0.004 - p[GREEN]) * iris
    p[BLUE] += ((palette[_IRIS_ROW, 2] * tone + 0.004 * collar) * open_ + 0.004 - p[BLUE]) * iris

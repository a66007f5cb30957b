"""Expression lines that a mesh of this size cannot fold: forehead, glabella, crow's feet, nose to mouth.

Each is a crease in the surface normal, drawn in rest coordinates, so that it travels with the skin; its depth follows
the shapes that make it. Places were measured on the default head's landmarks; depths were set by eye.
"""

from __future__ import annotations

import math

import numpy as np

from talkclip.coefficients import arkit_index
from talkclip.engine.render.lights import AO, NX, NY, NZ, RX, RY, RZ, smooth
from talkclip.engine.render.raster import device

# Columns of the strengths; each as (left, right).
FOREHEAD, GLABELLA, CROW, CHEEK = 0, 2, 4, 6
N_FOLDS = 8
_DEEP = 0.42

_RECIPE: dict[int, dict[str, float]] = {
    FOREHEAD: {"browInnerUp": 0.5, "browOuterUp": 0.6},
    GLABELLA: {"browDown": 1.0, "noseSneer": 0.2},
    CROW: {"eyeSquint": 0.35, "cheekSquint": 0.5, "mouthSmile": 0.25},
    CHEEK: {"mouthSmile": 0.6, "noseSneer": 0.5, "mouthUpperUp": 0.35, "cheekSquint": 0.2, "mouthStretch": 0.2},
}


def _matrix() -> np.ndarray:
    weights = np.zeros((52, N_FOLDS), np.float32)
    for column, shapes in _RECIPE.items():
        for name, weight in shapes.items():
            for side, suffix in enumerate(("Left", "Right")):
                weights[arkit_index(name if name == "browInnerUp" else name + suffix), column + side] = weight
    return weights


_WEIGHTS = _matrix()


def fold_strengths(values: np.ndarray) -> np.ndarray:
    """ARKit weights (52,) -> float32 (N_FOLDS,) depth of each fold, 0..1."""
    return np.asarray(np.clip(np.clip(values, 0, 1) @ _WEIGHTS, 0, 1), np.float32)


@device
def _crease(offset, width):
    """Slope across a groove: rises away from it on both sides, greatest (1) at `width`."""
    t = offset / width
    return 1.65 * t * math.exp(-0.5 * t * t)


@device
def add_folds(p, folds):
    """Tilt the normal of a skin point and darken the grooves."""
    if p[RZ] < 0.045:
        return
    side = 0 if p[RX] >= 0.0 else 1
    sign = 1.0 if p[RX] >= 0.0 else -1.0
    x, y = abs(p[RX]), p[RY]
    if y > 0.040:
        _fold_brow(p, folds, x, y, sign, side)
    if y < 0.052 and x > 0.043:
        _fold_crow(p, folds[CROW + side], x, y, sign)
    if y < 0.010:
        _fold_cheek(p, folds[CHEEK + side], x, y, sign)


@device
def _fold_brow(p, folds, x, y, sign, side):
    """Level lines across the forehead, upright ones between the brows."""
    # Across the middle both sides' strengths meet without a step.
    own = 0.5 + 0.5 * smooth(0.0, 0.012, x)
    strength = own * folds[FOREHEAD + side] + (1.0 - own) * folds[FOREHEAD + 1 - side]
    if strength > 0.02:
        place = smooth(0.064, 0.072, y) * (1.0 - smooth(0.090, 0.102, y)) * (1.0 - smooth(0.022, 0.048, x))
        wave = 2.0 * math.pi * (y / 0.0088 - 5.0 * x - 0.12 * math.sin(140.0 * p[RX]))
        depth = _DEEP * strength * place
        p[NY] += 0.7 * depth * math.sin(wave)
        p[AO] *= 1.0 - 0.5 * depth * max(0.0, math.cos(wave)) ** 3
    strength = 0.5 * (folds[GLABELLA] + folds[GLABELLA + 1])
    if strength > 0.02 and x < 0.016:
        place = smooth(0.043, 0.051, y) * (1.0 - smooth(0.060, 0.072, y))
        offset = x - (0.0068 + 0.10 * (y - 0.055))
        depth = _DEEP * strength * place
        p[NX] -= 1.3 * sign * depth * _crease(offset, 0.0013)
        p[AO] *= 1.0 - 0.8 * depth * math.exp(-0.5 * (offset / 0.0011) ** 2)


@device
def _fold_crow(p, strength, x, y, sign):
    """Rays from the outer corner of the eye."""
    if strength < 0.02:
        return
    dx, dy = x - 0.0425, y - 0.0365
    reach = math.sqrt(dx * dx + dy * dy)
    angle = math.atan2(dy, dx)
    place = smooth(0.005, 0.009, reach) * (1.0 - smooth(0.012, 0.021, reach)) * (1.0 - smooth(0.55, 1.0, abs(angle)))
    slope = 0.55 * _DEEP * strength * place * math.sin(9.5 * angle)
    p[NX] -= sign * slope * math.sin(angle)
    p[NY] += slope * math.cos(angle)


@device
def _fold_cheek(p, strength, x, y, sign):
    """From the wing of the nose past the corner of the mouth."""
    if strength < 0.02:
        return
    down = 0.006 - y
    offset = 0.9 * (x - (0.0185 + 0.46 * down - 3.0 * down * down))
    if abs(offset) > 0.012:
        return
    place = smooth(-0.002, 0.007, down) * (1.0 - smooth(0.026, 0.040, down))
    depth = _DEEP * strength * place
    slope = 0.95 * depth * _crease(offset, 0.0026)
    p[NX] -= 0.9 * sign * slope
    p[NY] -= 0.4 * slope
    p[NZ] += 0.0
    p[AO] *= 1.0 - 0.55 * depth * math.exp(-0.5 * (offset / 0.0022) ** 2)

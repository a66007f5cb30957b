"""Mends hm08's rest face and ARKit targets where an animator would stumble: mirrored pairs of shapes, lips that touch
at rest and stay shut in shut shapes, lids that meet, eyes a little wider, brows that read from afar.

Every step keeps what ARKit means by a shape; only how well this mesh draws it changes.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from head_build.mesh import Indices, Points, edges, smoothstep
from head_build.regions import Mask, Regions
from head_build.source import BaseMesh

EYE_OPEN = 0.20
"""Part of `eyeWide` that goes into the rest pose: hm08's neutral lids cover half the iris."""
GAIN = {
    "browInnerUp": 1.9, "browDownLeft": 1.15, "browDownRight": 1.15, "browOuterUpLeft": 1.5, "browOuterUpRight": 1.5,
    "noseSneerLeft": 1.35, "noseSneerRight": 1.35, "cheekPuff": 1.2,
}  # fmt: skip
"""Most targets here are gentle at 1.0, where ARKit means the strongest a face can do."""
LIFTED_CORNERS = 0.14
"""Part of the smile that goes into the rest pose, whose mouth would otherwise look glum."""
LIP_OVERLAP_M = 0.0004
LID_OVERLAP_M = 0.0006
SHUT_SHAPES = (
    "mouthPressLeft", "mouthPressRight", "mouthRollUpper", "mouthRollLower", "mouthSmileLeft", "mouthSmileRight",
    "mouthFrownLeft", "mouthFrownRight", "mouthDimpleLeft", "mouthDimpleRight", "mouthStretchLeft",
    "mouthStretchRight", "mouthShrugUpper", "mouthShrugLower", "mouthLeft", "mouthRight", "mouthPucker", "cheekPuff",
    "jawLeft", "jawRight",
)  # fmt: skip
"""Shapes that leave a shut mouth shut."""


def mend(base: BaseMesh, regions: Regions) -> BaseMesh:
    """All mends, in an order in which each may rely on those before it."""
    base = _mirror_shapes(base, regions)
    base = _keep_eyes_local(base)
    base = _open_eyes(base)
    base = _fit_blink(base, regions)
    base = _round_open_mouth(base, regions)
    base = _smooth_lower_lip(base, regions)
    base = _shape_brows_and_cheeks(base, regions)
    base = _lift_corners(base)
    base = _seal_lips(base, regions)
    base = _part_lips_for_tongue(base)
    return replace(base, deltas={name: delta * GAIN.get(name, 1.0) for name, delta in base.deltas.items()})


def other_side(name: str) -> str:
    """The shape on the other side: `...Left` <-> `...Right`; a middle shape's own name."""
    for one, two in (("Left", "Right"), ("Right", "Left")):
        if name.endswith(one):
            return name.removesuffix(one) + two
    return name


def _mirror_shapes(base: BaseMesh, regions: Regions) -> BaseMesh:
    """Make pairs of shapes exact mirror images (their mean); the mesh itself is exactly symmetric."""
    helpers = [base.faces[group] for group in ("helper-tongue", "helper-lower-teeth")]
    known = np.unique(np.concatenate([regions.faces, *helpers]))
    twin = np.arange(len(base.vertices))
    for start in range(0, len(known), 500):
        rows = known[start : start + 500]
        gap = np.linalg.norm(base.vertices[rows][:, None] * [-1, 1, 1] - base.vertices[known][None], axis=2)
        twin[rows] = known[gap.argmin(axis=1)]
    flip = np.array([-1.0, 1.0, 1.0])
    deltas = {name: 0.5 * (delta + base.deltas[other_side(name)][twin] * flip) for name, delta in base.deltas.items()}
    return replace(base, deltas=deltas)


def _keep_eyes_local(base: BaseMesh) -> BaseMesh:
    """Fade the eyes' shapes out away from their eye: hm08's reach across the nose to the other one."""
    deltas = dict(base.deltas)
    for side, group in (("Left", "helper-l-eye"), ("Right", "helper-r-eye")):
        center = base.vertices[np.unique(base.faces[group])].mean(axis=0)
        away = np.linalg.norm(base.vertices - center, axis=1)
        for name in deltas:
            if name.startswith("eye") and name.endswith(side):
                deltas[name] = deltas[name] * smoothstep(0.042, 0.028, away)[:, None]
    return replace(base, deltas=deltas)


def _part_lips_for_tongue(base: BaseMesh) -> BaseMesh:
    """`tongueOut` alone would push the tongue through shut lips."""
    shapes = base.deltas
    lower = shapes["mouthLowerDownLeft"] + shapes["mouthLowerDownRight"]
    upper = shapes["mouthUpperUpLeft"] + shapes["mouthUpperUpRight"]
    return replace(base, deltas=shapes | {"tongueOut": shapes["tongueOut"] + 0.8 * lower + 0.35 * upper})


def _open_eyes(base: BaseMesh) -> BaseMesh:
    deltas = dict(base.deltas)
    opened = base.vertices.copy()
    for side in ("Left", "Right"):
        step = EYE_OPEN * base.deltas[f"eyeWide{side}"]
        opened += step
        deltas[f"eyeWide{side}"] = base.deltas[f"eyeWide{side}"] - step
        deltas[f"eyeBlink{side}"] = base.deltas[f"eyeBlink{side}"] - step
    return replace(base, vertices=opened, deltas=deltas)


def _fit_blink(base: BaseMesh, regions: Regions) -> BaseMesh:
    """Scale the blink along the lid so that the upper edge lands just over the lower one: hm08's runs 3 mm too far."""
    deltas = dict(base.deltas)
    for side, name in ((1, "eyeBlinkLeft"), (-1, "eyeBlinkRight")):
        upper, lower = regions.lid_edge(base.vertices, side)
        blink = base.deltas[name]
        x, drop = base.vertices[upper, 0] * side, -blink[upper, 1]
        landed = base.vertices[lower] + blink[lower]
        target = np.interp(x, landed[:, 0] * side, landed[:, 1])
        needed = base.vertices[upper, 1] - target + LID_OVERLAP_M
        trusted = drop > 0.004
        fit = np.polynomial.Polynomial.fit(x[trusted], needed[trusted] / drop[trusted], 2, w=drop[trusted])
        scale = np.clip(fit(np.clip(base.vertices[:, 0] * side, x[trusted].min(), x[trusted].max())), 0.5, 1.3)
        deltas[name] = blink * scale[:, None]
    return replace(base, deltas=deltas)


def _round_open_mouth(base: BaseMesh, regions: Regions) -> BaseMesh:
    """`jawOpen` pulls the lower lip to a point; let its sides come down too. `mouthClose` takes the same back."""
    x, jaw = np.abs(base.vertices[:, 0]), base.deltas["jawOpen"]
    follows = smoothstep(0.010, 0.026, -jaw[:, 1]) * regions.lower_lip
    rim = smoothstep(11, 3, np.minimum(regions.lip_ring, regions.cavity_ring).astype(float))
    extra = 0.0030 * np.exp(-0.5 * ((x - 0.0125) / 0.0045) ** 2) * follows * rim
    along = jaw / np.maximum(np.linalg.norm(jaw, axis=1, keepdims=True), 1e-9)
    rounder = _relax(jaw + extra[:, None] * along, regions.faces, 0.6 * rim * regions.lower_lip * (x < 0.019), 10)
    step = rounder - jaw
    deltas = base.deltas | {"jawOpen": jaw + step, "mouthClose": base.deltas["mouthClose"] - step}
    return replace(base, deltas=deltas)


def _smooth_lower_lip(base: BaseMesh, regions: Regions) -> BaseMesh:
    """Round the point of the lower lip's border, at rest and in the smile."""
    x = np.abs(base.vertices[:, 0])
    place = smoothstep(0.016, 0.006, x) * regions.lower_lip * smoothstep(3.5, 6, regions.lip_ring.astype(float))
    place *= smoothstep(15, 11, regions.lip_ring.astype(float))
    deltas = {
        name: _relax(delta, regions.faces, place, 8) if name.startswith("mouthSmile") else delta
        for name, delta in base.deltas.items()
    }
    return replace(base, vertices=_relax(base.vertices, regions.faces, 0.6 * place, 4), deltas=deltas)


def _shape_brows_and_cheeks(base: BaseMesh, regions: Regions) -> BaseMesh:
    """Let `browInnerUp` lift the inner ends, so that brows can slant; smooth kinks out of the outer ends and cheeks."""
    x, y, z = np.abs(base.vertices[:, 0]), base.vertices[:, 1], base.vertices[:, 2]
    inner = 1 - 0.8 * smoothstep(0.016, 0.042, x)
    brow = smoothstep(0.736, 0.746, y) * smoothstep(0.06, 0.08, z)
    face = smoothstep(0.03, 0.05, z) * (regions.lip_ring > 6) * (regions.cavity_ring > 6)
    deltas = dict(base.deltas)
    deltas["browInnerUp"] = _relax(deltas["browInnerUp"] * inner[:, None], regions.faces, 0.5 * brow, 4)
    for name in ("browOuterUpLeft", "browOuterUpRight"):
        deltas[name] = _relax(deltas[name], regions.faces, 0.6 * brow, 6)
    deltas["cheekPuff"] = _relax(deltas["cheekPuff"], regions.faces, 0.6 * face * (y < 0.73), 4)
    return replace(base, deltas=deltas)


def _lift_corners(base: BaseMesh) -> BaseMesh:
    smile = base.deltas["mouthSmileLeft"] + base.deltas["mouthSmileRight"]
    return replace(base, vertices=base.vertices + LIFTED_CORNERS * smile)


def _relax(field: Points, faces: Indices, weight: Points, rounds: int) -> Points:
    """Laplacian smoothing of a per-vertex field where `weight` (V,) is above 0."""
    pairs = edges(faces)
    pairs = np.unique(np.sort(pairs, axis=1), axis=0)
    count = np.bincount(pairs.ravel(), minlength=len(field))[:, None]
    for _ in range(rounds):
        total = np.zeros_like(field)
        np.add.at(total, pairs[:, 0], field[pairs[:, 1]])
        np.add.at(total, pairs[:, 1], field[pairs[:, 0]])
        field = field + weight[:, None] * (total / np.maximum(count, 1) - field) * (count > 0)
    return field


def _seal_lips(base: BaseMesh, regions: Regions) -> BaseMesh:
    """Bring the lips together at rest and in the shapes that leave a shut mouth shut."""
    rest = base.vertices
    for _ in range(4):
        rest = rest + _closing(rest, regions)
    deltas = dict(base.deltas)
    for name in SHUT_SHAPES:
        for _ in range(4):
            deltas[name] = deltas[name] + _closing(rest + deltas[name], regions)
    for _ in range(4):
        shut = rest + deltas["jawOpen"] + deltas["mouthClose"]
        deltas["mouthClose"] = deltas["mouthClose"] + _closing(shut, regions)
    return replace(base, vertices=rest, deltas=deltas)


def _closing(posed: Points, regions: Regions) -> Points:
    """(V, 3) motion that makes the lips of a pose overlap by LIP_OVERLAP_M; nothing where they already do.

    Lips are compared column by column, as one sees them from the front; the corners, where they meet anyway, stay.
    """
    columns = np.arange(-0.036, 0.03601, 0.0005)
    gap = lip_gap(posed, regions, columns) + LIP_OVERLAP_M
    kernel = np.exp(-0.5 * (np.arange(-12, 13) / 4.0) ** 2)
    gap = np.convolve(np.maximum(gap, 0), kernel / kernel.sum(), mode="same")
    along = np.interp(posed[:, 0], columns, gap, left=0, right=0)
    near = smoothstep(9, 3, regions.lip_ring.astype(float)) + smoothstep(5, 1, regions.cavity_ring.astype(float))
    near = np.minimum(near, 1) * along
    move = np.zeros_like(posed)
    move[:, 1] = near * (0.6 * regions.lower_lip - 0.4 * regions.upper_lip)
    return move


def lip_gap(posed: Points, regions: Regions, columns: Points) -> Points:
    """(columns,) metres from the lower lip's upper outline to the upper lip's lower outline, seen from the front.

    -LIP_OVERLAP_M where a column is beside the mouth.
    """

    def outline(lip: Mask, ring: Indices, number: int, outside: float) -> Points:
        line = posed[np.flatnonzero(lip & (ring == number))]
        line = line[np.argsort(line[:, 0])]
        return np.interp(columns, line[:, 0], line[:, 1], left=outside, right=outside)

    loops = [(regions.lip_ring, number) for number in range(5)] + [(regions.cavity_ring, 1)]
    upper = np.array([outline(regions.upper_lip, ring, number, np.inf) for ring, number in loops])
    lower = np.array([outline(regions.lower_lip, ring, number, -np.inf) for ring, number in loops])
    # Outer loops go on around the mouth's corner, where nothing can gape: only columns of the innermost count.
    between = np.isfinite(upper[:2]).any(axis=0) & np.isfinite(lower[:2]).any(axis=0)
    return np.where(between, upper.min(axis=0) - lower.max(axis=0), -LIP_OVERLAP_M)

"""The skin: hm08's head cut cleanly at the neck, with painted colours and measuring points."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from head_build.mesh import (
    Indices,
    Points,
    boundary_edges,
    ordered_loops,
    smoothstep,
    vertex_normals,
)  # fmt: skip
from head_build.piece import Piece
from head_build.regions import LID_EDGE_RING, NECK_POINT_M, NECK_UP, Regions
from head_build.source import BaseMesh

LIP_RINGS = 7
"""Edges from the wet line, where the mouth cavity's texture begins, to the border of the lips' red."""

# hm08 vertex numbers are stable, so they serve as names. Left ones; the right are found by mirroring.
MIDLINE = {
    "lip_upper_inner": 520, "lip_lower_inner": 540, "lip_upper_outer": 362, "lip_lower_outer": 492, "nose_tip": 297,
    "chin": 5211, "jaw": 5296, "forehead": 3750, "neck": 787,
}  # fmt: skip
LEFT = {"mouth_corner": 7182, "lid_upper": 6785, "lid_lower": 6828, "eye_outer": 6809, "eye_inner": 6855}
LEFT_POINTS_M = {
    "brow_inner": (0.012, 0.752, 0.145), "brow_mid": (0.030, 0.756, 0.142), "brow_outer": (0.048, 0.750, 0.130),
    "cheek": (0.042, 0.700, 0.125),
}  # fmt: skip

SKIN_RGB = np.array([228.0, 178.0, 152.0])
LIP_RGB = np.array([206.0, 134.0, 122.0])
MOUTH_RGB = np.array([128.0, 52.0, 52.0])
THROAT_RGB = np.array([52.0, 18.0, 18.0])
LASH_LINE_RGB = np.array([118.0, 78.0, 68.0])
WATERLINE_RGB = np.array([214.0, 150.0, 138.0])


@dataclass(frozen=True)
class Skin:
    """The skin piece and what the others need to sit on it."""

    piece: Piece
    source: Indices
    """hm08 vertex -> vertex of the piece, or -1."""


def build_skin(base: BaseMesh, regions: Regions) -> Skin:
    """Cut, close, paint and name the skin."""
    faces, mouth = regions.faces, regions.mouth
    # The pocket behind the lids is hidden by the eyeball; only its rim, the wet edge of the lids, is kept.
    deep = regions.sockets & (base.vertices[faces][:, :, 2].max(axis=1) < 0.1265)
    material = np.full(len(faces), "skin", dtype="<U16")
    material[(regions.lip_ring[faces].max(axis=1) <= LIP_RINGS) & ~mouth] = "lips"
    material[mouth] = "mouth_interior"
    return _clip(base, faces[~deep], regions.face_uv[~deep], material[~deep], _paint(base, regions))


def _paint(base: BaseMesh, regions: Regions) -> Points:
    """(hm08 vertices, 3) sRGB: a living skin is redder on cheeks, nose, ears and lids than on the forehead."""
    vertices = base.vertices
    colors = np.tile(SKIN_RGB, (len(vertices), 1))

    def tint(
        center_m: tuple[float, float, float], radius_m: float, rgb: tuple[float, float, float], much: float
    ) -> None:
        for side in {1, -1 if center_m[0] else 1}:
            away = np.linalg.norm(vertices - np.array(center_m) * [side, 1, 1], axis=1)
            weight = much * np.exp(-0.5 * (away / radius_m) ** 2)[:, None]
            colors[:] = colors * (1 - weight) + np.array(rgb) * weight

    tint((0.044, 0.703, 0.125), 0.017, (226, 142, 124), 0.45)
    tint((0.0, 0.698, 0.158), 0.011, (222, 142, 124), 0.40)
    tint((0.083, 0.720, 0.050), 0.016, (218, 138, 120), 0.40)
    tint((0.030, 0.741, 0.134), 0.012, (204, 140, 122), 0.35)
    tint((0.028, 0.722, 0.132), 0.009, (206, 146, 134), 0.30)
    tint((0.0, 0.634, 0.138), 0.014, (220, 158, 136), 0.30)
    lip_ring, cavity = regions.lip_ring, regions.cavity_ring
    lip = smoothstep(LIP_RINGS + 0.6, LIP_RINGS - 1.4, lip_ring.astype(float))[:, None]
    colors = colors * (1 - lip) + LIP_RGB * lip
    wet = smoothstep(2.5, 0.0, lip_ring.astype(float))[:, None]
    colors = colors * (1 - 0.45 * wet) + np.array([150.0, 62.0, 62.0]) * 0.45 * wet
    inside = (cavity > 0) & np.isin(np.arange(len(vertices)), regions.faces[regions.mouth])
    depth = smoothstep(0.135, 0.085, vertices[inside, 2])[:, None]
    colors[inside] = MOUTH_RGB * (1 - depth) + THROAT_RGB * depth
    colors[regions.faces[regions.sockets]] = WATERLINE_RGB
    colors[regions.lid_ring < LID_EDGE_RING - 1] = WATERLINE_RGB
    for side in (1, -1):
        upper, _ = regions.lid_edge(vertices, side)
        colors[upper] = LASH_LINE_RGB
    return colors


def _clip(base: BaseMesh, faces: Indices, face_uv: Indices, material: NDArray[np.str_], colors: Points) -> Skin:
    """Slide the vertices below the neck plane onto it, round the edge off and close it."""
    height = (base.vertices - NECK_POINT_M) @ NECK_UP
    faces, face_uv = _cut_corners(faces, face_uv, height)
    used, local = np.unique(faces, return_inverse=True)
    faces = local.reshape(-1, 4)
    weight = np.zeros((len(used), len(used)))
    neighbours = np.concatenate(
        [boundary := np.stack([faces, np.roll(faces, -1, 1)], -1).reshape(-1, 2), boundary[:, ::-1]]
    )
    for vertex in range(len(used)):
        if height[used[vertex]] >= 0:
            weight[vertex, vertex] = 1
            continue
        above = [n for n in np.unique(neighbours[neighbours[:, 0] == vertex, 1]) if height[used[n]] > 0]
        for n in above:
            share = height[used[n]] / (height[used[n]] - height[used[vertex]]) / len(above)
            weight[vertex, vertex] += share
            weight[vertex, n] += 1 / len(above) - share
        if not above:
            weight[vertex, vertex] = 1
    vertices = weight @ base.vertices[used]
    below = (vertices - NECK_POINT_M) @ NECK_UP
    vertices -= np.minimum(below, 0)[:, None] * NECK_UP
    deltas = {name: weight @ delta[used] for name, delta in base.deltas.items()}
    piece = Piece(
        name="skin", vertices=vertices, faces=faces, material=material, colors=colors[used],
        uv=base.uv, face_uv=face_uv, deltas=deltas,
    )  # fmt: skip
    piece = _close_neck(piece)
    source = np.full(len(base.vertices), -1)
    source[used] = np.arange(len(used))
    marks = {name: int(source[vertex]) for name, vertex in skin_landmarks(base.vertices).items()}
    used_uv, face_uv = np.unique(piece.face_uv, return_inverse=True)
    final = Piece(
        name="skin", vertices=piece.vertices, faces=piece.faces, material=piece.material, colors=piece.colors,
        uv=base.uv[used_uv], face_uv=face_uv.reshape(-1, 4), deltas=piece.deltas, landmarks=marks,
    )  # fmt: skip
    return Skin(final, source)


def _cut_corners(faces: Indices, face_uv: Indices, height: Points) -> tuple[Indices, Indices]:
    """A quad with one vertex above the plane loses the vertex opposite to it: no edge leads from there to the plane."""
    faces, face_uv = faces.copy(), face_uv.copy()
    for row in np.flatnonzero((height[faces] > 0).sum(axis=1) == 1):
        turn = -int((height[faces[row]] > 0).argmax())
        for table in (faces, face_uv):
            corner = np.roll(table[row], turn)
            table[row] = [corner[3], corner[0], corner[1], corner[1]]
    return faces, face_uv


def _close_neck(piece: Piece) -> Piece:
    """A rounded edge and a flat cap under the neck."""
    loops = ordered_loops(boundary_edges(piece.faces))
    loop = max(loops, key=lambda one: -((piece.vertices[one] - NECK_POINT_M) @ NECK_UP).mean())
    edge = piece.vertices[loop]
    middle = edge.mean(axis=0)
    count, first = len(loop), len(piece.vertices)
    steps = ((0.985, -0.0022), (0.95, -0.0036), (0.85, -0.0042), (0.45, -0.0042))
    new = np.concatenate(
        [*(middle + (edge - middle) * s + NECK_UP * d for s, d in steps), [middle + NECK_UP * -0.0042]]
    )
    ring = [loop, *(first + count * k + np.arange(count) for k in range(len(steps)))]
    quads = [np.stack([np.roll(a, -1), a, b, np.roll(b, -1)], axis=1) for a, b in itertools.pairwise(ring)]
    tip = np.full(count, first + count * len(steps))
    cap = np.stack([np.roll(ring[-1], -1), ring[-1], tip, tip], axis=1)
    faces = np.concatenate([*quads, cap])
    corner_uv = np.zeros(len(piece.vertices), dtype=np.int64)
    corner_uv[piece.faces] = piece.face_uv
    fade = np.concatenate([*(np.repeat(1 - 0.25 * (k + 1), count) for k in range(len(steps))), [0.0]])
    source = np.concatenate([np.tile(loop, len(steps)), loop[:1]])
    uv_of = np.concatenate([corner_uv, corner_uv[source]])
    return Piece(
        name=piece.name,
        vertices=np.concatenate([piece.vertices, new]),
        faces=np.concatenate([piece.faces, faces]),
        material=np.concatenate([piece.material, np.full(len(faces), "skin")]),
        colors=np.concatenate([piece.colors, piece.colors[source]]),
        uv=piece.uv,
        face_uv=np.concatenate([piece.face_uv, uv_of[faces]]),
        deltas={k: np.concatenate([d, d[source] * fade[:, None]]) for k, d in piece.deltas.items()},
    )


def skin_landmarks(vertices: Points) -> dict[str, int]:
    """Landmark name -> hm08 vertex of the skin, left and right."""

    def nearest(point: Points) -> int:
        return int(np.linalg.norm(vertices[:13380] - point, axis=1).argmin())

    left = LEFT | {name: nearest(np.array(point)) for name, point in LEFT_POINTS_M.items()}
    marks = dict(MIDLINE)
    for name, vertex in left.items():
        marks[f"{name}_left"] = vertex
        marks[f"{name}_right"] = nearest(vertices[vertex] * [-1, 1, 1])
    return marks


def skin_normals(skin: Skin) -> Points:
    """(V, 3) normals of the skin piece at rest."""
    return vertex_normals(skin.piece.vertices, skin.piece.faces)

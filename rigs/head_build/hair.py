"""Short cropped hair: a rounded shell over the scalp that thins out to the skin at the hairline."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from head_build.mesh import Indices, Points, edges, smoothstep, vertex_normals
from head_build.piece import Piece
from head_build.skin import Skin

AXIS_Z_M = 0.040
HAIRLINE = np.array([
    (0, 0.7970), (12, 0.7990), (26, 0.8010), (38, 0.7960), (48, 0.7845), (58, 0.7700), (66, 0.7560), (72, 0.7440),
    (77, 0.7340), (81, 0.7370), (86, 0.7520), (96, 0.7565), (106, 0.7530), (114, 0.7400), (122, 0.7200), (132, 0.7010),
    (146, 0.6870), (162, 0.6800), (180, 0.6780),
])  # fmt: skip
"""(degrees from the front around the vertical axis at AXIS_Z_M, height in metres)."""
SIDE_M, TOP_M = 0.0032, 0.0095
FADE_M = 0.024
HAIR_RGB = np.array([70.0, 50.0, 39.0])


def build_hair(skin: Skin) -> Piece:
    """The cap; it follows the scalp's shapes."""
    piece = skin.piece
    wide = (above_hairline(piece.vertices) > -0.035) & ~_is_ear(piece.vertices)
    chosen = piece.faces[wide[piece.faces].all(axis=1) & (piece.material == "skin")]
    used, local = np.unique(chosen, return_inverse=True)
    faces, mix = _subdivide(local.reshape(-1, 4), np.eye(len(used)))
    faces, mix = _subdivide(faces, mix)
    inside = above_hairline(mix @ piece.vertices[used])[faces].max(axis=1) > 0
    kept, local = np.unique(faces[inside], return_inverse=True)
    faces, mix = local.reshape(-1, 4), mix[kept]
    flat = mix @ piece.vertices[used]
    over = above_hairline(flat)
    # Near the hairline the shell keeps to the skin's own facets, or the two would cut through each other.
    free = smoothstep(0.004, 0.020, over)[:, None]
    scalp = flat * (1 - free) + _round_off(flat, faces) * free
    normals = vertex_normals(scalp, faces)
    thick = _thickness(scalp, over)
    skin_rgb = mix @ piece.colors[used]
    around = np.arctan2(scalp[:, 0], AXIS_Z_M - scalp[:, 2]) / (2 * np.pi) + 0.5
    uv = np.stack([around, (scalp[:, 1] - 0.65) / 0.22], axis=1)
    return Piece(
        name="hair",
        vertices=scalp + normals * thick[:, None],
        faces=faces,
        material=np.full(len(faces), "hair"),
        colors=_paint(scalp, over, skin_rgb),
        uv=uv,
        face_uv=faces,
        deltas={name: mix @ delta[used] for name, delta in piece.deltas.items()},
    )


def above_hairline(points: Points) -> Points:
    """(n,) metres above the hairline, negative on the face and neck."""
    degree = np.degrees(np.arctan2(np.abs(points[:, 0]), points[:, 2] - AXIS_Z_M))
    return np.asarray(points[:, 1] - np.interp(degree, HAIRLINE[:, 0], HAIRLINE[:, 1]))


def _is_ear(points: Points) -> NDArray[np.bool_]:
    """The ears stand out from the skull's side."""
    near = (points[:, 1] < 0.765) & (points[:, 2] > 0.005) & (points[:, 2] < 0.068)
    return np.asarray(near & (np.abs(points[:, 0]) > 0.0725))


def _thickness(scalp: Points, over: Points) -> Points:
    """Close at the sides and nape, fuller on top and in front; tufted, so that light catches it."""
    top = smoothstep(0.785, 0.825, scalp[:, 1])
    front = smoothstep(0.02, 0.09, scalp[:, 2]) * top
    full = SIDE_M + (TOP_M - SIDE_M) * top + 0.003 * front
    tuft = 1 + 0.10 * _strands(scalp)
    return 0.00025 + full * smoothstep(0.001, FADE_M, over) * tuft


def _strands(scalp: Points) -> Points:
    """-1..1 pattern that runs along the combing direction, away from the whorl at the crown."""
    whorl = scalp - np.array([0.006, 0.0, 0.010])
    turn = np.arctan2(whorl[:, 0], whorl[:, 2])
    wave = np.sin(turn * 23 + 9 * scalp[:, 1] / 0.05) + 0.7 * np.sin(turn * 41 - 60 * scalp[:, 1] + 1.3)
    return np.asarray(wave / 1.7)


def _paint(scalp: Points, over: Points, skin_rgb: Points) -> Points:
    cover = smoothstep(0.0005, 0.010, over)[:, None]
    hair = HAIR_RGB * (1 + 0.16 * _strands(scalp))[:, None]
    return skin_rgb * (1 - cover) + hair * cover


def _subdivide(faces: Indices, mix: Points) -> tuple[Indices, Points]:
    """Each quad into four. `mix` (n, k) are the vertices as mixtures of k originals; new rows are appended."""
    pairs = np.sort(edges(faces), axis=1)
    unique, inverse = np.unique(pairs, axis=0, return_inverse=True)
    count = len(mix)
    middle = count + inverse.reshape(4, len(faces)).T
    center = count + len(unique) + np.arange(len(faces))
    grown = np.concatenate([mix, mix[unique].mean(axis=1), mix[faces].mean(axis=1)])
    quads = [np.stack([faces[:, k], middle[:, k], center, middle[:, k - 1]], axis=1) for k in range(4)]
    return np.concatenate(quads), grown


def _round_off(points: Points, faces: Indices, rounds: int = 12) -> Points:
    """Smooth the linear subdivision, alternately shrinking and swelling (Taubin 1995): the head keeps its size."""
    pairs = np.unique(np.sort(edges(faces), axis=1), axis=0)
    count = np.bincount(pairs.ravel(), minlength=len(points))[:, None]
    rim = np.zeros(len(points), dtype=bool)
    rim[count[:, 0] < 4] = True
    for step in [0.5, -0.51] * rounds:
        total = np.zeros_like(points)
        np.add.at(total, pairs[:, 0], points[pairs[:, 1]])
        np.add.at(total, pairs[:, 1], points[pairs[:, 0]])
        points = points + step * np.where(rim[:, None], 0, total / count - points)
    return points

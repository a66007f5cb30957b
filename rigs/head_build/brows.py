"""Eyebrows: soft-edged patches that lie on the brow ridge and ride the skin's shapes."""

from __future__ import annotations

import numpy as np

from head_build.mesh import Points, grid_faces, grid_uv, project_front, smoothstep
from head_build.piece import Piece
from head_build.skin import Skin, skin_normals

ROWS, COLUMNS = 9, 49
INNER_X_M, OUTER_X_M = 0.0105, 0.0515
SPINE = ((0.0, 0.7522), (0.35, 0.7548), (0.66, 0.7562), (1.0, 0.7518))
"""(along, height in metres) of the brow's middle line."""
HALF_WIDTH_M = 0.0038
RISE_M = 0.0011
BROW_RGB = np.array([86.0, 62.0, 48.0])


def build_brow(skin: Skin, side: int) -> Piece:
    """One brow; `side` +1 is the character's left."""
    along, across = (
        g.ravel() for g in np.meshgrid(np.linspace(0, 1, COLUMNS), np.linspace(-1, 1, ROWS), indexing="ij")
    )
    knots, heights = np.array(SPINE).T
    spine = np.polynomial.Polynomial.fit(knots, heights, 3)
    width = HALF_WIDTH_M * smoothstep(-0.07, 0.17, along) * (1 - 0.78 * smoothstep(0.35, 1.0, along))
    slope = spine.deriv()(along) / (OUTER_X_M - INNER_X_M)
    length = np.sqrt(1 + slope**2)
    x = INNER_X_M + (OUTER_X_M - INNER_X_M) * along - across * width * slope / length
    y = spine(along) + across * width / length
    piece = skin.piece
    corner, weight = project_front(np.stack([x * side, y], axis=1), piece.vertices, piece.faces)

    def ride(field: Points) -> Points:
        return np.asarray((field[corner] * weight[..., None]).sum(axis=1))

    normal = ride(skin_normals(skin))
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    ends = smoothstep(0.0, 0.07, along) * smoothstep(1.0, 0.90, along)
    rise = 0.00012 + RISE_M * np.sqrt(np.clip(1 - across**2, 0, 1)) * ends * (1 - 0.4 * along)
    faces = grid_faces(COLUMNS, ROWS)
    return Piece(
        name=f"{'left' if side > 0 else 'right'}_brow",
        vertices=ride(piece.vertices) + normal * rise[:, None],
        faces=faces[:, ::-1] if side > 0 else faces,
        material=np.full(len(faces), "brows"),
        colors=_paint(along, across, ends, ride(piece.colors)),
        uv=grid_uv(COLUMNS, ROWS),
        face_uv=faces[:, ::-1] if side > 0 else faces,
        deltas={name: ride(delta) for name, delta in piece.deltas.items()},
    )


def _paint(along: Points, across: Points, ends: Points, skin_rgb: Points) -> Points:
    """Hair colour fading into the skin's at the rim, with slanted strands."""
    cover = (1 - smoothstep(0.55, 1.0, np.abs(across))) * (0.35 + 0.65 * ends) * smoothstep(-0.04, 0.22, along)
    strand = 0.5 + 0.5 * np.sin(2 * np.pi * (along * 17 - across * (0.9 - 0.9 * along)))
    hair = BROW_RGB * (0.86 + 0.30 * strand)[:, None]
    cover = np.clip(cover * (0.88 + 0.12 * strand), 0, 1)[:, None]
    return skin_rgb * (1 - cover) + hair * cover

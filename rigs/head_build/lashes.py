"""Upper eyelashes: a row of fine points along the lid's edge, rebuilt at every shape so that they turn with the lid."""

from __future__ import annotations

import numpy as np

from head_build.mesh import Indices, Points
from head_build.piece import Piece
from head_build.skin import Skin

COLUMNS = 65
LENGTH_M = 0.0034
THICK_M = 0.0002
LASH_RGB = np.array([34.0, 24.0, 22.0])


def build_lashes(skin: Skin, margin: Indices, center: Points, side: int) -> Piece:
    """Upper lashes of one eye; `margin` is the lid's edge (skin vertices), `center` the eyeball's."""
    lid = skin.piece.vertices[margin]
    rest = _points(lid, lid, center)
    row = np.arange(COLUMNS)
    top, tip, bottom = row, row + COLUMNS, row + 2 * COLUMNS

    def strip(a: Indices, b: Indices) -> Indices:
        return np.stack([a[:-1], a[1:], b[1:], b[:-1]], axis=1)

    faces = np.concatenate([strip(tip, top), strip(bottom, tip), strip(top, bottom)])
    faces = faces if side > 0 else faces[:, ::-1]
    deltas = {}
    for shape, delta in skin.piece.deltas.items():
        if np.abs(delta[margin]).max() > 1e-5:
            deltas[shape] = _points(lid + delta[margin], lid, center) - rest
    along = np.tile(np.linspace(0, 1, COLUMNS), 3)
    uv = np.stack([along, np.repeat([1.0, 0.5, 0.0], COLUMNS)], axis=1)
    return Piece(
        name=f"{'left' if side > 0 else 'right'}_lashes",
        vertices=rest,
        faces=faces,
        material=np.full(len(faces), "lashes"),
        colors=np.tile(LASH_RGB, (len(rest), 1)),
        uv=uv,
        face_uv=faces,
        deltas=deltas,
    )


def _points(margin: Points, margin_rest: Points, center: Points) -> Points:
    """(3 * COLUMNS, 3): roots above, tips, roots below. A lash points away from the eyeball and curls up, or, on a
    lowered lid, down."""
    step = np.linalg.norm(np.diff(margin_rest, axis=0), axis=1)
    place = np.concatenate([[0], np.cumsum(step)]) / step.sum()
    along = np.linspace(0.05, 0.985, COLUMNS)

    def resample(values: Points) -> Points:
        return np.stack([np.interp(along, place, values[:, axis]) for axis in range(3)], axis=1)

    root, lowered = resample(margin), resample(margin_rest - margin)[:, 1]
    out = root - center
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    up = np.array([0.0, 1.0, 0.0]) - out * out[:, 1:2]
    up /= np.linalg.norm(up, axis=1, keepdims=True)
    curl = 0.55 - 0.95 * np.clip(lowered / 0.009, 0, 1)
    fan = np.array([1.0, 0, 0]) * np.sign(center[0]) * (along - 0.4)[:, None] * 0.7
    direction = out * 0.85 + up * curl[:, None] + fan
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    long = LENGTH_M * np.sin(np.pi * np.clip(along, 0, 1)) ** 0.5 * (0.6 + 0.5 * along)
    long *= np.where(np.arange(COLUMNS) % 2 == 1, 1.0, 0.16)
    root = root + out * 0.0002
    tip = root + direction * long[:, None]
    return np.concatenate([root + up * THICK_M, tip, root - up * THICK_M])

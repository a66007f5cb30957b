"""A piece of the head while it is being built, and the joining of pieces into the packaged file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from talkclip.files import atomic_write
from talkclip_rigs.head import FORMAT_VERSION, MATERIALS

DELTA_STEP_M = 1e-5
UV_STEPS = 65535
ROUGHNESS = {
    "skin": 0.55, "lips": 0.38, "brows": 0.85, "lashes": 0.8, "eye_white": 0.12, "iris": 0.12, "pupil": 0.08,
    "teeth": 0.22, "gum": 0.35, "tongue": 0.42, "mouth_interior": 0.6, "hair": 0.65,
}  # fmt: skip


@dataclass(frozen=True)
class Piece:
    """One connected object with its materials, colours and shapes. n vertices, m faces, u texture points."""

    name: str
    vertices: NDArray[np.float64]
    """(n, 3) metres."""
    faces: NDArray[np.int64]
    """(m, 4); a triangle repeats its last index."""
    material: NDArray[np.str_]
    """(m,) material name of each face."""
    colors: NDArray[np.float64]
    """(n, 3) sRGB 0..255."""
    uv: NDArray[np.float64]
    """(u, 2) 0..1."""
    face_uv: NDArray[np.int64]
    """(m, 4) indices into `uv`."""
    deltas: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    """Shape name -> (n, 3) metres; a missing shape does not move the piece."""
    landmarks: dict[str, int] = field(default_factory=dict)
    """Landmark name -> vertex of this piece."""


def write_head(
    pieces: list[Piece],
    names: tuple[str, ...],
    eye_centers: NDArray[np.float64],
    origin: NDArray[np.float64],
    path: Path,
) -> None:
    """Join the pieces with `origin` moved to (0, 0, 0) and write the packaged file.

    Args:
        names: the 52 shape names in their final order.
        eye_centers: (2, 3) left, right; metres, in the pieces' coordinates.
    """
    vertex_start = np.cumsum([0, *(len(piece.vertices) for piece in pieces)])
    uv_start = np.cumsum([0, *(len(piece.uv) for piece in pieces)])
    vertices = np.concatenate([piece.vertices for piece in pieces]) - origin
    faces = np.concatenate([piece.faces + start for piece, start in zip(pieces, vertex_start, strict=False)])
    material = np.concatenate([piece.material for piece in pieces])
    colors = np.concatenate([piece.colors for piece in pieces])
    used = [name for name in MATERIALS if (material == name).any()]
    start, index, steps = _sparse_deltas(pieces, names, vertex_start)
    marks = {
        name: vertex + first
        for piece, first in zip(pieces, vertex_start, strict=False)
        for name, vertex in piece.landmarks.items()
    }
    with atomic_write(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(
            stream,
            format_version=np.array(FORMAT_VERSION),
            vertices=vertices.astype(np.float32),
            faces=faces.astype(np.uint16),
            face_material=np.array([used.index(name) for name in material], dtype=np.uint8),
            material_names=np.array(used),
            material_colors=np.array([_tone(name, colors[np.unique(faces[material == name])]) for name in used]),
            material_roughness=np.array([ROUGHNESS[name] for name in used]),
            uv=np.round(np.concatenate([piece.uv for piece in pieces]).clip(0, 1) * UV_STEPS).astype(np.uint16),
            face_uv=np.concatenate(
                [piece.face_uv + first for piece, first in zip(pieces, uv_start, strict=False)]
            ).astype(np.uint16),
            colors=np.round(colors.clip(0, 255)).astype(np.uint8),
            part=np.repeat(np.arange(len(pieces), dtype=np.uint8), np.diff(vertex_start)),
            part_names=np.array([piece.name for piece in pieces]),
            names=np.array(names),
            delta_start=start,
            delta_index=index,
            delta_10um=steps,
            landmark_names=np.array(list(marks)),
            landmark_indices=np.array(list(marks.values()), dtype=np.uint16),
            eye_centers=(eye_centers - origin).astype(np.float32),
        )


def _tone(material: str, colors: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3,) sRGB 0..1 that stands for a material where vertex colours are ignored.

    Hair fades into skin and teeth into the mouth's dark: their own colour is the dark or the bright end.
    """
    order = np.argsort(colors.sum(axis=1))
    count = max(1, len(order) // 3)
    chosen = {"brows": order[:count], "hair": order[:count], "teeth": order[-count:], "eye_white": order[-count:]}
    return np.asarray(colors[chosen.get(material, order)].mean(axis=0) / 255)


def _sparse_deltas(
    pieces: list[Piece], names: tuple[str, ...], vertex_start: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.uint16], NDArray[np.int16]]:
    start, indices, steps = [0], [], []
    for name in names:
        dense = np.zeros((vertex_start[-1], 3))
        for piece, first in zip(pieces, vertex_start, strict=False):
            if name in piece.deltas:
                dense[first : first + len(piece.vertices)] = piece.deltas[name]
        rounded = np.round(dense / DELTA_STEP_M)
        moved = np.flatnonzero(rounded.any(axis=1))
        indices.append(moved)
        steps.append(rounded[moved])
        start.append(start[-1] + len(moved))
    return (
        np.array(start, dtype=np.int32),
        np.concatenate(indices).astype(np.uint16),
        np.concatenate(steps).astype(np.int16),
    )

"""Names for parts of hm08's head surface, found from its topology: lips, lids, mouth cavity, eye sockets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from head_build.mesh import Indices, islands, rings
from head_build.source import BaseMesh

Mask = NDArray[np.bool_]

NECK_POINT_M = np.array([0.0, 0.597, 0.030])
NECK_UP = np.array([0.0, 0.966, 0.259])
MOUTH_DEPTH_VERTEX = 690
"""hm08's vertex at the back of the palate: marks the mouth cavity's texture island."""
UPPER_LIP_VERTEX, LOWER_LIP_VERTEX = 537, 540
"""The wet line's midline vertices."""
LIP_REACH = 16
LID_EDGE_RING = 3
"""Edges from the border of the eye socket's texture to the lid's visible edge."""
CORNER_X_M = 0.0221
"""Beyond this half width the wet line belongs to the mouth's corner, to neither lip."""


@dataclass(frozen=True)
class Regions:
    """All indices are hm08 vertices; masks are over `faces`."""

    faces: Indices
    """(F, 4) head and neck faces, at least partly above the neck plane."""
    face_uv: Indices
    mouth: Mask
    """Faces of the mouth cavity."""
    sockets: Mask
    """Faces of the pockets behind the lids."""
    lip_ring: Indices
    """(19158,) edges outwards from the wet line, where the cavity begins; LIP_REACH + 1 elsewhere."""
    cavity_ring: Indices
    """(19158,) edges inwards from the wet line; LIP_REACH + 1 elsewhere."""
    upper_lip: Mask
    """(19158,) nearer to the upper lip's half of the wet line than to the lower's, within reach."""
    lower_lip: Mask
    lid_ring: Indices
    """(19158,) edges from the socket's border outwards; 9 elsewhere."""

    def lid_edge(self, vertices: NDArray[np.float64], side: int) -> tuple[Indices, Indices]:
        """Upper and lower lid edge of one eye (+1 the character's left), each from the inner to the outer corner."""
        edge = np.flatnonzero((self.lid_ring == LID_EDGE_RING) & (vertices[:, 0] * side > 0))
        points = vertices[edge] * [side, 1, 1]
        inner, outer = points[points[:, 0].argmin()], points[points[:, 0].argmax()]
        chord = inner[1] + (outer[1] - inner[1]) * (points[:, 0] - inner[0]) / (outer[0] - inner[0])
        order = np.argsort(points[:, 0])
        upper = points[order, 1] >= chord[order]
        return edge[order[upper]], edge[order[~upper]]


def find_regions(base: BaseMesh) -> Regions:
    """Cut hm08's head into its named regions."""
    faces, face_uv = _head_faces(base)
    count = len(base.vertices)
    island = islands(face_uv)
    mouth = island == island[(faces == MOUTH_DEPTH_VERTEX).any(axis=1)][0]
    sockets = _socket_faces(base, faces, island, 1) | _socket_faces(base, faces, island, -1)
    wet_line = np.intersect1d(faces[mouth], faces[~mouth])
    upper, lower = _split_wet_line(base, faces[mouth], wet_line)
    from_upper = rings(faces, upper, count, LIP_REACH)
    from_lower = rings(faces, lower, count, LIP_REACH)
    near = np.minimum(from_upper, from_lower) <= LIP_REACH
    return Regions(
        faces=faces,
        face_uv=face_uv,
        mouth=mouth,
        sockets=sockets,
        lip_ring=rings(faces[~mouth], wet_line, count, LIP_REACH),
        cavity_ring=rings(faces[mouth], wet_line, count, LIP_REACH),
        upper_lip=near & (from_upper < from_lower),
        lower_lip=near & (from_lower < from_upper),
        lid_ring=rings(faces[~sockets], np.intersect1d(faces[sockets], faces[~sockets]), count, 8),
    )


def _head_faces(base: BaseMesh) -> tuple[Indices, Indices]:
    """Body faces that are at least partly above the neck plane, arms and shoulders left out."""
    faces, face_uv = base.faces["body"], base.face_uv["body"]
    height = (base.vertices - NECK_POINT_M) @ NECK_UP
    near = np.abs(base.vertices[:, 0]) < 0.12
    keep = (height[faces] > 1e-6).any(axis=1) & near[faces].all(axis=1)
    return faces[keep], face_uv[keep]


def _socket_faces(base: BaseMesh, faces: Indices, island: Indices, side: int) -> Mask:
    center = base.vertices[np.unique(base.faces["helper-l-eye"])].mean(axis=0) * [side, 1, 1]
    middle = base.vertices[faces].mean(axis=1)
    labels, counts = np.unique(island[np.linalg.norm(middle - center, axis=1) < 0.014], return_counts=True)
    return np.asarray(island == labels[counts.argmax()])


def _split_wet_line(base: BaseMesh, cavity: Indices, wet_line: Indices) -> tuple[Indices, Indices]:
    """Upper and lower halves: walk the loop from both midline vertices at once, stop at the corners."""
    loop = wet_line[np.abs(base.vertices[wet_line, 0]) < CORNER_X_M]
    on_loop = cavity[np.isin(cavity, loop).sum(axis=1) >= 2]
    pairs = np.concatenate([np.stack([on_loop, np.roll(on_loop, -1, axis=1)], axis=-1).reshape(-1, 2)])
    pairs = pairs[np.isin(pairs, loop).all(axis=1)]
    rows = np.stack([pairs[:, 0], pairs[:, 1], pairs[:, 1], pairs[:, 1]], axis=1)
    count = len(base.vertices)
    from_upper = rings(rows, np.array([UPPER_LIP_VERTEX]), count, 40)[loop]
    from_lower = rings(rows, np.array([LOWER_LIP_VERTEX]), count, 40)[loop]
    return loop[from_upper < from_lower], loop[from_lower < from_upper]

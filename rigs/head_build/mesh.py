"""Small mesh tools the pieces share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Indices = NDArray[np.int64]


def edges(faces: Indices) -> Indices:
    """(4F, 2) directed edges of quads; the zero-length one of a triangle is left out."""
    pairs = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 3]], faces[:, [3, 0]]])
    return np.asarray(pairs[pairs[:, 0] != pairs[:, 1]])


def boundary_edges(faces: Indices) -> Indices:
    """(E, 2) directed edges that only one face uses."""
    pairs = edges(faces)
    _, inverse, count = np.unique(np.sort(pairs, axis=1), axis=0, return_inverse=True, return_counts=True)
    return np.asarray(pairs[count[inverse.ravel()] == 1])


def ordered_loops(directed: Indices) -> list[Indices]:
    """Closed loops of vertices from directed edges, each starting at its smallest vertex."""
    following = dict(directed.tolist())
    loops = []
    while following:
        first = min(following)
        loop = [first]
        while (vertex := following.pop(loop[-1])) != first:
            loop.append(vertex)
        loops.append(np.array(loop))
    return loops


def rings(faces: Indices, start: Indices, vertex_count: int, limit: int) -> Indices:
    """(vertex_count,) number of edges from the `start` vertices, `limit` + 1 where farther."""
    pairs = edges(faces)
    distance = np.full(vertex_count, limit + 1)
    distance[start] = 0
    for ring in range(limit):
        for a, b in ((0, 1), (1, 0)):
            reached = pairs[distance[pairs[:, a]] == ring, b]
            distance[reached] = np.minimum(distance[reached], ring + 1)
    return distance


def islands(faces: Indices) -> Indices:
    """(F,) label of each face's connected island: the smallest index it reaches."""
    label = np.arange(faces.max() + 1)
    while True:
        low = label[faces].min(axis=1)
        new = label.copy()
        np.minimum.at(new, faces.ravel(), np.repeat(low, 4))
        if (new == label).all():
            return label[faces[:, 0]]
        label = new


def triangles(faces: Indices) -> Indices:
    """(T, 3) triangles of quads, degenerate ones left out."""
    both = np.concatenate([faces[:, [0, 1, 2]], faces[:, [0, 2, 3]]])
    return np.asarray(both[both[:, 1] != both[:, 2]])


def vertex_normals(vertices: Points, faces: Indices) -> Points:
    """(V, 3) unit normals, area-weighted."""
    corner = triangles(faces)
    normal = np.cross(vertices[corner[:, 1]] - vertices[corner[:, 0]], vertices[corner[:, 2]] - vertices[corner[:, 0]])
    total = np.zeros_like(vertices)
    for side in range(3):
        np.add.at(total, corner[:, side], normal)
    return np.asarray(total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-20))


def project_front(points_xy: Points, vertices: Points, faces: Indices) -> tuple[Indices, Points]:
    """Drop points onto a surface along Z, seen from the front.

    Args:
        points_xy: (n, 2) metres.

    Returns:
        (n, 3) corner indices of the foremost triangle over each point, (n, 3) its barycentric weights.

    Raises:
        ValueError: a point is beside the surface.
    """
    corner = triangles(faces)
    a, b, c = (vertices[corner[:, side]] for side in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (c[:, 0] - a[:, 0]) * (b[:, 1] - a[:, 1])
    front = area > 1e-12
    corner, a, b, c, area = corner[front], a[front], b[front], c[front], area[front]
    found, weights = [], []
    for x, y in points_xy:
        weight_b = ((x - a[:, 0]) * (c[:, 1] - a[:, 1]) - (c[:, 0] - a[:, 0]) * (y - a[:, 1])) / area
        weight_c = ((b[:, 0] - a[:, 0]) * (y - a[:, 1]) - (x - a[:, 0]) * (b[:, 1] - a[:, 1])) / area
        weight = np.stack([1 - weight_b - weight_c, weight_b, weight_c], axis=1)
        depth = weight[:, 0] * a[:, 2] + weight[:, 1] * b[:, 2] + weight[:, 2] * c[:, 2]
        inside = (weight > -1e-9).all(axis=1)
        if not inside.any():
            raise ValueError(f"No surface under ({x:.4f}, {y:.4f}).")
        best = int(np.where(inside, depth, -np.inf).argmax())
        found.append(corner[best])
        weights.append(weight[best])
    return np.array(found), np.array(weights)


def grid_faces(rows: int, columns: int, closed: bool = False) -> Indices:
    """Quads of a grid whose vertex (row, column) is row * columns + column; `closed` joins last and first column."""
    row, column = np.meshgrid(np.arange(rows - 1), np.arange(columns if closed else columns - 1), indexing="ij")
    right = (column + 1) % columns
    quad = [row * columns + column, row * columns + right, (row + 1) * columns + right, (row + 1) * columns + column]
    return np.stack(quad, axis=-1).reshape(-1, 4)


def grid_uv(rows: int, columns: int) -> Points:
    """(rows * columns, 2) texture points spread evenly over 0..1."""
    v, u = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
    return np.stack([u.ravel(), v.ravel()], axis=1)


def smoothstep(low: float, high: float, x: Points) -> Points:
    """0 below `low`, 1 above `high`, smooth between (cubic Hermite)."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def facing_out(vertices: Points, faces: Indices) -> Indices:
    """The faces of a closed surface, turned around if they look inwards."""
    corner = vertices[triangles(faces)] - vertices.mean(axis=0)
    volume = np.einsum("ij,ij->", corner[:, 0], np.cross(corner[:, 1], corner[:, 2]))
    return faces if volume > 0 else faces[:, ::-1]

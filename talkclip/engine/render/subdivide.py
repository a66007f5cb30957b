"""Catmull-Clark subdivision as one sparse matrix.

E. Catmull, J. Clark, "Recursively generated B-spline surfaces on arbitrary topological meshes", 1978; border rule
(a cubic B-spline along the border) after H. Hoppe et al., "Piecewise smooth surface reconstruction", 1994. The
weights depend on the topology only, so the matrix is made once and every deformed pose is one product.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse


def catmull_clark(faces: np.ndarray, n_vertices: int) -> tuple[sparse.csr_matrix, np.ndarray, np.ndarray]:
    """One level of subdivision.

    Args:
        faces: (F, 4) vertex indices; a triangle repeats its last index.
        n_vertices: V.

    Returns:
        weights: (V + E + F, V) CSR float32: new points = weights @ old points (old vertices first).
        quads: (Q, 4) faces of the new points, orientation kept.
        parent: (Q,) the face each quad was cut from.
    """
    corners = np.where(faces[:, 3] == faces[:, 2], 3, 4)
    face_of = np.repeat(np.arange(len(faces)), corners)
    slot = np.concatenate([np.arange(n) for n in corners])
    here = faces[face_of, slot]
    after = faces[face_of, (slot + 1) % corners[face_of]]
    before_slot = np.where(slot == 0, corners[face_of] - 1, slot - 1)
    pairs = np.sort(np.stack([here, after], 1), 1)
    edges, edge_of = np.unique(pairs, axis=0, return_inverse=True)
    edge_of = edge_of.reshape(-1)

    face_points = sparse.csr_matrix((1.0 / corners[face_of], (face_of, here)), (len(faces), n_vertices))
    edge_points, border = _edge_points(edges, edge_of, face_of, face_points, n_vertices)
    vertex_points = _vertex_points(edges, border, face_of, here, face_points, n_vertices)
    weights = sparse.vstack([vertex_points, edge_points, face_points]).tocsr().astype(np.float32)

    start_of_face = np.concatenate([[0], np.cumsum(corners)])[:-1]
    incoming = edge_of[start_of_face[face_of] + before_slot]
    quads = np.stack([here, n_vertices + edge_of, n_vertices + len(edges) + face_of, n_vertices + incoming], 1)
    return weights, quads.astype(np.int32), face_of.astype(np.int32)


def _edge_points(
    edges: np.ndarray, edge_of: np.ndarray, face_of: np.ndarray, face_points: sparse.csr_matrix, n_vertices: int
) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Mean of both ends and both face points; of the ends alone on a border. -> ((E, V), (E,) border flags)."""
    n_edges = len(edges)
    uses = np.bincount(edge_of, minlength=n_edges)
    border = uses != 2
    rows = np.repeat(np.arange(n_edges), 2)
    middle = sparse.csr_matrix((np.full(2 * n_edges, 0.5), (rows, edges.reshape(-1))), (n_edges, n_vertices))
    touches = sparse.csr_matrix((1.0 / uses[edge_of], (edge_of, face_of)), (n_edges, face_points.shape[0]))
    inner = sparse.diags(np.where(border, 0.0, 0.5))
    return sparse.diags(np.where(border, 1.0, 0.5)) @ middle + inner @ touches @ face_points, border


def _vertex_points(
    edges: np.ndarray,
    border: np.ndarray,
    face_of: np.ndarray,
    here: np.ndarray,
    face_points: sparse.csr_matrix,
    n_vertices: int,
) -> sparse.csr_matrix:
    """(F + 2 R + (n - 3) P) / n inside, (1, 6, 1) / 8 along a border; points of no face stay."""
    n_edges = len(edges)
    rows = np.repeat(np.arange(n_edges), 2)
    middle = sparse.csr_matrix((np.full(2 * n_edges, 0.5), (rows, edges.reshape(-1))), (n_edges, n_vertices))
    valence = np.bincount(edges.reshape(-1), minlength=n_vertices)
    meets = sparse.csr_matrix((np.ones(2 * n_edges), (edges.reshape(-1), rows)), (n_vertices, n_edges))
    around = sparse.csr_matrix((np.ones(len(here)), (here, face_of)), (n_vertices, face_points.shape[0]))
    n_faces = np.maximum(np.asarray(around.sum(1)).reshape(-1), 1)

    on_border = np.zeros(n_vertices, bool)
    on_border[edges[border].reshape(-1)] = True
    inside = ~on_border & (valence > 2)
    n = np.maximum(valence, 1).astype(np.float64)
    identity = sparse.identity(n_vertices, format="csr")
    smooth = (
        sparse.diags(np.where(inside, 1 / n, 0) / n_faces) @ around @ face_points
        + sparse.diags(np.where(inside, 2 / n, 0) / n) @ meets @ middle
        + sparse.diags(np.where(inside, (n - 3) / n, 0)) @ identity
    )
    border_meets = meets @ sparse.diags(border.astype(np.float64))
    border_valence = np.bincount(edges[border].reshape(-1), minlength=n_vertices)
    curve = on_border & (border_valence == 2)
    # Middles of the two border edges hold half the vertex itself: 1/4 + 1/4 of it, 1/8 of each neighbour, and 1/2 more.
    rim = (
        sparse.diags(np.where(curve, 0.25, 0.0)) @ border_meets @ middle
        + sparse.diags(np.where(curve, 0.5, 0.0)) @ identity
    )
    fixed = sparse.diags((~inside & ~curve).astype(np.float64)) @ identity
    return (smooth + rim + fixed).tocsr()

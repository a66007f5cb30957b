"""The default head's skin in another tessellation: with other vertices, and exactly as many as are asked for."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from talkclip_rigs.head import DefaultHead


def recut_skin(
    head: DefaultHead, n_vertices: int, n_triangles: int, rng: np.random.Generator
) -> tuple[sp.csr_matrix, np.ndarray]:
    """The default head's skin cut anew into exactly these counts: (n, V) point matrix and triangles."""
    skin_part = head.part_names.index("skin")
    kept = [tuple(t) for t in head.triangles[head.part[head.triangles[:, 0]] == skin_part].tolist()]
    used = sorted({v for t in kept for v in t})
    place = {v: i for i, v in enumerate(used)}
    triangles = [tuple(place[v] for v in t) for t in kept]
    positions = head.vertices[used].astype(np.float64)
    surplus = (len(triangles) - 2 * len(used)) - (n_triangles - 2 * n_vertices)
    triangles = _opened(triangles, positions, surplus) if surplus >= 0 else _closed(triangles, -surplus)
    rows = sp.csr_matrix((np.ones(len(used)), (np.arange(len(used)), used)), shape=(len(used), len(head.vertices)))
    splits, triangles = _split_edges(triangles, positions, n_vertices - len(used))
    halves = sp.csr_matrix(
        (np.full(2 * len(splits), 0.5), (np.repeat(np.arange(len(splits)), 2), np.ravel(splits))),
        shape=(len(splits), len(used) + len(splits)),
    )
    # A split may halve an edge made by an earlier split: resolve the chain of midpoints.
    combined = rows.tolil()
    combined.resize((n_vertices, len(head.vertices)))
    combined = combined.tocsr()
    for _ in range(12):
        fixed = sp.vstack([rows, halves @ combined]).tocsr()
        if abs(fixed - combined).sum() < 1e-12:
            break
        combined = fixed
    result = np.array(triangles)
    assert len(result) == n_triangles and combined.shape[0] == n_vertices
    return _relaxed(combined, result, rng), result


def _opened(triangles: list, positions: np.ndarray, count: int) -> list:
    """Drop the lowest triangles (the cut of the neck), one at a time, none of whose vertices then hangs loose."""
    fans = np.bincount(np.ravel(triangles), minlength=len(positions))
    heights = positions[np.array(triangles)][..., 1].mean(axis=1)
    dropped: set[int] = set()
    for index in np.argsort(heights):
        if len(dropped) == count:
            break
        corners = list(triangles[index])
        if (fans[corners] > 2).all():
            fans[corners] -= 1
            dropped.add(int(index))
    return [t for index, t in enumerate(triangles) if index not in dropped]


def _closed(triangles: list, count: int) -> list:
    """Add triangles across corners of open borders (the eye sockets)."""
    directed = {(t[i], t[(i + 1) % 3]) for t in triangles for i in range(3)}
    following = {b: a for a, b in directed if (b, a) not in directed}  # walking a border from outside
    added = []
    while len(added) < count:
        before = len(added)
        for a in list(following):
            if len(added) == count or a not in following:
                continue
            b = following[a]
            c = following.get(b)
            if c is None or c == a or following.get(c) == a:
                continue
            added.append((a, b, c))
            following[a] = c
            del following[b]
        assert len(added) > before, "no border left to close"
    return [*triangles, *added]


def _split_edges(triangles: list, positions: np.ndarray, count: int) -> tuple[list[tuple[int, int]], list]:
    """Halve the longest inner edges, `count` times."""
    triangles = [tuple(t) for t in triangles]
    place = list(positions)
    owners: dict[tuple[int, int], set[int]] = {}
    for index, triangle in enumerate(triangles):
        for i in range(3):
            owners.setdefault(tuple(sorted((triangle[i], triangle[(i + 1) % 3]))), set()).add(index)
    splits: list[tuple[int, int]] = []
    while len(splits) < count:
        inner = [edge for edge, own in owners.items() if len(own) == 2]
        inner.sort(key=lambda e: -float(np.sum((place[e[0]] - place[e[1]]) ** 2)))
        touched: set[int] = set()
        for a, b in inner[: max(200, count)]:
            own = owners[a, b]
            if len(splits) == count or touched & own:
                continue
            middle = len(place)
            place.append((place[a] + place[b]) / 2)
            splits.append((a, b))
            for index in list(own):
                touched.add(index)
                old = triangles[index]
                first = tuple(middle if v == b else v for v in old)
                second = tuple(middle if v == a else v for v in old)
                for i in range(3):
                    owners[tuple(sorted((old[i], old[(i + 1) % 3])))].discard(index)
                triangles[index] = first
                triangles.append(second)
                for position, triangle in ((index, first), (len(triangles) - 1, second)):
                    touched.add(position)
                    for i in range(3):
                        owners.setdefault(tuple(sorted((triangle[i], triangle[(i + 1) % 3]))), set()).add(position)
    return splits, triangles


def _relaxed(points: sp.csr_matrix, triangles: np.ndarray, rng: np.random.Generator) -> sp.csr_matrix:
    """Slide vertices a random bit towards their neighbours, so that none is a vertex of the default head."""
    n = points.shape[0]
    pairs = np.concatenate([triangles[:, [i, j]] for i in range(3) for j in range(3) if i != j])
    neighbours = sp.csr_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    neighbours.data = rng.uniform(0.2, 1.0, len(neighbours.data))
    neighbours = sp.diags(1 / np.asarray(neighbours.sum(axis=1)).ravel()) @ neighbours
    slide = sp.diags(rng.uniform(0.0, 0.25, n))
    return ((sp.identity(n) - slide) @ points + slide @ (neighbours @ points)).tocsr()

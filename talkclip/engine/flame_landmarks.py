"""Landmarks by shape, on the default head and on the user's FLAME model alike.

Eyeballs, the edges of the lids, the seam of the lips, nose and chin are found by the same geometric rules on both
heads, from what every FLAME model says about itself: which vertices follow which joint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

Points = NDArray[np.float64]

# Columns of the lid, in eyeball radii from the eyeball's centre, at which its edge is measured.
_LID_COLUMNS: Final = (-0.45, 0.0, 0.45)
_LID_THICK_M = 0.0015
# Columns of 2 mm without a vertex that the seam of the lips may cross.
_MAX_GAP: Final = 5
_LIPS_TOUCH_M, _LIPS_APART_M = 0.0035, 0.008


@dataclass(frozen=True)
class Face:
    """What the rules look at; one coordinate system in metres, +Y up, +Z forward, within about 20 degrees."""

    vertices: Points
    """(V, 3)."""
    triangles: NDArray[np.int64]
    """(F, 3) of the skin alone."""
    jawness: Points
    """(V,) 0..1: how far a vertex follows the jaw."""
    eye_centers: Points
    """(2, 3) left, right."""
    eye_radius: float
    """Metres."""

    @property
    def skin(self) -> NDArray[np.int64]:
        """Indices of the vertices that the skin uses."""
        return np.unique(self.triangles)


def geometric_landmarks(face: Face) -> dict[str, Points]:
    """{name: (3,)}: eyes, lids, lip seam, nose, chin; a feature that cannot be found is left out."""
    apart = float(np.linalg.norm(face.eye_centers[0] - face.eye_centers[1]))
    found = {"eye_left": face.eye_centers[0], "eye_right": face.eye_centers[1]}
    for side, centre in zip(("left", "right"), face.eye_centers, strict=True):
        found |= _lid_edges(face, centre, side)
    middle = face.eye_centers.mean(axis=0)
    points = face.vertices[face.skin]
    central = np.abs(points[:, 0] - middle[0]) < 0.2 * apart
    below_eyes = (points[:, 1] < middle[1] - 0.25 * apart) & (points[:, 1] > middle[1] - 1.2 * apart)
    if (central & below_eyes).any():
        candidates = points[central & below_eyes]
        found["nose_tip"] = candidates[np.argmax(candidates[:, 2])]
        found |= _lip_seam(face, found["nose_tip"], apart)
    chin = central & (face.jawness[face.skin] > 0.6) & (points[:, 1] < middle[1] - apart)
    if chin.any():
        candidates = points[chin]
        found["chin"] = candidates[np.argmax(candidates[:, 2] - candidates[:, 1])]
    return found


def _lid_edges(face: Face, centre: Points, side: str) -> dict[str, Points]:
    """The upper and lower lid's edge on three upright cuts through the eyeball: the ends of the skin's widest gap."""
    found = {}
    for index, column in enumerate(_LID_COLUMNS):
        skin, gap = _eye_cut(face, centre, column * face.eye_radius, face.vertices)
        if gap is None or skin[gap + 1, 1] - skin[gap, 1] < 0.25 * face.eye_radius:
            continue
        low, high = skin[gap, 1], skin[gap + 1, 1]
        # A lid is thick; its edge is the front of it.
        lower = skin[(skin[:, 1] <= low) & (skin[:, 1] > low - _LID_THICK_M)]
        upper = skin[(skin[:, 1] >= high) & (skin[:, 1] < high + _LID_THICK_M)]
        found[f"lid_lower_{side}_{index}"] = centre + lower[np.argmax(lower[:, 2])]
        found[f"lid_upper_{side}_{index}"] = centre + upper[np.argmax(upper[:, 2])]
    return found


def eye_height(face: Face, eye: int, vertices: Points | None = None) -> float:
    """Metres between the lids at the middle of eye 0 (left) or 1; `vertices` is the face in another pose."""
    skin, gap = _eye_cut(face, face.eye_centers[eye], 0.0, face.vertices if vertices is None else vertices)
    return 0.0 if gap is None else float(skin[gap + 1, 1] - skin[gap, 1])


def _eye_cut(face: Face, centre: Points, x: float, vertices: Points) -> tuple[Points, int | None]:
    """(N, 3) the skin in front of an eyeball on an upright cut, relative to its centre, from below to above; and after
    which point its widest gap is."""
    offset = _cut(vertices[face.triangles] - centre, x)
    front = (np.linalg.norm(offset, axis=1) < 1.5 * face.eye_radius) & (offset[:, 2] > 0.5 * face.eye_radius)
    skin = offset[front][np.argsort(offset[front, 1])]
    return skin, int(np.argmax(np.diff(skin[:, 1]))) if len(skin) > 1 else None


def _cut(corner: Points, x: float) -> Points:
    """(F, 3, 3) triangles -> (N, 3) where their edges cross the plane of constant x."""
    start, end = corner.reshape(-1, 3), corner[:, [1, 2, 0]].reshape(-1, 3)
    crossing = (start[:, 0] < x) != (end[:, 0] < x)
    start, end = start[crossing], end[crossing]
    share = (x - start[:, 0]) / (end[:, 0] - start[:, 0])
    return np.asarray(start + share[:, None] * (end - start))


def _lip_seam(face: Face, nose_tip: Points, apart: float) -> dict[str, Points]:
    """Where the lips meet, in the middle and at both corners: near in space, far apart along the skin."""
    region = face.skin
    offset = face.vertices[region] - nose_tip
    box = (np.abs(offset[:, 0]) < 0.7 * apart) & (offset[:, 1] < -0.1 * apart) & (offset[:, 1] > -0.95 * apart)
    region = region[box & (offset[:, 2] > -0.8 * apart)]
    points = face.vertices[region]
    pairs = cKDTree(points).query_pairs(_LIPS_TOUCH_M, output_type="ndarray")
    if not len(pairs):
        return {}
    follows = face.jawness[region]
    opening = np.abs(follows[pairs[:, 0]] - follows[pairs[:, 1]]) > 0.05
    pairs = pairs[opening & (_along_skin(face, region)[pairs[:, 0], pairs[:, 1]] > _LIPS_APART_M)]
    if not len(pairs):
        return {}
    meeting = points[pairs].mean(axis=1)
    seam = _front_chain(meeting, nose_tip[0])
    if len(seam) < 3:
        return {}
    left, right = seam[-1, 0] - nose_tip[0], nose_tip[0] - seam[0, 0]
    if min(left, right) < 0.6 * max(left, right):  # lost on one side: no corner is better than a wrong one
        return {}
    return {
        "lips": np.array([nose_tip[0], *(np.interp(nose_tip[0], seam[:, 0], seam[:, k]) for k in (1, 2))]),
        "mouth_corner_left": seam[-1],
        "mouth_corner_right": seam[0],
    }


def _along_skin(face: Face, region: NDArray[np.int64]) -> Points:
    """(R, R) shortest way along edges between the region's vertices, infinite beyond what matters."""
    place = np.full(len(face.vertices), -1)
    place[region] = np.arange(len(region))
    inside = place[face.triangles[(place[face.triangles] >= 0).all(axis=1)]]
    sides = np.concatenate([inside[:, [0, 1]], inside[:, [1, 2]], inside[:, [2, 0]]])
    edges = np.unique(np.sort(sides, axis=1), axis=0)
    points = face.vertices[region]
    length = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)
    graph = csr_matrix((length, (edges[:, 0], edges[:, 1])), shape=(len(region), len(region)))
    return np.asarray(dijkstra(graph, directed=False, limit=1.5 * _LIPS_APART_M))


def _front_chain(meeting: Points, middle_x: float, step_m: float = 0.002) -> Points:
    """(S, 3) the front of the seam from the right corner to the left: out from the middle while it runs on."""
    chain: dict[int, Points] = {}
    column = np.round((meeting[:, 0] - middle_x) / step_m).astype(int)
    for direction in (1, -1):
        last: Points | None = None
        gap = 0
        for index in range(0, direction * 30, direction):
            here = meeting[column == index]
            if last is not None:
                here = here[(np.abs(here[:, 2] - last[2]) < 0.006) & (np.abs(here[:, 1] - last[1]) < 0.004)]
            if len(here):
                last = here[np.argmax(here[:, 2])]
                chain[index] = last
                gap = 0
            else:
                gap += 1
                if gap > _MAX_GAP:
                    break
    return np.array([chain[index] for index in sorted(chain)]).reshape(-1, 3)

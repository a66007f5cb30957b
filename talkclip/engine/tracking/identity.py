"""Other people: the default head with another bone structure, all its parts moved along.

The basis is the first principal components of MakeHuman's CC0 targets in random mixtures
(`training/talkclip_training/tracking/identities.py`), in standard deviations.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from scipy.sparse import csr_matrix
from scipy.spatial import cKDTree

from talkclip.engine.weights.registry import find_weight
from talkclip_rigs.head import DefaultHead

_STEP_M = 1e-5
# An eyeball follows the lids that lie this near to it.
_LID_REACH_M = 0.0035
# Teeth follow the lips this near to the mouth's middle.
_LIP_REACH_M = 0.022


@dataclasses.dataclass(frozen=True)
class IdentityBasis:
    """Attributes:
    skin: (K, S, 3) float32 metres that one standard deviation of component k adds to each skin vertex.
    follow: (V, S) sparse: how every vertex of the head, skin or not, takes part in what the skin does.
    skin_rows: (S,) the head's vertices that are skin.
    """

    skin: np.ndarray
    follow: csr_matrix
    skin_rows: np.ndarray

    @property
    def n_components(self) -> int:
        return len(self.skin)

    def on_head(self, skin_offsets: np.ndarray) -> np.ndarray:
        """(S, 3) metres on the skin -> (V, 3) on the whole head."""
        return np.asarray(self.follow @ skin_offsets, np.float32)

    def skin_offsets(self, coefficients: np.ndarray) -> np.ndarray:
        """(K,) standard deviations -> (S, 3) metres."""
        return np.tensordot(np.asarray(coefficients, np.float32), self.skin, 1)


@functools.cache
def identity_basis() -> IdentityBasis:
    """The packaged basis for the packaged head."""
    with np.load(find_weight("face-fit"), allow_pickle=False) as archive:
        skin = archive["identity_10um"].astype(np.float32) * np.float32(_STEP_M)
    head = DefaultHead.load()
    rows = np.flatnonzero(head.part == head.part_names.index("skin"))
    return IdentityBasis(skin, _follow(head, rows), rows)


def shaped_head(skin_offsets: np.ndarray) -> DefaultHead:
    """The default head with its skin moved by (S, 3) metres and everything else moved along."""
    head, basis = DefaultHead.load(), identity_basis()
    vertices = head.vertices + basis.on_head(skin_offsets)
    eyes = {}
    for name in ("left", "right"):
        rows = head.part == head.part_names.index(f"{name}_eye")
        shift = (vertices[rows] - head.vertices[rows]).mean(0)
        eyes[name] = (head.eye_centers[name] + shift).astype(np.float32)
    return dataclasses.replace(head, vertices=vertices, eye_centers=eyes)


def _follow(head: DefaultHead, skin_rows: np.ndarray) -> csr_matrix:
    """Skin follows itself; balls and teeth move as a whole; brows, lashes and hair lie on the skin."""
    skin = head.vertices[skin_rows]
    tree = cKDTree(skin)
    rows, columns, weights = [skin_rows], [np.arange(len(skin_rows))], [np.ones(len(skin_rows))]

    def add(vertices: np.ndarray, sources: np.ndarray, shares: np.ndarray) -> None:
        rows.append(np.repeat(vertices, sources.shape[1]))
        columns.append(sources.ravel())
        weights.append(shares.ravel())

    for number, name in enumerate(head.part_names):
        vertices = np.flatnonzero(head.part == number)
        if name == "skin":
            continue
        if name.endswith("_eye"):
            distance, _ = cKDTree(head.vertices[vertices]).query(skin)
            near = np.flatnonzero(distance < _LID_REACH_M)
        elif "teeth" in name or name == "tongue":
            middle = (head.landmark("mouth_corner_left") + head.landmark("mouth_corner_right")) / 2
            near = np.flatnonzero(np.linalg.norm(skin - middle - np.array([0, 0, 0.01]), axis=1) < _LIP_REACH_M)
        else:
            distance, sources = tree.query(head.vertices[vertices], k=6)
            shares = 1.0 / (distance + 1e-4) ** 2
            add(vertices, sources, shares / shares.sum(1, keepdims=True))
            continue
        add(vertices, np.tile(near, (len(vertices), 1)), np.full((len(vertices), len(near)), 1.0 / len(near)))
    entries = (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns)))
    return csr_matrix(entries, shape=(len(head.vertices), len(skin_rows)), dtype=np.float32)

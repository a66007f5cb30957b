"""A synthetic model with FLAME's shapes, built from the default head: what the real, licensed one cannot be in a test.

It has FLAME's counts (5023 vertices, 9976 triangles, 400 + 36 directions, 5 joints), axes and metres, but another
tessellation, another face (a smooth warp of the default head), another place, size and tilt, and another order of
vertices, so that nothing can succeed by sharing the default head's indices or coordinates. Since every vertex knows
which point of the default head it is, the true motion for any ARKit weights is known.
"""

from __future__ import annotations

import pickle
import struct
import sys
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp

from talkclip.coefficients import ARKIT52
from talkclip.engine.flame_embedding import IBUG51
from talkclip_rigs.head import DefaultHead
from talkclip_rigs.rotations import matrix_from_axis_angle
from tests.support.recut_skin import recut_skin

N_VERTICES, N_TRIANGLES = 5023, 9976
EYE_RINGS, EYE_SEGMENTS = 12, 16
JAW_OPEN_RAD = 0.3


@dataclass(frozen=True)
class SyntheticFlame:
    """The model's arrays under the official names, and the truth behind them."""

    arrays: dict[str, Any]
    """v_template, f, shapedirs, posedirs, J_regressor (scipy sparse), weights, kintree_table."""
    points: sp.csr_matrix
    """(5023, V) which point of the default head each vertex is; empty rows for the eyeballs."""
    skin: np.ndarray
    """(5023,) True where `points` has a row."""
    tilt: np.ndarray
    landmark_vertices: dict[str, int]
    """Default head's landmark name -> nearest vertex of this model."""

    def truth(self, values: np.ndarray) -> np.ndarray:
        """(V', 3) where the skin vertices are when the default head is at ARKit `values` (52,)."""
        head = DefaultHead.load()
        return _other_person(self.points[self.skin] @ head.blend(values).astype(np.float64), self.tilt)

    def write_npz(self, path: Path, **changes: object) -> Path:
        """The arrays under their official names, some changed, those that are None left out."""
        arrays = {**self.arrays, "J_regressor": self.arrays["J_regressor"].toarray()} | changes
        np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
        return path

    def write_pickle(self, path: Path) -> Path:
        """As the official file: Python 2, protocol 2, chumpy objects with their bookkeeping, a scipy sparse matrix."""
        modules = {name: types.ModuleType(name) for name in ("chumpy", "chumpy.ch", "chumpy.reordering")}
        plain, select = (
            type(name, (), {"__module__": module})
            for name, module in (("Ch", "chumpy.ch"), ("Select", "chumpy.reordering"))
        )
        modules["chumpy.ch"].Ch, modules["chumpy.reordering"].Select = plain, select  # type: ignore[attr-defined]
        sys.modules.update(modules)
        content = dict(self.arrays)
        for key in ("v_template", "shapedirs"):
            boxed = plain()
            boxed.__dict__.update(x=content[key], _dirty_vars={"x"}, _itr=None, _depends_on_deps={})
            content[key] = boxed
        sliced = select()
        sliced.__dict__.update(a=content["v_template"], idxs=np.arange(N_VERTICES * 3), _dirty_vars=set())
        sliced.preferred_shape = (N_VERTICES, 3)
        content |= {"v_template": sliced, "bs_style": "lbs", "bs_type": "lrotmin"}
        try:
            with path.open("wb") as stream:
                _Python2Pickler(stream, protocol=2).dump(content)
        finally:
            for name in modules:
                del sys.modules[name]
        path.write_bytes(path.read_bytes().replace(b"numpy._core.multiarray\n", b"numpy.core.multiarray\n"))
        return path

    def write_landmarks(self, path: Path, omit: tuple[str, ...] = ()) -> Path:
        """As FLAME's static embedding: 51 landmarks as a triangle and three weights."""
        triangles = self.arrays["f"]
        faces, weights = np.zeros(51, np.int64), np.zeros((51, 3))
        weights[:, 0] = 1
        for name, indices in IBUG51.items():
            for index in indices if name not in omit else ():
                rows, corner = np.nonzero(triangles == self.landmark_vertices[name])
                faces[index] = rows[0]
                weights[index] = np.eye(3)[corner[0]]
        with path.open("wb") as stream:
            _Python2Pickler(stream, protocol=2).dump({"lmk_face_idx": faces, "lmk_b_coords": weights})
        return path


class _Python2Pickler(pickle._Pickler):  # type: ignore[name-defined]
    """Writes bytes as Python 2's strings, which is how the official file holds its arrays."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)  # type: ignore[attr-defined]

    def _save_bytes(self, obj: bytes) -> None:
        self.write(pickle.BINSTRING + struct.pack("<i", len(obj)) + obj)
        self.memoize(obj)

    dispatch[bytes] = _save_bytes


def build(seed: int = 0, scale: float = 1.06, pitch_rad: float = 0.12) -> SyntheticFlame:
    """Make the model. `scale` and `pitch_rad`: how it stands against the default head, beyond its other face."""
    rng = np.random.default_rng(seed)
    head = DefaultHead.load()
    tilt = scale * matrix_from_axis_angle([pitch_rad, 0.02, -0.01])
    eyes = [_eyeball(head, side) for side in ("left", "right")]
    n_skin = N_VERTICES - sum(len(points) for points, _ in eyes)
    points, triangles = recut_skin(head, n_skin, N_TRIANGLES - sum(len(t) for _, t in eyes), rng)
    rest = _other_person(points @ head.vertices.astype(np.float64), tilt)

    vertices, faces, eye_index = [rest], [triangles], []
    for eye_points, eye_triangles in eyes:
        first = sum(len(v) for v in vertices)
        eye_index.append(np.arange(first, first + len(eye_points)))
        vertices.append(_other_person(eye_points, tilt))
        faces.append(eye_triangles + first)
    template = np.concatenate(vertices)
    order = rng.permutation(N_VERTICES)  # new place of each vertex
    skin_index = np.arange(n_skin)

    jaw_point, jawness, jaw_part = _jaw(head, points, triangles, tilt, rest)
    weights = _skinning(template, rest, jawness, eye_index)
    joints = np.stack([
        template[[np.argmin(template[:, 1])]].mean(0) * [0, 1, 0], jaw_point + np.array([0, -0.03, -0.02]), jaw_point,
        template[eye_index[0]].mean(0), template[eye_index[1]].mean(0),
    ])  # fmt: skip
    directions = np.zeros((N_VERTICES, 3, 400))
    directions[..., :300] = _smooth_fields(template, 300, 2e-3, rng)
    directions[skin_index, :, 300:] = _expression_basis(head, points, tilt, rest, jaw_part, rng)
    correctives = _smooth_fields(template, 36, 5e-4, rng) * weights[:, 2, None, None]
    correctives[..., 18:] = 0  # turning an eye does not change the face
    arrays = {
        "v_template": _reordered(template, order),
        "f": order[np.concatenate(faces)].astype(np.uint32),
        "shapedirs": _reordered(directions, order),
        "posedirs": _reordered(correctives, order),
        "J_regressor": _regressor(template, joints)[:, np.argsort(order)],
        "weights": _reordered(weights, order),
        "kintree_table": np.array([[4294967295, 0, 1, 1, 1], [0, 1, 2, 3, 4]], dtype=np.int64),
    }
    skin = np.zeros(N_VERTICES, bool)
    skin[order[skin_index]] = True
    everyone = sp.vstack([points, sp.csr_matrix((N_VERTICES - n_skin, points.shape[1]))]).tocsr()[np.argsort(order)]
    nearest = {
        name: int(np.argmin(np.linalg.norm(points @ head.vertices - head.vertices[index], axis=1)))
        for name, index in head.landmarks.items()
    }
    marks = {name: int(order[index]) for name, index in nearest.items()}
    return SyntheticFlame(arrays, everyone, skin, tilt, marks)


def _reordered(rows: np.ndarray, order: np.ndarray) -> np.ndarray:
    out = np.empty_like(rows)
    out[order] = rows
    return out.astype(np.float32)


def _other_person(points: np.ndarray, tilt: np.ndarray) -> np.ndarray:
    """(N, 3) points of the default head's space on another face, elsewhere: smooth and one-to-one."""
    bumps = [  # centre, width in metres, displacement per side in metres: (x is mirrored)
        ((0.05, -0.05, 0.05), 0.04, (0.004, -0.003, 0.0)),  # a wider jaw
        ((0.0, -0.062, 0.095), 0.02, (0.0, -0.004, 0.003)),  # a longer chin
        ((0.0, 0.0, 0.115), 0.015, (0.0, -0.002, 0.004)),  # a bigger nose
        ((0.03, 0.045, 0.09), 0.02, (0.001, 0.0015, 0.001)),  # taller eyes
        ((0.02, -0.03, 0.1), 0.015, (0.002, 0.0, 0.0)),  # a wider mouth
        ((0.0, 0.1, 0.05), 0.05, (0.0, 0.006, 0.004)),  # a higher forehead
    ]
    moved = np.array(points, dtype=np.float64)
    for centre, width, shift in bumps:
        for side in (1, -1) if centre[0] else (1,):
            mirror = np.array([side, 1, 1])
            near = np.exp(-np.sum((points - mirror * centre) ** 2, axis=1) / (2 * width**2))
            moved += near[:, None] * (mirror * shift)
    return moved @ tilt.T + [0.002, -0.03, -0.045]


def _eyeball(head: DefaultHead, side: str) -> tuple[np.ndarray, np.ndarray]:
    centre = head.eye_centers[side].astype(np.float64)
    own = head.vertices[head.part == head.part_names.index(f"{side}_eye")]
    radius = np.median(np.linalg.norm(own - centre, axis=1))
    polar, azimuth = np.meshgrid(
        np.linspace(0, np.pi, EYE_RINGS + 2)[1:-1], np.arange(EYE_SEGMENTS) * 2 * np.pi / EYE_SEGMENTS, indexing="ij"
    )
    ring = np.stack([np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)], axis=-1)
    unit = np.concatenate([ring.reshape(-1, 3), [[0, 0, 1], [0, 0, -1]]])
    front, back = len(unit) - 2, len(unit) - 1
    triangles = []
    for r in range(EYE_RINGS):
        for s in range(EYE_SEGMENTS):
            a, b = r * EYE_SEGMENTS + s, r * EYE_SEGMENTS + (s + 1) % EYE_SEGMENTS
            if r == 0:
                triangles.append((front, a, b))
            if r == EYE_RINGS - 1:
                triangles.append((back, b, a))
            else:
                triangles += [(a, a + EYE_SEGMENTS, b), (b, a + EYE_SEGMENTS, b + EYE_SEGMENTS)]
    return centre + radius * unit, np.array(triangles)


def _jaw(
    head: DefaultHead, points: sp.csr_matrix, triangles: np.ndarray, tilt: np.ndarray, rest: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Joint position, (n,) share of the jaw's turn each skin vertex follows, (n, 3) what the jaw does of jawOpen."""
    opened = _other_person(points @ head.blend(head.values(jawOpen=1.0)).astype(np.float64), tilt)
    moved = opened - rest
    lateral = tilt[:, 0] / np.linalg.norm(tilt[:, 0])
    # The hinge: in front of the ears, level with the mouth corners' upper side, where FLAME has it too.
    joint = _other_person(np.array([[0.0, -0.005, 0.01]]), tilt)[0]
    turned = (rest - joint) @ matrix_from_axis_angle(lateral * JAW_OPEN_RAD).T - (rest - joint)
    share = np.sum(moved * turned, axis=1) / np.maximum(np.sum(turned * turned, axis=1), 1e-12)
    jawness = np.clip(share / np.percentile(share[np.linalg.norm(moved, axis=1) > 0.02], 50), 0, 1)
    jawness[np.linalg.norm(moved, axis=1) < 5e-4] = 0
    jawness = _spread(jawness, triangles)  # as smooth weights are painted: not the default head's own fading
    return joint, jawness, jawness[:, None] * turned


def _skinning(template: np.ndarray, rest: np.ndarray, jawness: np.ndarray, eye_index: list[np.ndarray]) -> np.ndarray:
    weights = np.zeros((len(template), 5))
    height = (template[:, 1] - template[:, 1].min()) / np.ptp(template[:, 1])
    weights[:, 1] = np.clip(height / 0.15, 0, 1)
    weights[:, 0] = 1 - weights[:, 1]
    weights[: len(rest)] *= (1 - jawness)[:, None]
    weights[: len(rest), 2] = jawness
    for joint, index in zip((3, 4), eye_index, strict=True):
        weights[index] = np.eye(5)[joint]
    return weights


def _expression_basis(
    head: DefaultHead,
    points: sp.csr_matrix,
    tilt: np.ndarray,
    rest: np.ndarray,
    jaw_part: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """(n, 3, 100): principal directions of random ARKit mixtures without the jaw's turn, then smooth noise."""
    mixtures = rng.uniform(0, 1, (260, 52)) * (rng.uniform(0, 1, (260, 52)) < 0.12)
    mixtures[:52] = np.eye(52)
    blended = head.blend(mixtures).astype(np.float64)
    motion = np.stack([_other_person(points @ face, tilt) - rest for face in blended])
    motion -= mixtures[:, ARKIT52.index("jawOpen"), None, None] * jaw_part
    flat = motion.reshape(len(motion), -1)
    left, sizes, right = np.linalg.svd(flat, full_matrices=False)
    del left
    count = 60
    basis = np.zeros((flat.shape[1], 100))
    basis[:, :count] = right[:count].T * (sizes[:count] / np.sqrt(len(flat)))
    basis[:, count:] = _smooth_fields(rest, 100 - count, 2e-4, rng).reshape(-1, 100 - count)
    return basis.reshape(len(rest), 3, 100)


def _spread(values: np.ndarray, triangles: np.ndarray, steps: int = 12) -> np.ndarray:
    """Diffuse along the skin, which does not cross between the lips."""
    pairs = np.concatenate([triangles[:, [i, j]] for i in range(3) for j in range(3) if i != j])
    graph = sp.csr_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(values),) * 2)
    degree = np.maximum(np.asarray(graph.sum(axis=1)).ravel(), 1)
    for _ in range(steps):
        values = 0.5 * values + 0.5 * (graph @ values) / degree
    return values


def _smooth_fields(points: np.ndarray, count: int, size_m: float, rng: np.random.Generator) -> np.ndarray:
    centres = points[rng.choice(len(points), 24, replace=False)]
    near = np.exp(-np.sum((points[:, None] - centres) ** 2, axis=2) / (2 * 0.03**2))
    return np.einsum("vc,cdk->vdk", near, rng.normal(0, size_m, (24, 3, count)))


def _regressor(template: np.ndarray, joints: np.ndarray) -> sp.csc_matrix:
    """(5, V) sparse: each joint as an affine mixture of 40 vertices around it."""
    rows = np.zeros((len(joints), len(template)))
    for index, joint in enumerate(joints):
        chosen = np.argsort(np.linalg.norm(template - joint, axis=1))[:40]
        system = np.vstack([template[chosen].T, np.ones(40)])
        rows[index, chosen] = np.linalg.lstsq(system, np.append(joint, 1.0), rcond=None)[0]
    return sp.csc_matrix(rows)

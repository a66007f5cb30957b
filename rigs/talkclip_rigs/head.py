"""The default head: one CC0 mesh with the 52 ARKit shapes, drawn ready to be animated.

Conventions: metres, +Y up, +Z forward (the way the face looks), +X to the character's left (the viewer's right when
the head faces the viewer). The origin is the head's pivot, where the skull turns on the neck, so a head pose is a
rotation about (0, 0, 0). In Blender (Z up, faces look along -Y) a point is (x, -z, y).

The data file is made by `rigs/build_default_head.py`; nothing in it is edited by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

DATA_FILE = "default_head.npz"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class Material:
    """Look of one material group; see `DefaultHead.face_material`."""

    name: str
    """One of `MATERIALS`."""
    base_color: tuple[float, float, float]
    """sRGB, each 0..1: the group's tone, for viewers that ignore vertex colours."""
    roughness: float
    """0 (mirror) .. 1 (chalk)."""


MATERIALS = (
    "skin", "lips", "brows", "lashes", "eye_white", "iris", "pupil", "teeth", "gum", "tongue", "mouth_interior", "hair",
)  # fmt: skip
"""Names a material may have; `hair` may be absent."""


@dataclass(frozen=True, eq=False)
class DefaultHead:
    """The default head's mesh and its 52 ARKit shapes. Arrays are read-only.

    V vertices, F faces, U texture points, T triangles.
    """

    vertices: Floats
    """(V, 3) rest positions in metres."""
    faces: Ints
    """(F, 4) vertex indices, anticlockwise from outside; a triangle repeats its last index."""
    face_material: Ints
    """(F,) index into `materials`."""
    materials: tuple[Material, ...]
    """The material table."""
    uv: Floats
    """(U, 2) texture points, 0..1, v up."""
    face_uv: Ints
    """(F, 4) indices into `uv`, corner by corner as in `faces`."""
    colors: NDArray[np.uint8]
    """(V, 3) sRGB vertex colours, 0..255."""
    part: Ints
    """(V,) index into `part_names`: the connected piece a vertex belongs to."""
    part_names: tuple[str, ...]
    """Names of the pieces: skin, left_eye, right_eye, upper_teeth, lower_teeth, tongue, ..."""
    names: tuple[str, ...]
    """The 52 shape names in Apple's order (`talkclip.coefficients.ARKIT52`)."""
    deltas: Floats
    """(52, V, 3) metres that a shape at 1.0 adds to `vertices`."""
    landmarks: dict[str, int]
    """Vertex index of each measuring point: `lip_upper_inner`, `mouth_corner_left`, `lid_upper_right`, ..."""
    eye_centers: dict[str, Floats]
    """`left` and `right`: (3,) centre of each eyeball at rest, metres."""
    pivot: Floats
    """(3,) where the head turns on the neck: the origin."""

    @staticmethod
    @cache
    def load(path: Path | None = None) -> DefaultHead:
        """The packaged head, or one built to `path` by `rigs/build_default_head.py`. Cached.

        Raises:
            ValueError: the file is of another format version.
        """
        source = path if path is not None else resources.files("talkclip_rigs") / "data" / DATA_FILE
        with source.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            return _from_archive({key: archive[key] for key in archive.files})

    def blend(self, values: ArrayLike) -> Floats:
        """Vertex positions for shape values.

        Args:
            values: (52,) one frame, or (T, 52) frames, in the order of `names`; usually 0..1, not clipped here.

        Returns:
            (V, 3), or (T, V, 3): metres.

        Raises:
            ValueError: the last axis is not 52 long or a value is not finite.
        """
        weights = np.asarray(values, dtype=np.float32)
        if weights.ndim not in (1, 2) or weights.shape[-1] != len(self.names):
            raise ValueError(f"Shape values must be (52,) or (T, 52), not {weights.shape}.")
        if not np.isfinite(weights).all():
            raise ValueError("Shape values must be finite.")
        offsets = weights @ self.deltas.reshape(len(self.names), -1)
        return self.vertices + offsets.reshape(*weights.shape[:-1], -1, 3)

    def values(self, **shapes: float) -> Floats:
        """(52,) shape values by name, the others 0: `head.values(jawOpen=0.4, mouthClose=0.4)`.

        Raises:
            ValueError: a name is not one of the 52.
        """
        weights = np.zeros(len(self.names), dtype=np.float32)
        for name, value in shapes.items():
            weights[self.names.index(name)] = value
        return weights

    @cached_property
    def triangles(self) -> Ints:
        """(T, 3) vertex indices: quads split along their first diagonal, no degenerate triangles."""
        return self.faces[self.triangle_face][np.arange(len(self.triangle_face))[:, None], self._triangle_corners]

    @cached_property
    def triangle_uv(self) -> Ints:
        """(T, 3) indices into `uv`, as `triangles`."""
        return self.face_uv[self.triangle_face][np.arange(len(self.triangle_face))[:, None], self._triangle_corners]

    @cached_property
    def triangle_material(self) -> Ints:
        """(T,) index into `materials`."""
        return self.face_material[self.triangle_face]

    @cached_property
    def triangle_face(self) -> Ints:
        """(T,) the face each triangle was cut from."""
        quads = np.flatnonzero(self._is_quad).astype(np.int32)
        return np.concatenate([np.arange(len(self.faces), dtype=np.int32), quads])

    @property
    def polygons(self) -> list[tuple[int, ...]]:
        """Faces as tuples of 3 or 4 vertex indices, as `bpy.types.Mesh.from_pydata` takes them."""
        return [
            tuple(face) if quad else tuple(face[:3])
            for face, quad in zip(self.faces.tolist(), self._is_quad.tolist(), strict=True)
        ]

    def normals(self, vertices: Floats | None = None) -> Floats:
        """(V, 3) unit vertex normals, area-weighted, of blended `vertices` (V, 3); None means the rest pose."""
        points = self.vertices if vertices is None else vertices
        triangles = self.triangles
        corner = points[triangles]
        face_normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
        total = np.zeros(points.shape, dtype=np.float64)
        for axis in range(3):
            for side in range(3):
                total[:, axis] += np.bincount(triangles[:, side], face_normal[:, axis], minlength=len(points))
        length = np.linalg.norm(total, axis=1, keepdims=True)
        return np.asarray(total / np.maximum(length, 1e-20), dtype=np.float32)

    def landmark(self, name: str, vertices: Floats | None = None) -> Floats:
        """(3,) or (T, 3): position of a landmark in `vertices` ((V, 3) or (T, V, 3)); None means the rest pose."""
        points = self.vertices if vertices is None else vertices
        return np.asarray(points[..., self.landmarks[name], :], dtype=np.float32)

    def material_index(self, name: str) -> int:
        """Index of a material by name. Raises ValueError when the head has no such material."""
        return [material.name for material in self.materials].index(name)

    @cached_property
    def _is_quad(self) -> NDArray[np.bool_]:
        return np.asarray(self.faces[:, 3] != self.faces[:, 2])

    @cached_property
    def _triangle_corners(self) -> Ints:
        first = np.tile(np.array([0, 1, 2], dtype=np.int32), (len(self.faces), 1))
        second = np.tile(np.array([0, 2, 3], dtype=np.int32), (int(self._is_quad.sum()), 1))
        return np.concatenate([first, second])


def _from_archive(data: dict[str, NDArray[Any]]) -> DefaultHead:
    version = int(data["format_version"])
    if version != FORMAT_VERSION:
        raise ValueError(f"The head file has format {version}; this version reads {FORMAT_VERSION}.")
    centers = data["eye_centers"].astype(np.float32)
    rows = zip(data["material_names"], data["material_colors"].tolist(), data["material_roughness"], strict=True)
    marks = zip(data["landmark_names"], data["landmark_indices"], strict=True)
    head = DefaultHead(
        vertices=data["vertices"].astype(np.float32),
        faces=data["faces"].astype(np.int32),
        face_material=data["face_material"].astype(np.int32),
        materials=tuple(Material(str(name), (c[0], c[1], c[2]), float(rough)) for name, c, rough in rows),
        uv=data["uv"].astype(np.float32) / np.float32(65535.0),
        face_uv=data["face_uv"].astype(np.int32),
        colors=data["colors"].astype(np.uint8),
        part=data["part"].astype(np.int32),
        part_names=tuple(str(name) for name in data["part_names"]),
        names=tuple(str(name) for name in data["names"]),
        deltas=_dense_deltas(data),
        landmarks={str(name): int(index) for name, index in marks},
        eye_centers={"left": centers[0], "right": centers[1]},
        pivot=np.zeros(3, dtype=np.float32),
    )
    for value in (*vars(head).values(), *head.eye_centers.values()):
        if isinstance(value, np.ndarray):
            value.setflags(write=False)
    return head


def _dense_deltas(data: dict[str, NDArray[Any]]) -> Floats:
    """Shapes are stored sparse, in steps of 10 micrometres: a head of 52 shapes stays well under 1 MB."""
    start = data["delta_start"].astype(np.int64)
    dense = np.zeros((len(data["names"]), len(data["vertices"]), 3), dtype=np.float32)
    for shape in range(len(dense)):
        rows = slice(start[shape], start[shape + 1])
        dense[shape, data["delta_index"][rows].astype(np.int64)] = data["delta_10um"][rows].astype(np.float32) * 1e-5
    return dense

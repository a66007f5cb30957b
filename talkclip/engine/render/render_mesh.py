"""The default head as the renderer draws it: subdivided, posed, with ambient occlusion for every expression."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from talkclip_rigs.head import DefaultHead
from talkclip_rigs.rotations import matrix_from_pitch_yaw_roll

from talkclip.coefficients import HEAD6
from talkclip.engine.render import raster
from talkclip.engine.render.subdivide import catmull_clark

# What a triangle is made of, for the shader.
SKIN, EYE, TEETH, WET, BROWS, LASHES, HAIR = range(7)
_KIND_OF_MATERIAL = {
    "skin": SKIN, "lips": SKIN, "brows": BROWS, "lashes": LASHES, "eye_white": EYE, "iris": EYE, "pupil": EYE,
    "teeth": TEETH, "gum": WET, "tongue": WET, "mouth_interior": WET, "hair": HAIR,
}  # fmt: skip

# The neck bends between these heights (metres above the pivot): all of the head's pose above, none below.
NECK_BENDS_FROM_M, NECK_BENDS_TO_M = -0.095, -0.035
_AO_MAP, _AO_EXTENT_M, _AO_BIAS_M = 192, 0.16, 0.0022
_AO_DIRECTIONS = 40
# How fast light dies behind the lips.
_MOUTH_DEPTH_M = 0.019


@dataclasses.dataclass(frozen=True)
class PosedMesh:
    """One frame's geometry. V and T are of the subdivided mesh.

    Attributes:
        points: (V, 3) metres, camera-aligned axes of `DefaultHead`.
        normals: (V, 3) unit.
        light: (V,) 0..1 share of the surroundings' light that arrives (ambient occlusion).
    """

    points: np.ndarray
    normals: np.ndarray
    light: np.ndarray


class RenderMesh:
    """Static data of the subdivided head, and `pose` for one frame.

    Attributes:
        triangles: (T, 3) int32.
        kind: (T,) uint8, SKIN .. HAIR.
        two_sided: (T,) bool.
        rest: (V, 3) rest positions, the coordinates of everything that is painted on.
        albedo: (V, 3) linear RGB.
        gloss: (V,) 0 skin .. 1 lips.
        side: (V,) int8: 0 left eye, 1 right eye, -1 neither.
        eye_centers: (2, 3) metres at rest.
        eye_poles: (2,) the vertex that looks straight ahead.
    """

    def __init__(self, head: DefaultHead) -> None:
        self.head = head
        weights, quads, parent = catmull_clark(np.asarray(head.faces), len(head.vertices))
        self._weights = weights
        self._indptr, self._indices, self._data = weights.indptr, weights.indices, weights.data
        self.triangles = np.ascontiguousarray(
            np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]), dtype=np.int32
        )
        kinds = np.array([_KIND_OF_MATERIAL.get(m.name, SKIN) for m in head.materials], np.uint8)
        self.kind = np.tile(kinds[head.face_material[parent]], 2)
        self.two_sided = np.isin(self.kind, (LASHES, BROWS, HAIR))
        self._set_paint()
        self._set_eyes()
        self.rest = self._eyes_round(weights @ head.vertices)
        self.eye_poles = np.array([self._pole(side) for side in (0, 1)])
        height = head.vertices[:, 1]
        ramp = np.clip((height - NECK_BENDS_FROM_M) / (NECK_BENDS_TO_M - NECK_BENDS_FROM_M), 0, 1)
        self._follows = (ramp * ramp * (3 - 2 * ramp)).astype(np.float32)
        mouth_parts = [i for i, n in enumerate(head.part_names) if "teeth" in n or n == "tongue"]
        self._in_mouth = np.isin(head.part, mouth_parts)
        self._light_rest, self._light_shapes = self._bake_light()

    def _set_paint(self) -> None:
        head, weights = self.head, self._weights
        linear = srgb_to_linear(np.asarray(head.colors, np.float32) / 255.0)
        self.albedo = np.ascontiguousarray(weights @ linear, dtype=np.float32)
        names = [m.name for m in head.materials]
        lips = head.faces[head.face_material == names.index("lips")] if "lips" in names else np.empty((0, 4), int)
        gloss = np.zeros(len(head.vertices), np.float32)
        gloss[np.unique(lips)] = 1.0
        self.gloss = np.asarray(weights @ gloss, np.float32)

    def _set_eyes(self) -> None:
        head = self.head
        side = np.full(len(head.vertices), -1, np.int8)
        for number, name in enumerate(("left_eye", "right_eye")):
            side[head.part == head.part_names.index(name)] = number
        self.eye_centers = np.stack([head.eye_centers["left"], head.eye_centers["right"]]).astype(np.float32)
        fine = np.full(self._weights.shape[0], -1, np.int8)
        for number in (0, 1):
            inside = np.asarray(self._weights @ (side == number).astype(np.float32)) > 0.5
            fine[inside] = number
        self.side = fine
        self._eye_rows = [np.flatnonzero(fine == number) for number in (0, 1)]
        smooth = self._weights @ head.vertices
        self._eye_scale = []
        for number, rows in enumerate(self._eye_rows):
            center = self.eye_centers[number]
            radius = np.linalg.norm(head.vertices[side == number] - center, axis=1).mean()
            reach = np.linalg.norm(smooth[rows] - center, axis=1)
            self._eye_scale.append((radius / np.maximum(reach, 1e-6)).astype(np.float32)[:, None])

    def _eyes_round(self, points: np.ndarray) -> np.ndarray:
        """Subdivision shrinks a ball; push its points back to the sphere."""
        for center, rows, scale in zip(self.eye_centers, self._eye_rows, self._eye_scale, strict=True):
            points[rows] = center + (points[rows] - center) * scale
        return points

    def _pole(self, side: int) -> int:
        rows = self._eye_rows[side]
        return int(rows[np.argmax(self.rest[rows, 2])])

    def _bake_light(self) -> tuple[np.ndarray, np.ndarray]:
        """Ambient occlusion at rest (V,), and what each shape changes of it (52, V)."""
        triangles = np.ascontiguousarray(self.head.triangles, dtype=np.int32)
        both = np.ones(len(triangles), bool)
        rest = _ambient_light(np.asarray(self.head.vertices), triangles, both)
        shapes = np.stack(
            [_ambient_light(self.head.vertices + d, triangles, both) - rest for d in self.head.deltas]
        )
        return rest, np.where(np.abs(shapes) < 0.01, 0.0, shapes).astype(np.float32)

    def pose(self, values: np.ndarray, head: np.ndarray) -> PosedMesh:
        """Geometry for shape values (52,) in ARKit order and a head pose (6,) in the columns of HEAD6."""
        coarse = self.head.blend(values)
        light = np.clip(self._light_rest + np.clip(values, 0, 1) @ self._light_shapes, 0.0, 1.0)
        light = light * self._mouth_light(coarse)
        packed = np.concatenate([coarse, light[:, None], self._follows[:, None]], 1).astype(np.float32)
        fine = np.empty((self._weights.shape[0], 5), np.float32)
        raster.apply_sparse(self._indptr, self._indices, self._data, packed, fine)
        points = self._eyes_round(np.ascontiguousarray(fine[:, :3]))
        points = bend(points, fine[:, 4], head)
        normals = np.empty_like(points)
        raster.vertex_normals(points, self.triangles, normals)
        return PosedMesh(points, normals, np.ascontiguousarray(fine[:, 3]))

    def _mouth_light(self, coarse: np.ndarray) -> np.ndarray:
        """(V,) teeth and tongue darken with their depth behind the lips."""
        marks = self.head.landmarks
        lips_z = 0.5 * (coarse[marks["lip_upper_inner"], 2] + coarse[marks["lip_lower_inner"], 2])
        behind = np.maximum(0.0, lips_z - 0.006 - coarse[:, 2])
        return np.where(self._in_mouth, np.exp(-behind / _MOUTH_DEPTH_M), 1.0)


@functools.cache
def default_mesh() -> RenderMesh:
    """The packaged head, prepared once per process."""
    return RenderMesh(DefaultHead.load())


def srgb_to_linear(color: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1."""
    return np.where(color <= 0.04045, color / 12.92, ((color + 0.055) / 1.055) ** 2.4).astype(np.float32)


def bend(points: np.ndarray, follows: np.ndarray, head: np.ndarray) -> np.ndarray:
    """Turn the head about the pivot; `follows` (V,) says how much of the pose each point takes part in.

    Points between take a share of the angles, not a mix of positions, so that the neck keeps its volume.
    """
    if len(head) != len(HEAD6):
        raise ValueError(f"head pose has {len(head)} values, not {len(HEAD6)}")
    if not np.any(head):
        return points
    levels = np.linspace(0.0, 1.0, 17)
    turns = matrix_from_pitch_yaw_roll(levels[:, None] * np.asarray(head[:3], np.float64)).astype(np.float32)
    place = np.clip(follows, 0, 1) * (len(levels) - 1)
    low = np.minimum(place.astype(np.int64), len(levels) - 2)
    share = (place - low)[:, None]
    moved = np.empty_like(points)
    whole = follows >= 1.0
    moved[whole] = points[whole] @ turns[-1].T
    part = ~whole
    below = np.einsum("vij,vj->vi", turns[low[part]], points[part])
    above = np.einsum("vij,vj->vi", turns[low[part] + 1], points[part])
    moved[part] = below + share[part] * (above - below)
    return moved + follows[:, None] * np.asarray(head[3:], np.float32)


def _ambient_light(points: np.ndarray, triangles: np.ndarray, both: np.ndarray) -> np.ndarray:
    """(V,) 0..1: share of a sky's light that reaches each vertex, from depth maps seen from all sides."""
    points = np.ascontiguousarray(points, np.float32)
    normals = np.empty_like(points)
    raster.vertex_normals(points, triangles, normals)
    total, seen = np.full(len(points), 1e-6, np.float32), np.zeros(len(points), np.float32)
    view = np.empty_like(points)
    for toward in _sphere_directions(_AO_DIRECTIONS):
        # Shoulders and floor, which are not drawn, take light from below.
        weight = np.float32(0.25 + 0.75 * np.clip(0.6 + toward[1], 0, 1))
        right = np.cross([0.3, 1.0, 0.2], toward)
        right = (right / np.linalg.norm(right)).astype(np.float32)
        up = np.cross(toward, right).astype(np.float32)
        scale = np.float32(_AO_MAP / (2 * _AO_EXTENT_M))
        raster.light_view(points, right, up, toward, scale, np.float32(_AO_MAP / 2), view)
        depth, ids = raster.empty_buffers(_AO_MAP, _AO_MAP)
        raster.rasterise(view, triangles, both, 0, len(triangles), depth, ids)
        raster.add_visibility(view, normals @ toward, weight, depth, np.float32(_AO_BIAS_M), total, seen)
    return (seen / total).astype(np.float32)


def _sphere_directions(n: int) -> np.ndarray:
    """(n, 3) float32 unit vectors, evenly spread (Fibonacci sphere)."""
    k = np.arange(n) + 0.5
    y = 1 - 2 * k / n
    angle = np.pi * (1 + np.sqrt(5)) * k
    ring = np.sqrt(1 - y * y)
    return np.stack([ring * np.cos(angle), y, ring * np.sin(angle)], 1).astype(np.float32)

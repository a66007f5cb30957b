"""The default head as the renderer draws it: subdivided, posed, with ambient occlusion for every expression."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from scipy.spatial import cKDTree

from talkclip.coefficients import HEAD6
from talkclip.engine.render import raster
from talkclip.engine.render.folds import fold_strengths
from talkclip.engine.render.kinds import BROWS, EYE, HAIR, LASHES, SKIN, TEETH, WET
from talkclip.engine.render.subdivide import catmull_clark
from talkclip_rigs.head import DefaultHead
from talkclip_rigs.rotations import matrix_from_pitch_yaw_roll

# Pieces that are drawn as subdivision surfaces; the others are dense enough, or meant to have edges.
SUBDIVIDED_PARTS = ("skin", "tongue")
_KIND_OF_MATERIAL = {
    "skin": SKIN, "lips": SKIN, "brows": BROWS, "lashes": LASHES, "eye_white": EYE, "iris": EYE, "pupil": EYE,
    "teeth": TEETH, "gum": WET, "tongue": WET, "mouth_interior": WET, "hair": HAIR,
}  # fmt: skip

# The neck bends between these heights (metres above the pivot): all of the head's pose above, none below.
NECK_BENDS_FROM_M, NECK_BENDS_TO_M = -0.095, -0.035
# The mesh ends just below the chin. What lies lower than this is drawn out downwards: a portrait crops the neck.
NECK_LONGER_BELOW_M, _NECK_LONGER = -0.072, 2.8
# Linear RGB between pupil and limbal ring: grey-blue reads at any size.
IRIS_COLOR = (0.10, 0.16, 0.20)
_AO_MAP, _AO_EXTENT_M, _AO_BIAS_M = 192, 0.16, 0.0022
_AO_DIRECTIONS, _AO_DIRECTIONS_SHAPE = 64, 20
# How fast light dies behind the lips.
_MOUTH_DEPTH_M = 0.016
# How far the upper lid's shade reaches down the eye.
_LID_SHADE_M = 0.0022


@dataclasses.dataclass(frozen=True)
class PosedMesh:
    """One frame's geometry. V and T are of the subdivided mesh.

    Attributes:
        points: (V, 3) metres, camera-aligned axes of `DefaultHead`.
        moving: (V, 8) float32 what the shader reads: points, unit normals, 0..1 share of the surroundings' light that
            arrives (ambient occlusion), 0.
        folds: (N_FOLDS,) depth of the expression lines.
    """

    points: np.ndarray
    moving: np.ndarray
    folds: np.ndarray


class RenderMesh:
    """Static data of the subdivided head, and `pose` for one frame.

    Attributes:
        triangles: (T, 3) int32.
        kind: (T,) uint8, SKIN .. HAIR.
        two_sided: (T,) bool.
        rest: (V, 3) rest positions, the coordinates of everything that is painted on.
        paint: (V, 8) float32 what the shader reads: rest, linear RGB albedo, 0 skin .. 1 lips (or 1 where hair
            hides the skin), 0.
        palette: (3, 3) linear RGB of brows, hair, iris.
        side: (V,) int8: 0 left eye, 1 right eye, -1 neither.
        eye_centers: (2, 3) metres at rest.
        eye_poles: (2,) the vertex that looks straight ahead.
    """

    def __init__(self, head: DefaultHead) -> None:
        self.head = head
        coarse = np.isin(head.part, [i for i, name in enumerate(head.part_names) if name in SUBDIVIDED_PARTS])
        smooth_faces = np.flatnonzero(coarse[head.faces[:, 0]])
        plain_faces = np.flatnonzero(~coarse[head.faces[:, 0]])
        weights, quads, parent = catmull_clark(head.faces[smooth_faces], len(head.vertices))
        self._indptr, self._indices, self._data = weights.indptr, weights.indices, weights.data
        self._weights = weights
        faces = np.concatenate([quads, head.faces[plain_faces]])
        source = np.concatenate([smooth_faces[parent], plain_faces])
        second = faces[:, 2] != faces[:, 3]
        self.triangles = np.concatenate([faces[:, [0, 1, 2]], faces[second][:, [0, 2, 3]]]).astype(np.int32)
        kinds = np.array([_KIND_OF_MATERIAL.get(m.name, SKIN) for m in head.materials], np.uint8)
        kind = kinds[head.face_material[source]]
        self.kind = np.concatenate([kind, kind[second]])
        self.two_sided = np.isin(self.kind, (LASHES, BROWS))
        self._set_eyes()
        self.rest = self._eyes_round(weights @ head.vertices)
        painted = self._painted()
        self.paint = np.concatenate([self.rest, painted, np.zeros((len(painted), 1))], 1).astype(np.float32)
        self._lay_hair_on_skin()
        self.eye_poles = np.array([self._pole(side) for side in (0, 1)])
        height = head.vertices[:, 1]
        ramp = np.clip((height - NECK_BENDS_FROM_M) / (NECK_BENDS_TO_M - NECK_BENDS_FROM_M), 0, 1)
        self._follows = (ramp * ramp * (3 - 2 * ramp)).astype(np.float32)
        below = np.maximum(0.0, NECK_LONGER_BELOW_M - height)
        self._relaxed = np.array(head.vertices)
        self._relaxed[:, 1] -= _NECK_LONGER * below * below / (below + 0.01)
        mouth_parts = [i for i, n in enumerate(head.part_names) if "teeth" in n or n == "tongue"]
        self._in_mouth = np.isin(head.part, mouth_parts)
        self._light_rest, self._light_shapes = self._bake_light()
        # Towards the shoulders, which are not drawn, light fades.
        self._light_rest *= 1.0 - 0.55 * below / (below + 0.02)

    def _painted(self) -> np.ndarray:
        """(V, 4): linear albedo, and how much of each vertex is lip (on skin) or hair (on brows and hair)."""
        head = self.head
        linear = srgb_to_linear(np.asarray(head.colors, np.float32) / 255.0)
        share = np.zeros(len(head.vertices), np.float32)
        share[self._of_material("lips")] = 1.0
        skin = linear[self._of_material("skin")].mean(0)
        self.palette = np.array([skin, skin, IRIS_COLOR], np.float32)
        for row, name in enumerate(("brows", "hair")):
            rows = self._of_material(name)
            if rows.size:
                light = linear[rows].sum(1)
                dark = np.percentile(light, 20)
                self.palette[row] = linear[rows[light <= dark]].mean(0)
                share[rows] = np.clip((skin.sum() - light) / max(float(skin.sum() - dark), 1e-3), 0, 1)
        return np.concatenate([self._weights @ linear, (self._weights @ share)[:, None]], 1)

    def _lay_hair_on_skin(self) -> None:
        """Where brows and hair thin out, the skin below shows: its colour, and each frame its normal and light."""
        skin = self._of_material("skin")
        self._over = np.concatenate([self._of_material("brows"), self._of_material("hair")])
        _, nearest = cKDTree(self.rest[skin]).query(self.rest[self._over])
        self._under = skin[nearest]
        self.paint[self._over, 3:6] = self.paint[self._under, 3:6]
        thin = 1.0 - self.paint[self._over, 6:7]
        thin[: len(self._of_material("brows"))] = 1.0
        self._thin = thin

    def _of_material(self, name: str) -> np.ndarray:
        """Vertices of a material; empty when the head has none."""
        names = [m.name for m in self.head.materials]
        if name not in names:
            return np.empty(0, np.int64)
        return np.unique(self.head.faces[self.head.face_material == names.index(name)])

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
        head = self.head
        triangles = np.ascontiguousarray(head.triangles, dtype=np.int32)
        solid = ~np.isin(np.array([m.name for m in head.materials])[head.triangle_material], ("lashes", "brows"))
        light = _ambient_light(np.asarray(head.vertices), triangles[solid], _AO_DIRECTIONS, _AO_MAP)
        # Only skin moves enough to shade itself anew.
        skin = head.part == head.part_names.index("skin")
        moving = triangles[skin[triangles[:, 0]]]
        rest = _ambient_light(np.asarray(head.vertices), moving, _AO_DIRECTIONS_SHAPE, _AO_MAP)
        change = np.zeros((len(head.deltas), len(head.vertices)), np.float32)
        for shape, deltas in enumerate(head.deltas):
            posed = _ambient_light(head.vertices + deltas, moving, _AO_DIRECTIONS_SHAPE, _AO_MAP)
            change[shape] = np.where(skin & (np.abs(posed - rest) > 0.02), posed - rest, 0.0)
        return light, change

    def subdivided(self, values: np.ndarray) -> np.ndarray:
        """(V of the head, K) -> (V, K): anything given per vertex of the head, on the subdivided mesh."""
        return np.asarray(self._weights @ values)

    def follow(self, share: np.ndarray) -> None:
        """Say anew how much of the head's pose each vertex of the head (V,) takes part in, 0 (neck) .. 1."""
        self._follows = np.asarray(share, np.float32)

    def pose(self, values: np.ndarray, head: np.ndarray, offset: np.ndarray | None = None) -> PosedMesh:
        """Geometry for shape values (52,) in ARKit order and a head pose (6,) in the columns of HEAD6.

        `offset` (V of the head, 3), metres, is added to the head's vertices.
        """
        if not np.isfinite(values).all() or not np.isfinite(head).all():
            raise ValueError("a shape value or the head pose is not a number")
        coarse, light = self._relaxed.copy(), self._light_rest.copy()
        if offset is not None:
            coarse += offset
        raster.add_shapes(values, self.head.deltas, coarse)
        raster.add_shapes(np.clip(values, 0, 1), self._light_shapes[..., None], light[:, None])
        np.clip(light, 0.0, 1.0, out=light)
        light = np.where(self._in_mouth, self._mouth_light(coarse), light)
        self._shade_under_lids(coarse, light)
        packed = np.concatenate([coarse, light[:, None], self._follows[:, None]], 1).astype(np.float32)
        fine = np.empty((self._weights.shape[0], 5), np.float32)
        raster.apply_sparse(self._indptr, self._indices, self._data, packed, fine)
        points = self._eyes_round(np.ascontiguousarray(fine[:, :3]))
        bend(points, fine[:, 4], head)
        moving = np.zeros((len(points), 8), np.float32)
        moving[:, :3], moving[:, 6] = points, fine[:, 3]
        raster.vertex_normals(points, self.triangles, moving[:, 3:6])
        moving[self._over, 3:7] += self._thin * (moving[self._under, 3:7] - moving[self._over, 3:7])
        return PosedMesh(points, moving, fold_strengths(values))

    def _mouth_light(self, coarse: np.ndarray) -> np.ndarray:
        """(V,) teeth, gums and tongue: light comes in between the lips and dies with depth behind them."""
        upper, lower = (coarse[self.head.landmarks[name]] for name in ("lip_upper_inner", "lip_lower_inner"))
        gap_m = max(0.0, float(upper[1] - lower[1]))
        behind = np.maximum(0.0, 0.5 * float(upper[2] + lower[2]) - 0.008 - coarse[:, 2])
        opening = 0.45 + 0.55 * gap_m / (gap_m + 0.008)
        return np.asarray(opening * np.exp(-behind / (_MOUTH_DEPTH_M + 0.3 * gap_m)), np.float32)

    def _shade_under_lids(self, coarse: np.ndarray, light: np.ndarray) -> None:
        """Darken the eyeballs below their upper lids, wherever these are now (in place)."""
        head = self.head
        for name in ("left", "right"):
            rows = np.flatnonzero(head.part == head.part_names.index(f"{name}_eye"))
            inner, lid, outer = (
                coarse[head.landmarks[mark]] for mark in (f"eye_inner_{name}", f"lid_upper_{name}", f"eye_outer_{name}")
            )
            # A parabola through both corners and the lid's middle.
            x, y = coarse[rows, 0], coarse[rows, 1]
            reach = np.clip((x - inner[0]) / (outer[0] - inner[0]), 0, 1)
            chord = inner[1] + reach * (outer[1] - inner[1])
            middle = (lid[0] - inner[0]) / (outer[0] - inner[0])
            rise = (lid[1] - inner[1] - middle * (outer[1] - inner[1])) / (4 * middle * (1 - middle))
            below = np.maximum(0.0, chord + 4 * reach * (1 - reach) * rise - y)
            light[rows] *= 1.0 - 0.5 * np.exp(-below / _LID_SHADE_M)


@functools.cache
def default_mesh() -> RenderMesh:
    """The packaged head, prepared once per process."""
    return RenderMesh(DefaultHead.load())


def srgb_to_linear(color: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1."""
    return np.where(color <= 0.04045, color / 12.92, ((color + 0.055) / 1.055) ** 2.4).astype(np.float32)


def linear_to_srgb(light: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1, the inverse."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)


def bend(points: np.ndarray, follows: np.ndarray, head: np.ndarray) -> None:
    """Turn the head about the pivot, in place; `follows` (V,) says how much of the pose each point takes part in.

    Points between take a share of the angles, not a mix of positions, so that the neck keeps its volume.
    """
    if len(head) != len(HEAD6):
        raise ValueError(f"head pose has {len(head)} values, not {len(HEAD6)}")
    if np.any(head):
        levels = np.linspace(0.0, 1.0, 17)
        turns = matrix_from_pitch_yaw_roll(levels[:, None] * np.asarray(head[:3], np.float64))
        raster.turn_points(points, follows, turns.astype(np.float32), np.asarray(head[3:], np.float32))


def _ambient_light(points: np.ndarray, triangles: np.ndarray, n_directions: int, map_size: int) -> np.ndarray:
    """(V,) 0..1: share of a sky's light that reaches each vertex, from depth maps seen from all sides."""
    both = np.ones(len(triangles), bool)
    points = np.ascontiguousarray(points, np.float32)
    normals = np.empty_like(points)
    raster.vertex_normals(points, triangles, normals)
    total, seen = np.full(len(points), 1e-6, np.float32), np.zeros(len(points), np.float32)
    view = np.empty_like(points)
    for toward in _sphere_directions(n_directions):
        # Shoulders and floor, which are not drawn, take light from below.
        weight = np.float32(0.25 + 0.75 * np.clip(0.6 + toward[1], 0, 1))
        right = np.cross([0.3, 1.0, 0.2], toward)
        right = (right / np.linalg.norm(right)).astype(np.float32)
        up = np.cross(toward, right).astype(np.float32)
        scale = np.float32(map_size / (2 * _AO_EXTENT_M))
        raster.light_view(points, right, up, toward, scale, np.float32(map_size / 2), view)
        depth, ids = raster.empty_buffers(map_size, map_size)
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

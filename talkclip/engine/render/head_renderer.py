"""HeadRenderer: the default head as a picture, on any CPU, without display or graphics driver."""

from __future__ import annotations

import dataclasses
import math
import threading

import numpy as np

from talkclip.coefficients import ARKIT52, HEAD6
from talkclip.engine.render import raster, shading
from talkclip.engine.render.lights import KEY, Key
from talkclip.engine.render.render_mesh import PosedMesh, RenderMesh, default_mesh, linear_to_srgb

SIZE_MIN, SIZE_MAX = 32, 4096
# How far red and green light travel under skin (standard deviation, metres); blue stays.
UNDER_SKIN_M = (0.0028, 0.0010)
_SHADOW_MAP, _SHADOW_EXTENT_M = 224, 0.16
_STILL = np.zeros(len(HEAD6), np.float32)


@dataclasses.dataclass(frozen=True)
class Camera:
    """A portrait lens straight in front of the head.

    Attributes:
        distance_m: from the head's pivot.
        focal_mm: on a 24 mm high picture (full frame): 85 is the classic portrait lens.
        center_y_m: height above the pivot that is in the middle of the picture.
    """

    distance_m: float = 1.02
    focal_mm: float = 85.0
    center_y_m: float = 0.037


@dataclasses.dataclass(frozen=True)
class Lighting:
    """Lamps as rows: direction towards the lamp x y z, linear r g b, wrap 0..1 (the first one, the key, casts shadows);
    the surroundings above and below, linear r g b.
    """

    lights: tuple[tuple[float, ...], ...] = (
        (-0.55, 0.50, 0.75, 1.02, 0.94, 0.84, 0.45),
        (0.85, 0.10, 0.60, 0.15, 0.175, 0.21, 0.60),
        (-0.85, 0.35, -0.55, 0.40, 0.45, 0.55, 0.15),
        (0.80, 0.45, -0.60, 1.10, 1.05, 0.98, 0.15),
    )
    sky: tuple[float, float, float] = (0.22, 0.24, 0.27)
    ground: tuple[float, float, float] = (0.11, 0.09, 0.08)
    exposure: float = 0.92

    def table(self) -> np.ndarray:
        """(L, 7) float32 with unit directions."""
        rows = np.array(self.lights, np.float32)
        rows[:, :3] /= np.linalg.norm(rows[:, :3], axis=1, keepdims=True)
        return rows


@dataclasses.dataclass(frozen=True)
class _Buffers:
    """What one thread draws a frame in. H = W = size; samples are 2 x 2 per pixel."""

    depth: np.ndarray
    ids: np.ndarray
    pixel: np.ndarray
    triangle: np.ndarray
    cover: np.ndarray
    layers: shading.Layers

    @staticmethod
    def of(size: int) -> _Buffers:
        depth, ids = raster.empty_buffers(2 * size, 2 * size)
        pixel, triangle = (np.empty(ids.size, np.int32) for _ in range(2))
        shapes = ((3, size, size), (size, size, 3), (size, size), (size, size, 4), (size, size))
        layers = shading.Layers(*(np.zeros(shape, np.float32) for shape in shapes))
        return _Buffers(depth, ids, pixel, triangle, np.empty(ids.size, np.float32), layers)

    def clear(self) -> None:
        self.depth.fill(-np.inf)
        self.ids.fill(-1)
        for layer in self.layers:
            layer.fill(0.0)


class HeadRenderer:
    """Draws the default head lit like a studio portrait.

    Args:
        size: pixels, width = height, 32..4096.
        camera, lighting: the set; the defaults frame head and neck.

    One renderer may be used by several threads at once: each has its own buffers.
    """

    def __init__(
        self, size: int = 512, *, camera: Camera | None = None, lighting: Lighting | None = None,
        mesh: RenderMesh | None = None,
    ) -> None:  # fmt: skip
        if not SIZE_MIN <= size <= SIZE_MAX:
            raise ValueError(f"size {size} is not in {SIZE_MIN}..{SIZE_MAX} pixels")
        self.size = size
        self.camera = camera or Camera()
        self.lighting = lighting or Lighting()
        self.mesh = mesh or default_mesh()
        self._local = threading.local()
        self._background = _backdrop(size)
        self._curve = (255.0 * linear_to_srgb(np.linspace(0, 1, 16385))).astype(np.float32)
        self._studio = shading.Studio(
            self.lighting.table(), np.array(self.lighting.sky, np.float32), np.array(self.lighting.ground, np.float32),
            float(self.camera.distance_m), noise_volume(),
        )  # fmt: skip
        # Focal length in samples: the picture is 24 mm high on the sensor and 2 * size samples on the grid.
        self._focal = np.float32(2 * size * self.camera.focal_mm / 24.0)

    def frame(self, values: np.ndarray, head: np.ndarray | None = None) -> np.ndarray:
        """One picture -> uint8 (size, size, 3) sRGB.

        Args:
            values: (52,) ARKit weights in Apple's order.
            head: (6,) pose in the columns of HEAD6; None: at rest.
        """
        buffers = self._layers(values, head)
        out = np.empty((self.size, self.size, 3), np.uint8)
        shading.develop(buffers.layers, self._background, np.float32(self.lighting.exposure), self._curve, out)
        return out

    def frame_rgba(self, values: np.ndarray, head: np.ndarray | None = None) -> np.ndarray:
        """The head alone -> uint8 (size, size, 4), sRGB with straight alpha."""
        skin_light, skin_color, skin_cover, direct, _ = self._layers(values, head).layers
        cover = np.minimum(1.0, direct[..., 3:])
        skin = np.moveaxis(skin_light, 0, -1) * skin_color / np.maximum(skin_cover, 1e-6)[..., None]
        light = (direct[..., :3] + skin) * self.lighting.exposure / np.maximum(cover, 1e-6)
        steps = (shading.shoulder(light) * (len(self._curve) - 1)).astype(np.int32)
        return np.concatenate([self._curve[steps] + 0.5, 255.0 * cover + 0.5], -1).astype(np.uint8)

    def coverage(self, values: np.ndarray, head: np.ndarray | None = None) -> np.ndarray:
        """Share of each pixel that the head covers -> float32 (size, size), 0..1."""
        return self._layers(values, head).layers.direct[..., 3].copy()

    def _layers(self, values: np.ndarray, head: np.ndarray | None) -> _Buffers:
        values = np.asarray(values, np.float32)
        if values.shape != (len(ARKIT52),):
            raise ValueError(f"values have shape {values.shape}, not ({len(ARKIT52)},)")
        posed = self.mesh.pose(values, _STILL if head is None else np.asarray(head, np.float32))
        buffers = self._clear_buffers()
        screen = self._visible(posed, buffers)
        self._shade(posed, screen, buffers)
        self._spread(buffers)
        return buffers

    def _clear_buffers(self) -> _Buffers:
        """This thread's buffers: fresh memory for every frame would cost more than clearing."""
        buffers: _Buffers | None = getattr(self._local, "buffers", None)
        if buffers is None:
            buffers = self._local.buffers = _Buffers.of(self.size)
        buffers.clear()
        return buffers

    def _visible(self, posed: PosedMesh, buffers: _Buffers) -> np.ndarray:
        """Draw the front-most triangle of each sample into the buffers -> projected points (V, 3)."""
        camera, mesh = self.camera, self.mesh
        screen = np.empty_like(posed.points)
        middle = np.float32(self.size)
        center_y = middle + self._focal * np.float32(camera.center_y_m / camera.distance_m)
        raster.project(posed.points, np.float32(camera.distance_m), self._focal, middle, center_y, screen)
        raster.rasterise(
            screen, mesh.triangles, mesh.two_sided, 0, len(mesh.triangles), buffers.depth, buffers.ids
        )  # fmt: skip
        return screen

    def _key(self, posed: PosedMesh) -> Key:
        """Depth map of the key light."""
        toward = self._studio.lamps[KEY, :3]
        right = np.cross([0.0, 1.0, 0.0], toward).astype(np.float32)
        right /= np.linalg.norm(right)
        up = np.cross(toward, right).astype(np.float32)
        view = np.empty_like(posed.points)
        scale, center = np.float32(_SHADOW_MAP / (2 * _SHADOW_EXTENT_M)), np.float32(_SHADOW_MAP / 2)
        raster.light_view(posed.points, right, up, toward, scale, center, view)
        depth, ids = raster.empty_buffers(_SHADOW_MAP, _SHADOW_MAP)
        mesh = self.mesh
        raster.rasterise(view, mesh.triangles, mesh.two_sided, 0, len(mesh.triangles), depth, ids)
        return Key(depth, float(scale), float(center), right, up)

    def _shade(self, posed: PosedMesh, screen: np.ndarray, to: _Buffers) -> None:
        mesh = self.mesh
        n_fragments = shading.gather_fragments(
            to.ids, screen, mesh.triangles, mesh.kind, to.pixel, to.triangle, to.cover
        )
        surface = shading.Surface(
            mesh.triangles, mesh.kind, posed.moving, mesh.paint, mesh.side, mesh.eye_centers,
            np.ascontiguousarray(posed.moving[mesh.eye_poles, 3:6]), mesh.palette, posed.folds,
        )  # fmt: skip
        shading.shade(
            n_fragments, to.pixel, to.triangle, to.cover, screen, surface, self._studio, self._key(posed), to.layers
        )

    def _spread(self, buffers: _Buffers) -> None:
        """Blur the light on skin by how far each colour travels under it."""
        skin_light, _, cover, _, distance = buffers.layers
        pixels_per_m = 0.5 * float(self._focal) / self.camera.distance_m
        turned, back = np.empty_like(cover), np.empty_like(cover)
        cover_turned, distance_turned = np.ascontiguousarray(cover.T), np.ascontiguousarray(distance.T)
        for channel, reach_m in enumerate(UNDER_SKIN_M):
            reach_px = np.float32(reach_m * pixels_per_m)
            if reach_px < 0.35:
                continue
            shading.diffuse_under_skin(skin_light[channel], cover, distance, reach_px, turned)
            flipped = np.ascontiguousarray(turned.T)
            shading.diffuse_under_skin(flipped, cover_turned, distance_turned, reach_px, back)
            skin_light[channel] = back.T


def _backdrop(size: int) -> np.ndarray:
    """(size, size, 6): a soft pool of light behind the head, as sRGB 0..255 and as linear light."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    away = np.sqrt((x - 0.47) ** 2 + ((y - 0.42) * 0.9) ** 2)
    glow = np.exp(-((away / 0.46) ** 2))[..., None]
    dark, light = np.array([0.014, 0.017, 0.022], np.float32), np.array([0.115, 0.130, 0.150], np.float32)
    linear = dark + (light - dark) * glow
    return np.concatenate([255.0 * linear_to_srgb(linear), linear], -1).astype(np.float32)


def noise_volume(size: int = 32, seed: int = 5) -> np.ndarray:
    """(size, size, size, 4) float32: tiling smooth noise, gradient x y z and height, each of deviation one or less."""
    rng = np.random.default_rng(seed)
    white = np.fft.rfftn(rng.standard_normal((size, size, size)))
    kx, ky, kz = np.meshgrid(*(np.fft.fftfreq(size),) * 2, np.fft.rfftfreq(size), indexing="ij")
    band = np.exp(-((np.sqrt(kx**2 + ky**2 + kz**2) - 0.20) ** 2) / (2 * 0.09**2))
    height = np.fft.irfftn(white * band, s=(size, size, size), axes=(0, 1, 2))
    height /= height.std() * 2
    slope = [0.5 * (np.roll(height, -1, axis) - np.roll(height, 1, axis)) for axis in range(3)]
    volume = np.stack([*slope, height], -1)
    volume[..., :3] /= volume[..., :3].std() * math.sqrt(3)
    return volume.astype(np.float32)

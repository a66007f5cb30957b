"""HeadRenderer: the default head as a picture, on any CPU, without display or graphics driver."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from talkclip.coefficients import ARKIT52, HEAD6
from talkclip.engine.render import raster, shading
from talkclip.engine.render.render_mesh import PosedMesh, RenderMesh, default_mesh

SIZE_MIN, SIZE_MAX = 32, 4096
_STILL = np.zeros(len(HEAD6), np.float32)


@dataclasses.dataclass(frozen=True)
class Camera:
    """A portrait lens straight in front of the head.

    Attributes:
        distance_m: from the head's pivot.
        focal_mm: on a 24 mm high picture (full frame): 85 is the classic portrait lens.
        center_y_m: height above the pivot that is in the middle of the picture.
    """

    distance_m: float = 1.32
    focal_mm: float = 85.0
    center_y_m: float = 0.012


@dataclasses.dataclass(frozen=True)
class Lighting:
    """Lights as rows: direction towards the light x y z, linear r g b, wrap 0..1; and the surroundings above / below."""

    lights: tuple[tuple[float, ...], ...] = (
        (-0.50, 0.55, 0.80, 1.70, 1.58, 1.42, 0.45),
        (0.85, 0.10, 0.60, 0.26, 0.30, 0.36, 0.60),
        (-0.85, 0.35, -0.55, 0.55, 0.62, 0.75, 0.15),
        (0.80, 0.45, -0.60, 1.50, 1.45, 1.35, 0.15),
    )
    sky: tuple[float, float, float] = (0.34, 0.37, 0.42)
    ground: tuple[float, float, float] = (0.17, 0.14, 0.12)
    exposure: float = 0.92

    def table(self) -> np.ndarray:
        """(L, 7) float32 with unit directions."""
        rows = np.array(self.lights, np.float32)
        rows[:, :3] /= np.linalg.norm(rows[:, :3], axis=1, keepdims=True)
        return rows


class HeadRenderer:
    """Draws the default head lit like a studio portrait.

    Args:
        size: pixels, width = height, 32..4096.
        camera, lighting: the set; the defaults frame head and neck.

    One renderer may be used by several threads at once: `frame` keeps no state.
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
        self._lights = self.lighting.table()
        self._background = _backdrop(size)
        self._volume = _noise_volume()
        # Focal length in samples: the picture is 24 mm high on the sensor and 2 * size samples on the grid.
        self._focal = np.float32(2 * size * self.camera.focal_mm / 24.0)

    def frame(self, values: np.ndarray, head: np.ndarray | None = None) -> np.ndarray:
        """One picture -> uint8 (size, size, 3) sRGB.

        Args:
            values: (52,) ARKit weights in Apple's order.
            head: (6,) pose in the columns of HEAD6; None: at rest.
        """
        layers = self._layers(values, head)
        out = np.empty((self.size, self.size, 3), np.uint8)
        shading.develop(*layers, self._background, np.float32(self.lighting.exposure), out)
        return out

    def coverage(self, values: np.ndarray, head: np.ndarray | None = None) -> np.ndarray:
        """Share of each pixel that the head covers -> float32 (size, size), 0..1."""
        return self._layers(values, head)[3][..., 3]

    def _layers(self, values: np.ndarray, head: np.ndarray | None) -> tuple[np.ndarray, ...]:
        values = np.asarray(values, np.float32)
        if values.shape != (len(ARKIT52),):
            raise ValueError(f"values have shape {values.shape}, not ({len(ARKIT52)},)")
        posed = self.mesh.pose(values, _STILL if head is None else np.asarray(head, np.float32))
        ids, screen = self._visible(posed)
        return self._shaded(posed, ids, screen)

    def _visible(self, posed: PosedMesh) -> tuple[np.ndarray, np.ndarray]:
        """Front-most triangle of each sample (2 H, 2 W), and the projected points."""
        camera, mesh = self.camera, self.mesh
        screen = np.empty_like(posed.points)
        middle = np.float32(self.size)
        center_y = middle + self._focal * np.float32(camera.center_y_m / camera.distance_m)
        raster.project(posed.points, np.float32(camera.distance_m), self._focal, middle, center_y, screen)
        depth, ids = raster.empty_buffers(2 * self.size, 2 * self.size)
        raster.rasterise(screen, mesh.triangles, mesh.two_sided, 0, len(mesh.triangles), depth, ids)
        return ids, screen

    def _shadow(self, posed: PosedMesh) -> tuple[np.ndarray, float, float, np.ndarray, np.ndarray]:
        """Depth map of the key light."""
        size, half_m = 224, 0.16
        toward = self._lights[shading.KEY, :3]
        right = np.cross([0.0, 1.0, 0.0], toward).astype(np.float32)
        right /= np.linalg.norm(right)
        up = np.cross(toward, right).astype(np.float32)
        view = np.empty_like(posed.points)
        scale = np.float32(size / (2 * half_m))
        center = np.float32(size / 2)
        raster.light_view(posed.points, right, up, toward, scale, center, view)
        depth, ids = raster.empty_buffers(size, size)
        raster.rasterise(view, self.mesh.triangles, self.mesh.two_sided, 0, len(self.mesh.triangles), depth, ids)
        return depth, scale, center, right, up

    def _shaded(self, posed: PosedMesh, ids: np.ndarray, screen: np.ndarray) -> tuple[np.ndarray, ...]:
        mesh, size, camera = self.mesh, self.size, self.camera
        skin_light, skin_color = (np.zeros((size, size, 3), np.float32) for _ in range(2))
        direct, skin_cover = np.zeros((size, size, 4), np.float32), np.zeros((size, size), np.float32)
        distance = np.zeros((size, size), np.float32)
        shading.shade(
            ids, screen, mesh.triangles, mesh.kind, posed.points, posed.normals, posed.light, mesh.rest, mesh.albedo,
            mesh.gloss, mesh.side, mesh.eye_centers, posed.normals[mesh.eye_poles], np.float32(camera.distance_m),
            self._lights, np.array(self.lighting.sky, np.float32), np.array(self.lighting.ground, np.float32),
            *self._shadow(posed), self._volume, np.array([0.10, 0.16, 0.20], np.float32),
            skin_light, skin_color, skin_cover, direct, distance,
        )  # fmt: skip
        self._spread(skin_light, skin_cover, distance)
        return skin_light, skin_color, skin_cover, direct

    def _spread(self, skin_light: np.ndarray, cover: np.ndarray, distance: np.ndarray) -> None:
        """Light travels about 3 mm under skin in red, 1 mm in green."""
        pixels_per_m = 0.5 * float(self._focal) / self.camera.distance_m
        turned = np.empty((self.size, self.size), np.float32)
        back = np.empty_like(turned)
        cover_turned = np.ascontiguousarray(cover.T)
        distance_turned = np.ascontiguousarray(distance.T)
        for channel, reach_m in ((0, 0.0028), (1, 0.0010)):
            reach_px = np.float32(reach_m * pixels_per_m)
            if reach_px < 0.35:
                continue
            shading.diffuse_under_skin(skin_light, cover, distance, reach_px, channel, turned)
            shading.diffuse_under_skin(turned[..., None], cover_turned, distance_turned, reach_px, 0, back)
            skin_light[..., channel] = back


def _backdrop(size: int) -> np.ndarray:
    """(size, size, 3) linear: a soft pool of light behind the head."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    away = np.sqrt((x - 0.47) ** 2 + ((y - 0.42) * 0.9) ** 2)
    glow = np.exp(-((away / 0.46) ** 2))[..., None]
    dark, light = np.array([0.014, 0.017, 0.022], np.float32), np.array([0.115, 0.130, 0.150], np.float32)
    return (dark + (light - dark) * glow).astype(np.float32)


def _noise_volume(size: int = 32, seed: int = 5) -> np.ndarray:
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

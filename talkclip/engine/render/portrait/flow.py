"""Where in the portrait the colour of every pixel comes from: on the face, around it, and behind it.

The face is drawn as a map. Around it the map goes on smoothly and ends soon, so that shoulders and background stay;
hair and ears ride on a plane through the skull.
"""

from __future__ import annotations

import cv2
import numpy as np

from talkclip.engine.render import raster
from talkclip.engine.render.portrait import kernels
from talkclip.engine.render.portrait.plates import fill
from talkclip.engine.render.render_mesh import NECK_BENDS_FROM_M, NECK_BENDS_TO_M, bend
from talkclip.engine.tracking.fit import CAMERA_M, HeadPose

# The plane that carries hair and ears.
_PLANE_Z_M = 0.008
_BESIDE_FROM_M, _BESIDE_TO_M, _BESIDE_BELOW_M = 0.075, 0.12, 0.0
_GRID = 64
# Share of the picture: the edge strip that rests.
_EDGE_SHARE = 0.09
# How far around the mesh its own motion fades out: a share of the picture, and so many times the largest motion,
# or the picture would fold.
_FADE_SHARE, _FADE_MOTIONS = 0.04, 1.6
# How much more the next piece of the face counts than its whole: hair must not move with the jaw.
_LOCAL = 8.0
# Width of the seam between mesh and surroundings, as a share of the picture.
_SEAM_SHARE = 1 / 160


class FlowField:
    """Draws the map for one portrait.

    Args:
        triangles: (T, 3) of the head, those that carry pixels first.
        n_front: how many carry pixels; the rest only hides.
        source: (V, 2) pixel of the portrait that each vertex shows.
        pose: of the portrait's head.
        size: pixels.
    """

    def __init__(self, triangles: np.ndarray, n_front: int, source: np.ndarray, pose: HeadPose, size: int) -> None:
        self._triangles, self._n_front, self._source, self._pose, self._size = triangles, n_front, source, pose, size
        self._turn = pose.turn.astype(np.float32)
        self._plane, self._plane_follows, self._plane_source = self._make_plane()
        to_edge = np.minimum.outer(*(np.minimum(np.arange(size) + 0.5, size - np.arange(size) - 0.5),) * 2)
        self._edge = ease(to_edge / (_EDGE_SHARE * size)).astype(np.float32)

    def at(self, screen: np.ndarray, gain: np.ndarray, pose: np.ndarray) -> np.ndarray:
        """(S, S, 3): source minus target in pixels, and the change of light.

        Args:
            screen: (V, 3) the posed head; gain: (V,) light now by light in the portrait.
            pose: (6,) how the head moved, for what rides on the plane.
        """
        size = self._size
        ids = draw(screen, self._triangles, size, size)[1]
        flow, light, covered = (np.empty(shape, np.float32) for shape in ((size, size, 2), (size, size), (size, size)))
        kernels.gather_flow(
            ids, self._n_front, screen, self._triangles, self._source, gain, flow, light, covered
        )  # fmt: skip
        plane = self._plane_flow(pose)
        own = np.concatenate([flow - plane, light[..., None]], -1) * covered[..., None]
        total = np.where(covered[..., None] > 0, own, self._around(own, covered))
        # At the mesh's outline the two maps meet: a soft seam, or hair beside it would tear.
        blur = size * _SEAM_SHARE
        outline = cv2.GaussianBlur((ids >= 0).astype(np.float32), (0, 0), blur)
        seam = np.clip(4 * outline * (1 - outline), 0, 1)[..., None]
        total += seam * (cv2.GaussianBlur(total, (0, 0), blur) - total)
        total[..., :2] += plane
        return np.asarray(total * self._edge[..., None], np.float32)

    def _around(self, own: np.ndarray, covered: np.ndarray) -> np.ndarray:
        """(S, S, 3) `own` continued past the mesh, and gone a little further out."""
        size, half = self._size, self._size // 2
        small = cv2.resize(np.concatenate([own, covered[..., None]], -1), (half, half), interpolation=cv2.INTER_AREA)
        weight = small[..., 3]
        filled = fill(small[..., :3] / np.maximum(weight, 1e-6)[..., None], weight, _LOCAL)
        away = cv2.distanceTransform((weight < 0.5).astype(np.uint8), cv2.DIST_L2, 3)
        motion = np.hypot(small[..., 0], small[..., 1]).max() / 2
        reach = _FADE_SHARE * half + _FADE_MOTIONS * float(motion)
        filled *= ease(1.0 - away / reach)[..., None]
        return np.asarray(cv2.resize(filled, (size, size), interpolation=cv2.INTER_LINEAR))

    def _plane_flow(self, pose: np.ndarray) -> np.ndarray:
        """(S, S, 2) what a plane through the skull does: source minus target."""
        if not pose.any():
            return np.zeros((self._size, self._size, 2), np.float32)
        points = self._plane.copy()
        bend(points, self._plane_follows, pose)
        moved = project(points, self._turn, self._pose)[:, :2]
        forward = (moved - self._plane_source).reshape(_GRID, _GRID, 2).astype(np.float32)
        cell = self._size / _GRID
        y, x = np.mgrid[0:_GRID, 0:_GRID].astype(np.float32)
        back = -forward
        for _ in range(3):
            # The displacement at the place a pixel comes from, not at the pixel.
            back = -cv2.remap(
                forward, x + back[..., 0] / cell, y + back[..., 1] / cell, cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )  # fmt: skip
        return np.asarray(cv2.resize(back, (self._size, self._size), interpolation=cv2.INTER_CUBIC), np.float32)

    def _make_plane(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points of the plane (G * G, 3) in head axes, how far each follows the head, and its pixels (G * G, 2)."""
        size, pose = self._size, self._pose
        at = (np.mgrid[0:_GRID, 0:_GRID].astype(np.float64) + 0.5) * size / _GRID
        pixels = np.stack([at[1].ravel(), at[0].ravel()], 1)
        ray = np.concatenate([(pixels - pose.center) * [1, -1] / (pose.scale * CAMERA_M), np.ones((len(pixels), 1))], 1)
        # Camera at (0, 0, CAMERA_M); a point is camera + d * (x, y, -1) with d its distance.
        direction = ray * [1.0, 1.0, -1.0] @ pose.turn
        eye = np.array([0.0, 0.0, CAMERA_M]) @ pose.turn
        reach = (_PLANE_Z_M - eye[2]) / direction[:, 2]
        points = (eye + reach[:, None] * direction).astype(np.float32)
        ramp = np.clip((points[:, 1] - NECK_BENDS_FROM_M) / (NECK_BENDS_TO_M - NECK_BENDS_FROM_M), 0, 1)
        away = np.minimum(pixels, size - pixels).min(1) / (_EDGE_SHARE * size)
        # Beside the chin are shoulders and collars, which stay; further up is hair, which goes along.
        beside = np.clip((np.abs(points[:, 0]) - _BESIDE_FROM_M) / (_BESIDE_TO_M - _BESIDE_FROM_M), 0, 1)
        low = np.clip((_BESIDE_BELOW_M - points[:, 1]) / 0.05, 0, 1)
        follows = (ease(ramp) * ease(away) * (1 - ease(beside) * ease(low))).astype(np.float32)
        return points, follows, pixels


def project(
    points: np.ndarray, turn: np.ndarray, pose: HeadPose, scale: float = 1.0, left: float = 0.0, top: float = 0.0
) -> np.ndarray:
    """Head axes (V, 3) -> (V, 3) on a grid of `scale` samples per pixel whose corner is at pixel (left, top)."""
    turned = points @ turn.T
    screen = np.empty_like(turned)
    raster.project(
        turned, np.float32(CAMERA_M), np.float32(scale * pose.scale * CAMERA_M),
        np.float32(scale * (pose.center[0] - left)), np.float32(scale * (pose.center[1] - top)), screen,
    )  # fmt: skip
    return screen


def draw(
    screen: np.ndarray, triangles: np.ndarray, height: int, width: int, both_sides: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """-> depth and front-most triangle (height, width)."""
    depth, ids = raster.empty_buffers(height, width)
    raster.rasterise(screen, triangles, np.full(len(triangles), both_sides), 0, len(triangles), depth, ids)
    return depth, ids


def ease(share: np.ndarray) -> np.ndarray:
    """0 below 0, 1 above 1, smooth between."""
    share = np.clip(share, 0, 1)
    return np.asarray(share * share * (3 - 2 * share))

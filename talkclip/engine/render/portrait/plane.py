"""What hair and ears ride on: a plane through the skull that turns with the head and rests at the picture's edges."""

from __future__ import annotations

import cv2
import numpy as np

from talkclip.engine.render.portrait.geometry import ease, project
from talkclip.engine.render.render_mesh import NECK_BENDS_FROM_M, NECK_BENDS_TO_M, bend
from talkclip.engine.tracking.fit import CAMERA_M, HeadPose

# Share of the picture: the edge strip that rests.
EDGE_SHARE = 0.09
_PLANE_Z_M = 0.008
_BESIDE_FROM_M, _BESIDE_TO_M, _BESIDE_BELOW_M = 0.075, 0.12, 0.0
_GRID = 64


class HairPlane:
    """The plane of one portrait.

    Args:
        pose: of the portrait's head.
        size: pixels of the picture.
    """

    def __init__(self, pose: HeadPose, size: int) -> None:
        self._pose, self._size = pose, size
        self._turn = pose.turn.astype(np.float32)
        self._points, self._follows, self._source = self._make()

    def motion(self, pose: np.ndarray) -> np.ndarray:
        """(G, G, 2) float32 source minus target, in pixels, on a coarse grid, when the head moved by `pose` (6,)."""
        if not pose.any():
            return np.zeros((_GRID, _GRID, 2), np.float32)
        points = self._points.copy()
        bend(points, self._follows, pose)
        moved = project(points, self._turn, self._pose)[:, :2]
        forward = (moved - self._source).reshape(_GRID, _GRID, 2).astype(np.float32)
        cell = self._size / _GRID
        y, x = np.mgrid[0:_GRID, 0:_GRID].astype(np.float32)
        back = -forward
        for _ in range(3):
            # The displacement at the place a pixel comes from, not at the pixel.
            back = -cv2.remap(
                forward, x + back[..., 0] / cell, y + back[..., 1] / cell, cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )  # fmt: skip
        return np.asarray(back, np.float32)

    def _make(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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
        away = np.minimum(pixels, size - pixels).min(1) / (EDGE_SHARE * size)
        # Beside the chin are shoulders and collars, which stay; further up is hair, which goes along.
        beside = np.clip((np.abs(points[:, 0]) - _BESIDE_FROM_M) / (_BESIDE_TO_M - _BESIDE_FROM_M), 0, 1)
        low = np.clip((_BESIDE_BELOW_M - points[:, 1]) / 0.05, 0, 1)
        follows = (ease(ramp) * ease(away) * (1 - ease(beside) * ease(low))).astype(np.float32)
        return points, follows, pixels

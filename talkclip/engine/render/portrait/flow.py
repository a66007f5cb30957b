"""Where in the portrait the colour of every pixel comes from: on the face, around it, and behind it.

The face is drawn as a map. Around it the map goes on smoothly and ends soon, so that shoulders and background stay;
hair and ears ride on a plane through the skull.
"""

from __future__ import annotations

import cv2
import numpy as np

from talkclip.engine.render.portrait import kernels
from talkclip.engine.render.portrait.geometry import FrameGeometry, Scene, ease
from talkclip.engine.render.portrait.plane import EDGE_SHARE
from talkclip.engine.render.portrait.plates import fill

# How far around the mesh its own motion fades out: a share of the picture, and so many times the largest motion,
# or the picture would fold.
FADE_SHARE, FADE_MOTIONS = 0.04, 1.6
# How much more the next piece of the face counts than its whole: hair must not move with the jaw.
LOCAL = 8.0
# Width of the seam between mesh and surroundings, as a share of the picture.
SEAM_SHARE = 1 / 160


class FlowField:
    """Draws the map for one portrait."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._edge = resting_edge(scene.size)

    def at(self, frame: FrameGeometry) -> np.ndarray:
        """(S, S, 3): source minus target in pixels, and the change of light."""
        scene, size, ids = self._scene, self._scene.size, frame.ids
        flow, light, covered = (np.empty(shape, np.float32) for shape in ((size, size, 2), (size, size), (size, size)))
        kernels.gather_flow(
            ids, scene.n_front, frame.screen, scene.triangles, scene.source, frame.gain, flow, light, covered
        )  # fmt: skip
        plane = cv2.resize(frame.plane, (size, size), interpolation=cv2.INTER_CUBIC)
        own = np.concatenate([flow - plane, light[..., None]], -1) * covered[..., None]
        total = np.where(covered[..., None] > 0, own, self._around(own, covered))
        # At the mesh's outline the two maps meet: a soft seam, or hair beside it would tear.
        blur = size * SEAM_SHARE
        outline = cv2.GaussianBlur((ids >= 0).astype(np.float32), (0, 0), blur)
        seam = np.clip(4 * outline * (1 - outline), 0, 1)[..., None]
        total += seam * (cv2.GaussianBlur(total, (0, 0), blur) - total)
        total[..., :2] += plane
        return np.asarray(total * self._edge[..., None], np.float32)

    def _around(self, own: np.ndarray, covered: np.ndarray) -> np.ndarray:
        """(S, S, 3) `own` continued past the mesh, and gone a little further out."""
        size, half = self._scene.size, self._scene.size // 2
        small = cv2.resize(np.concatenate([own, covered[..., None]], -1), (half, half), interpolation=cv2.INTER_AREA)
        weight = small[..., 3]
        filled = fill(small[..., :3] / np.maximum(weight, 1e-6)[..., None], weight, LOCAL)
        motion = np.hypot(small[..., 0], small[..., 1]).max() / 2
        reach = FADE_SHARE * half + FADE_MOTIONS * float(motion)
        filled *= ease(1.0 - outside(weight) / reach)[..., None]
        return np.asarray(cv2.resize(filled, (size, size), interpolation=cv2.INTER_LINEAR))


def outside(weight: np.ndarray) -> np.ndarray:
    """(H, W) pixels to the next one where weight (H, W) is at least a half."""
    return np.asarray(cv2.distanceTransform((weight < 0.5).astype(np.uint8), cv2.DIST_L2, 3))


def resting_edge(size: int) -> np.ndarray:
    """(S, S) float32 0 at the picture's edge, 1 inside."""
    to_edge = np.minimum.outer(*(np.minimum(np.arange(size) + 0.5, size - np.arange(size) - 0.5),) * 2)
    return np.asarray(ease(to_edge / (EDGE_SHARE * size)), np.float32)

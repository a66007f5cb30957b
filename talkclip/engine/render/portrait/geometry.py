"""What a painter gets: where everything of a portrait is in a frame, before any pixel has a colour."""

from __future__ import annotations

import dataclasses

import numpy as np

from talkclip.engine.render import raster
from talkclip.engine.render.portrait.plates import Plates
from talkclip.engine.tracking.fit import CAMERA_M, HeadPose

# Samples per pixel and axis where lips, lids and teeth meet.
SUPER = 3
# Lids lie on the eye, also on one that is wider than the default head's: in patches the ball steps back a little, in
# the units of the screen's depth.
EYE_BACK = 0.003 / CAMERA_M**2


@dataclasses.dataclass(frozen=True)
class Patch:
    """A region that is drawn with several samples per pixel.

    Attributes:
        triangles: (T, 3); kinds: (T,) SKIN_SAMPLE, EYE_SAMPLE or MOUTH_SAMPLE of `kernels`.
        vertices: what is surely inside.
        eye: 0 the left one, 1 the right one, -1 the mouth.
    """

    triangles: np.ndarray
    kinds: np.ndarray
    vertices: np.ndarray
    eye: int


@dataclasses.dataclass(frozen=True)
class Scene:
    """What all frames of a portrait share. S is the size of the picture, V counts vertices.

    Attributes:
        size: S.
        triangles: (T, 3) of the head, those that carry pixels first; n_front: how many these are, the rest only hides.
        source: (V, 2) pixel of the portrait that each vertex shows.
        eyes: the vertices of the eyeballs.
        plates: what colours are read from.
        patches: the mouth, the left eye, the right eye.
    """

    size: int
    triangles: np.ndarray
    n_front: int
    source: np.ndarray
    eyes: np.ndarray
    plates: Plates
    patches: tuple[Patch, ...]

    @property
    def fine(self) -> int:
        """Pixels of the plates per pixel and axis."""
        return self.plates.skin.shape[0] // self.size


@dataclasses.dataclass(frozen=True)
class PatchGeometry:
    """Where a patch is in a frame: its corner at pixel (left, top), h x w pixels.

    Attributes:
        ids: (SUPER h, SUPER w) front-most triangle of the patch or -1.
        screen: (V, 3) in samples of the patch.
        chosen: (h, w) LEFT, ALL_SAMPLES or MIDDLE_SAMPLE of `kernels`: what is drawn of each pixel.
        closing: (V,) 0..1 how much a point is a closing lid; cover: (V,) 0..1 how much it is one where the portrait
            shows an eye.
        sealed: 0..1 how much of the ball is covered for good.
    """

    left: int
    top: int
    ids: np.ndarray
    screen: np.ndarray
    chosen: np.ndarray
    closing: np.ndarray
    cover: np.ndarray
    sealed: float


@dataclasses.dataclass(frozen=True)
class FrameGeometry:
    """Where everything is in a frame.

    Attributes:
        screen: (V, 3) x, y in pixels, and a depth that grows towards the camera.
        ids: (S, S) front-most triangle of `Scene.triangles` or -1.
        gain: (V,) light now by light in the portrait.
        colors: (V, 3) sRGB 0..255 of the mouth's parts, 0 elsewhere.
        plane: (G, G, 2) source minus target, in pixels, of what rides on the plane through the skull.
        shown: 0..1 how much of the mouth's inside is seen.
        patches: in the order of the scene's; None where one is out of the picture.
    """

    screen: np.ndarray
    ids: np.ndarray
    gain: np.ndarray
    colors: np.ndarray
    plane: np.ndarray
    shown: float
    patches: tuple[PatchGeometry | None, ...]


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

"""Painter: the pixels of a frame from its geometry, on the processor (OpenCV and numba).

`torch_painter` does the same on a graphics card. Its pictures differ by little, see there.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np

from talkclip.engine.render.portrait import kernels
from talkclip.engine.render.portrait.flow import FlowField
from talkclip.engine.render.portrait.geometry import SUPER, FrameGeometry, PatchGeometry, Scene


class Painter(Protocol):
    """Paints frames of one portrait. May be called by several threads at once."""

    def paint(self, frames: Sequence[FrameGeometry]) -> list[np.ndarray]:
        """A picture of each -> uint8 (S, S, 3) sRGB."""

    def paint_alone(self, frames: Sequence[FrameGeometry]) -> list[np.ndarray]:
        """The person alone, of each -> uint8 (S, S, 4), straight alpha."""


class ArrayPainter:
    """Paints on the processor, one frame after the other."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._field = FlowField(scene)
        plates = scene.plates
        self._plates = kernels.Source(plates.skin, plates.lids, plates.eyes, plates.zone, scene.fine)

    def paint(self, frames: Sequence[FrameGeometry]) -> list[np.ndarray]:
        """See `Painter.paint`."""
        return [self._before_background(self._person(frame, self._scene.plates.person)) for frame in frames]

    def paint_alone(self, frames: Sequence[FrameGeometry]) -> list[np.ndarray]:
        """See `Painter.paint_alone`."""
        return [_straight(self._person(frame, self._alone)) for frame in frames]

    @functools.cached_property
    def _alone(self) -> np.ndarray:
        return self._scene.plates.alone()

    def _before_background(self, person: np.ndarray) -> np.ndarray:
        return _bytes(person[..., :3] + (1.0 - person[..., 3:]) * self._scene.plates.background)

    def _person(self, frame: FrameGeometry, plate: np.ndarray) -> np.ndarray:
        """(S, S, 4) float32 what stands before the background: colour times alpha, and alpha."""
        flow = self._field.at(frame)
        person = self._read(plate, flow)
        person[..., :3] *= 1.0 + flow[..., 2:]
        person[..., 3] = np.clip(person[..., 3], 0, 1)
        for number, patch in enumerate(frame.patches):
            if patch is not None:
                self._paint_patch(number, patch, frame, person)
        return person

    def _read(self, plate: np.ndarray, flow: np.ndarray) -> np.ndarray:
        """(S, S, C) of a plate (F, F, C): read with its finer pixels and then averaged, as the portrait was made."""
        fine, size = plate.shape[0], self._scene.size
        if fine != size:
            flow = cv2.resize(flow[..., :2], (fine, fine), interpolation=cv2.INTER_LINEAR) * (fine / size)
        y, x = np.mgrid[0:fine, 0:fine].astype(np.float32)
        read = cv2.remap(
            plate, x + flow[..., 0], y + flow[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        )  # fmt: skip
        return np.asarray(cv2.resize(read, (size, size), interpolation=cv2.INTER_AREA))

    def _paint_patch(self, number: int, patch: PatchGeometry, frame: FrameGeometry, person: np.ndarray) -> None:
        static = self._scene.patches[number]
        corners = kernels.Corners(self._scene.source, frame.gain, patch.closing, patch.cover, frame.colors)
        kernels.shade_patch(
            patch.chosen, patch.ids, patch.screen, static.triangles, static.kinds, self._plates, corners, patch.sealed,
            frame.shown, SUPER, patch.left, patch.top, person,
        )  # fmt: skip


def _straight(person: np.ndarray) -> np.ndarray:
    color = person[..., :3] / np.maximum(person[..., 3:], 1e-3)
    return np.concatenate([_bytes(color), _bytes(255.0 * person[..., 3:])], -1)


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.clip(values + 0.5, 0, 255).astype(np.uint8)

"""Measure portraits: `python3 dev.py bench render [--json FILE]`.

On one core, with a generated portrait:

    mesh_ms_256, mesh_ms_512   one acted frame of the mesh warp, head turned, without writing it
    geometry_ms_256, .. 512    of these, what is computed before pixels are painted: on the processor on every device
    torch_cpu_ms_256, .. 512   the same frames with the pixels painted by torch, the code for graphics cards, on the
                               processor, eight at once; null without torch
    fit_s_512                  finding the face, fitting the head, preparing the plates
    retrack_r_open             correlation of the mouth opening that landmarks show with the one that was asked for
    retrack_judge              whose landmarks: the network that fitted the portrait; for another one see
                               `talkclip_training.portraits.measure --face-api`
    track_ms                   one frame of `track_video`: landmarks and fit
    pirender_onnx_ms_256       one frame of PIRenderer in onnxruntime with random weights; null without torch

Milliseconds of processor time, median of several frames after one to warm up.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from talkclip.exits import explained
from talkclip_training.benchmarks.common import run

if TYPE_CHECKING:
    from talkclip.engine.render.portrait.geometry import FrameGeometry
    from talkclip.engine.render.portrait.renderer import PortraitRenderer

_FRAMES = 9
_TOGETHER = 8


@dataclasses.dataclass(frozen=True)
class Figures:
    """What was measured."""

    mesh_ms_256: float
    mesh_ms_512: float
    geometry_ms_256: float
    geometry_ms_512: float
    torch_cpu_ms_256: float | None
    torch_cpu_ms_512: float | None
    fit_s_512: float
    retrack_r_open: float
    retrack_judge: str
    track_ms: float
    pirender_onnx_ms_256: float | None
    one_core: bool


def main() -> None:
    run(__doc__, measure)


def measure(_: Path, pinned: bool) -> Figures:
    """All figures; writes no file."""
    import cv2

    from talkclip.engine.render.portrait.person import fit_person
    from talkclip.engine.render.portrait.renderer import PortraitRenderer
    from talkclip.engine.tracking.video import track_frames
    from talkclip_training.portraits.judges import features, fitting_judge
    from talkclip_training.portraits.make import head
    from talkclip_training.portraits.measure import acting, commanded

    cv2.setNumThreads(1)
    picture, values = head(11), acting()
    turned = np.array([0.05, 0.1, 0.03, 0, 0, 0], np.float32)
    frame_ms, geometry_ms, torch_ms, fit_s = {}, {}, {}, 0.0
    for size in (256, 512):
        began = time.process_time()
        renderer = PortraitRenderer(fit_person(picture, size))
        fit_s = time.process_time() - began
        rows = iter(np.resize(values, (1 + _FRAMES, 52)))
        frame_ms[size] = _median_ms(lambda r=renderer, v=rows: r.frame(next(v), turned))
        rows = iter(np.resize(values, (1 + _FRAMES, 52)))
        geometry_ms[size] = _median_ms(lambda r=renderer, v=rows: r.geometry(next(v), turned))
        torch_ms[size] = _torch_ms(renderer, [renderer.geometry(row, turned) for row in values[:_TOGETHER]])
    frames = [renderer.frame(row) for row in values]
    asked = [features(commanded(renderer, row))[0] for row in values]
    seen = [features(fitting_judge(frame))[0] for frame in frames]
    began = time.process_time()
    track_frames(frames, 25.0)
    track_ms = 1000 * (time.process_time() - began) / len(frames)
    return Figures(
        frame_ms[256], frame_ms[512], geometry_ms[256], geometry_ms[512], _sum(geometry_ms[256], torch_ms[256]),
        _sum(geometry_ms[512], torch_ms[512]), fit_s, float(np.corrcoef(asked, seen)[0, 1]), "the fitting network",
        track_ms, _pirender_ms(), pinned,
    )  # fmt: skip


def _torch_ms(renderer: PortraitRenderer, frames: list[FrameGeometry]) -> float | None:
    """One frame's pixels by torch on the processor."""
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    from talkclip.engine.render.portrait.torch_painter import TorchPainter

    torch.set_num_threads(1)
    painter = TorchPainter(renderer.scene, "cpu")
    return _median_ms(lambda: painter.paint(frames), 3) / len(frames)


def _sum(one: float, other: float | None) -> float | None:
    return None if other is None else one + other


def _pirender_ms() -> float | None:
    if any(importlib.util.find_spec(name) is None for name in ("torch", "onnxscript")):
        return None
    import onnxruntime

    from talkclip.engine.models.nets.pirender.export import export_generator
    from talkclip.engine.models.nets.pirender.generator import Generator

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pirender.onnx"
        export_generator(Generator(), path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(path), options)
        feed = {"portrait": np.zeros((1, 3, 256, 256), np.float32), "motion": np.zeros((1, 73, 27), np.float32)}
        return _median_ms(lambda: session.run(None, feed), 3)


def _median_ms(work: Callable[[], object], count: int = _FRAMES) -> float:
    times = []
    for _ in range(1 + count):
        began = time.process_time()
        work()
        times.append(1000 * (time.process_time() - began))
    return statistics.median(times[1:])


if __name__ == "__main__":
    explained(main)

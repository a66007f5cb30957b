"""Portraits painted by torch are those painted by the processor; batches, devices and what is said when there is none.

No graphics card is needed: torch computes on the processor here. What only a card could show (its speed, its rounding)
is not tested anywhere.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from PIL import Image

from talkclip.coefficients import ARKIT52, CoefficientTrack
from talkclip.engine.render.frames import FrameSource, Together
from talkclip.engine.render.portrait import device as devices
from talkclip.engine.render.portrait import renderer as renderers
from talkclip.engine.render.portrait.device import PROCESSOR, Device, choose_device
from talkclip.engine.render.portrait.person import fit_person
from talkclip.engine.render.portrait.renderer import PortraitRenderer
from talkclip.engine.render.portrait.video import PortraitSettings, render_portrait
from talkclip.errors import InputError
from talkclip_training.portraits import make
from tests.support.acting import STILL, acting
from tests.support.command import talkclip

torch = pytest.importorskip("torch")

from talkclip.engine.render.portrait import torch_painter  # noqa: E402
from talkclip.engine.render.portrait.torch_painter import TorchPainter  # noqa: E402

FRONT, TURNED = np.zeros(6, np.float32), np.array([0.06, 0.15, 0.04, 0.001, 0.002, 0], np.float32)
# Levels of 255, and their mean over a picture.
MOST, MEAN = 2, 0.05


# Mouth interior, lids half and whole shut (one more than the other), gaze, creases that shade, and nothing at all.
MOMENTS = np.stack([
    acting(jawOpen=0.7), acting(mouthSmile=0.9, jawOpen=0.2, cheekSquint=0.6), acting(eyeBlink=1.0),
    acting(eyeBlinkLeft=0.35, eyeBlinkRight=0.7, browDown=0.8), acting(eyeLookInLeft=0.9, eyeLookOutRight=0.9),
    acting(mouthFrown=0.8, browInnerUp=0.8, mouthPucker=0.5, tongueOut=0.6, jawOpen=0.4), STILL,
])  # fmt: skip


def on_torch(_: Device, scene: object) -> TorchPainter:
    return TorchPainter(scene, "cpu")


PORTRAITS = [("flat", 256), ("head", 256), ("head", 191), pytest.param(("head", 800), marks=pytest.mark.slow)]


@pytest.fixture(scope="module", params=PORTRAITS, ids=str)
def pair(request: pytest.FixtureRequest) -> tuple[PortraitRenderer, PortraitRenderer]:
    """The same portrait by OpenCV and by torch: drawn, rendered, of an odd size, without finer plates."""
    name, size = request.param
    person = fit_person(make.flat() if name == "flat" else make.head(11), size)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(renderers, "painter_on", on_torch)
        by_torch = PortraitRenderer(person)
    return PortraitRenderer(person), by_torch


@pytest.mark.parametrize("pose", [FRONT, TURNED], ids=["front", "turned"])
@pytest.mark.parametrize("alpha", [False, True], ids=["background", "alpha"])
def test_pictures_are_the_same(pair: tuple[PortraitRenderer, PortraitRenderer], alpha: bool, pose: np.ndarray) -> None:
    moments = MOMENTS if pair[0].size < 300 else MOMENTS[[0, 3]]
    poses = np.tile(pose, (len(moments), 1))
    expected, found = (np.stack(each.frames(moments, poses, alpha)).astype(np.float32) for each in pair)
    if len(moments) == len(MOMENTS):
        moved = np.abs(expected - expected[-1]).max((1, 2, 3))
        assert (moved[:-1] > 60).all()
    if alpha:
        assert 0.2 < (expected[..., 3] == 255).mean() < 0.9
        # A colour that hardly covers anything is a quotient of two small numbers.
        expected[..., :3] *= expected[..., 3:] / 255
        found[..., :3] *= found[..., 3:] / 255
    apart = np.abs(expected - found)
    assert apart.max() <= MOST and apart.mean((1, 2, 3)).max() < MEAN


def test_frames_do_not_know_of_each_other(pair: tuple[PortraitRenderer, PortraitRenderer]) -> None:
    by_torch = pair[1]
    moments = MOMENTS[[2, 0, 3]]
    together = by_torch.frames(moments, np.stack([TURNED, FRONT, TURNED]))
    alone = [by_torch.frame(m, p) for m, p in zip(moments, (TURNED, FRONT, TURNED), strict=True)]
    assert np.abs(np.stack(together).astype(int) - np.stack(alone)).max() <= 1
    assert np.array_equal(by_torch.frame(moments[1], TURNED), by_torch.frame(moments[1], TURNED))


def test_nothing_is_left_on_the_processor(pair: tuple[PortraitRenderer, PortraitRenderer]) -> None:
    """Torch's device without memory refuses tensors of another one, as a graphics card does."""
    scene = pair[0].scene
    frames = [pair[0].geometry(moment, TURNED) for moment in MOMENTS[:4]]
    painter = TorchPainter(scene, "meta")
    for paint in (painter.paint, painter.paint_alone):
        with pytest.raises(NotImplementedError, match="copy out of meta"):
            paint(frames)


def test_a_card_without_memory_is_explained(
    pair: tuple[PortraitRenderer, PortraitRenderer], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(TorchPainter, "_flow", full)
    with pytest.raises(InputError, match=r"too little memory .*--device cpu"):
        pair[1].frame(STILL)


def test_a_card_that_not_even_the_portrait_fits_into_is_explained(
    pair: tuple[PortraitRenderer, PortraitRenderer], monkeypatch: pytest.MonkeyPatch
) -> None:
    left = 5

    def nearly_full(self: TorchPainter, values: np.ndarray) -> object:
        nonlocal left
        left -= 1
        if left < 0:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return torch.from_numpy(np.ascontiguousarray(values))

    monkeypatch.setattr(TorchPainter, "_put", nearly_full)
    size = pair[0].size
    with pytest.raises(InputError, match=rf"too little memory for portraits of {size} pixels.*--device cpu"):
        devices.painter_on(Device("cuda", "CUDA (a test)"), pair[0].scene)


# Batches -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 4, 50])
def test_pictures_drawn_together_come_in_order(count: int) -> None:
    asked: list[int] = []

    def several(numbers: list[int]) -> list[np.ndarray]:
        asked.append(len(numbers))
        return [np.full(2, k) for k in numbers]

    source = FrameSource(10, lambda k: np.full(2, k), Together(several, count))
    assert [int(picture[0]) for picture in source.frames(3)] == list(range(10))
    assert max(asked) == min(count, 10)
    assert list(source.each([1, 4, 5, 7, 9], lambda picture: int(picture[1]), 2)) == [1, 4, 5, 7, 9]


def test_a_line_drawn_in_batches_is_the_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(cv2.resize(make.head(11), (300, 300))).save(tmp_path / "face.png")
    values = np.linspace(0, 1, 7, dtype=np.float32)[:, None] * acting(jawOpen=0.6, eyeBlink=0.8)
    track = CoefficientTrack("arkit52", ARKIT52, 25.0, values, head=np.tile(TURNED, (7, 1)))
    settings = PortraitSettings(192, full=True)
    render_portrait(track, tmp_path / "face.png", tmp_path / "cpu", settings=settings)
    batches: list[int] = []

    class Watched(TorchPainter):
        def paint(self, frames):  # type: ignore[no-untyped-def]
            batches.append(len(frames))
            return super().paint(frames)

    monkeypatch.setattr(renderers, "painter_on", lambda _, scene: Watched(scene, "cpu"))
    monkeypatch.setattr("talkclip.engine.render.portrait.video._TOGETHER", 4)
    # A folder that one device began is finished by another.
    (tmp_path / "card").mkdir()
    (tmp_path / "card" / "sequence.json").write_bytes((tmp_path / "cpu" / "sequence.json").read_bytes())
    card = Device("cuda", "CUDA (a test)")
    assert render_portrait(track, tmp_path / "face.png", tmp_path / "card", settings=settings, device=card) == 7
    assert sorted(batches) == [3, 4]
    for number in range(7):
        name = f"frame_{number:05d}.png"
        expected, found = (np.asarray(Image.open(tmp_path / where / name)).astype(int) for where in ("cpu", "card"))
        assert np.abs(expected - found).max() <= MOST


# Devices -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Says what torch finds."""

    def pretend(name: str, driver: bool = True) -> None:
        monkeypatch.setattr(devices, "_driver_is_there", lambda: driver)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(name))
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda: name)
        monkeypatch.setattr(torch, "zeros", lambda *_, **__: torch.ones(1))

    return pretend


def test_cuda_is_used_where_it_is(card: Callable[..., None]) -> None:
    card("NVIDIA L4")
    assert choose_device("auto") == choose_device("cuda") == Device("cuda", "CUDA (NVIDIA L4)")
    assert choose_device("cpu") == PROCESSOR


def test_without_it_auto_is_the_processor_and_cuda_an_error(
    card: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    card("")
    assert choose_device("auto") == PROCESSOR
    for built_for, said in (("13.0", "finds no graphics card.*nvidia-smi"), (None, "built without it.*pytorch.org")):
        monkeypatch.setattr(torch.version, "cuda", built_for)
        with pytest.raises(InputError, match=f"no CUDA here: torch .*{said}.*--device cpu"):
            choose_device("cuda")
    with pytest.raises(InputError, match="auto, cpu, cuda"):
        choose_device("tpu")


def test_without_a_driver_torch_is_not_even_loaded(card: Callable[..., None]) -> None:
    card("NVIDIA L4", driver=False)
    assert choose_device("auto") == PROCESSOR


def test_torch_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"torch is not installed. Run: pip install 'talkclip\[server\]'"):
        choose_device("cuda")


def test_a_card_that_torch_was_not_built_for_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_old(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA error: no kernel image is available\nCompile with TORCH_USE_CUDA_DSA")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "zeros", too_old)
    with pytest.raises(InputError, match=r"cannot use the card \(CUDA error: no kernel image is available\)"):
        torch_painter.find_card()


def test_the_paper_s_renderer_asks_onnxruntime(monkeypatch: pytest.MonkeyPatch) -> None:
    providers = ["CPUExecutionProvider"]
    monkeypatch.setitem(sys.modules, "onnxruntime", SimpleNamespace(get_available_providers=lambda: providers))
    with pytest.raises(InputError, match="onnxruntime-gpu"):
        choose_device("cuda", neural=True)
    providers.insert(0, "CUDAExecutionProvider")
    assert choose_device("cuda", neural=True).kind == "cuda"


@pytest.mark.parametrize("portrait", [True, False])
def test_cuda_where_there_is_none_is_one_line(tmp_path: Path, portrait: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    Image.fromarray(make.head(11)).save(tmp_path / "face.png")
    line = Path(__file__).resolve().parents[3] / "samples" / "line.flac"
    pictured = ["--portrait", str(tmp_path / "face.png")] if portrait else []
    done = talkclip("render", line, *pictured, "--device", "cuda", "-o", tmp_path / "out.mp4")
    assert done.returncode == 2 and not (tmp_path / "out.mp4").exists()
    (said,) = done.stderr.strip().splitlines()
    assert ("no CUDA here" in said and "--device cpu" in said) if portrait else "default head" in said

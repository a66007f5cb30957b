"""`talkclip render --portrait`: a spoken line comes out as a video, and bad input as one line."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from PIL import Image

from talkclip.coefficients import ARKIT52, CoefficientTrack
from talkclip.engine.render.head_renderer import HeadRenderer
from talkclip.track_io import write_track
from tests.support.command import talkclip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("Porträts – два")
    head = HeadRenderer(256).frame(np.zeros(52, np.float32))
    Image.fromarray(head).save(place / "face.png")
    Image.fromarray(np.concatenate([head, head], 1)).save(place / "two.png")
    Image.fromarray(np.full((200, 200, 3), 90, np.uint8)).save(place / "wall.png")
    (place / "text.png").write_text("I am not a picture.")
    values = np.zeros((5, 52), np.float32)
    values[:, ARKIT52.index("jawOpen")] = np.linspace(0, 0.5, 5)
    still = CoefficientTrack("arkit52", ARKIT52, 25.0, values, head=np.zeros((5, 6), np.float32))
    write_track(still, place / "line.npz")
    t = np.arange(8000) / 16000
    soundfile.write(place / "line.wav", 0.2 * np.sin(2 * np.pi * 220 * t).astype(np.float32), 16000)
    return place


def test_a_track_becomes_a_video_with_sound_and_provenance(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    done = talkclip(
        "render", folder / "line.npz", "--audio", folder / "line.wav", "--portrait", folder / "face.png", "--size",
        "256", "--device", "cpu", "-o", out,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "5 frames at 25 fps, 256 px, drawn on CPU" in done.stderr
    with av.open(str(out)) as container:
        assert container.streams.video[0].width == 256 and len(container.streams.audio) == 1
        assert "TalkCLIP" in container.metadata["comment"] and "face.png" in container.metadata["comment"]
        assert len(list(container.decode(video=0))) == 5


def test_one_of_two_faces_as_numbered_frames(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "frames"
    done = talkclip(
        "render", folder / "line.npz", "--portrait", folder / "two.png", "--face", "2", "--full", "--start-number",
        "101", "--pose", folder / "line.npz", "-o", out, "-q",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in out.glob("*.png")) == [f"frame_{n:05d}.png" for n in range(101, 106)]
    with Image.open(out / "frame_00101.png") as plate:
        assert plate.size == (512, 256)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--portrait", "wall.png"], "no face was found"),
        (["--portrait", "two.png"], "--face N"),
        (["--portrait", "text.png"], "cannot be read as a picture"),
        (["--portrait", "missing.png"], "no such picture"),
        (["--portrait", "face.png", "--alpha"], "no alpha channel"),
        (["--portrait", "face.png", "--format", "gif"], "no format"),
        (["--alpha"], "Give --portrait"),
        (["--portrait", "face.png", "--pose", "line.wav"], "holds no picture"),
        (["--portrait", "face.png", "--size", "9"], "out of range"),
        (["--portrait", "face.png", "--device", "tpu"], "auto, cpu, cuda"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    folder: Path, tmp_path: Path, arguments: list[str], expected: str
) -> None:
    placed = [str(folder / a) if a.endswith((".png", ".wav")) else a for a in arguments]
    done = talkclip("render", folder / "line.npz", *placed, "-o", tmp_path / "out.mp4")
    assert done.returncode == 2, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1 and expected in lines[0] and "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []

"""Plates in real Blender (bpy 4.5, 5.2)."""

from __future__ import annotations

import json
import re
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from PIL import Image

from tests.blender.environments import ROOT, VERSIONS
from tests.blender.running import rehearsal, run_suite

SAMPLE = ROOT / "samples" / "line.flac"
pytestmark = [pytest.mark.blender, pytest.mark.xdist_group("blender")]


@pytest.mark.parametrize("version", VERSIONS)
def test_rendering(version: str, extension_zip: Path, tmp_path: Path, rehearsal_server: str) -> None:
    with rehearsal("--die") as dying, rehearsal("--stall") as stalling:
        servers = {"TALKCLIP_TEST_DYING_SERVER": dying, "TALKCLIP_TEST_STALLING_SERVER": stalling}
        run_suite(version, "suite_plates", extension_zip, tmp_path, rehearsal_server, **servers)


@pytest.mark.parametrize("version", VERSIONS)
def test_in_the_scene(version: str, extension_zip: Path, tmp_path: Path, rehearsal_server: str) -> None:
    videos = tmp_path / "videos" / "notes.jsonl"
    videos.parent.mkdir()
    more = {"TALKCLIP_TEST_VIDEOS": str(videos)}
    run_suite(version, "suite_plates_scene", extension_zip, tmp_path, rehearsal_server, **more)
    facts = [json.loads(line) for line in videos.read_text(encoding="utf-8").splitlines()]
    assert len(facts) == 4
    for video in facts:
        check_video(**video)


def check_video(
    path: str, frames: int, fps: int, comment: str, start_s: float, color: list[int] | None = None, moves: bool = False
) -> None:
    """Pictures, rate, sound and comment of a video that Blender wrote."""
    with av.open(path) as container:
        assert {stream.codec_context.name for stream in container.streams} == {"h264", "aac"}
        assert container.streams.video[0].average_rate == fps
        assert re.search(comment, container.metadata["comment"]), container.metadata
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(pictures) == frames
    if color is not None:
        middle = pictures[0][80, 90].astype(int)
        assert np.abs(middle - color).max() <= 8, f"{middle} is not {color}"
    if moves:
        assert max(np.abs(picture.astype(int) - pictures[0]).max() for picture in pictures) > 60, "the face moves"
        assert min((picture.max(2) > 40).mean() for picture in pictures) > 0.15, "and fills the picture"
    heard, rate = sound_of(path)
    line, line_rate = soundfile.read(SAMPLE)
    spoken = line[round(start_s * line_rate) :][: round(len(heard) / rate * line_rate)]
    assert likeness(envelope(heard, rate), envelope(spoken, line_rate)) > 0.95, "the line's own sound, in step"


def sound_of(path: str) -> tuple[np.ndarray, int]:
    """(N,) samples of a video and their rate."""
    with av.open(path) as container:
        blocks = [frame.to_ndarray() for frame in container.decode(audio=0)]
        return np.concatenate(blocks, 1).mean(0), container.streams.audio[0].rate


def envelope(samples: np.ndarray, rate: int) -> np.ndarray:
    """Loudness in steps of a hundredth of a second."""
    step = rate // 100
    return np.sqrt((samples[: len(samples) // step * step].reshape(-1, step) ** 2).mean(1))


def likeness(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation over what both have."""
    n = min(len(a), len(b))
    return float(np.corrcoef(a[:n], b[:n])[0, 1])


@pytest.mark.parametrize("version", VERSIONS)
def test_with_the_real_server(version: str, extension_zip: Path, tmp_path: Path, real_server: str) -> None:
    pictures = tmp_path / "pictures.txt"
    run_suite(version, "suite_plates_real", extension_zip, tmp_path, real_server, TALKCLIP_TEST_PICTURES=str(pictures))
    for path in pictures.read_text(encoding="utf-8").splitlines():
        with Image.open(path) as picture:
            assert "synthetic face" in picture.text["comment"] and "furious" in picture.text["comment"]
            assert picture.text["date"].startswith("20")

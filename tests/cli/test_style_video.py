"""`--style-video` by command: a track as the style, and the mistakes one can make."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from talkclip.coefficients import ARKIT52, CoefficientTrack, arkit_index
from talkclip.track_io import read_track, write_track
from tests.support.command import talkclip

LINE = Path(__file__).resolve().parents[2] / "samples" / "line.flac"


@pytest.fixture(scope="module")
def scowl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    values = np.zeros((50, 52), np.float32)
    values[:, [arkit_index("browDownLeft"), arkit_index("browDownRight")]] = 0.8
    values[:, arkit_index("jawOpen")] = 0.15 + 0.15 * np.sin(np.arange(50) / 2)
    path = tmp_path_factory.mktemp("style") / "scowl.csv"
    write_track(CoefficientTrack("arkit52", ARKIT52, 25.0, values), path)
    return path


def test_a_track_gives_the_style_and_shares_it_with_a_prompt(scowl: Path, tmp_path: Path) -> None:
    brows = []
    for name, more in (("alone", []), ("both", ["-p", "delighted"]), ("none", ["--style-weight", "0"])):
        target = tmp_path / f"{name}.npz"
        done = talkclip("animate", LINE, "--style-video", scowl, *more, "-o", target)
        assert done.returncode == 0 and "stays neutral" not in done.stderr, done.stderr
        brows.append(float(read_track(target).channel("browDownLeft").mean()))
    assert brows[0] > 0.5 and 0.2 < brows[1] < brows[0] - 0.2 and brows[2] < 0.05


def test_mistakes_are_one_line_and_exit_code_2(scowl: Path, tmp_path: Path) -> None:
    flame = tmp_path / "flame.npz"
    write_track(CoefficientTrack("flame", ("exp0",), 25.0, np.zeros((3, 1), np.float32)), flame)
    junk = tmp_path / "junk.mp4"
    junk.write_bytes(b"no video at all")
    cases: tuple[tuple[list[str | Path], str], ...] = (
        (["--style-video", tmp_path / "gone.mp4"], "no such file"),
        (["--style-video", tmp_path / "gone.csv"], "no such file"),
        (["--style-video", junk], "cannot be read as a video"),
        (["--style-video", LINE], "holds no picture"),
        (["--style-video", flame], "holds flame"),
        (["--style-video", scowl, "--style-weight", "1.5"], "out of range"),
        (["--style-video", scowl, "--style-weight", "nan"], "out of range"),
        (["--style-weight", "0.5"], "--style-video"),
    )
    for more, words in cases:
        done = talkclip("animate", LINE, *more, "-q", "-o", tmp_path / "o.csv")
        assert done.returncode == 2 and words in done.stderr, (more, done.stderr)
        assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "o.csv").exists()


def test_a_video_without_a_face_is_refused(tmp_path: Path) -> None:
    import av

    video = tmp_path / "empty.mp4"
    with av.open(str(video), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode(None))
    done = talkclip("animate", LINE, "--style-video", video, "-q", "-o", tmp_path / "o.csv")
    assert done.returncode == 2 and "0 of 3" in done.stderr and len(done.stderr.strip().splitlines()) == 1


def test_render_takes_the_same_options(scowl: Path, tmp_path: Path) -> None:
    done = talkclip("render", scowl, "--style-video", scowl, "-q", "-o", tmp_path / "o.mp4")
    assert done.returncode == 2 and "finished track" in done.stderr
    done = talkclip("render", LINE, "--style-weight", "0.5", "-q", "-o", tmp_path / "o.mp4")
    assert done.returncode == 2 and "--style-video" in done.stderr

"""Bad input by command: one line that names file, problem and remedy; exit code 2; nothing half-written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.support.command import talkclip

RATE = 16000


def speech(seconds: float = 1.0, rate: int = RATE) -> np.ndarray:
    """A buzz with a speech-like envelope."""
    t = np.arange(int(seconds * rate)) / rate
    return (0.3 * np.sign(np.sin(2 * np.pi * 120 * t)) * (0.5 + 0.5 * np.sin(2 * np.pi * 3 * t))).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every kind of unusable recording, in a folder whose name has spaces and letters of other alphabets."""
    place = tmp_path_factory.mktemp("Szene 1 – отец и сын")
    soundfile.write(place / "good.wav", speech(), RATE)
    soundfile.write(place / "silent.wav", np.zeros(RATE, np.float32), RATE)
    soundfile.write(place / "nothing.wav", np.zeros(0, np.float32), RATE)
    nan = speech()
    nan[500] = np.nan
    soundfile.write(place / "nan.wav", nan, RATE, subtype="FLOAT")
    soundfile.write(place / "whole.flac", speech(3.0), RATE)
    (place / "truncated.flac").write_bytes((place / "whole.flac").read_bytes()[:4000])
    (place / "zero bytes.wav").write_bytes(b"")
    (place / "really text.wav").write_text("I am not a sound.\n" * 50)
    (place / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200))
    (place / "a folder.wav").mkdir()
    (place / "no segments.json").write_text('{"segments": []}')
    return place


@pytest.mark.parametrize(
    "name",
    ["missing.wav", "silent.wav", "nothing.wav", "nan.wav", "truncated.flac", "zero bytes.wav", "really text.wav",
     "picture.png", "a folder.wav"],
)  # fmt: skip
def test_an_unusable_recording_is_one_clear_line(folder: Path, tmp_path: Path, name: str) -> None:
    done = talkclip("animate", folder / name, "--prompt", "happy", "-o", tmp_path / "out.csv")
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 2, done.stderr
    assert len(lines) == 1 and name in lines[0] and "Traceback" not in done.stderr
    assert lines[0].count(".") >= 2, "problem and remedy"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--fps", "fast"], "not a frame rate"),
        (["--fps", "0"], "out of range"),
        (["--intensity", "7"], "intensity"),
        (["--intensity", "nan"], "intensity"),
        (["--edit", "wrinkle the nose"], "TEXT=WEIGHT"),
        (["--edit", "wrinkle the nose=9"], "out of range"),
        (["--timeline", "gone.json"], "gone.json"),
        (["--script", "[furious]"], "no words"),
        (["--script", "[furious] Get out", "--prompt", "sad"], "exclude each other"),
        (["--text", "gone.txt"], "gone.txt"),
        (["--phones", "gone.TextGrid"], "gone.TextGrid"),
        (["--backend", "magic"], "magic"),
        (["--space", "flame"], "--flame"),
        (["--flame", "gone.pkl"], "gone.pkl"),
        (["--blinks", "-1"], "blinks"),
        (["--seed", "-1"], "seed -1"),
        (["--timeline", "no segments.json"], "no segments"),
    ],
)
def test_a_wrong_option_is_one_clear_line(folder: Path, tmp_path: Path, arguments: list[str], expected: str) -> None:
    done = talkclip("animate", folder / "good.wav", *arguments, "-o", tmp_path / "out.csv", cwd=folder)
    assert done.returncode == 2, done.stderr
    assert expected in done.stderr and "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_result_that_cannot_be_written_is_refused_before_any_work(folder: Path, tmp_path: Path) -> None:
    for target, expected in (
        ("out.xyz", "out.xyz"), ("out", "no ending"), ("no/such/out.csv", "does not exist"), (".", "folder"),
        (f"{'x' * 300}.csv", "cannot be written"),
    ):  # fmt: skip
        done = talkclip("animate", folder / "gone.wav", "-o", target, cwd=tmp_path)
        assert done.returncode == 2 and expected in done.stderr, done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("rate", "channels", "suffix"), [(8000, 1, ".wav"), (44100, 2, ".flac"), (48000, 2, ".ogg"), (22050, 1, ".mp3")]
)
def test_other_rates_channels_and_formats_are_simply_read(
    folder: Path, tmp_path: Path, rate: int, channels: int, suffix: str
) -> None:
    sound = np.repeat(speech(1.5, rate)[:, None], channels, axis=1)
    source = folder / f"naïve take {rate}{suffix}"
    soundfile.write(source, sound, rate)
    target = tmp_path / "выход 1.csv"
    done = talkclip("animate", source, "--prompt", "happy", "--fps", "25", "-o", target)
    assert done.returncode == 0, done.stderr
    assert len(target.read_text().splitlines()) in (38, 39, 40)


def test_a_broken_track_or_video_name_stops_render(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    for arguments, expected in (
        ([tmp_path / "t.csv", "-o", tmp_path / "o.mp4"], "t.csv"),
        ([folder / "good.wav", "-o", tmp_path / "o.gif"], "o.gif"),
        ([folder / "good.wav", "-o", tmp_path / "o.mp4", "--size", "9"], "--size"),
        ([folder / "silent.wav", "-o", tmp_path / "o.mp4"], "silent.wav"),
    ):
        done = talkclip("render", *arguments)
        assert done.returncode == 2 and expected in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["t.csv"]


def test_a_batch_reports_each_bad_cell_and_speaks_the_other_lines(folder: Path, tmp_path: Path) -> None:
    rows = ["id,audio,prompt,seed,intensity", "whole,good.wav,happy,1.5,", "odd,good.wav,happy,nan,",
            "far,good.wav,,-1,", "loud,good.wav,happy,,lots", "fine,good.wav,xyzzy qwerty,7,"]  # fmt: skip
    (folder / "lines.csv").write_text("\n".join(rows))
    done = talkclip("batch", folder / "lines.csv", "-o", tmp_path / "out")
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    for words in (
        "whole (line 2): seed '1.5'",
        "odd (line 3): seed 'nan'",
        "far (line 4): seed -1",
        "loud (line 5): intens",
    ):
        assert f"talkclip: {words}" in done.stderr, done.stderr
    assert "note: fine (line 6): Not understood: 'xyzzy qwerty'" in done.stderr
    assert "1 done, 0 skipped, 4 failed" in done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["fine.csv"]


def test_render_says_what_it_made_of_the_prompt(folder: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "short.wav", speech(0.3), RATE)
    target = tmp_path / "out.mp4"
    done = talkclip("render", tmp_path / "short.wav", "--prompt", "xyzzy qwerty", "--size", "64", "-o", target)
    assert done.returncode == 0 and target.is_file(), done.stderr
    assert "Not understood: 'xyzzy qwerty'" in done.stderr


def test_a_prompt_as_long_as_a_novel_is_shown_by_its_beginning(folder: Path, tmp_path: Path) -> None:
    done = talkclip("animate", folder / "good.wav", "--prompt", "very angry " * 2000, "-o", tmp_path / "out.csv")
    assert done.returncode == 0 and max(map(len, done.stderr.splitlines())) < 500

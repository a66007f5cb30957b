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


def table(folder: Path, *rows: str) -> Path:
    path = folder / "lines.csv"
    path.write_text("\n".join(("id,audio,prompt,edit,style_video,style_weight", *rows)) + "\n", encoding="utf-8")
    return path


def test_a_table_means_what_the_options_mean(scowl: Path, tmp_path: Path) -> None:
    (tmp_path / "scowl.csv").write_bytes(scowl.read_bytes())
    lines = table(tmp_path, f"alone,{LINE},,,scowl.csv,", f"both,{LINE},delighted,,scowl.csv,",
                  f"most,{LINE},delighted,,scowl.csv,0.7", f"edited,{LINE},,smile=0.4,scowl.csv,")  # fmt: skip
    done = talkclip("batch", lines, "--out", tmp_path / "out", "--format", "npz")
    assert done.returncode == 0 and "note:" not in done.stderr, done.stderr
    same = (("alone", []), ("both", ["-p", "delighted"]), ("most", ["-p", "delighted", "--style-weight", "0.7"]),
            ("edited", ["--edit", "smile=0.4"]))  # fmt: skip
    brows = {}
    for name, more in same:
        target = tmp_path / f"{name}.npz"
        assert talkclip("animate", LINE, "--style-video", scowl, *more, "-o", target).returncode == 0
        of_table = read_track(tmp_path / "out" / f"{name}.npz")
        np.testing.assert_array_equal(of_table.values, read_track(target).values)
        brows[name] = float(of_table.channel("browDownLeft").mean())
    assert brows["both"] + 0.05 < brows["most"] < brows["alone"] - 0.05


def test_a_bad_clip_fails_its_row_alone(scowl: Path, tmp_path: Path) -> None:
    (tmp_path / "junk.mp4").write_bytes(b"no video at all")
    lines = table(
        tmp_path, f"gone,{LINE},,,lost.mp4,", f"junk,{LINE},,,junk.mp4,", f"high,{LINE},,,{scowl},1.5",
        f"nan,{LINE},,,{scowl},nan", f"bare,{LINE},sad,,,0.5", f"long,{LINE},,,{'x' * 300}.mp4,",
        f"deaf,{'x' * 300}.wav,,,,", f"dir,{LINE},,,{tmp_path},", f"good,{LINE},,,{scowl},",
    )  # fmt: skip
    done = talkclip("batch", lines, "--out", tmp_path / "out", "-q")
    assert done.returncode == 2 and [path.name for path in (tmp_path / "out").iterdir()] == ["good.csv"]
    said = done.stderr.strip().splitlines()
    wanted = (
        "gone (line 2): style_video lost.mp4: there is no such file. Check the name; files may lie beside the table.",
        "junk.mp4: cannot be read as a video",
        "high (line 4): style_weight '1.5' is out of range. Use 0 (the prompt alone)",
        "nan (line 5): style_weight 'nan' is out of range.",
        "bare (line 6): style_weight belongs to style_video. Name the video",
        "long (line 7): style_video xxx",
        "deaf (line 8): ",
        "is a folder. Check the name",
    )
    assert len(said) == len(wanted), said
    for line, words in zip(said, wanted, strict=True):
        assert words in line and line.startswith("talkclip: "), line
    assert "junk (line 3): " in said[1]


def test_a_video_of_many_rows_is_followed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from talkclip.cli import batch as command
    from talkclip.engine import style_clips

    monkeypatch.setattr(style_clips, "disk_cache", lambda *_: None)
    followed = []

    def follow(path: Path, *_: object) -> CoefficientTrack:
        followed.append(path.name)
        return CoefficientTrack("arkit52", ARKIT52, 25.0, np.full((50, 52), 0.1, np.float32))

    monkeypatch.setattr(style_clips, "_follow", follow)
    (tmp_path / "actor.mp4").write_bytes(b"a video")
    (tmp_path / "same.mp4").write_bytes(b"a video")
    lines = table(tmp_path, *(f"{k},{LINE},,,{name}.mp4," for k, name in enumerate(("actor", "actor", "same"))))
    command.batch(lines, tmp_path / "out", quiet=True)
    assert followed == ["actor.mp4"] and len(list((tmp_path / "out").iterdir())) == 3

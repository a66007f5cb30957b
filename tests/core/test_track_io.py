"""Tracks survive their files."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talkclip.coefficients import ARKIT52, CoefficientTrack
from talkclip.errors import InputError
from talkclip.track_io import read_track, write_track

NTSC = 30000 / 1001


def make_track(
    n_frames: int = 45, fps: float = 30.0, start_s: float = 0.0, seed: int = 0, head: bool = True
) -> CoefficientTrack:
    rng = np.random.default_rng(seed)
    pose = rng.uniform(-0.2, 0.2, (n_frames, 6)).astype(np.float32) if head else None
    return CoefficientTrack("arkit52", ARKIT52, fps, rng.random((n_frames, 52), np.float32), start_s, pose)


@settings(max_examples=40, deadline=None)
@given(
    n_frames=st.integers(1, 90),
    fps=st.sampled_from([23.976, 24.0, 25.0, NTSC, 30.0, 50.0, 60.0]),
    start_s=st.floats(-5, 5),
    seed=st.integers(0, 99),
    head=st.booleans(),
    suffix=st.sampled_from([".json", ".npz"]),
)
def test_json_and_npz_keep_everything(
    tmp_path_factory: pytest.TempPathFactory,
    n_frames: int,
    fps: float,
    start_s: float,
    seed: int,
    head: bool,
    suffix: str,
) -> None:
    track = make_track(n_frames, fps, start_s, seed, head)
    path = tmp_path_factory.mktemp("io") / f"línea 1{suffix}"
    write_track(track, path)
    back = read_track(path)
    assert (back.space, back.names, back.fps, back.start_s) == (track.space, track.names, fps, start_s)
    np.testing.assert_array_equal(back.values, track.values)
    assert (back.head is None) == (track.head is None)
    if track.head is not None:
        np.testing.assert_array_equal(back.head, track.head)


@settings(max_examples=25, deadline=None)
@given(
    n_frames=st.integers(2, 200),
    fps=st.sampled_from([24000 / 1001, 24.0, 25.0, NTSC, 30.0, 48.0, 50.0, 60000 / 1001, 60.0]),
    seed=st.integers(0, 99),
)
def test_csv_tells_its_own_frame_rate_once_longer_than_a_second(
    tmp_path_factory: pytest.TempPathFactory, n_frames: int, fps: float, seed: int
) -> None:
    track = make_track(n_frames, fps, seed=seed)
    path = tmp_path_factory.mktemp("csv") / "line.csv"
    write_track(track, path)
    told = n_frames / fps > 1.5
    back = read_track(path, None if told else fps)
    assert back.fps == pytest.approx(fps, rel=1e-6)
    np.testing.assert_allclose(back.values, track.values, atol=1e-7)
    assert track.head is not None and back.head is not None
    np.testing.assert_allclose(back.head[:, :3], track.head[:, :3], atol=1e-7)


def test_csv_too_short_to_tell_its_rate_says_so(tmp_path: Path) -> None:
    write_track(make_track(3), tmp_path / "a.csv")
    with pytest.raises(InputError, match=r"a\.csv.*frame rate.*--fps"):
        read_track(tmp_path / "a.csv")


def test_csv_is_what_live_link_face_writes(tmp_path: Path) -> None:
    write_track(make_track(31, 60.0), tmp_path / "a.csv")
    rows = list(csv.reader((tmp_path / "a.csv").read_text().splitlines()))
    assert rows[0][:4] == ["Timecode", "BlendshapeCount", "EyeBlinkLeft", "EyeLookDownLeft"]
    assert len(rows[0]) == 63 and rows[1][1] == "61"
    assert rows[0].index("JawRight") < rows[0].index("JawLeft")
    assert rows[31][0] == "00:00:00:30.000"


def test_a_foreign_csv_with_dropped_frames_and_wall_clock_reads_evenly(tmp_path: Path) -> None:
    header = ["Timecode", "BlendShapeCount", *[n[0].upper() + n[1:] for n in ARKIT52]]
    lines = [",".join(header)]
    for frame in range(150):
        if frame in (40, 41):
            continue
        second, part = divmod(frame + 20, 60)
        lines.append(",".join([f"14:03:{10 + second}:{part:02d}.000", "61", *[f"{frame / 150:.6f}"] * 52]))
    (tmp_path / "b.csv").write_text("\n".join(lines))
    track = read_track(tmp_path / "b.csv")
    assert track.fps == pytest.approx(60) and track.n_frames == 150
    np.testing.assert_allclose(track.channel("jawOpen"), np.arange(150) / 150, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("empty.csv", b"", "is empty"),
        ("noise.csv", b"\xff\xfe\x00\x01", "not a readable"),
        ("other.csv", b"a,b\n1,2\n", "no Timecode"),
        ("noise.json", b"{", "not a readable"),
        ("list.json", b"[]", "not a readable"),
        ("noise.npz", b"PK\x03\x04rest", "not a readable"),
        ("track.txt", b"x", "unknown ending"),
    ],
)
def test_unusable_files_are_named_with_their_problem(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name}.*{expected}"):
        read_track(tmp_path / name)


def test_missing_and_truncated_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.csv.*cannot be read"):
        read_track(tmp_path / "gone.csv")
    path = tmp_path / "cut.csv"
    write_track(make_track(60), path)
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(InputError, match=r"cut\.csv: line 61 .*truncated"):
        read_track(path)
    blob = tmp_path / "cut.npz"
    write_track(make_track(60), blob)
    blob.write_bytes(blob.read_bytes()[:-200])
    with pytest.raises(InputError, match=r"cut\.npz"):
        read_track(blob)


def test_nan_in_a_csv_names_frame_and_channel(tmp_path: Path) -> None:
    path = tmp_path / "nan.csv"
    write_track(make_track(60), path)
    lines = path.read_text().splitlines()
    cells = lines[5].split(",")
    cells[2] = "nan"
    lines[5] = ",".join(cells)
    path.write_text("\n".join(lines))
    with pytest.raises(InputError, match="frame 4, channel eyeBlinkLeft is not a number"):
        read_track(path)


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    flame = CoefficientTrack("flame", ("exp0",), 25.0, np.zeros((3, 1), np.float32))
    with pytest.raises(InputError, match="not flame"):
        write_track(flame, tmp_path / "a.csv")
    with pytest.raises(InputError, match="does not exist"):
        write_track(flame, tmp_path / "no" / "a.npz")
    assert list(tmp_path.iterdir()) == []

"""Reading style clips: what is read once is not read again, and what cannot be one says why under the user's name."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from talkclip.coefficients import ARKIT52, CoefficientTrack
from talkclip.engine.speech.cache import DiskCache
from talkclip.engine.style_clips import LONGEST_S, StyleClips
from talkclip.engine.tracking import video
from talkclip.errors import Cancelled, InputError
from talkclip.track_io import write_track

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


def track_of(n_frames: int = 30, fps: float = 25.0) -> CoefficientTrack:
    values = np.random.default_rng(0).random((n_frames, 52), np.float32)
    return CoefficientTrack("arkit52", ARKIT52, fps, values)


def stored(folder: Path, content: bytes) -> tuple[Path, str]:
    """A file as the server keeps it: under its hash, without an ending."""
    sha256 = hashlib.sha256(content).hexdigest()
    (folder / sha256).write_bytes(content)
    return folder / sha256, sha256


@pytest.fixture
def filmed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Videos of 30 pictures that are followed without looking; -> the names of those that were."""
    followed: list[str] = []

    def open_video(path: Path) -> tuple[Iterator[np.ndarray], float, int]:
        return iter([np.zeros((2, 2, 3), np.uint8)] * 30), 25.0, 30

    def track_frames(frames, fps, name="", count=0, progress=None, cancel=None):  # type: ignore[no-untyped-def]
        for _ in frames:
            if cancel is not None and cancel():
                raise Cancelled()
        followed.append(name)
        return track_of(30, fps)

    monkeypatch.setattr(video, "open_video", open_video)
    monkeypatch.setattr(video, "track_frames", track_frames)
    return followed


@pytest.mark.parametrize("suffix", [".npz", ".json", ".csv"])
def test_a_track_is_known_by_the_name_it_came_with(tmp_path: Path, suffix: str) -> None:
    write_track(track_of(), tmp_path / f"actor{suffix}")
    path, sha256 = stored(tmp_path, (tmp_path / f"actor{suffix}").read_bytes())
    clips = StyleClips(None)
    found = clips.track(path, f"Actor One{suffix.upper()}", sha256)
    np.testing.assert_allclose(found.channel("jawOpen"), track_of().channel("jawOpen"), atol=1e-6)
    path.unlink()
    assert clips.track(path, f"another name{suffix}", sha256) is found, "kept by content"


def test_a_video_is_followed_once_in_a_life_and_once_on_a_disk(tmp_path: Path, filmed: list[str]) -> None:
    path, sha256 = stored(tmp_path, b"a video")
    disk = DiskCache(tmp_path / "cache")
    first = StyleClips(disk)
    found = first.track(path, "actor.mp4", sha256)
    assert first.track(path, "actor.mp4", sha256) is found
    again = StyleClips(disk).track(path, "actor.mp4", sha256)
    assert len(filmed) == 1
    np.testing.assert_array_equal(again.values, found.values)
    assert again.fps == found.fps
    other, other_hash = stored(tmp_path, b"another video")
    first.track(other, "actor.mp4", other_hash)
    assert len(filmed) == 2


def test_a_cancelled_video_is_not_kept(tmp_path: Path, filmed: list[str]) -> None:
    path, sha256 = stored(tmp_path, b"a video")
    clips = StyleClips(DiskCache(tmp_path / "cache"))
    with pytest.raises(Cancelled):
        clips.track(path, "actor.mp4", sha256, cancel=lambda: True)
    clips.track(path, "actor.mp4", sha256)
    assert len(filmed) == 1


def test_what_is_too_long_is_said_before_it_is_followed(
    tmp_path: Path, filmed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, sha256 = stored(tmp_path, b"a long video")
    for pictures, count in ((4, 3_001), (3_100, 0)):  # a file that says its length, and one that does not
        frames = iter([np.zeros((2, 2, 3), np.uint8)] * pictures)
        monkeypatch.setattr(video, "open_video", lambda _, frames=frames, count=count: (frames, 25.0, count))
        with pytest.raises(InputError, match=r"^holiday\.mp4: lasts more than 120 s.*Cut out"):
            StyleClips(None).track(path, "holiday.mp4", sha256)
    assert not filmed
    write_track(track_of(int(LONGEST_S * 2) + 10, 2.0), tmp_path / "long.npz")
    with pytest.raises(InputError, match=r"long\.npz: lasts more than 120 s"):
        StyleClips(None).track(tmp_path / "long.npz", "long.npz")


def test_a_small_file_that_unpacks_to_a_huge_one_is_refused(tmp_path: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("values.npy", bytes(100 << 20))
    path, sha256 = stored(tmp_path, content.getvalue())
    assert path.stat().st_size < 1 << 20
    with pytest.raises(InputError, match=r"bomb\.npz: 100 MB are too much for a track"):
        StyleClips(None).track(path, "bomb.npz", sha256)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("notes.mp4", b"no video at all", r"^notes\.mp4: cannot be read as a video"),
        ("line.mp4", (SAMPLES / "line.flac").read_bytes(), r"^line\.mp4: holds no picture"),
        ("broken.npz", b"PK\x03\x04 and no more", r"^broken\.npz: is not a readable \.npz track"),
        ("broken.csv", b"a,b\n1,2\n", r"^broken\.csv: has no Timecode"),
        ("empty.json", b" ", r"^empty\.json: is empty"),
    ],
)
def test_what_is_no_clip_is_named_as_the_user_knows_it(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    path, sha256 = stored(tmp_path, content)
    with pytest.raises(InputError, match=words) as caught:
        StyleClips(None).track(path, name, sha256)
    assert sha256 not in str(caught.value)


def test_another_space_is_refused(tmp_path: Path) -> None:
    write_track(CoefficientTrack("flame", ("exp0",), 25.0, np.zeros((3, 1), np.float32)), tmp_path / "flame.npz")
    with pytest.raises(InputError, match=r"flame\.npz: holds flame"):
        StyleClips(None).track(tmp_path / "flame.npz", "flame.npz")

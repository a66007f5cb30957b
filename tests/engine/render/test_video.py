"""Video files: as many frames as asked, at the rate asked, with the sound in its place, or nothing at all."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from PIL import Image

from talkclip.audio import AudioClip
from talkclip.coefficients import ARKIT52, CoefficientTrack
from talkclip.engine.render.frames import in_order
from talkclip.engine.render.video import render_comparison, render_track, write_video
from talkclip.errors import Cancelled, InputError

NTSC = 30000 / 1001


def grey(n: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    return [np.full((height, width, 3), 40 + number, np.uint8) for number in range(n)]


def click(duration_s: float, at_s: float, rate: int = 16000) -> AudioClip:
    """Silence with a short tone burst that starts at one time."""
    samples = np.zeros(round(duration_s * rate), np.float32)
    burst = np.sin(np.arange(round(0.02 * rate)) / rate * 2 * np.pi * 1000).astype(np.float32)
    first = round(at_s * rate)
    samples[first : first + burst.size] = 0.8 * burst
    return AudioClip(samples, rate)


def decoded_sound(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])


def track(n: int, fps: float = 25.0, start_s: float = 0.0) -> CoefficientTrack:
    values = np.zeros((n, 52), np.float32)
    values[:, ARKIT52.index("jawOpen")] = np.linspace(0, 1, n)
    return CoefficientTrack("arkit52", ARKIT52, fps, values, start_s)


@pytest.mark.parametrize("fps", [25.0, NTSC, 24.0])
def test_frames_rate_and_sound_have_the_same_length(tmp_path: Path, fps: float) -> None:
    path = tmp_path / "Straße und 線 .mp4"
    n = 31
    assert write_video(grey(n), fps, path, click(3.0, 0.5), metadata={"title": "żółw", "comment": "made here"}) == n
    with av.open(str(path)) as container:
        picture, sound = container.streams.video[0], container.streams.audio[0]
        assert picture.average_rate == (Fraction(30000, 1001) if fps == NTSC else Fraction(int(fps)))
        assert picture.frames == n
        assert len(list(container.decode(video=0))) == n
        assert float(picture.duration * picture.time_base) == pytest.approx(n / fps, abs=1e-3)
        assert float(sound.duration * sound.time_base) == pytest.approx(n / fps, abs=1 / fps)
        assert container.metadata["title"] == "żółw"
        assert container.metadata["comment"] == "made here"


@pytest.mark.parametrize("start_s", [0.0, 0.25, -0.3])
def test_sound_is_in_sync_with_the_first_frame(tmp_path: Path, start_s: float) -> None:
    path = tmp_path / "a.mp4"
    write_video(grey(30), 25.0, path, click(1.5, 0.5), audio_start_s=start_s)
    samples = np.abs(decoded_sound(path))
    first_s = int(np.argmax(samples > 0.3)) / 48000
    assert first_s == pytest.approx(0.5 - start_s, abs=0.003)


def test_odd_sizes_and_colours_survive(tmp_path: Path) -> None:
    path = tmp_path / "odd.mp4"
    red = np.zeros((33, 47, 3), np.uint8)
    red[:] = (200, 60, 40)
    write_video([red] * 3, 25.0, path)
    with av.open(str(path)) as container:
        frame = next(iter(container.decode(video=0)))
        assert (frame.width, frame.height) == (48, 34)
        shown = frame.reformat(format="rgb24", src_colorspace="ITU709").to_ndarray()
    assert np.abs(shown[16, 20].astype(int) - (200, 60, 40)).max() <= 6


def test_png_sequence_with_sound(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    write_video(grey(3), 25.0, folder, click(1.0, 0.01), metadata={"Title": "x"})
    assert sorted(p.name for p in folder.iterdir()) == [
        "audio.wav", "frame_00000.png", "frame_00001.png", "frame_00002.png",
    ]  # fmt: skip
    with Image.open(folder / "frame_00002.png") as image:
        assert np.asarray(image)[0, 0, 0] == 42
    samples, rate = soundfile.read(folder / "audio.wav")
    assert samples.size / rate == pytest.approx(3 / 25)
    assert [p.name for p in tmp_path.iterdir()] == ["frames"]


@pytest.mark.parametrize("name", ["x.avi", "no/such/folder/x.mp4", "file.txt/x.mp4", "x.gif"])
def test_bad_targets_are_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "file.txt").write_text("x")
    with pytest.raises(InputError) as error:
        write_video(grey(2), 25.0, tmp_path / name)
    assert name.split("/")[-1] in str(error.value)
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]


def test_no_frame_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no frame"):
        write_video([], 25.0, tmp_path / "x.mp4")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["x.mp4", "frames"])
def test_cancelling_leaves_nothing_behind(tmp_path: Path, name: str) -> None:
    seen: list[float] = []
    with pytest.raises(Cancelled):
        write_video(
            grey(10), 25.0, tmp_path / name, click(1.0, 0.1), n_frames=10, cancel=lambda: len(seen) >= 4,
            progress=lambda stage, fraction, text: seen.append(fraction),
        )  # fmt: skip
    assert seen == [0.1, 0.2, 0.3, 0.4]
    assert not list(tmp_path.iterdir())


def test_a_failing_frame_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    path.write_bytes(b"old")

    def frames():
        yield from grey(2)
        raise RuntimeError("renderer broke")

    with pytest.raises(RuntimeError, match="broke"):
        write_video(frames(), 25.0, path)
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_threads_keep_the_order_and_stop_early() -> None:
    made: list[int] = []

    def work(number: int) -> np.ndarray:
        made.append(number)
        return np.array([number])

    assert [int(frame[0]) for frame in in_order(work, 20, 3)] == list(range(20))
    made.clear()
    frames = in_order(work, 1000, 2)
    next(frames)
    frames.close()
    assert len(made) < 20


def test_render_track_starts_where_the_track_starts(tmp_path: Path) -> None:
    path = tmp_path / "t.mp4"
    n = render_track(track(6, 25.0, start_s=0.2), path, click(1.0, 0.3), size=64, fps=50.0)
    assert n == 11
    first_s = int(np.argmax(np.abs(decoded_sound(path)) > 0.3)) / 48000
    assert first_s == pytest.approx(0.1, abs=0.003)


def test_comparison_tiles_captions_and_heads(tmp_path: Path) -> None:
    path = tmp_path / "c.mkv"
    render_comparison(
        [track(2), track(3)], ["calm", "a furious man speaks with brows lowered, and shouts"], path, size=64
    )
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == 3
    assert frames[0].width == 2 * 64 + 4
    assert frames[0].height > 64


def test_wrong_tracks_are_refused(tmp_path: Path) -> None:
    flame = CoefficientTrack("flame", ("exp0",), 25.0, np.zeros((2, 1), np.float32))
    with pytest.raises(InputError, match="flame"):
        render_track(flame, tmp_path / "x.mp4", size=64)
    with pytest.raises(InputError, match="no track"):
        render_comparison([], None, tmp_path / "x.mp4")
    with pytest.raises(InputError, match="captions"):
        render_comparison([track(2)], ["a", "b"], tmp_path / "x.mp4", size=64)
    with pytest.raises(InputError, match="size"):
        render_track(track(2), tmp_path / "x.mp4", size=9)
    assert not list(tmp_path.iterdir())

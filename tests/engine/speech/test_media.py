"""Any recording or video becomes 16 kHz mono; whatever cannot be animated is refused with a line that helps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile

from talkclip.engine.speech.media import LoadedMedia, load_audio, load_media
from talkclip.errors import Cancelled, InputError

RATE = 16000


def melody(duration_s: float = 1.5, rate: int = RATE) -> np.ndarray:
    """A gliding tone with a clear beginning, float32."""
    t = np.arange(round(duration_s * rate)) / rate
    return (0.4 * np.sin(2 * np.pi * (300 + 200 * t) * t) * (t > 0.25)).astype(np.float32)


def lag_s(found: np.ndarray, true: np.ndarray) -> float:
    """By how much `found` is late."""
    n = 1 << 16
    cross = np.fft.irfft(np.fft.rfft(found, n) * np.conj(np.fft.rfft(true, n)))
    lag = int(np.argmax(cross))
    return (lag if lag < n // 2 else lag - n) / RATE


def encode(path: Path, codec: str, rate: int, video: bool = False) -> Path:
    """Write the melody with FFmpeg's encoders, with a small picture track if asked."""
    with av.open(str(path), "w") as out:
        picture: Any = None
        if video:
            picture = out.add_stream("libvpx" if path.suffix == ".webm" else "libx264", rate=25)
            picture.width = picture.height = 64
            picture.pix_fmt = "yuv420p"
        sound: Any = out.add_stream(codec, rate=rate)
        if video:
            for k in range(40):
                frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 5 * k, np.uint8), format="rgb24")
                out.mux(picture.encode(frame))
            out.mux(picture.encode())
        frame = av.AudioFrame.from_ndarray(melody()[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = RATE, 0
        resampler = av.AudioResampler(sound.format, sound.layout, sound.rate, sound.codec_context.frame_size or None)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            out.mux(sound.encode(piece))
        out.mux(sound.encode())
    return path


def refused(path: Path, pattern: str, **options: float) -> InputError:
    with pytest.raises(InputError, match=pattern) as caught:
        load_audio(path, **options)
    assert path.name in caught.value.message
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("suffix", ["wav", "flac", "aiff", "ogg", "mp3"])
@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (44100, 2), (48000, 1)])
def test_sound_files_keep_their_timing(tmp_path: Path, suffix: str, rate: int, channels: int) -> None:
    path = tmp_path / f"Ein Satz é 日本.{suffix}"
    soundfile.write(path, np.repeat(melody(rate=rate)[:, None], channels, axis=1), rate)
    clip = load_audio(path)
    assert (clip.sample_rate, clip.samples.dtype, clip.samples.ndim) == (RATE, np.float32, 1)
    assert clip.duration_s == pytest.approx(1.5, abs=0.06)
    assert lag_s(clip.samples, melody()) == pytest.approx(0.0, abs=0.001)
    assert np.abs(clip.samples).max() == pytest.approx(0.4, abs=0.08)


@pytest.mark.parametrize(
    ("name", "codec", "rate", "video"),
    [
        ("a b.m4a", "aac", 44100, False),
        ("ü.mp4", "aac", 48000, True),
        ("a.mov", "aac", 48000, True),
        ("a.mkv", "libopus", 48000, True),
        ("a.webm", "libopus", 48000, True),
        ("a.opus", "libopus", 48000, False),
    ],
)
def test_compressed_sound_and_videos_keep_their_timing(
    tmp_path: Path, name: str, codec: str, rate: int, video: bool
) -> None:
    clip = load_audio(encode(tmp_path / name, codec, rate, video))
    assert clip.duration_s == pytest.approx(1.5, abs=0.06)
    assert lag_s(clip.samples, melody()) == pytest.approx(0.0, abs=0.002)


def test_raw_aac(tmp_path: Path) -> None:
    # Its header cannot say that the encoder's first frame is padding: about 1024 samples late, as in every player.
    clip = load_audio(encode(tmp_path / "a.aac", "aac", 44100))
    assert 0 <= lag_s(clip.samples, melody()) < 0.05


def test_stereo_is_mixed(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.stack([melody(), np.zeros(24000, np.float32)], axis=1), RATE)
    assert np.abs(load_audio(tmp_path / "a.wav").samples).max() == pytest.approx(0.2, abs=0.01)


def media_of(folder: Path, samples: np.ndarray, rate: int = RATE, **options: str) -> LoadedMedia:
    soundfile.write(folder / "a.wav", samples, rate, **options)
    return load_media(folder / "a.wav")


def test_channels_that_cancel_each_other(tmp_path: Path) -> None:
    media = media_of(tmp_path, np.stack([melody(), -melody()], axis=1))
    assert np.abs(media.clip.samples).max() == pytest.approx(0.4, abs=0.01)
    assert "cancel each other" in media.notes[0]


def test_narrow_band_is_accepted_and_said(tmp_path: Path) -> None:
    media = media_of(tmp_path, melody(rate=8000), 8000)
    assert media.clip.duration_s == pytest.approx(1.5, abs=0.01)
    assert media.source_rate == 8000
    assert "8000 Hz" in media.notes[0]


def test_peaks_over_full_scale_are_scaled(tmp_path: Path) -> None:
    media = media_of(tmp_path, 5 * melody(), subtype="FLOAT")
    assert np.abs(media.clip.samples).max() == pytest.approx(1.0)
    assert "scaled" in media.notes[0]


def test_no_notes_for_a_good_recording(tmp_path: Path) -> None:
    assert media_of(tmp_path, melody()).notes == ()


def test_missing_empty_and_folder(tmp_path: Path) -> None:
    refused(tmp_path / "none.wav", "does not exist")
    refused(tmp_path, "is a folder")
    (tmp_path / "empty.wav").touch()
    refused(tmp_path / "empty.wav", "is empty")


@pytest.mark.parametrize("content", [b"To be, or not to be\n" * 50, b"RIFF", b"\x00" * 5000, b"%PDF-1.7 nothing"])
def test_what_is_no_recording(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "script.wav").write_bytes(content)
    refused(tmp_path / "script.wav", "not a recording")


@pytest.mark.parametrize("suffix", ["wav", "flac", "aiff", "ogg", "mp3"])
def test_truncated_sound_files(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cut.{suffix}"
    soundfile.write(path, melody(6.0), RATE)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 3 // 5])
    refused(path, "truncated")


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "aac"), ("a.mkv", "libopus"), ("a.m4a", "aac")])
def test_truncated_videos(tmp_path: Path, name: str, codec: str) -> None:
    path = encode(tmp_path / name, codec, 48000, video=not name.endswith("m4a"))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused(path, "truncated")


def test_a_stream_of_unknown_length_is_not_truncated(tmp_path: Path) -> None:
    path = tmp_path / "piped.wav"
    soundfile.write(path, melody(), RATE)
    header = bytearray(path.read_bytes())
    header[4:8] = header[40:44] = b"\xff\xff\xff\xff"  # what a program writes that streams to a pipe
    path.write_bytes(bytes(header))
    assert load_audio(path).duration_s == pytest.approx(1.5, abs=0.01)


def test_video_without_sound(tmp_path: Path) -> None:
    path = tmp_path / "mute.mp4"
    with av.open(str(path), "w") as out:
        picture: Any = out.add_stream("libx264", rate=25)
        picture.width = picture.height = 64
        picture.pix_fmt = "yuv420p"
        for _ in range(10):
            out.mux(picture.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
        out.mux(picture.encode())
    refused(path, "has no sound track")


def test_a_short_sound_track_in_a_long_video_is_whole(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mkv", "libopus", 48000, video=True)  # picture 1.6 s, sound 1.5 s
    assert load_audio(path).duration_s == pytest.approx(1.5, abs=0.05)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_samples_that_are_not_numbers(tmp_path: Path, bad: float) -> None:
    samples = melody()
    samples[8000] = bad
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    refused(tmp_path / "a.wav", r"not numbers .* at 0\.50 s")


def test_silence(tmp_path: Path) -> None:
    for name, samples in (("zero.wav", np.zeros(RATE)), ("offset.wav", np.full(RATE, 0.3))):
        soundfile.write(tmp_path / name, samples, RATE, subtype="FLOAT")
        refused(tmp_path / name, "is silent")


def test_too_short_and_too_long(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", melody()[:800], RATE)
    refused(tmp_path / "a.wav", r"only 0\.050 s")
    soundfile.write(tmp_path / "none.wav", melody()[:0], RATE)
    refused(tmp_path / "none.wav", "no sound")
    soundfile.write(tmp_path / "b.wav", melody(3.0), RATE)
    refused(tmp_path / "b.wav", r"lasts 0:03 min; the limit is 0:02 min", max_s=2)


def test_cancel_and_progress(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", melody(), RATE)
    seen: list[float] = []
    load_audio(tmp_path / "a.wav", progress=lambda stage, fraction, message: seen.append(fraction))
    assert seen[-1] == pytest.approx(1.0)
    with pytest.raises(Cancelled):
        load_audio(tmp_path / "a.wav", cancel=lambda: True)

"""Frames and sound to a video file or a folder of PNG files, never half-written."""

from __future__ import annotations

import contextlib
import io
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile
from PIL import Image, PngImagePlugin

from talkclip.audio import AudioClip
from talkclip.errors import InputError, TalkClipError
from talkclip.files import atomic_write, check_writable, unwritable
from talkclip.progress import CancelCheck, ProgressCallback, report, stop_if
from talkclip.timebase import fps_fraction

VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv")
STAGE = "render"
# AAC is at home at 48 kHz; players resample 16 kHz badly or refuse it.
_AUDIO_HZ = 48000
_CRF = "18"


def is_sequence(path: str | Path) -> bool:
    """True when `path` means a folder of PNG files: it is one, or has no suffix."""
    return Path(path).is_dir() or not Path(path).suffix


def check_target(path: str | Path) -> Path:
    """The path, if a video or a PNG sequence can go there.

    Raises:
        InputError: unknown suffix, or it cannot be written there.
    """
    target = Path(path)
    if not is_sequence(target) and target.suffix.lower() not in VIDEO_SUFFIXES:
        raise InputError(
            f"{target}: '{target.suffix}' is not a video format that can be written.",
            f"End the name in {', '.join(VIDEO_SUFFIXES)}, or give a folder for PNG files.",
        )
    if not target.name:  # "", "." or "/": frames are gathered beside the folder that they become
        raise InputError(f"'{path}' is no name for a video or a folder of frames.", "Give a name.")
    check_writable(target / "frame" if is_sequence(target) and target.is_dir() else target)
    return target


def write_video(
    frames: Iterable[np.ndarray],
    fps: float,
    path: str | Path,
    audio: AudioClip | None = None,
    audio_start_s: float = 0.0,
    metadata: Mapping[str, str] | None = None,
    progress: ProgressCallback | None = None,
    cancel: CancelCheck | None = None,
    n_frames: int | None = None,
) -> int:
    """Write frames with sound -> number of frames written.

    Args:
        frames: uint8 (H, W, 3) sRGB each, all of one size; (H, W, 4) with straight alpha becomes ProRes 4444 and goes
            into .mov only. Frame k is shown from k / fps to (k + 1) / fps.
        fps: kept as a fraction (29.97 is 30000/1001).
        path: .mp4, .mov, .mkv (H.264, yuv420p, and AAC), or a folder (`frame_00000.png` ... and `audio.wav`).
        audio: cut or padded with silence to the length of the picture.
        audio_start_s: the time on the audio's clock that frame 0 shows; negative: the picture starts before the sound.
        metadata: `title`, `comment`, `date` ... written into the file (players show them).
        progress: stage "render"; its fraction needs `n_frames`, the number of frames to come.
        cancel: asked before every frame; leaves nothing behind.

    Raises:
        InputError: the path cannot be written, or there is no frame.
        Cancelled: `cancel` said so.
    """
    target = check_target(path)
    checked = _watched(frames, n_frames, progress, cancel)
    sound = None if audio is None else Sound(audio, audio_start_s)
    if is_sequence(target):
        return _write_sequence(checked, fps, target, sound, metadata or {})
    with atomic_write(target) as temporary:
        try:
            return _write_container(checked, fps, temporary, sound, metadata or {})
        except OSError:
            raise  # atomic_write says why
        except av.FFmpegError as error:
            raise TalkClipError(
                f"{target}: the video could not be written ({error}).", "Is the disk full? Try another folder."
            ) from error


class Sound:
    """The clip as the picture needs it: from the first frame on, as long as asked for."""

    def __init__(self, clip: AudioClip, start_s: float) -> None:
        self.rate = clip.sample_rate
        self._samples = clip.samples
        self._first = round(start_s * clip.sample_rate)

    def between(self, start: int, stop: int) -> np.ndarray:
        """Samples [start, stop) of the picture's clock, silence where the clip has none. float32 (stop - start,)."""
        out = np.zeros(stop - start, np.float32)
        low, high = self._first + start, self._first + stop
        inside = self._samples[max(low, 0) : max(high, 0)]
        at = max(0, -low)
        out[at : at + inside.size] = inside
        return np.clip(out, -1.0, 1.0)


def _watched(
    frames: Iterable[np.ndarray], n_frames: int | None, progress: ProgressCallback | None, cancel: CancelCheck | None
) -> Iterator[np.ndarray]:
    """Frames as they come, with reports, cancellation and a check of their shape."""
    shape: tuple[int, ...] | None = None
    try:
        stop_if(cancel)
        for number, frame in enumerate(frames):
            shape = shape or frame.shape
            if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] not in (3, 4) or frame.shape != shape:
                raise ValueError(f"frame {number} is {frame.dtype} {frame.shape}; expected uint8 {shape}")
            yield frame
            done = number + 1
            share, of_all = (done / n_frames, f" of {n_frames}") if n_frames else (0.0, "")
            report(progress, STAGE, share, f"frame {done}{of_all}")
            stop_if(cancel)
        if shape is None:
            raise InputError("there is no frame to write.", "Give a track with at least one frame.")
    finally:
        close = getattr(frames, "close", None)
        if close is not None:
            close()


def _write_container(
    frames: Iterator[np.ndarray], fps: float, path: Path, sound: Sound | None, metadata: Mapping[str, str]
) -> int:
    rate = fps_fraction(fps)
    options = {"movflags": "+faststart"} if path.suffix.lower() in (".mp4", ".mov") else {}
    number = 0
    with av.open(str(path), "w", options=options) as container:
        container.metadata.update(dict(metadata))
        picture: Any = None
        voice = None if sound is None else _AudioTrack(container, sound)
        for number, frame in enumerate(frames, 1):
            image = _even(frame)
            if picture is None:
                make = _video_stream if image.shape[2] == 3 else _alpha_stream
                picture = make(container, rate, image.shape[1], image.shape[0])
            raw = av.VideoFrame.from_ndarray(image, format="rgb24" if image.shape[2] == 3 else "rgba")
            # Say and use the HD matrix; unmarked files are guessed, and reds turn orange.
            converted = raw.reformat(format=picture.pix_fmt, dst_colorspace="ITU709")
            converted.pts = number - 1
            converted.time_base = 1 / rate
            container.mux(picture.encode(converted))
            if voice is not None:
                voice.encode_until(number / rate)
        if picture is not None:
            container.mux(picture.encode(None))
        if voice is not None:
            voice.finish()
    return number


def _video_stream(container: Any, rate: Any, width: int, height: int) -> Any:
    stream = container.add_stream("libx264", rate=rate, options={"crf": _CRF, "preset": "veryfast"})
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    return _configured(stream, rate)


def _alpha_stream(container: Any, rate: Any, width: int, height: int) -> Any:
    """ProRes 4444, what editors take with an alpha channel."""
    stream = container.add_stream("prores_ks", rate=rate, options={"profile": "4", "vendor": "apl0"})
    stream.width, stream.height, stream.pix_fmt = width, height, "yuva444p10le"
    return _configured(stream, rate)


def _configured(stream: Any, rate: Any) -> Any:
    stream.codec_context.time_base = 1 / rate
    stream.codec_context.color_primaries = 1  # BT.709
    stream.codec_context.color_trc = 1
    stream.codec_context.colorspace = 1
    stream.codec_context.color_range = 1  # 16..235
    # Rendering already keeps the cores busy; encoder threads beyond two only add memory.
    stream.codec_context.thread_count = 2
    return stream


class _AudioTrack:
    """AAC next to the picture, encoded as far as the picture has come."""

    def __init__(self, container: Any, sound: Sound) -> None:
        self._container, self._sound = container, sound
        self._stream = container.add_stream("aac", rate=_AUDIO_HZ, layout="mono")
        self._stream.bit_rate = 128_000
        self._resampler = av.AudioResampler(format="fltp", layout="mono", rate=_AUDIO_HZ)
        self._done = 0

    def encode_until(self, end_s: Any) -> None:
        """All sound up to a time (Fraction of seconds) of the picture's clock."""
        stop = round(end_s * self._sound.rate)
        if stop <= self._done:
            return
        block = av.AudioFrame.from_ndarray(self._sound.between(self._done, stop)[None], format="flt", layout="mono")
        block.sample_rate = self._sound.rate
        block.pts = self._done
        self._done = stop
        for piece in self._resampler.resample(block):
            self._container.mux(self._stream.encode(piece))

    def finish(self) -> None:
        for piece in self._resampler.resample(None):
            self._container.mux(self._stream.encode(piece))
        self._container.mux(self._stream.encode(None))


def _even(frame: np.ndarray) -> np.ndarray:
    """yuv420p shares colour between 2 x 2 pixels: repeat the last row or column of odd sizes."""
    height, width = frame.shape[:2]
    if height % 2 or width % 2:
        frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return np.ascontiguousarray(frame)


def _write_sequence(
    frames: Iterator[np.ndarray], fps: float, folder: Path, sound: Sound | None, metadata: Mapping[str, str]
) -> int:
    """PNG files in a new folder beside the target, moved there when all are written."""
    with _folder_when_complete(folder) as temporary:
        number = 0
        for number, frame in enumerate(frames, 1):
            (temporary / f"frame_{number - 1:05d}.png").write_bytes(png_bytes(frame, metadata))
        if sound is not None:
            stop = round(number / fps_fraction(fps) * sound.rate)
            soundfile.write(temporary / "audio.wav", sound.between(0, stop), sound.rate, subtype="PCM_16")
    return number


def png_bytes(frame: np.ndarray, metadata: Mapping[str, str]) -> bytes:
    """One picture, uint8 (H, W, 3 or 4), as a PNG file."""
    tags = PngImagePlugin.PngInfo()
    for key, text in metadata.items():
        tags.add_itxt(key, text)
    file = io.BytesIO()
    Image.fromarray(frame).save(file, "png", pnginfo=tags, compress_level=4)
    return file.getvalue()


@contextlib.contextmanager
def _folder_when_complete(folder: Path) -> Iterator[Path]:
    temporary = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}")
    try:
        temporary.mkdir()
        yield temporary
        if folder.exists():
            for file in temporary.iterdir():
                file.replace(folder / file.name)
        else:
            temporary.replace(folder)
    except OSError as error:
        raise unwritable(folder, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)

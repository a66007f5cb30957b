"""Any recording or video -> 16 kHz mono sound.

soundfile (libsndfile) reads wav, aiff, flac, ogg, opus and mp3; PyAV (FFmpeg's libraries) reads the rest: m4a, aac
and the sound of videos. Both hand over blocks, so the recording's own rate and channels never stand in memory as a
whole.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

from talkclip.audio import AudioClip
from talkclip.errors import InputError
from talkclip.progress import CancelCheck, ProgressCallback, report, stop_if

SAMPLE_RATE = 16000
MAX_S = 3 * 3600.0
# Shorter than the shortest syllable: nothing to animate, and filters need some length.
MIN_S = 0.1
# Peak under -80 dB of full scale: digital silence, or a muted track with dither.
SILENT_PEAK = 1e-4
# Below this rate the consonants' band is missing.
NARROW_RATE = 12000
# A recording whose end is missing by more than this is called truncated.
MISSING_S = 0.25
_BLOCK_FRAMES = 1 << 18
_READABLE = "wav, flac, mp3, ogg, opus, m4a, aac, aiff, or a video (mp4, mov, mkv, webm)"


@dataclasses.dataclass(frozen=True)
class LoadedMedia:
    """What was read.

    Attributes:
        clip: 16 kHz mono.
        source_rate: Hz, as recorded.
        channels: as recorded.
        notes: what the user should know (narrow band, cancelled channels, scaled peaks), one sentence each.
    """

    clip: AudioClip
    source_rate: int
    channels: int
    notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class _Source:
    """An opened recording: its rate, channels, stated length (s, or 0 = not stated), and blocks (frames, channels)."""

    sample_rate: int
    channels: int
    stated_s: float
    blocks: Iterator[np.ndarray]


class _TruncatedError(Exception):
    """The file ends before its header says."""


def load_audio(
    path: str | Path,
    max_s: float = MAX_S,
    progress: ProgressCallback | None = None,
    cancel: CancelCheck | None = None,
) -> AudioClip:
    """The sound of a recording or video as 16 kHz mono float32; see `load_media`."""
    return load_media(path, max_s, progress, cancel).clip


def load_media(
    path: str | Path,
    max_s: float = MAX_S,
    progress: ProgressCallback | None = None,
    cancel: CancelCheck | None = None,
) -> LoadedMedia:
    """Read a recording (or the first sound track of a video), mix it to mono and bring it to 16 kHz.

    Args:
        path: the file.
        max_s: the longest recording accepted, in seconds.
        progress: told as the file is read (stage "audio").
        cancel: asked between blocks.

    Raises:
        InputError: missing, a folder, empty, not sound, no sound track, truncated, silent, too short, too long,
            or holding samples that are not numbers. Names the file, the problem and the remedy.
        Cancelled: `cancel` said so.
    """
    where = Path(path)
    _check_file(where)
    samples, source, mix_gain = _decode(where, max_s, None, progress, cancel)
    notes = []
    if mix_gain < 0.05:
        # Channels in opposite phase cancel when mixed (a miswired cable): one of them is the recording.
        samples, source, _ = _decode(where, max_s, 0, progress, cancel)
        notes.append(f"{where.name}: its channels cancel each other; only the first one is used.")
    if source.sample_rate < NARROW_RATE:
        notes.append(
            f"{where.name}: recorded at {source.sample_rate} Hz, which lacks the upper part of s, f, t and the like; "
            "a recording at 16000 Hz or more gives better lips."
        )
    peak = _check_sound(where, samples)
    if peak > 1.0:
        samples *= np.float32(1.0 / peak)
        if peak > 1.1:
            notes.append(f"{where.name}: samples reach {peak:.2f} times full scale; all of it was scaled down.")
    clip = AudioClip(samples, SAMPLE_RATE, where.name)
    return LoadedMedia(clip, source.sample_rate, source.channels, tuple(notes))


def _check_file(path: Path) -> None:
    try:
        if path.is_dir():
            raise InputError(f"{path}: is a folder.", f"Give a recording: {_READABLE}.")
        if not path.exists():
            raise InputError(f"{path}: does not exist.", "Check the file name and its folder.")
        if path.stat().st_size == 0:
            raise InputError(f"{path}: is empty (0 bytes).", "Copy or export it again.")
        with path.open("rb"):
            pass
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read ({reason}).", "Check the name and the permissions.") from None


def _check_sound(path: Path, samples: np.ndarray) -> float:
    """-> the peak. Raises InputError where there is nothing to animate."""
    duration_s = samples.size / SAMPLE_RATE
    if duration_s < MIN_S:
        raise InputError(f"{path}: holds only {duration_s:.3f} s of sound.", "Give a recording of speech.")
    peak = float(np.abs(samples).max())
    if peak < SILENT_PEAK or float(samples.std()) < SILENT_PEAK / 10:
        raise InputError(f"{path}: is silent.", "Check that the right track was exported and is not muted.")
    return peak


def _decode(
    path: Path, max_s: float, channel: int | None, progress: ProgressCallback | None, cancel: CancelCheck | None
) -> tuple[np.ndarray, _Source, float]:
    """-> (16 kHz mono samples, the source, loudness of the mix over that of the channels: near 0 = they cancel)."""
    try:
        with soundfile.SoundFile(path) as handle:
            return _collect(path, _from_soundfile(handle), max_s, channel, progress, cancel)
    except soundfile.LibsndfileError:
        pass
    except _TruncatedError:
        raise _truncated(path) from None
    import av  # FFmpeg's libraries take a moment to load: only where they are needed.

    try:
        with av.open(str(path), metadata_errors="ignore") as container:
            return _collect(path, _from_container(path, container), max_s, channel, progress, cancel)
    except _TruncatedError:
        raise _truncated(path) from None
    except (av.FFmpegError, ValueError) as error:
        raise InputError(
            f"{path}: is damaged, truncated, or not a recording ({_reason(error)}).",
            f"Copy or export it again. Readable: {_READABLE}.",
        ) from None


def _truncated(path: Path) -> InputError:
    return InputError(f"{path}: is truncated (it ends before its header says).", "Copy or export it again.")


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).strip().rstrip(".") or type(error).__name__


def _from_soundfile(handle: soundfile.SoundFile) -> _Source:
    if _log_tells_truncation(handle.extra_info):
        raise _TruncatedError

    def blocks() -> Iterator[np.ndarray]:
        while (block := handle.read(_BLOCK_FRAMES, dtype="float32", always_2d=True)).size:
            yield block

    stated_s = handle.frames / handle.samplerate if 0 < handle.frames < 1 << 60 else 0.0
    return _Source(handle.samplerate, handle.channels, stated_s, blocks())


def _log_tells_truncation(log: str) -> bool:
    """libsndfile reads a file that was cut without an error, but its log tells.

    A wav or aiff whose sound chunk is longer than the file is marked "(should be ...)"; 0 and the largest numbers are
    what programs write that stream and do not know the length yet. An Ogg stream cut within a page says both sentences
    below.
    """
    for line in log.splitlines():
        chunk, found, _ = line.partition("(should be")
        name, _, stated = chunk.partition(":")
        if found and name.strip() in ("data", "SSND"):
            length = int("".join(ch for ch in stated if ch.isdigit()) or 0)
            if 0 < length < 0x7FFFF000:
                return True
    return "lacks an end-of-stream bit" in log and "Junk after the last page" in log


def _from_container(path: Path, container: Any) -> _Source:
    import av

    if not container.streams.audio:
        raise InputError(f"{path}: has no sound track.", "Give a video with sound, or the recording itself.")
    stream = container.streams.audio[0]
    # Surround sound carries the voice in the centre channel: FFmpeg knows how to fold it, a plain mean would not.
    layout = "mono" if stream.channels > 2 else stream.layout
    resampler = av.AudioResampler(format="fltp", layout=layout, rate=stream.rate)
    stated_s = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0
    whole_s = (container.duration or 0) / av.time_base

    def blocks() -> Iterator[np.ndarray]:
        pending: list[np.ndarray] = []
        length, reached_s = 0, 0.0
        # Packets of the picture are not decoded; their times tell whether the file reaches its stated end,
        # which the sound alone may rightly not do.
        for packet in container.demux():
            if packet.pts is not None and packet.time_base:
                reached_s = max(reached_s, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            if packet.stream.index != stream.index:
                continue
            for frame in packet.decode():
                pending += [piece.to_ndarray().T for piece in resampler.resample(frame)]
                length += frame.samples
            if length >= _BLOCK_FRAMES:
                yield np.concatenate(pending)
                pending, length = [], 0
        pending += [piece.to_ndarray().T for piece in resampler.resample(None)]
        if pending:
            yield np.concatenate(pending)
        # Raw streams (aac) have no header: their length is an estimate from the bit rate.
        if container.format.name != "aac" and reached_s < whole_s - max(MISSING_S, 0.02 * whole_s):
            raise _TruncatedError

    return _Source(stream.rate, stream.channels, stated_s, blocks())


def _collect(
    path: Path,
    source: _Source,
    max_s: float,
    channel: int | None,
    progress: ProgressCallback | None,
    cancel: CancelCheck | None,
) -> tuple[np.ndarray, _Source, float]:
    """Mix and resample block by block into one growing buffer."""
    resampler = soxr.ResampleStream(source.sample_rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")
    kept = _Growing(int(min(source.stated_s, max_s) * SAMPLE_RATE) + SAMPLE_RATE)
    frames, energy_mix, energy_channels = 0, 0.0, 0.0
    if source.stated_s > max_s:
        raise _too_long(path, source.stated_s, max_s)
    for block in source.blocks:
        stop_if(cancel)
        if not np.isfinite(block).all():
            at_s = (frames + int(np.argmax(~np.isfinite(block).all(axis=1)))) / source.sample_rate
            raise InputError(
                f"{path}: holds samples that are not numbers (NaN or infinite), first at {at_s:.2f} s.",
                "Export it again.",
            )
        mono = block.mean(axis=1) if channel is None else np.ascontiguousarray(block[:, channel])
        energy_mix += float(np.square(mono, dtype=np.float64).sum())
        energy_channels += float(np.square(block, dtype=np.float64).sum()) / block.shape[1]
        frames += block.shape[0]
        if frames / source.sample_rate > max_s:
            raise _too_long(path, max(source.stated_s, frames / source.sample_rate), max_s)
        kept.append(resampler.resample_chunk(mono))
        if source.stated_s > 0:
            report(progress, "audio", min(frames / source.sample_rate / source.stated_s, 1.0), f"reading {path.name}")
    kept.append(resampler.resample_chunk(np.zeros(0, np.float32), last=True))
    if frames == 0:
        raise InputError(f"{path}: holds no sound.", "Copy or export it again.")
    if frames / source.sample_rate < source.stated_s - MISSING_S:
        raise _TruncatedError
    return kept.samples(), source, float(np.sqrt(energy_mix / max(energy_channels, 1e-20)))


def _too_long(path: Path, duration_s: float, max_s: float) -> InputError:
    return InputError(
        f"{path}: lasts {_clock(duration_s)}; the limit is {_clock(max_s)}.",
        "Cut it into scenes and animate each of them.",
    )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d} h" if minutes >= 60 else f"{minutes}:{rest:02d} min"


class _Growing:
    """A float32 array that grows at its end; one allocation where the length is known."""

    def __init__(self, capacity: int) -> None:
        self._data = np.empty(max(capacity, SAMPLE_RATE), np.float32)
        self._size = 0

    def append(self, samples: np.ndarray) -> None:
        needed = self._size + samples.size
        if needed > self._data.size:
            self._data.resize(max(needed, self._data.size * 3 // 2), refcheck=False)
        self._data[self._size : needed] = samples
        self._size = needed

    def samples(self) -> np.ndarray:
        self._data.resize(self._size, refcheck=False)
        return self._data

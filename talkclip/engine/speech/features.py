"""Acoustic features on one clock: log-mel energies and the phone recogniser's posteriors, 50 frames a second."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from scipy.ndimage import uniform_filter1d

from talkclip.audio import AudioClip
from talkclip.engine.speech import hama
from talkclip.phones import PHONES41
from talkclip.progress import CancelCheck, ProgressCallback, report

FPS = 1.0 / hama.FRAME_S
N_MELS = 40
_WINDOW_S = 0.04
_LOWEST_HZ, _HIGHEST_HZ = 60.0, 7600.0
# Loudness is told relative to a reference that rises at once and falls slowly; it never looks ahead, so that streamed
# and whole clips agree. It does not fall below the level of a whisper, so that noise is not blown up.
_FALL_DB_PER_S, _LEAST_REFERENCE_DB, _RANGE_DB = 2.0, -35.0, 50.0
# Power below which a band is empty: digital silence comes out as 0.
_NOTHING = 1e-13
# Two passes over three frames: so far a frame sees its neighbours.
_SMOOTHING_REACH = 2
# Memory of an hour's spectra is bounded.
_BLOCK_FRAMES = 4096


@dataclasses.dataclass(frozen=True, eq=False)
class AcousticFeatures:
    """What is heard, frame by frame; frame k stands at k / fps seconds.

    Attributes:
        fps: 50.
        mel: float32 (F, 40), about 0 (50 dB below the speaker's loud parts) .. 1.
        posteriors: float32 (F, 41), probabilities over `talkclip.phones.PHONES41`, smoothed over neighbouring frames
            because the recogniser's spikes are shorter than the sounds.
        loudness: float32 (F,), 0..1 as `mel`, over all bands.
    """

    fps: float
    mel: np.ndarray
    posteriors: np.ndarray
    loudness: np.ndarray

    def stretch(self, frames: slice) -> AcousticFeatures:
        """Some of the frames."""
        return AcousticFeatures(self.fps, self.mel[frames], self.posteriors[frames], self.loudness[frames])


def extract_features(
    clip: AudioClip,
    progress: ProgressCallback | None = None,
    cancel: CancelCheck | None = None,
    log_probs: np.ndarray | None = None,
) -> AcousticFeatures:
    """Features of a 16 kHz clip; silence gives zeros, not noise.

    Args:
        clip: 16 kHz mono.
        progress: told the stage "features".
        cancel: asked between windows.
        log_probs: what `hama.posteriors` said of this clip, where it was asked already.

    Raises:
        Cancelled: `cancel` said so.
    """
    stream = FeatureStream(clip)
    for rows in hama.posterior_windows(clip, cancel) if log_probs is None else (log_probs,):
        stream.add(rows)
        report(progress, "features", stream.n_heard / stream.n_frames, f"listening to {clip.name}")
    return stream.so_far()


class FeatureStream:
    """Features of a clip, computed as the recogniser's rows come in; in whatever pieces these come, they are the same.

    Attributes:
        n_frames: of the whole clip.
        n_heard: rows that came in.
        n_known: frames whose features are final; the last two of a piece wait for the smoothing of their neighbours.
    """

    def __init__(self, clip: AudioClip) -> None:
        self.n_frames = hama.n_frames(clip)
        self.n_heard = self.n_known = 0
        self._clip = clip
        self._roots = np.empty((self.n_frames, len(PHONES41)), np.float32)
        self._heard = np.empty_like(self._roots)
        self._mel = np.empty((self.n_frames, N_MELS), np.float32)
        self._loudness = np.empty(self.n_frames, np.float32)
        self._loudest_db = -np.inf

    def add(self, log_probs: np.ndarray) -> None:
        """The recogniser's next rows, (n, 191)."""
        for first in range(0, len(log_probs), _BLOCK_FRAMES):
            self._add_block(log_probs[first : first + _BLOCK_FRAMES])

    def so_far(self) -> AcousticFeatures:
        """What is known: views of `n_known` frames."""
        known = slice(0, self.n_known)
        return AcousticFeatures(FPS, self._mel[known], self._heard[known], self._loudness[known])

    def _add_block(self, log_probs: np.ndarray) -> None:
        first, last = self.n_heard, self.n_heard + len(log_probs)
        self._roots[first:last] = np.sqrt(hama.class_posteriors(log_probs))
        known = last if last == self.n_frames else max(last - _SMOOTHING_REACH, self.n_known)
        begin = max(self.n_known - 2 * _SMOOTHING_REACH, 0)
        heard = self._roots[begin:last]
        for _ in range(_SMOOTHING_REACH):
            heard = uniform_filter1d(heard, 3, axis=0, mode="nearest")
        self._heard[self.n_known : known] = heard[self.n_known - begin : known - begin]
        power = _mel_power(self._clip, first, last)
        level_db = 10 * np.log10(power.sum(axis=1) + _NOTHING)
        reference_db = self._reference(level_db, first)
        mel_db = 10 * np.log10(power + _NOTHING) - reference_db[:, None] + 10 * np.log10(N_MELS)
        self._mel[first:last] = np.clip(1 + mel_db / _RANGE_DB, 0, 1.4)
        self._loudness[first:last] = np.clip(1 + (level_db - reference_db) / _RANGE_DB, 0, 1)
        self.n_heard, self.n_known = last, known

    def _reference(self, level_db: np.ndarray, first: int) -> np.ndarray:
        """Running reference level: follows the loudest, falls `_FALL_DB_PER_S`, in closed form (a running maximum)."""
        fall = _FALL_DB_PER_S / FPS * np.arange(first, first + len(level_db))
        loudest = np.maximum.accumulate(np.maximum(level_db + fall, self._loudest_db))
        self._loudest_db = float(loudest[-1])
        return np.asarray(np.maximum(loudest - fall, _LEAST_REFERENCE_DB))


def _mel_power(clip: AudioClip, first: int, last: int) -> np.ndarray:
    """(last - first, 40) mean power per band of Hann windows centred on the frames; beyond the clip is silence."""
    rate = clip.sample_rate
    length, hop = round(_WINDOW_S * rate), round(hama.FRAME_S * rate)
    bank, window = _mel_bank(length, rate), np.hanning(length).astype(np.float32)
    begin, end = first * hop - length // 2, (last - 1) * hop - length // 2 + length
    sound = clip.samples[max(begin, 0) : max(end, 0)]
    sound = np.pad(sound, (max(-begin, 0), end - max(begin, 0) - sound.size))
    frames = np.lib.stride_tricks.sliding_window_view(sound, length)[::hop]
    spectrum = np.abs(np.fft.rfft(frames * window, axis=1)) ** 2
    return np.asarray(spectrum @ bank.T / (window.sum() ** 2))


@functools.cache
def _mel_bank(length: int, rate: int) -> np.ndarray:
    """(40, bins) triangles, evenly spaced on the mel scale (O'Shaughnessy 1987: 2595 log10(1 + f/700))."""
    edges_mel = np.linspace(_mel(_LOWEST_HZ), _mel(_HIGHEST_HZ), N_MELS + 2)
    edges_hz = 700 * (10 ** (edges_mel / 2595) - 1)
    bins = np.fft.rfftfreq(length, 1 / rate)
    rising = (bins - edges_hz[:-2, None]) / np.diff(edges_hz)[:-1, None]
    falling = (edges_hz[2:, None] - bins) / np.diff(edges_hz)[1:, None]
    return np.clip(np.minimum(rising, falling), 0, None)


def _mel(frequency_hz: float) -> float:
    return float(2595 * np.log10(1 + frequency_hz / 700))

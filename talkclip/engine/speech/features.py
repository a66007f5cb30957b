"""Acoustic features on one clock: log-mel energies and the phone recogniser's posteriors, 50 frames a second."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from scipy.ndimage import uniform_filter1d

from talkclip.audio import AudioClip
from talkclip.engine.speech import hama
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
    if log_probs is None:
        log_probs, _ = hama.posteriors(clip, cancel)
    report(progress, "features", 0.8, f"listening to {clip.name}")
    heard = np.sqrt(hama.class_posteriors(log_probs))
    for _ in range(2):
        heard = uniform_filter1d(heard, 3, axis=0, mode="nearest")
    power = _mel_power(clip, len(heard))
    level_db = 10 * np.log10(power.sum(axis=1) + _NOTHING)
    reference_db = _reference(level_db)
    mel_db = 10 * np.log10(power + _NOTHING) - reference_db[:, None] + 10 * np.log10(N_MELS)
    mel = np.clip(1 + mel_db / _RANGE_DB, 0, 1.4)
    loudness = np.clip(1 + (level_db - reference_db) / _RANGE_DB, 0, 1)
    report(progress, "features", 1.0, f"listened to {clip.name}")
    return AcousticFeatures(FPS, mel.astype(np.float32), heard.astype(np.float32), loudness.astype(np.float32))


def _reference(level_db: np.ndarray) -> np.ndarray:
    """Running reference level: follows the loudest, falls `_FALL_DB_PER_S`, in closed form (a running maximum)."""
    fall = _FALL_DB_PER_S / FPS * np.arange(len(level_db))
    return np.asarray(np.maximum(np.maximum.accumulate(level_db + fall) - fall, _LEAST_REFERENCE_DB))


def _mel_power(clip: AudioClip, n_frames: int) -> np.ndarray:
    """(n_frames, 40) mean power per band of Hann windows centred on the frames; computed in blocks."""
    rate = clip.sample_rate
    length, hop = round(_WINDOW_S * rate), round(hama.FRAME_S * rate)
    bank, window = _mel_bank(length, rate), np.hanning(length).astype(np.float32)
    sound = np.pad(clip.samples, (length // 2, length + n_frames * hop - clip.samples.size))
    frames = np.lib.stride_tricks.sliding_window_view(sound, length)[::hop][:n_frames]
    power = np.empty((n_frames, N_MELS), np.float64)
    for first in range(0, n_frames, 4096):
        spectrum = np.abs(np.fft.rfft(frames[first : first + 4096] * window, axis=1)) ** 2
        power[first : first + 4096] = spectrum @ bank.T
    return power / (window.sum() ** 2)


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

"""Where nobody speaks: silences by energy."""

from __future__ import annotations

import numpy as np

from talkclip.audio import AudioClip

STEP_S = 0.01
# Speech stands this far above the background, as a share of the way from background to loud speech.
_SHARE = 0.3
_LEAST_ABOVE_FLOOR_DB, _MOST_BELOW_TOP_DB, _LEAST_BELOW_TOP_DB = 6.0, 40.0, 12.0


def energy_db(clip: AudioClip) -> np.ndarray:
    """(T,) level in dB of full scale over 20 ms, one value each STEP_S seconds; value k is centred at k * STEP_S."""
    half = round(STEP_S * clip.sample_rate / 2)
    whole = clip.samples[: clip.samples.size // half * half].reshape(-1, half)
    # Sums of squares of 5 ms each, without a second copy of the sound.
    blocks = np.einsum("ij,ij->i", whole, whole, dtype=np.float64)
    total = np.concatenate([[0.0], np.cumsum(blocks)])
    centres = np.arange(0, blocks.size + 1, 2)
    first, last = np.maximum(centres - 2, 0), np.minimum(centres + 2, blocks.size)
    power = (total[last] - total[first]) / np.maximum((last - first) * half, 1)
    return np.asarray(10 * np.log10(np.maximum(power, 1e-10)))


def contrast_db(clip: AudioClip) -> float:
    """How far loud speech stands above the background: about 50 in a studio, under 15 in heavy noise."""
    floor, top = np.percentile(energy_db(clip), [5, 95])
    return float(top - floor)


def speech_mask(clip: AudioClip) -> np.ndarray:
    """(T,) bool each STEP_S: somebody speaks. The threshold lies between the background and the loud parts."""
    level = energy_db(clip)
    floor, top = np.percentile(level, 5), np.percentile(level, 95)
    threshold = max(floor + _SHARE * (top - floor), floor + _LEAST_ABOVE_FLOOR_DB, top - _MOST_BELOW_TOP_DB)
    mask = level > min(threshold, top - _LEAST_BELOW_TOP_DB)
    return _without_short(~_without_short(~mask, 0.06), 0.03)


def pauses(clip: AudioClip, least_s: float = 0.2) -> list[tuple[float, float]]:
    """(start_s, end_s) of silences of at least `least_s` seconds, in order."""
    mask = speech_mask(clip)
    spans = ((first * STEP_S, min(last * STEP_S, clip.duration_s)) for first, last in _runs(~mask))
    return [(start_s, end_s) for start_s, end_s in spans if end_s - start_s >= least_s]


def speech_runs(clip: AudioClip) -> list[tuple[int, int]]:
    """[first, last) in steps of STEP_S of every stretch of speech."""
    return _runs(speech_mask(clip))


def _runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """[first, last) of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]


def _without_short(mask: np.ndarray, least_s: float) -> np.ndarray:
    """Runs of True shorter than `least_s` become False."""
    kept = mask.copy()
    for first, last in _runs(mask):
        if (last - first) * STEP_S < least_s - 1e-9:
            kept[first:last] = False
    return kept

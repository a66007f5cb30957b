"""Phones without a transcript: hama's phoneme recogniser (CTC), its spikes widened to timed spans.

A CTC network says which sound comes next by a short spike, not how long the sound lasts. This network's spikes
stand at a steady distance after the sound's onset (measured: half of them within 10 ms), so a phone lasts from its
own onset to the next one's; silence comes from the energy. Borders at the strongest spectral change near the onset
were tried and were worse.
"""

from __future__ import annotations

import bisect
import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

from talkclip.audio import AudioClip
from talkclip.engine.speech.pauses import STEP_S, speech_runs
from talkclip.engine.speech.spans import with_silence
from talkclip.ipa import arpabet_of
from talkclip.phones import VOWELS, Phone, PhoneTrack

# As the recogniser's own decoder has it: blank is slightly less likely than the network says.
_BLANK_BIAS = -0.1
_BLANK = "<blank>"
# From a sound's onset to its spike, in the time of `hama.posteriors`.
SPIKE_AFTER_ONSET_S = 0.025
# A spike further than this from any speech by energy is a fancy of the network (breath, click).
STRAY_S = 0.08
# Two phones of one spike (j u) stand this far apart.
_SPLIT_S = 0.03
# Lengths a phone may have; longer ones lose their end or beginning to silence.
_LEAST_S, _MOST_CONSONANT_S, MOST_VOWEL_S = 0.02, 0.28, 0.80


@dataclasses.dataclass(frozen=True)
class Spike:
    """One recognised phone: ARPABET symbol, time of its spike (s), probability there."""

    symbol: str
    at_s: float
    probability: float


def recognise(clip: AudioClip, log_probs: np.ndarray, tokens: Sequence[str], frame_s: float = 0.02) -> PhoneTrack:
    """Timed phones by greedy decoding.

    Args:
        clip: 16 kHz mono.
        log_probs: (F, tokens) log-probabilities of the CTC network, frame k stands at k * frame_s.
        tokens: the IPA sounds and special tokens of the columns.
    """
    return phones_of_spikes(clip, spikes(log_probs, tokens, frame_s))


def phones_of_spikes(clip: AudioClip, found: Sequence[Spike]) -> PhoneTrack:
    """Spikes in order -> phones in time, over the whole recording."""
    phones = timed_phones(clip, found)
    return PhoneTrack(with_silence(phones, clip.duration_s), (), clip.duration_s, "fast")


def decisions(log_probs: np.ndarray, tokens: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """(F, tokens) log-probabilities -> the best token of each frame (F,) and its log-probability (F,)."""
    scores = np.array(log_probs, np.float32)
    scores[:, list(tokens).index(_BLANK)] += _BLANK_BIAS
    best = scores.argmax(axis=1)
    return best, np.take_along_axis(scores, best[:, None], axis=1)[:, 0]


def spikes(log_probs: np.ndarray, tokens: Sequence[str], frame_s: float) -> list[Spike]:
    """The best token per frame, repeats and blanks dropped, as ARPABET."""
    return spikes_of(*decisions(log_probs, tokens), tokens, frame_s)


def spikes_of(best: np.ndarray, scores: np.ndarray, tokens: Sequence[str], frame_s: float) -> list[Spike]:
    """`spikes` of `decisions`."""
    edges = np.flatnonzero(np.diff(best)) + 1
    found: list[Spike] = []
    for first, last in zip([0, *edges.tolist()], [*edges.tolist(), len(best)], strict=True):
        symbols = arpabet_of(tokens[int(best[first])])
        weights = np.exp(scores[first:last])
        at_s = float((np.arange(first, last) * weights).sum() / max(weights.sum(), 1e-12)) * frame_s
        found += [
            Spike(symbol, at_s + (k - (len(symbols) - 1) / 2) * _SPLIT_S, float(weights.max()))
            for k, symbol in enumerate(symbols)
        ]
    return _without_wh(found)


def _without_wh(found: Sequence[Spike]) -> list[Spike]:
    """'what' is heard as HH W in the recogniser's alphabet, W in the dictionary's."""
    pairs = itertools.zip_longest([spike.symbol for spike in found], [spike.symbol for spike in found[1:]])
    return [spike for spike, pair in zip(found, pairs, strict=True) if pair != ("HH", "W")]


def timed_phones(clip: AudioClip, found: Sequence[Spike]) -> list[Phone]:
    """Spikes -> phones with start and end, in order, without silence."""
    phones: list[Phone] = []
    for start_s, end_s, inside in _by_region(clip, found):
        borders = [start_s]
        for spike in inside[1:]:
            borders.append(max(spike.at_s - SPIKE_AFTER_ONSET_S, borders[-1] + _LEAST_S))
        borders.append(max(end_s, borders[-1] + _LEAST_S))
        phones += [_bounded(s, a, b) for s, a, b in zip(inside, borders[:-1], borders[1:], strict=True)]
    return phones


def _by_region(clip: AudioClip, found: Sequence[Spike]) -> list[tuple[float, float, list[Spike]]]:
    """(start_s, end_s, spikes) per stretch of speech; a spike far from all of them is dropped."""
    regions = [[first * STEP_S, min(last * STEP_S, clip.duration_s)] for first, last in speech_runs(clip)]
    if not regions:
        return []
    inside: list[list[Spike]] = [[] for _ in regions]
    starts = [start_s for start_s, _ in regions]
    for spike in found:
        before = max(bisect.bisect_right(starts, spike.at_s) - 1, 0)
        distance = [max(a - spike.at_s, spike.at_s - b, 0.0) for a, b in regions[before : before + 2]]
        nearest = int(np.argmin(distance))
        if distance[nearest] <= STRAY_S:
            inside[before + nearest].append(spike)
    return [(a, b, group) for (a, b), group in zip(regions, inside, strict=True) if group]


def _bounded(spike: Spike, start_s: float, end_s: float) -> Phone:
    most = MOST_VOWEL_S if spike.symbol in VOWELS else _MOST_CONSONANT_S
    if end_s - start_s > most:
        start_s = max(start_s, min(spike.at_s - most / 2, end_s - most))
        end_s = min(end_s, start_s + most)
    return Phone(spike.symbol, start_s, end_s)

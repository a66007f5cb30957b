"""How a line is spoken, frame by frame: the codes of its segments, mixed as they play."""

from __future__ import annotations

import numpy as np

from talkclip.engine.style_cache import Styler
from talkclip.timeline import PromptSegment, PromptTimeline

# A code is no straight line over the intensity (opposing shapes push each other away, shapes end at their caps). It is
# computed at every key and at each of these steps between, in thousandths; in between, codes are mixed. Against
# computing every frame that differs by at most 0.01 (six prompts, with and without edits).
_THOUSANDTHS, _STEP = 1000, 50


def prompt_codes(timeline: PromptTimeline, times_s: np.ndarray, styler: Styler, neutral: np.ndarray) -> np.ndarray:
    """The prompts' codes over time: cross-fades happen in the style space, and where no segment plays it is neutral.

    Args:
        timeline: prompts.
        times_s: (T,) seconds.
        styler: gives a prompt's code.
        neutral: (D,) code of speech without feeling.

    Returns:
        float32 (T, D). A frame depends on the keys of intensity around it and on no others.
    """
    plays = timeline.weights(times_s)
    held = np.zeros((len(timeline.segments), len(neutral)), np.float32)
    moving: list[tuple[int, np.ndarray]] = []
    for row, segment in enumerate(timeline.segments):
        if segment.intensity_keys:
            moving.append((row, _moving_codes(segment, times_s, plays[:, row] > 0, styler, len(neutral))))
        else:
            held[row] = styler.code(segment.prompt, segment.edits, segment.intensity)
    rest = np.maximum(1 - plays.sum(axis=1, keepdims=True), 0)
    mixed = plays @ held + rest * neutral
    for row, codes in moving:
        mixed += plays[:, row, None] * codes
    return np.asarray(mixed, np.float32)


def _moving_codes(
    segment: PromptSegment, times_s: np.ndarray, playing: np.ndarray, styler: Styler, dim: int
) -> np.ndarray:
    """(T, dim) codes of a prompt whose intensity is keyed; 0 where it does not play."""
    codes = np.zeros((len(times_s), dim), np.float32)
    low, high, share = _nodes(segment, times_s[playing])
    wanted = np.unique(np.concatenate([low, high]))
    if not wanted.size:
        return codes
    table = styler.codes(segment.prompt, segment.edits, [node / _THOUSANDTHS for node in wanted.tolist()])
    below, above = table[np.searchsorted(wanted, low)], table[np.searchsorted(wanted, high)]
    codes[playing] = below * (1 - share) + above * share
    return codes


def _nodes(segment: PromptSegment, times_s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Between which two intensities each frame stands.

    Returns:
        (N,) and (N,) thousandths of intensity below and above: a step, or one of the two keys around the frame,
        whichever is nearer; (N, 1) float32 share of the upper one.
    """
    keys_s = np.array([time_s for time_s, _ in segment.intensity_keys])
    keys = np.round([intensity * _THOUSANDTHS for _, intensity in segment.intensity_keys])
    intensity = np.interp(times_s, keys_s, keys)
    after = np.searchsorted(keys_s, times_s, "right")
    left, right = keys[np.maximum(after - 1, 0)], keys[np.minimum(after, len(keys) - 1)]
    step = np.floor(intensity / _STEP) * _STEP
    low = np.maximum(step, np.minimum(left, right))
    high = np.maximum(np.minimum(step + _STEP, np.maximum(left, right)), low)
    share = np.clip((intensity - low) / np.maximum(high - low, 1), 0, 1)
    return low.astype(np.int64), high.astype(np.int64), share.astype(np.float32)[:, None]

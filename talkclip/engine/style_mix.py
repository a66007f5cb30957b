"""How a line is spoken, frame by frame: the codes of its segments, mixed as they play."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from talkclip.engine.models.style_encoder import ClipStyler
from talkclip.engine.request import StyleClip
from talkclip.engine.style_cache import Styler
from talkclip.errors import InputError
from talkclip.timeline import PromptSegment, PromptTimeline

# A code is no straight line over the intensity (opposing shapes push each other away, shapes end at their caps). It is
# computed at every key and at each of these steps between, in thousandths; in between, codes are mixed. Against
# computing every frame that differs by at most 0.01 (six prompts, with and without edits).
_THOUSANDTHS, _STEP = 1000, 50


class StyleMixer:
    """Mixes what prompts and clips say into one code per frame."""

    def __init__(self, styler: Styler, neutral: np.ndarray, clips: ClipStyler | None) -> None:
        """`styler` gives prompts' codes, `clips` those of clips; `neutral` (D,) is speech without feeling."""
        self._styler = styler
        self._neutral = neutral
        self._clips = clips

    def codes(self, timeline: PromptTimeline, times_s: np.ndarray, styles: Sequence[StyleClip] = ()) -> np.ndarray:
        """The line's codes: cross-fades happen in the style space, and where no segment plays it is neutral.

        A segment's clip shares that segment with its prompt; a clip of the whole line shares the line, and plays
        between segments too, there at intensity 1.

        Args:
            timeline: prompts.
            times_s: (T,) seconds.
            styles: clips, each of a segment or of the line.

        Returns:
            float32 (T, D). A frame depends on the keys of intensity around it and on no others.

        Raises:
            InputError: clips are given, and there is nothing here that understands them.
        """
        plays = timeline.weights(times_s)
        by_uid = {style.uid: style for style in styles if style.weight > 0}
        held = np.zeros((len(timeline.segments), len(self._neutral)), np.float32)
        mixed = np.zeros((len(times_s), len(self._neutral)), np.float32)
        for row, segment in enumerate(timeline.segments):
            codes = self._of_segment(segment, times_s, plays[:, row] > 0, by_uid.get(segment.uid))
            if len(codes) == 1:
                held[row] = codes[0]
            else:
                mixed += plays[:, row, None] * codes
        rest = np.maximum(1 - plays.sum(axis=1, keepdims=True), 0)
        mixed = np.asarray(plays @ held + mixed + rest * self._neutral, np.float32)
        if None not in by_uid:
            return mixed
        intensities = 1 - plays.sum(axis=1)
        for row, segment in enumerate(timeline.segments):
            intensities += plays[:, row] * segment.intensity_at(times_s)
        return self._shared(mixed, by_uid[None], intensities)

    def _of_segment(
        self, segment: PromptSegment, times_s: np.ndarray, playing: np.ndarray, style: StyleClip | None
    ) -> np.ndarray:
        """(T, D) codes of a segment, or (1, D) where its intensity stays the same."""
        if segment.intensity_keys:
            codes = _moving_codes(segment, times_s, playing, self._styler, len(self._neutral))
            intensities = segment.intensity_at(times_s)
        else:
            codes = self._styler.code(segment.prompt, segment.edits, segment.intensity)[None]
            intensities = np.array([segment.intensity])
        return codes if style is None else self._shared(codes, style, intensities)

    def _shared(self, codes: np.ndarray, style: StyleClip, intensities: np.ndarray) -> np.ndarray:
        """Codes (N, D) mixed with a clip's, which plays at these (N,) intensities."""
        if self._clips is None:
            raise InputError("This pipeline takes no style from a clip.", "Direct the line by prompts.")
        clip = self._clips.scaled(self._clips.of_clip(style.track), intensities.astype(np.float32))
        return np.asarray((1 - style.weight) * codes + style.weight * clip, np.float32)


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

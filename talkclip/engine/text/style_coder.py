"""Prompts -> style codes of the learned model: what was read becomes a pose, and the pose a code."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from talkclip.engine.models.style_space import StyleSpace
from talkclip.engine.text.encoder import TextEncoder
from talkclip.engine.text.pose import PromptStyler
from talkclip.engine.text.understand import PromptReading
from talkclip.style import CALM
from talkclip.timeline import PromptEdit

# How much of the manner (the numbers behind the anchor) T2SS gives; the rest comes from the composed pose.
_MANNER_OF_TEXT = 0.5
# Below this intensity nothing was felt, or nothing understood: then the sentence has no say.
_FEELS = 0.05
_TEXTS_KEPT = 512


class StyleCoder:
    """`PromptStyler` in the model's own style space.

    The anchor is the pose that `PromptStyler` composes: clauses, denials, masks and edits act there by name. The manner
    is mixed from the condition encoder, which hears that pose, and T2SS, which hears the sentence.

    Attributes:
        encoder: the text encoder in use.
        dim: length of a code.
    """

    def __init__(self, styler: PromptStyler, space: StyleSpace) -> None:
        space.check_encoder(styler.encoder.id, styler.encoder.weight_hash)
        self.encoder: TextEncoder = styler.encoder
        self.dim = space.dim
        self._styler = styler
        self._space = space
        self._of_text = functools.lru_cache(_TEXTS_KEPT)(lambda text: space.of_text(self.encoder.encode([text])[0]))

    @property
    def neutral(self) -> np.ndarray:
        """(dim,) code of speech without feeling, which plays where no segment does."""
        return self._space.neutral

    def read(self, prompt: str) -> PromptReading:
        """What a prompt is understood to say."""
        return self._styler.read(prompt)

    def pose(self, prompt: str) -> np.ndarray:
        """-> float32 (52,) sustained expression of a prompt, 0..1."""
        return self._styler.pose(prompt)

    def code(self, prompt: str, edits: Sequence[PromptEdit] = (), intensity: float = 1.0) -> np.ndarray:
        """Style code of a prompt with its edits.

        Args:
            prompt: how the line is spoken; "" is neutral.
            edits, intensity: see `PromptStyler.code`.

        Returns:
            float32 (dim,).
        """
        reading = self._styler.read(prompt)
        pose = self._styler.code(prompt, edits, intensity)
        arousal = float(np.clip(CALM + intensity * (reading.arousal - CALM), 0, 1))
        strength = min(1.0, intensity * max([reading.intensity, *(move.level for move in reading.action_units)]))
        code = self._space.of_pose(pose, arousal, strength)
        if reading.intensity > _FEELS:
            said = self._of_text(prompt) - self._space.neutral
            manner = slice(self._space.anchor, None)
            asked = self._space.neutral[manner] + min(intensity, 1.5) * said[manner]
            code[manner] = (1 - _MANNER_OF_TEXT) * code[manner] + _MANNER_OF_TEXT * asked
        return code

    def codes(self, prompt: str, edits: Sequence[PromptEdit], intensities: Sequence[float]) -> np.ndarray:
        """(N, dim) `code` at many intensities, which costs little more than one."""
        return np.stack([self.code(prompt, edits, intensity) for intensity in intensities])

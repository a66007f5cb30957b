"""Prompts -> style codes of the learned model: what was read becomes a pose, and the pose a code."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from talkclip.coefficients import ARKIT52
from talkclip.engine.models.adapter import AdaptedEncoder
from talkclip.engine.models.style_space import StyleSpace
from talkclip.engine.text.encoder import TextEncoder
from talkclip.engine.text.pose import PromptStyler, expression_pose
from talkclip.engine.text.understand import PromptReading
from talkclip.style import CALM
from talkclip.timeline import PromptEdit

# How much of the manner (the numbers behind the anchor) T2SS gives; the rest comes from the composed pose.
_MANNER_OF_TEXT = 0.5
# Below this intensity nothing was felt, or nothing understood: then the sentence has no say.
_FEELS = 0.05
_TEXTS_KEPT = 512
# Of what a foreign encoder hears, so many shapes are named, and none that shows less.
_NAMED, _SHOWS = 5, 0.1


class StyleCoder:
    """`PromptStyler` in the model's own style space.

    The anchor is the pose that `PromptStyler` composes: clauses, denials, masks and edits act there by name. The manner
    is mixed from the condition encoder, which hears that pose, and T2SS, which hears the sentence.

    With a foreign encoder and its adapter T2SS also says what the sentence feels: the pose of its code stands where
    else our emotion model's stands. Movements, sides, denials, regions and edits are read by the rules as ever.

    Attributes:
        encoder: the text encoder in use.
        dim: length of a code.
        identity: what codes depend on beside the shipped weights; "" with these alone.
    """

    def __init__(self, styler: PromptStyler, space: StyleSpace, adapted: AdaptedEncoder | None = None) -> None:
        """`adapted` takes T2SS's place.

        Raises:
            TalkClipError: T2SS or the adapter was trained on another encoder, or for another model.
        """
        if adapted is None:
            space.check_encoder(styler.encoder.id, styler.encoder.weight_hash)
        else:
            space = space.with_adapter(adapted.adapter, adapted.encoder)
        self.encoder: TextEncoder = styler.encoder if adapted is None else adapted.encoder
        self.identity = "" if adapted is None else adapted.identity
        self.dim = space.dim
        self._styler = styler
        self._space = space
        self._adapted = adapted
        self._of_text = functools.lru_cache(_TEXTS_KEPT)(lambda text: space.of_text(self._vector(text)))

    @property
    def neutral(self) -> np.ndarray:
        """(dim,) code of speech without feeling, which plays where no segment does."""
        return self._space.neutral

    def read(self, prompt: str) -> PromptReading:
        """What a prompt is understood to say."""
        reading = self._styler.read(prompt)
        felt = self._felt(reading)
        if felt is None:
            return reading
        shapes = [(float(felt[k]), ARKIT52[k]) for k in np.argsort(-felt)[:_NAMED] if felt[k] >= _SHOWS]
        shown = ", ".join(f"{name} {level:.2f}" for level, name in shapes) or "nothing"
        return dataclasses.replace(reading, notes=(*reading.notes, f"{self.encoder.id} hears in it: {shown}."))

    def pose(self, prompt: str) -> np.ndarray:
        """-> float32 (52,) sustained expression of a prompt, 0..1."""
        reading = self._styler.read(prompt)
        return expression_pose(reading, self._felt(reading))

    def code(self, prompt: str, edits: Sequence[PromptEdit] = (), intensity: float = 1.0) -> np.ndarray:
        """Style code of a prompt with its edits.

        Args:
            prompt: how the line is spoken; "" is neutral.
            edits, intensity: see `PromptStyler.code`.

        Returns:
            float32 (dim,).
        """
        reading = self._styler.read(prompt)
        felt = self._felt(reading)
        pose = self._styler.code(prompt, edits, intensity, felt)
        arousal = float(np.clip(CALM + intensity * (reading.arousal - CALM), 0, 1))
        levels = [reading.intensity if felt is None else float(felt.max()), *(m.level for m in reading.action_units)]
        strength = min(1.0, intensity * max(levels))
        code = self._space.of_pose(pose, arousal, strength)
        if felt is not None or reading.intensity > _FEELS:
            said = self._of_text(prompt) - self._space.neutral
            manner = slice(self._space.anchor, None)
            asked = self._space.neutral[manner] + min(intensity, 1.5) * said[manner]
            code[manner] = (1 - _MANNER_OF_TEXT) * code[manner] + _MANNER_OF_TEXT * asked
        return code

    def _vector(self, text: str) -> np.ndarray:
        return self.encoder.encode([text])[0] if self._adapted is None else self._adapted.encode(text)

    def _felt(self, reading: PromptReading) -> np.ndarray | None:
        """(52,) what a foreign encoder hears; None where ours reads, or the prompt only asks for movements."""
        if self._adapted is None or not reading.prompt.strip():
            return None
        if reading.action_units and reading.intensity <= _FEELS:
            return None
        return np.clip(self._of_text(reading.prompt)[: self._space.anchor], 0, 1)

    def codes(self, prompt: str, edits: Sequence[PromptEdit], intensities: Sequence[float]) -> np.ndarray:
        """(N, dim) `code` at many intensities, which costs little more than one."""
        return np.stack([self.code(prompt, edits, intensity) for intensity in intensities])

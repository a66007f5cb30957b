"""Emotion model: the text encoder's vector -> emotion weights, intensity, arousal, action units.

Linear heads that were trained together with the encoder by `talkclip_training.text.tune_encoder`; the model card is
`docs/model_cards/text.md`.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Protocol

import numpy as np

from talkclip.engine.text.encoder import TextEncoder
from talkclip.engine.text.lexicon import EMOTIONS
from talkclip.engine.weights.registry import find_weight
from talkclip.errors import TalkClipError

# The model hedges: its intensities lie closer together than people's. Set on families that it never saw.
_MEAN_INTENSITY, _INTENSITY_GAIN = 0.5, 1.25
# ... and its weights are spread wider: this brings the strongest from .64 to the annotators' .76.
_SHARPEN = 1.5
_WHOLE_WORDS, _CHARACTERS_A_PIECE = 0.34, 2.3


@dataclasses.dataclass(frozen=True, eq=False)
class Guess:
    """What the model makes of a text.

    Attributes:
        emotions: (8,) weights in the order of `EMOTIONS`, sum 1.
        intensity: 0..1.
        levels: {action unit: level 0..1}.
        arousal: 0..1; None where the model does not tell.
        vector: of the text encoder; None where the model has none.
    """

    emotions: np.ndarray
    intensity: float
    levels: dict[int, float]
    arousal: float | None = None
    vector: np.ndarray | None = None


class GuessModel(Protocol):
    """What reads the text that the rules leave over."""

    def guess(self, text: str) -> Guess:
        """-> what the text feels like."""
        ...

    def can_read(self, words: list[str]) -> bool:
        """Whether these words mean anything to the model."""
        ...


class EmotionModel:
    """Reads what the clause parser leaves over.

    Args:
        arrays: contents of the weight file.
        encoder: the encoder it was trained on; any other is refused.

    Raises:
        TalkClipError: another encoder, or another set of emotions.
    """

    def __init__(self, arrays: dict[str, np.ndarray], encoder: TextEncoder) -> None:
        if str(arrays["encoder_id"]) != encoder.id or str(arrays["encoder_hash"]) != encoder.weight_hash:
            raise TalkClipError(
                f"The emotion model was trained on '{arrays['encoder_id']}', not on '{encoder.id}'.",
                "Train one for this encoder: python -m talkclip_training.text.tune_encoder",
                code="wrong_weights",
            )
        if tuple(arrays["emotions"]) != EMOTIONS:
            raise TalkClipError("The emotion model names other emotions than this version.", code="wrong_weights")
        self._weight, self._bias = arrays["weight"], arrays["bias"]
        self._units = [int(au) for au in arrays["units"]]
        self.encoder = encoder

    @classmethod
    def load(cls, encoder: TextEncoder, path: Path | None = None) -> EmotionModel:
        """Read the shipped weights (or those at `path`) for this encoder."""
        with np.load(path or find_weight("text-emotion"), allow_pickle=False) as stored:
            return cls(dict(stored), encoder)

    def guess(self, text: str) -> Guess:
        """-> what the text feels like."""
        vector = self.encoder.encode([text])[0]
        logits = vector @ self._weight + self._bias
        n = len(EMOTIONS)
        weights = np.exp(_SHARPEN * (logits[:n] - logits[:n].max()))
        intensity, arousal, *levels = (1 / (1 + np.exp(-logits[n:]))).tolist()
        intensity = min(1.0, max(0.0, _MEAN_INTENSITY + _INTENSITY_GAIN * (intensity - _MEAN_INTENSITY)))
        return Guess(
            weights / weights.sum(), intensity, dict(zip(self._units, levels, strict=True)), float(arousal), vector
        )

    def can_read(self, words: list[str]) -> bool:
        """False where most words fall to crumbs in the encoder's vocabulary: typing exercises, unknown languages.

        Half a percent of the corpus' English lines are that far from the vocabulary, all of them codes or Latin.
        """
        pieces = getattr(self.encoder, "piece_counts", None)
        letters = [word for word in words if not word.isdigit()]
        if pieces is None or not letters:
            return bool(words)
        counts = pieces(letters)
        whole = float(np.mean([count == 1 or "'" in word for count, word in zip(counts, letters, strict=True)]))
        return whole > _WHOLE_WORDS or sum(map(len, letters)) / sum(counts) >= _CHARACTERS_A_PIECE

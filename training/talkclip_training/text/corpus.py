"""The written prompts that the model learns from, as typed rows."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from talkclip.engine.text import lexicon
from talkclip.engine.text.lexicon import EMOTIONS
from talkclip_rigs.facs import AuMove

FOLDER = Path(__file__).resolve().parents[1] / "data" / "prompt_corpus"
# The clause parser reads these; as texts without feeling they would teach the model that strong words are neutral.
PARSED_KINDS = frozenset({"movement", "facs", "scale"})
# Sentences around a bare word of feeling, after the paper's grammar.
_SENTENCES = ("{}", "A {} person speaks", "He sounds {}")
# Where nobody annotated it: arousal of an emotion at full intensity (means of the corpus, rounded), and of no feeling.
_AROUSAL = {"angry": 0.85, "contempt": 0.45, "disgusted": 0.6, "fear": 0.8, "happy": 0.75, "sad": 0.3,
            "surprised": 0.8, "neutral": 0.3}  # fmt: skip
_CALM = 0.3


@dataclass(frozen=True, eq=False)
class Direction:
    """One written prompt with its annotation.

    Attributes:
        text: the prompt.
        lang: ISO code.
        family: near relatives share it; never split between training and test.
        source: "corpus", "plain" or "words".
        kind: the corpus' kind; "" elsewhere.
        emotion: (8,) weights in the order of `EMOTIONS`, sum 1.
        intensity: 0..1.
        arousal: 0..1.
        moves: action units; None where not annotated.
        denied_units, denied_emotions: what the text excludes.
        regions: part of the face -> its own (emotion, level).
        weight: how much the line counts in training.
    """

    text: str
    lang: str
    family: str
    source: str
    kind: str
    emotion: np.ndarray
    intensity: float
    arousal: float
    moves: tuple[AuMove, ...] | None = None
    denied_units: tuple[int, ...] = ()
    denied_emotions: tuple[str, ...] = ()
    regions: Mapping[str, tuple[str, float]] = dataclasses.field(default_factory=dict)
    weight: float = 1.0

    @property
    def levels(self) -> dict[int, float] | None:
        """{action unit: level} without sides; None where not annotated."""
        return None if self.moves is None else {move.au: move.level for move in self.moves}

    @property
    def is_parsed(self) -> bool:
        """Whether the clause parser is to read it, not the emotion model."""
        return self.kind in PARSED_KINDS


def read_all() -> list[Direction]:
    """English directions that feel something or nothing: corpus, plain phrases, words of feeling."""
    written = [row for row in read_corpus() if row.lang == "en" and not row.is_parsed]
    return [*written, *read_plain(), *read_words()]


def read_corpus(path: Path = FOLDER / "directions.jsonl") -> list[Direction]:
    """Every line of the prompt corpus."""
    return [_direction(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def read_plain(path: Path = FOLDER / "plain_phrases.json") -> list[Direction]:
    """Everyday phrases, each a family of its own."""
    table = json.loads(path.read_text(encoding="utf-8"))
    return [
        _unannotated(phrase.strip(), f"plain-{phrase.strip()}", "plain", {emotion: 1.0}, float(level), 1.5)
        for emotion in EMOTIONS
        for level, phrases in table[emotion].items()
        for phrase in phrases.split(";")
    ]


def read_words() -> list[Direction]:
    """The lexicon's words in short sentences, so that the model agrees with it on near neighbours."""
    return [
        _unannotated(
            sentence.format(" ".join(words)), f"word-{' '.join(words)}", "words", word.emotion, word.strength, 0.4
        )
        for words, word in lexicon.feeling_words().items()
        for sentence in _SENTENCES
    ]


def _direction(row: Mapping[str, Any]) -> Direction:
    return Direction(
        row["text"],
        row["lang"],
        row["family"],
        "corpus",
        row["kind"],
        _weights(row["emotion"].items()),
        row["intensity"],
        row["arousal"],
        tuple(AuMove(int(a["au"]), float(a["level"]), a["side"]) for a in row["au"]),
        tuple(row["deny"].get("au", ())),
        tuple(row["deny"].get("emotion", ())),
        {part: (region["emotion"], float(region["level"])) for part, region in row["region"].items()},
    )


def _unannotated(
    text: str, family: str, source: str, emotion: Mapping[str, float], intensity: float, weight: float
) -> Direction:
    weights = _weights(emotion.items())
    strongest = sum(share * _AROUSAL[name] for name, share in zip(EMOTIONS, weights, strict=True))
    arousal = _CALM + intensity * (strongest - _CALM)
    return Direction(text, "en", family, source, "", weights, intensity, arousal, weight=weight)


def _weights(emotion: Iterable[tuple[str, float]]) -> np.ndarray:
    weights = np.zeros(len(EMOTIONS))
    for name, weight in emotion:
        weights[EMOTIONS.index(name)] = weight
    return weights / weights.sum()

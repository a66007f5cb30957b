"""The written prompts that the emotion model learns from, as arrays of targets."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from talkclip.engine.text import lexicon
from talkclip.engine.text.lexicon import EMOTIONS

FOLDER = Path(__file__).resolve().parents[1] / "data" / "prompt_corpus"
# The clause parser reads these; as texts without feeling they would teach the model that strong words are neutral.
_PARSED_KINDS = frozenset({"movement", "facs", "scale"})
# Sentences around a bare word of feeling, after the paper's grammar.
_SENTENCES = ("{}", "A {} person speaks", "He sounds {}")


@dataclass(frozen=True)
class Direction:
    """One written prompt with its annotation.

    Attributes:
        text: the prompt.
        family: near relatives share it; never split between training and test.
        source: "corpus", "plain" or "words".
        kind: the corpus' kind; "" elsewhere.
        emotion: (8,) weights in the order of `EMOTIONS`, sum 1.
        intensity: 0..1.
        levels: {action unit: level}; None where not annotated.
        weight: how much the line counts in training.
    """

    text: str
    family: str
    source: str
    kind: str
    emotion: np.ndarray
    intensity: float
    levels: dict[int, float] | None
    weight: float


def read_all() -> list[Direction]:
    """English directions that feel something or nothing: corpus, plain phrases, words of feeling."""
    return [*read_corpus(), *read_plain(), *read_words()]


def read_corpus(path: Path = FOLDER / "directions.jsonl") -> list[Direction]:
    """The prompt corpus without movements, codes and other languages (the encoder reads English)."""
    rows = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return [
        Direction(
            row["text"], row["family"], "corpus", row["kind"], _weights(row["emotion"].items()), row["intensity"],
            {int(a["au"]): float(a["level"]) for a in row["au"]}, 1.0,
        )
        for row in rows
        if row["lang"] == "en" and row["kind"] not in _PARSED_KINDS
    ]  # fmt: skip


def read_plain(path: Path = FOLDER / "plain_phrases.json") -> list[Direction]:
    """Everyday phrases, each a family of its own."""
    table = json.loads(path.read_text(encoding="utf-8"))
    return [
        Direction(phrase.strip(), f"plain-{phrase.strip()}", "plain", "", _weights([(emotion, 1.0)]), float(level),
                  None, 1.5)
        for emotion in EMOTIONS
        for level, phrases in table[emotion].items()
        for phrase in phrases.split(";")
    ]  # fmt: skip


def read_words() -> list[Direction]:
    """The lexicon's words in short sentences, so that the model agrees with it on near neighbours."""
    return [
        Direction(sentence.format(" ".join(words)), f"word-{' '.join(words)}", "words", "",
                  _weights(word.emotion.items()), word.strength, None, 0.4)
        for words, word in lexicon.feeling_words().items()
        for sentence in _SENTENCES
    ]  # fmt: skip


def _weights(emotion: Iterable[tuple[str, float]]) -> np.ndarray:
    weights = np.zeros(len(EMOTIONS))
    for name, weight in emotion:
        weights[EMOTIONS.index(name)] = weight
    return weights / weights.sum()

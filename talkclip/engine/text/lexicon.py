"""The vocabulary tables (`data/*.json`), indexed for matching: longest phrase first, by words.

Everything here is data; how it is read is in `clauses.py`.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Generic, TypeVar

from talkclip_rigs.facs import AuMove

EMOTIONS: tuple[str, ...] = ("angry", "contempt", "disgusted", "fear", "happy", "sad", "surprised", "neutral")

T = TypeVar("T")


@dataclass(frozen=True)
class FeelingWord:
    """What a word of feeling means.

    Attributes:
        emotion: emotion -> weight, sums to 1.
        strength: 0..1, what the bare word carries ("annoyed" 0.3, "furious" 0.95).
        moves: what it adds to the face beside the emotion.
    """

    emotion: Mapping[str, float]
    strength: float
    moves: tuple[AuMove, ...] = ()


@dataclass(frozen=True)
class MovementWord:
    """A verb or phrase that is a movement by itself ("grins", "averts her gaze").

    Attributes:
        units: (action unit, factor on the usual strength).
        denied: action units it rules out (a fake smile leaves the cheeks alone).
        side: "both", or the side it takes when none is named.
        region: set when the phrase only names a region ("one eyebrow").
    """

    units: tuple[tuple[int, float], ...]
    denied: tuple[int, ...] = ()
    side: str = "both"
    region: str = ""


class PhraseTable(Generic[T]):
    """Phrases of one or more words -> a value; finds the longest that starts at a word."""

    def __init__(self, entries: Iterable[tuple[str, T]]) -> None:
        self._values: dict[tuple[str, ...], T] = {}
        self._longest: dict[str, int] = {}
        for phrase, value in entries:
            words = tuple(word_list(phrase))
            if not words:
                continue
            self._values.setdefault(words, value)
            self._longest[words[0]] = max(self._longest.get(words[0], 0), len(words))

    def items(self) -> Iterable[tuple[tuple[str, ...], T]]:
        """-> (words, value) of every phrase."""
        return self._values.items()

    def at(self, words: list[str], start: int) -> tuple[int, T] | None:
        """-> (number of words, value) of the longest phrase that starts at `start`, or None."""
        for length in range(min(self._longest.get(words[start], 0), len(words) - start), 0, -1):
            value = self._values.get(tuple(words[start : start + length]))
            if value is not None:
                return length, value
        return None

    def find(self, words: list[str]) -> Iterator[tuple[int, int, T]]:
        """-> (start, end, value) of all phrases, left to right, longest first, not overlapping."""
        start = 0
        while start < len(words):
            hit = self.at(words, start)
            if hit is None:
                start += 1
                continue
            yield start, start + hit[0], hit[1]
            start += hit[0]


def word_list(text: str) -> list[str]:
    """Lower-case words; hyphens split, apostrophes stay inside ("doesn't" is one word)."""
    return re.findall(r"[^\W_]+(?:'[^\W_]+)*", text.lower().replace("’", "'").replace("‘", "'"))


@functools.cache
def feeling_words() -> PhraseTable[FeelingWord]:
    """Words and phrases of feeling."""
    table = _table("emotion_words.json")
    return PhraseTable(
        [(phrase.strip(), _feeling(row)) for row in table["phrases"] for phrase in row["words"].split(";")]
        + [(word, _feeling(row)) for row in table["rows"] for word in row["words"].split()]
    )


@functools.cache
def degrees() -> PhraseTable[float]:
    """Words of degree -> factor."""
    return PhraseTable(
        (word, float(factor)) for factor, words in _table("degrees.json")["factors"].items() for word in _split(words)
    )


@functools.cache
def movement_words() -> PhraseTable[MovementWord]:
    """Verbs and phrases that are movements by themselves."""
    return PhraseTable(
        (word, _movement(row)) for row in _table("movements.json")["verbs"] for word in _split(row["words"])
    )


@functools.cache
def regions() -> PhraseTable[str]:
    """Names of the parts of the face."""
    return _named("regions")


@functools.cache
def actions() -> PhraseTable[str]:
    """What a part of the face can do."""
    return _named("actions")


@functools.cache
def absent_words() -> PhraseTable[tuple[int, ...]]:
    """Words that say what a face does not do ("unsmiling") -> action units."""
    return PhraseTable(
        (word, tuple(row["au"])) for row in _table("movements.json")["absent"] for word in _split(row["words"])
    )


@functools.cache
def no_movements() -> PhraseTable[bool]:
    """Phrases whose words look like a movement and are none."""
    return PhraseTable((phrase, True) for phrase in _split(_table("movements.json")["not_a_movement"]))


@functools.cache
def units_for(region: str, action: str) -> tuple[tuple[int, float], ...]:
    """(action unit, factor) of an action of a region; empty where they do not go together."""
    return tuple((int(au), float(factor)) for au, factor in _movements().get(region, {}).get(action, ()))


@functools.cache
def units_of_region(region: str) -> tuple[int, ...]:
    """Action units that "<region> still" rules out."""
    return tuple(_table("movements.json")["regions_at_rest"].get(region, ()))


def default_units(region: str, with_amount: bool) -> tuple[tuple[int, float], ...]:
    """What a region means by itself ("tongue"), or when only an amount follows ("jaw 30 %"); may be empty."""
    table = _table("movements.json")
    action = table["default_action"].get(region, "")
    if with_amount:
        action = table["default_action_with_amount"].get(region, action)
    return units_for(region, action)


def usual_strength() -> float:
    """Level of a movement whose degree is not named."""
    return float(_table("movements.json")["usual_strength"])


@functools.cache
def words_that(role: str) -> frozenset[str]:
    """Words of grammar by role: "leads", "negations", "hiding", "silent"."""
    return frozenset(_table("grammar.json")[role].split())


@functools.cache
def harmless_negations() -> re.Pattern[str]:
    """Wording whose negation denies nothing ("can't help smiling", "not only")."""
    return re.compile(r"\b(?:" + "|".join(_table("grammar.json")["harmless"]) + r")\b")


def _movements() -> Mapping[str, Mapping[str, Any]]:
    table: Mapping[str, Mapping[str, Any]] = _table("movements.json")["movements"]
    return table


def _named(key: str) -> PhraseTable[str]:
    return PhraseTable((word, name) for name, words in _table("movements.json")[key].items() for word in _split(words))


def _feeling(row: Mapping[str, Any]) -> FeelingWord:
    moves = tuple(AuMove(au, level, side) for au, level, side in row.get("au", ()))
    return FeelingWord(row["emotion"], float(row["strength"]), moves)


def _movement(row: Mapping[str, Any]) -> MovementWord:
    return MovementWord(
        tuple((int(au), float(factor)) for au, factor in row.get("au", ())),
        tuple(row.get("deny", ())),
        row.get("side", "both"),
        row.get("region", ""),
    )


def _split(words: str) -> list[str]:
    return [word.strip() for word in words.split(",")]


@functools.cache
def _table(name: str) -> Any:
    path = resources.files("talkclip.engine.text") / "data" / name
    return json.loads(path.read_text(encoding="utf-8"))

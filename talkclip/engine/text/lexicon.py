"""The vocabulary tables (`data/*.json`), indexed for matching: longest phrase first, by words.

Everything here is data; how it is read is in `clauses.py`.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Generic, TypeVar

from talkclip_rigs.facs import AuMove

EMOTIONS: tuple[str, ...] = ("angry", "contempt", "disgusted", "fear", "happy", "sad", "surprised", "neutral")

# Interchangeable inside a phrase, or left out.
_DETERMINERS = frozenset({"the", "his", "her", "their", "your", "my", "its", "our"})
# "Tom's" is as good as "his", "it's" is not.
_NO_POSSESSIVES = frozenset({"it's", "he's", "she's", "that's", "there's", "what's", "who's", "here's", "let's"})

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
        sides: of each unit where they differ (crossed eyes); empty otherwise.
    """

    units: tuple[tuple[int, float], ...]
    denied: tuple[int, ...] = ()
    side: str = "both"
    sides: tuple[str, ...] = ()


class PhraseTable(Generic[T]):
    """Phrases of one or more words -> a value; finds the longest that starts at a word.

    Inside a phrase "the" and possessives are interchangeable and may be missing: "corner of the mouth" also finds
    "corner of his mouth" and "corner of mouth".
    """

    def __init__(self, entries: Iterable[tuple[str, T]], exact: Iterable[tuple[str, T]] = ()) -> None:
        """`exact`: phrases that match only as they are written ("wind her up" is not "wind up")."""
        self._phrases: dict[tuple[str, ...], T] = {}
        for phrase, value in entries:
            words = tuple(word_list(phrase))
            if words:
                self._phrases.setdefault(words, value)
        self._values = dict(self._phrases)
        for words, value in self._phrases.items():
            self._values.setdefault(_bare(words), value)
        for phrase, value in exact:
            self._values.setdefault(tuple(word_list(phrase)), value)
            self._phrases.setdefault(tuple(word_list(phrase)), value)
        self._longest: dict[str, int] = {}
        for words in self._values:
            self._longest[words[0]] = max(self._longest.get(words[0], 0), len(words))

    def items(self) -> Iterable[tuple[tuple[str, ...], T]]:
        """-> (words, value) of every phrase, as it is written in the table."""
        return self._phrases.items()

    def at(self, words: list[str], start: int) -> tuple[int, T] | None:
        """-> (number of words, value) of the longest phrase that starts at `start`, or None."""
        longest = self._longest.get(words[start], 0)
        if not longest:
            return None
        literal = range(start, min(start + longest, len(words)))
        rest = range(start + 1, len(words))
        bare = [start, *(i for i in rest if words[i] not in _DETERMINERS)][:longest]
        unowned = [start, *(i for i in rest if not _is_determiner(words[i]))][:longest]
        found = [hit for way in (literal, bare, unowned) if (hit := self._longest_of(words, way)) is not None]
        return max(found, key=lambda hit: hit[0], default=None)

    def _longest_of(self, words: list[str], indices: Sequence[int]) -> tuple[int, T] | None:
        for length in range(len(indices), 0, -1):
            value = self._values.get(tuple(words[i] for i in indices[:length]))
            if value is not None:
                return indices[length - 1] - indices[0] + 1, value
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


def _bare(words: tuple[str, ...]) -> tuple[str, ...]:
    """Without the determiners inside; first and last word stay ("up the" is not "up")."""
    return (words[0], *(w for w in words[1:-1] if w not in _DETERMINERS), *words[1:][-1:])


def _is_determiner(word: str) -> bool:
    return word in _DETERMINERS or (word.endswith("'s") and word not in _NO_POSSESSIVES)


def word_list(text: str) -> list[str]:
    """Lower-case words; hyphens split, apostrophes stay inside ("doesn't" is one word)."""
    return re.findall(r"[^\W_]+(?:'[^\W_]+)*", text.lower().replace("’", "'").replace("‘", "'"))


@functools.cache
def feeling_words() -> PhraseTable[FeelingWord]:
    """Words and phrases of feeling."""
    table = _table("emotion_words.json")
    return PhraseTable(
        [(phrase.strip(), feeling_of(row)) for row in table["phrases"] for phrase in row["words"].split(";")]
        + [(word, feeling_of(row)) for row in table["rows"] for word in row["words"].split()]
        + [(f, feeling_of(row)) for row in table["rows"] for verb in row.get("verbs", "").split() for f in forms(verb)]
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
    table = _table("movements.json")
    listed = [(word, name) for name, words in table["actions"].items() for word in _split(words)]
    inflected = [
        (form, name) for name, verbs in table["action_verbs"].items() for v in _split(verbs) for form in forms(v)
    ]
    return PhraseTable([*listed, *inflected])


@functools.cache
def gaze_heads() -> PhraseTable[str]:
    """Words for looking -> "look", "eyes", or "stare" (a look that is a movement of its own)."""
    return _kinds("heads")


@functools.cache
def gaze_directions() -> PhraseTable[str]:
    """Where one may look -> "up", "down", "away", "aside", "straight"."""
    return _kinds("directions")


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
def denied_by(region: str, action: str) -> tuple[int, ...]:
    """Action units that an action rules out: a closed mouth does not open."""
    return tuple(_table("movements.json")["rules_out"].get(region, {}).get(action, ()))


@functools.cache
def negated_means(region: str, action: str) -> str:
    """The action that denying one amounts to ("her eyes won't open"), "" where it amounts to none."""
    return str(_table("movements.json")["negated_means"].get(region, {}).get(action, ""))


@functools.cache
def units_of_region(region: str) -> tuple[int, ...]:
    """Action units that "<region> still" rules out."""
    return tuple(_table("movements.json")["regions_at_rest"].get(region, ()))


def default_units(region: str, with_amount: bool) -> tuple[str, tuple[tuple[int, float], ...]]:
    """What a region does by itself ("tongue"), or when only an amount follows ("jaw 30 %"): action, units (or none)."""
    table = _table("movements.json")
    action = table["default_action"].get(region, "")
    if with_amount:
        action = table["default_action_with_amount"].get(region, action)
    return action, units_for(region, action)


def usual_strength() -> float:
    """Level of a movement whose degree is not named."""
    return float(_table("movements.json")["usual_strength"])


@functools.cache
def words_that(role: str) -> frozenset[str]:
    """Words of grammar by role: "leads", "hiding", "silent", ..."""
    return frozenset(_table("grammar.json")[role].split())


@functools.cache
def phrases_that(role: str) -> PhraseTable[bool]:
    """Words and phrases of grammar by role: "negations", "litotes", "removals"."""
    return PhraseTable((phrase, True) for phrase in _split(_table("grammar.json")[role]))


@functools.cache
def harmless_negations() -> re.Pattern[str]:
    """Wording whose negation denies nothing ("can't help smiling", "not only")."""
    return re.compile(r"\b(?:" + "|".join(_table("grammar.json")["harmless"]) + r")\b")


def _movements() -> Mapping[str, Mapping[str, Any]]:
    table: Mapping[str, Mapping[str, Any]] = _table("movements.json")["movements"]
    return table


def forms(verb: str) -> list[str]:
    """A regular verb's forms: "purse", "purses", "pursed", "pursing"; "-" marks a doubled last letter ("tug-")."""
    stem, *rest = verb.split(" ")
    tail = " ".join(["", *rest])
    doubled, stem = stem.endswith("-"), stem.rstrip("-")
    if stem.endswith("e"):
        endings = [stem, stem + "s", stem + "d", stem[:-1] + "ing"]
    elif stem.endswith("y") and stem[-2] not in "aeiou":
        endings = [stem, stem[:-1] + "ies", stem[:-1] + "ied", stem + "ing"]
    else:
        longer = stem + stem[-1] if doubled else stem
        s = "es" if stem.endswith(("s", "sh", "ch", "x", "z")) else "s"
        endings = [stem, stem + s, longer + "ed", longer + "ing"]
    return [form + tail for form in endings]


def _kinds(key: str) -> PhraseTable[str]:
    return PhraseTable((word, kind) for kind, words in _table("gaze.json")[key].items() for word in _split(words))


def _named(key: str) -> PhraseTable[str]:
    return PhraseTable((word, name) for name, words in _table("movements.json")[key].items() for word in _split(words))


def feeling_of(row: Mapping[str, Any]) -> FeelingWord:
    moves = tuple(AuMove(au, level, side) for au, level, side in row.get("au", ()))
    return FeelingWord(row["emotion"], float(row["strength"]), moves)


def _movement(row: Mapping[str, Any]) -> MovementWord:
    units = row.get("au", ())
    return MovementWord(
        tuple((int(au), float(factor)) for au, factor, *_ in units),
        tuple(row.get("deny", ())),
        row.get("side", "both"),
        tuple(side for *_, side in units) if units and len(units[0]) == 3 else (),
    )


def _split(words: str) -> list[str]:
    return [word.strip() for word in words.split(",")]


@functools.cache
def _table(name: str) -> Any:
    path = resources.files("talkclip.engine.text") / "data" / name
    return json.loads(path.read_text(encoding="utf-8"))

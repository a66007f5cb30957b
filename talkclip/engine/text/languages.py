"""Other languages: told by their script or small words, read by their main words of feeling and of the face.

This is a vocabulary, not a parser: it catches "muy triste" and "眉をひそめて怒る", and the reading says so.
"""

from __future__ import annotations

import functools
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from talkclip.engine.text import lexicon
from talkclip.engine.text.clause import Feeling
from talkclip.engine.text.gaze import GAZE_UNITS
from talkclip.engine.text.sides import SIDE_WORDS
from talkclip_rigs.facs import AuMove

ENGLISH = "English"
# Unicode names of letters start with the script.
_SCRIPTS = {
    "CYRILLIC": "Cyrillic", "HIRAGANA": "Kana", "KATAKANA": "Kana", "CJK": "Han", "HANGUL": "Hangul",
    "DEVANAGARI": "Devanagari", "ARABIC": "Arabic",
}  # fmt: skip
# Words run together here (or take prefixes), so that a stem may stand anywhere.
_STEM_ANYWHERE = frozenset({"Kana", "Han", "Hangul", "Arabic", "Devanagari"})
_ENGLISH_COMMON = frozenset(
    lexicon.words_that("silent") | lexicon.words_that("leads") | {"not", "no", "like", "very", "someone", "after"}
)
# How far before a word its negation may stand, in characters.
_NEGATION_REACH = 14


@dataclass(frozen=True)
class ForeignReading:
    """What the vocabulary of another language found.

    Attributes:
        language: its English name.
        feelings: asked for.
        denied: emotions that are negated.
        moves: movements asked for.
    """

    language: str
    feelings: tuple[Feeling, ...]
    denied: tuple[str, ...]
    moves: tuple[AuMove, ...]

    @property
    def understood(self) -> bool:
        """Whether anything was found."""
        return bool(self.feelings or self.denied or self.moves)


def language_of(text: str) -> str:
    """-> English name of the language, `ENGLISH` unless script or small words tell; "" for an unknown script."""
    scripts = [_script(char) for char in text if char.isalpha()]
    if scripts.count("Latin") < 0.5 * len(scripts):
        main = "Kana" if "Kana" in scripts else max(set(scripts), key=scripts.count)
        return next((name for name, row in _rows().items() if row.get("script") == main), "")
    words = lexicon.word_list(text)
    counts = {name: sum(word in _common(name) for word in words) for name, row in _rows().items() if "common" in row}
    stems = {name: len(_hits(text.lower(), name)) for name in counts}
    best = max(counts, key=lambda name: (counts[name] + 1.5 * stems[name], stems[name]))
    english = sum(word in _ENGLISH_COMMON for word in words) + 1.5 * _english_hits(words)
    return best if counts[best] + 1.5 * stems[best] > english and counts[best] + stems[best] > 0 else ENGLISH


def _english_hits(words: list[str]) -> int:
    """Words of the English vocabulary: "a brave smile" is not Portuguese."""
    tables = (lexicon.feeling_words(), lexicon.movement_words(), lexicon.regions(), lexicon.actions())
    return sum(1 for table in tables for _ in table.find(words)) + sum(word in SIDE_WORDS for word in words)


def read_foreign(text: str, language: str) -> ForeignReading:
    """Find the vocabulary's words in the text."""
    lowered = unicodedata.normalize("NFC", text.lower())
    row = _rows()[language]
    factor = 1.0
    for amount, words in row.get("degrees", {}).items():
        if any(_pattern(word, language).search(lowered) for word in _words(words)):
            factor = float(amount)
    feelings, denied, moves = [], [], []
    for start, word, kind, emotion, amount in _hits(lowered, language):
        negated = _negated(lowered, start, row)
        if kind == "movement":
            units = [int(au) for au in emotion.split() if au.isdigit()]
            side = next((word for word in emotion.split() if not word.isdigit()), "both")
            level = min(1.0, lexicon.usual_strength() * factor)
            if not negated:
                moves += [AuMove(au, level, "both" if au in GAZE_UNITS else side) for au in units]
        elif negated:
            denied.append(emotion)
        else:
            feelings.append(Feeling(word, ((emotion, 1.0),), min(1.0, amount * factor)))
    return ForeignReading(language, tuple(feelings), tuple(dict.fromkeys(denied)), tuple(moves))


def _hits(lowered: str, language: str) -> list[tuple[int, str, str, str, float]]:
    """-> (position, stem, "feeling" or "movement", emotion or action units, strength), in order, not overlapping."""
    found: list[tuple[int, str, str, str, float]] = []
    for clause, offset in _clauses_of(lowered):
        for units, region, action in _pair_entries(language):
            where, what = region.search(clause), action.search(clause)
            if where is not None and what is not None:
                side = _side_in(clause, language)
                found.append((offset + min(where.start(), what.start()), "", "movement", f"{units} {side}", 0.0))
    for pattern, stem, kind, name, strength in _entries(language):
        match = pattern.search(lowered)
        if match is not None and not any(s < match.end() and match.start() < s + len(w) for s, w, *_ in found):
            found.append((match.start(), stem, kind, name, strength))
    return sorted(found)


@functools.cache
def _entries(language: str) -> tuple[tuple[re.Pattern[str], str, str, str, float], ...]:
    """(pattern, stem, kind, name, strength) of a language, longest stem first."""
    row = _rows()[language]
    entries = [
        (stem, "feeling", emotion, float(strength))
        for emotion, levels in row["feelings"].items()
        for strength, stems in levels.items()
        for stem in _words(stems)
    ] + [(stem, "movement", units, 0.0) for units, stems in row["movements"].items() for stem in _words(stems)]
    return tuple((_pattern(stem, language), stem, *rest) for stem, *rest in sorted(entries, key=lambda e: -len(e[0])))


def _clauses_of(text: str) -> list[tuple[str, int]]:
    """-> (clause, where it begins); a region and what it does stand in one clause."""
    return [(match[0], match.start()) for match in re.finditer(r"[^,;:.!?、。，；：！？।\n]+", text)]


@functools.cache
def _pair_entries(language: str) -> tuple[tuple[str, re.Pattern[str], re.Pattern[str]], ...]:
    """(action units, pattern of the region, pattern of what it does)."""
    row = _rows()[language]
    return tuple(
        (units, _any_of(region, language), _any_of(action, language)) for units, region, action in row.get("pairs", ())
    )


def _side_in(clause: str, language: str) -> str:
    """The one side that a clause names, "both" for none or two."""
    sides = _rows()[language].get("sides", {})
    named = [side for side, stems in sides.items() if _any_of(stems, language).search(clause)]
    return named[0] if len(named) == 1 else "both"


def _any_of(stems: str, language: str) -> re.Pattern[str]:
    return re.compile("|".join(_pattern(stem, language).pattern for stem in _words(stems)))


@functools.cache
def _pattern(stem: str, language: str) -> re.Pattern[str]:
    anywhere = _rows()[language].get("script") in _STEM_ANYWHERE
    return re.compile(("" if anywhere else r"(?<!\w)") + re.escape(stem))


def _negated(lowered: str, start: int, row: Mapping[str, Any]) -> bool:
    before = lexicon.word_list(lowered[max(0, start - _NEGATION_REACH) : start])
    return any(word in before for word in row.get("negations", "").split())


def _words(text: str) -> list[str]:
    return [word.replace("_", " ") for word in text.split()]


def _script(char: str) -> str:
    name = unicodedata.name(char, "").split()
    return _SCRIPTS.get(name[0], "Latin" if name and name[0] == "LATIN" else "other") if name else "other"


@functools.cache
def _common(language: str) -> frozenset[str]:
    return frozenset(_rows()[language]["common"].split())


@functools.cache
def _rows() -> dict[str, Any]:
    path = resources.files("talkclip.engine.text") / "data" / "languages.json"
    rows: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["languages"]
    return rows

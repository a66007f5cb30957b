"""The words of TA-MEAD's sentences: `data/tamead_emotions.json` and `data/tamead_units.json` (sources in the files)."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_DATA = Path(__file__).resolve().parents[1] / "data"


@dataclass(frozen=True)
class EmotionName:
    """One of the 135 names.

    Attributes:
        noun: the name.
        adjective: what a person is who feels it; "" where English has no such word.
        family: love, joy, surprise, anger, sadness or fear.
        groups: (emotion, level) of MEAD that it serves; none where no face of MEAD shows it.
    """

    noun: str
    adjective: str
    family: str
    groups: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class UnitWords:
    """How action units are put into words.

    Attributes:
        units: FACS number -> (subject, descriptions).
        adverbs: level 1..5 -> adverbs.
        never_last: adverbs that do not stand behind their description.
        never_first: descriptions that do not stand before their subject.
    """

    units: Mapping[int, tuple[str, tuple[str, ...]]]
    adverbs: Mapping[int, tuple[str, ...]]
    never_last: frozenset[str]
    never_first: frozenset[str]


@functools.cache
def emotion_names() -> tuple[EmotionName, ...]:
    """All 135."""
    return tuple(
        EmotionName(row["noun"], row["adjective"], family, tuple(_group(name) for name in row["groups"]))
        for family, rows in _table("tamead_emotions.json")["families"].items()
        for row in rows
    )


@functools.cache
def group_names(emotion: str, level: int) -> tuple[EmotionName, ...]:
    """Names that serve a group; none for neutral, see `neutral_words`."""
    return tuple(name for name in emotion_names() if (emotion, level) in name.groups)


@functools.cache
def neutral_words() -> tuple[str, ...]:
    """Adjectives for no feeling."""
    return tuple(_table("tamead_emotions.json")["neutral"])


@functools.cache
def unit_words() -> UnitWords:
    """Wording of the action units."""
    table = _table("tamead_units.json")
    extra = table["paper_adverbs"]
    return UnitWords(
        {row["au"]: (row["subject"], tuple(row["descriptions"])) for row in table["units"]},
        {int(level): (*adverbs, *extra.get(level, ())) for level, adverbs in table["adverbs"].items()},
        frozenset(table["never_last"]),
        frozenset(table["never_first"]),
    )


def _group(name: str) -> tuple[str, int]:
    emotion, _, level = name.rpartition("_")
    return emotion, int(level)


def _table(name: str) -> Any:
    return json.loads((_DATA / name).read_text(encoding="utf-8"))

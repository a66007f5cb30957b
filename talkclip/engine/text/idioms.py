"""Idioms of feeling: templates of `data/idioms.json`, spelt out into every form that people type.

"~bite his head off" stands for "bites her head off", "ready to bite your head off", "bit Tom's head off"; an idiom's
own words are no movement ("bite"), no negation ("couldn't care less") and open no clause ("over the moon").
"""

from __future__ import annotations

import functools
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Any

from talkclip.engine.text import lexicon

_PRONOUNS = {
    "{him}": "him her them me you us someone somebody everyone everybody people anyone",
    "{himself}": "himself herself themselves myself yourself itself ourselves themself oneself",
}
_TOKEN = re.compile(r"[()|]|[^\s()|]+")


@dataclass(frozen=True)
class Idiom:
    """What an idiom means.

    Attributes:
        feeling: its emotion, strength, and what it adds to the face.
        shown: the face also does what the words say ("eyes out on stalks").
    """

    feeling: lexicon.FeelingWord
    shown: bool


_LITERAL = Idiom(lexicon.FeelingWord({}, 0.0), False)


@dataclass(frozen=True)
class FoundIdiom:
    """An idiom at words [start, end)."""

    start: int
    end: int
    idiom: Idiom


def find_idioms(words: list[str]) -> tuple[FoundIdiom, ...]:
    """-> the idioms among lower-case words; "sees red lights" is none."""
    found = _table().find(words)
    return tuple(FoundIdiom(start, end, idiom) for start, end, idiom in found if idiom is not _LITERAL)


def idioms() -> Iterator[tuple[tuple[str, ...], Idiom]]:
    """-> (words, meaning) of every form."""
    return ((words, idiom) for words, idiom in _table().items() if idiom is not _LITERAL)


@functools.cache
def _table() -> lexicon.PhraseTable[Idiom]:
    data: Any = json.loads(
        (resources.files("talkclip.engine.text") / "data" / "idioms.json").read_text(encoding="utf-8")
    )
    verbs = {forms.split()[0]: forms.split() for forms in data["irregular"].split("; ")}
    loose: list[tuple[str, Idiom]] = []
    exact: list[tuple[str, Idiom]] = [(phrase.strip(), _LITERAL) for phrase in data["literal"].split(";")]
    for row in data["rows"]:
        feeling = lexicon.feeling_of(row)
        for template in (t.strip() for line in row["phrases"] for t in line.split(";")):
            idiom = Idiom(feeling, template.startswith("+"))
            for phrase in spelt_out(template.lstrip("+="), verbs):
                # "her" for "{him}" is nobody's: without it "wind her up" would be "wind up".
                as_written = template.startswith("=") or ("{him}" in template and " her" in phrase)
                (exact if as_written else loose).append((phrase, idiom))
    return lexicon.PhraseTable(loose, exact)


def spelt_out(template: str, irregular: dict[str, list[str]]) -> list[str]:
    """Every form of a template.

    Args:
        template: words with "~verb", "{him}", "{himself}" and "(one|other|)".
        irregular: verb -> its forms; other verbs are regular.
    """
    tokens = _TOKEN.findall(template)
    phrases, rest = _alternatives(tokens, irregular)
    if rest:
        raise ValueError(f"idiom '{template}': unbalanced brackets")
    return [" ".join(words) for words in phrases]


def _alternatives(tokens: list[str], irregular: dict[str, list[str]]) -> tuple[list[tuple[str, ...]], list[str]]:
    """Up to a closing bracket: -> all readings of "a b|c", and the tokens behind it."""
    readings: list[tuple[str, ...]] = []
    parts: list[list[tuple[str, ...]]] = []
    while tokens:
        token, *tokens = tokens
        if token == "(":
            inner, tokens = _alternatives(tokens, irregular)
            parts.append(inner)
        elif token == ")":
            return readings + _joined(parts), tokens
        elif token == "|":
            readings += _joined(parts)
            parts = []
        else:
            parts.append([(form,) for form in _forms(token, irregular)])
    return readings + _joined(parts), tokens


def _joined(parts: list[list[tuple[str, ...]]]) -> list[tuple[str, ...]]:
    return [tuple(word for part in parts_taken for word in part) for parts_taken in itertools.product(*parts)]


def _forms(token: str, irregular: dict[str, list[str]]) -> list[str]:
    if token in _PRONOUNS:
        return _PRONOUNS[token].split()
    if not token.startswith("~"):
        return [token]
    verb = token[1:]
    return irregular.get(verb.rstrip("-")) or lexicon.forms(verb)

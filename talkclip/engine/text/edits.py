"""Edits that are phrased as commands: "less smile", "tone down the anger", "bigger grin", "soften the eyes", "angrier".

An edit without a command ("eyes closed") adds its own pose; a command changes what is there already. Words and phrases
are in `data/edits.json`.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from typing import Any

from talkclip.engine.text import lexicon
from talkclip.engine.text.understand import PromptReading
from talkclip.timeline import PromptTimeline

MORE, LESS, ADD = "more", "less", "add"
_JOINTS = re.compile(r"[,;.]\s+|\s+(?:and|but)\s+(?=(?:\w+ ){0,2}(?:less|more|fewer|no)\b)|\s+but\s+", re.IGNORECASE)
_PERCENT = re.compile(r"(\d{1,3})\s*(?:%|per ?cent)\s*", re.IGNORECASE)
_USUAL_SHARE = 0.5


@dataclass(frozen=True)
class Change:
    """One command of an edit.

    Attributes:
        kind: "more", "less", or "add" (no command).
        text: what it speaks of; "" for the whole face.
        share: 0..1, by how much; 1 for "add" without a comparison.
    """

    kind: str
    text: str
    share: float = 1.0


def read_changes(text: str) -> tuple[Change, ...]:
    """-> the edit's commands; a text without any is one "add" of the whole."""
    parts = [part.strip() for part in _JOINTS.split(text) if part.strip()]
    changes = [_change(part) for part in parts]
    if all(change is None for change in changes):
        return (Change(ADD, text),)
    return tuple(c or Change(ADD, part) for c, part in zip(changes, parts, strict=True))


def notes_on(timeline: PromptTimeline, read: Callable[[str], PromptReading]) -> tuple[str, ...]:
    """What the user should know of a timeline's edits that say nothing about the face; `read` is a styler's."""
    edits = (edit.text for segment in timeline.segments for edit in segment.edits)
    unread = [text for text in edits if any(c.text and not read(c.text).understood for c in read_changes(text))]
    return tuple(f"Edit '{text[:80]}': not understood, it changes nothing." for text in dict.fromkeys(unread))


def _change(text: str) -> Change | None:
    share = _USUAL_SHARE
    percent = _PERCENT.search(text)
    if percent is not None and re.search(r"\b(?:less|more|by)\b", text, re.IGNORECASE):
        share = min(1.0, float(percent[1]) / 100)
        text = _PERCENT.sub("", text)
    words = lexicon.word_list(text)
    shares = [(s, e, f) for s, e, f in _shares().find(words) if _beside_command(words, s, e)]
    if shares and percent is None:
        share = shares[0][2]
    words = [w for i, w in enumerate(words) if not any(s <= i < e for s, e, _ in shares)]
    for start, end, kind in _commands().find(words):
        if start == 0 or end == len(words):  # "less smile", "smile less"; "no more, no less than" is prose
            return Change(kind, _object([*words[:start], *words[end:]]), 1.0 if kind == ADD else share)
    if words and words[0] in lexicon.words_that("split_commands"):  # "tone the smile down", "dial it back"
        for kind in (LESS, MORE):
            if words[-1] in _table()["particles"][kind].split():
                return Change(kind, _object(words[1:-1]), share)
    if words and {words[0], words[-1]} & set(_table()["compared_actions"].split()):  # "wider eyes", "brows higher"
        return Change(ADD, text, share)
    feeling = _compared_feeling(words)
    if feeling == "calm":
        return Change(LESS, "", share)
    return Change(MORE, feeling, share) if feeling else None


def _object(words: list[str]) -> str:
    """What a command speaks of; "it", "the expression", "intense" mean the whole."""
    kept = [w for w in words if w not in _table()["whole"].split()]
    return " ".join(kept) if any(w not in lexicon.words_that("silent") for w in kept) else ""


def _beside_command(words: list[str], start: int, end: int) -> bool:
    """Whether a word of degree belongs to a command ("a bit less"), not to what it speaks of ("slight frown")."""
    commands = [(s, e) for s, e, _ in _commands().find(words)]
    compared = [i for i, w in enumerate(words) if _base_of(w)]
    split = [0] if words[0] in lexicon.words_that("split_commands") else []
    compared += [i for i, w in enumerate(words) if w in _table()["compared_actions"].split()]
    near = any(s in (end, end + 1) or e == start for s, e in commands) or any(i in (end, end + 1) for i in compared)
    return near or bool((commands or split) and end == len(words))


def _compared_feeling(words: list[str]) -> str:
    """'Angrier', 'a little happier' -> the plain word."""
    rest = [w for w in words if w not in lexicon.words_that("silent")]
    return _base_of(rest[0]) if len(rest) == 1 else ""


@functools.cache
def _base_of(word: str) -> str:
    """'angrier' -> 'angry', 'calmer' -> 'calm', 'sadder' -> 'sad'; "" for what is no comparative of a feeling."""
    if not word.endswith("er"):
        return ""
    stem = word[:-2]
    candidates = [
        stem,
        stem + "e",
        stem[:-1] + "y" if stem.endswith("i") else "",
        stem[:-1] if stem[-2:-1] == stem[-1:] else "",
    ]
    known = {words[0] for words, _ in lexicon.feeling_words().items() if len(words) == 1}
    return next((c for c in candidates if c and c in known), "")


@functools.cache
def _commands() -> lexicon.PhraseTable[str]:
    return lexicon.PhraseTable(
        (phrase.strip(), kind) for kind, phrases in _table()["commands"].items() for phrase in phrases.split(",")
    )


@functools.cache
def _shares() -> lexicon.PhraseTable[float]:
    return lexicon.PhraseTable(
        (phrase.strip(), float(share)) for share, phrases in _table()["shares"].items() for phrase in phrases.split(",")
    )


@functools.cache
def _table() -> Any:
    return json.loads((resources.files("talkclip.engine.text") / "data" / "edits.json").read_text(encoding="utf-8"))

"""What people type for words: emoji, emoticons, "w/o", and misspelt words of the vocabulary.

A word is taken for a misspelling only if neither vocabulary, text encoder nor the CMU dictionary knows it, and a word
of the vocabulary stands a slip away: a letter too many, too few, wrong, or two letters swapped ("angrey", "nervuos").
"""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from talkclip.engine.text import lexicon
from talkclip.engine.text.idioms import idioms
from talkclip.engine.weights.registry import find_weight

# Shorter words have too many neighbours; long ones may hold two slips.
_SHORTEST, _TWO_SLIPS_FROM = 5, 8
_SHORTEST_STEM = 4
_SHORT_FORMS = ((re.compile(r"\bw/(?:o|out)\b", re.I), "without"), (re.compile(r"\bw/\s*(?=[a-z])", re.I), "with "))
# Words that are English but are hardly ever meant.
_CONFUSED = (
    (re.compile(r"\bexited\b(?! (?:the|his|her|through|from|stage|via|into|by|left|right|in))", re.I), "excited"),
    (re.compile(r"\bscarred(?= (?:of|to death|stiff|that))", re.I), "scared"),
)
_IGNORED = re.compile("[\ufe0e\ufe0f\u200d\U0001f3fb-\U0001f3ff]")
_ENDINGS = ("s", "ed", "ing", "ly", "er", "est", "n't", "'s", "ish", "ness", "less", "ful", "like")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Spelling:
    """A text with misspelt words mended.

    Attributes:
        text: as it is read.
        mended: (as typed, as read).
    """

    text: str
    mended: tuple[tuple[str, str], ...] = ()


def in_words(text: str) -> str:
    """Emoji, kaomoji, emoticons and "w/o" as words; to be called before the text is normalised."""
    text = _symbols().sub(lambda match: f", {_meanings()[match[0]]}, ", _IGNORED.sub("", text))
    for pattern, word in _SHORT_FORMS:
        text = pattern.sub(word, text)
    return re.sub(r"^(?:\s*,)+\s*|(?:\s*,)+\s*$", "", re.sub(r"(?:\s*,){2,}", ",", text)) if "," in text else text


def mend(text: str) -> Spelling:
    """Misspelt words of the vocabulary as they were meant."""
    mended: list[tuple[str, str]] = []

    def better(match: re.Match[str]) -> str:
        word = match[0]
        is_name = word[0].isupper() and not word.isupper() and match.start() > 0
        meant = "" if is_name else _meant(word.lower())
        if not meant:
            return word
        mended.append((word, meant))
        return meant

    for pattern, word in _CONFUSED:
        mended += [(match[0], word) for match in pattern.finditer(text)]
        text = pattern.sub(word, text)
    return Spelling(re.sub(rf"[A-Za-z]{{{_SHORTEST},}}(?![\w'’])", better, text), tuple(mended))


@functools.lru_cache(4096)
def _meant(word: str) -> str:
    """The one word of the vocabulary that a misspelt word stands for; "" where it is known or nothing is near."""
    if _is_known(word):
        return ""
    near = _slips(word)
    found = {w for w in near & _vocabulary() if w[0] == word[0] or w[:2] == word[1::-1]}
    if not found and len(word) >= _TWO_SLIPS_FROM:
        found = {w for n in near for w in _slips(n) if w in _vocabulary() and w[0] == word[0]}
    # A letter left out is the commonest slip, so the longest is the likeliest.
    return min(found, key=lambda w: (w not in _feelings(), w[:2] != word[:2], -len(w), w), default="")


def _is_known(word: str) -> bool:
    known = _known()
    if word in known or word in _vocabulary() or word in _dictionary():
        return True
    stems = [(word[: -len(end)], end) for end in _ENDINGS if word.endswith(end) and word[-3:] != "yly"]
    whole = [w for stem, end in stems for w in _bases(stem, end) if len(w) >= _SHORTEST_STEM]
    return any(w in known or (len(w) > _SHORTEST and w in _dictionary()) for w in whole)


def _bases(stem: str, end: str) -> list[str]:
    """What a stem may come from: "smil", "planned", "cheeri" -> "smile", "plan", "cheery"."""
    bases = [stem, stem + "e"]
    if stem[-1:] == stem[-2:-1] and end[0] in "aei":
        bases.append(stem[:-1])
    if stem.endswith("i") and stem[-2:-1] not in "aeiou":
        bases.append(stem[:-1] + "y")
    return bases


def _slips(word: str) -> set[str]:
    """Every text one slip away."""
    cuts = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    dropped = {a + b[1:] for a, b in cuts if b}
    swapped = {a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1}
    changed = {a + letter + b[1:] for a, b in cuts if b for letter in _LETTERS}
    added = {a + letter + b for a, b in cuts for letter in _LETTERS}
    return dropped | swapped | changed | added


@functools.cache
def _vocabulary() -> frozenset[str]:
    """Words of feeling, movement and degree that are long enough to be recognised."""
    words = _said(2) | {"without", "eyebrow", "eyebrows"}
    return frozenset(w for w in words if len(w) >= _SHORTEST and w.isalpha())


def _said(longest: int) -> frozenset[str]:
    """The words of the vocabulary's phrases of up to so many words."""
    tables = (
        lexicon.feeling_words(), lexicon.movement_words(), lexicon.regions(), lexicon.actions(), lexicon.degrees(),
    )  # fmt: skip
    return frozenset(w for table in tables for phrase, _ in table.items() for w in phrase if len(phrase) <= longest)


@functools.cache
def _feelings() -> frozenset[str]:
    return frozenset(words[0] for words, _ in lexicon.feeling_words().items() if len(words) == 1)


@functools.cache
def _dictionary() -> frozenset[str]:
    """The words of the CMU dictionary, which is installed for the aligner."""
    import pocketsphinx

    path = Path(pocketsphinx.get_model_path("en-us/cmudict-en-us.dict"))
    return frozenset(line.split(maxsplit=1)[0] for line in path.read_text(encoding="utf-8").splitlines() if line)


@functools.cache
def _known() -> frozenset[str]:
    """Whole words of the text encoder's vocabulary."""
    pieces = find_weight("encoder-vocab").read_text(encoding="utf-8").splitlines()
    of_idioms = {word for words, _ in idioms() for word in words}
    return frozenset(p for p in pieces if not p.startswith("##")) | lexicon.words_that("silent") | of_idioms | _said(9)


@functools.cache
def _meanings() -> dict[str, str]:
    table: Any = json.loads(
        (resources.files("talkclip.engine.text") / "data" / "symbols.json").read_text(encoding="utf-8")
    )
    rows = [(symbol, words) for kind in table if kind != "about" for words, symbols in table[kind].items()
            for symbol in _split(symbols)]  # fmt: skip
    return {_IGNORED.sub("", symbol): words for symbol, words in rows}


def _split(symbols: str) -> list[str]:
    """At spaces; a space inside brackets belongs to the face ("( ͡° ͜ʖ ͡°)")."""
    return re.findall(r"\((?:[^()]|\([^()]*\))*\)\S*|\S+", symbols)


@functools.cache
def _symbols() -> re.Pattern[str]:
    """Emoticons of letters and marks stand alone; emoji and kaomoji stand anywhere."""
    ordered = sorted(_meanings(), key=len, reverse=True)
    anywhere = [re.escape(s) for s in ordered if not s.isascii()]
    alone = [re.escape(s) for s in ordered if s.isascii()]
    return re.compile(rf"{'|'.join(anywhere)}|(?<![^\s,;.!?(\[])(?:{'|'.join(alone)})(?![^\s,;.!?)\]])")

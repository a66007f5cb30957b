"""How alike texts are: exact and near duplicates by shingles, and phrases that two sets share."""

from __future__ import annotations

import collections
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Letters in a row. Four let a changed ending or a swapped word cost little, and are rare enough to be looked up fast.
_SHINGLE = 4
_WORD = re.compile(r"[^\W_]+")
# Scripts that are written without blanks: each sign counts as a word.
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
# A run of words is a phrase only with this many that carry meaning; "as if he has" is shared by everybody.
_MEANING_WORDS = 2
_FUNCTION_WORDS = frozenset(
    """
    a about after again all an and any are as at be been before being but by can could did do does doing down for from
    get gets got had has have having he her hers him his how i if in into is it its just like me more my no nor not of
    off on one only or other our out over own s she so some such t than that the their them then there these they this
    those to too up us very was we were what when where which while who whom why will with would you your
    t d ll m re ve ain couldn didn doesn don hadn hasn haven isn wasn weren won wouldn
    """.split()  # noqa: SIM905 - a list of words reads best as words
)
# Anatomy and sides: whoever writes of a face needs "corner of the mouth"; one word beside them makes it a phrase.
_FACE_WORDS = frozenset(
    """
    brow brows cheek cheeks chin corner corners eye eyebrow eyebrows eyelid eyelids eyes face forehead head inner jaw
    left lid lids lip lips lower mouth nose outer right side sides teeth tongue upper
    """.split()  # noqa: SIM905
)
_KANA = re.compile(r"[\u3040-\u30ff]$")


@dataclass(frozen=True)
class Pair:
    """Two texts (by index, first < second) and their likeness: shared shingles / all shingles, 0..1."""

    first: int
    second: int
    likeness: float


def key(text: str) -> str:
    """The text without case, punctuation and width variants: equal keys are the same text."""
    return " ".join(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def same_texts(texts: Sequence[str]) -> list[tuple[int, int]]:
    """(first, later) index of every text that occurred before."""
    seen: dict[str, int] = {}
    return [(first, i) for i, text in enumerate(texts) if (first := seen.setdefault(key(text), i)) != i]


def shingles(text: str) -> frozenset[str]:
    """Runs of four letters of the text's key, blanks and both ends included."""
    padded = f" {key(text)} "
    return frozenset(padded[i : i + _SHINGLE] for i in range(max(len(padded) - _SHINGLE + 1, 1)))


def near_pairs(texts: Sequence[str], at_least: float) -> list[Pair]:
    """All pairs whose likeness is `at_least` (0..1, not 0), the most alike first; equal keys are for `same_texts`.

    Two sets that are alike by t share at least t n of the n shingles of each, so they share one of the first
    n - ceil(t n) + 1 of both in any common order (prefix filtering; Chaudhuri, Ganti and Kaushik 2006). With the rarest
    first, hardly anything is compared in vain.
    """
    sets = [shingles(text) for text in texts]
    keys = [key(text) for text in texts]
    frequency = collections.Counter(shingle for each in sets for shingle in each)
    by_shingle: dict[str, list[int]] = collections.defaultdict(list)
    pairs = []
    for second, own in enumerate(sets):
        order = sorted(own, key=lambda shingle: (frequency[shingle], shingle))
        prefix = order[: len(own) - math.ceil(at_least * len(own)) + 1]
        candidates = {first for shingle in prefix for first in by_shingle[shingle]}
        for first in candidates:
            other = sets[first]
            if min(len(own), len(other)) < at_least * max(len(own), len(other)) or keys[first] == keys[second]:
                continue
            common = len(own & other)
            likeness = common / (len(own) + len(other) - common)
            if likeness >= at_least:
                pairs.append(Pair(first, second, likeness))
        for shingle in prefix:
            by_shingle[shingle].append(second)
    return sorted(pairs, key=lambda pair: (-pair.likeness, pair.first, pair.second))


@dataclass(frozen=True)
class Shared:
    """A text (by index) and the longest run of words it shares with the frozen text `name`."""

    index: int
    phrase: str
    name: str


def shared_phrases(texts: Sequence[str], frozen: Mapping[str, str], length: int) -> list[Shared]:
    """For every text that shares a phrase with a frozen one, the longest.

    A phrase is a run of `length` words (signs, where a script has no blanks), or a whole frozen text that is shorter;
    two of its words carry meaning, and one of them is no name of a part of the face. Equal texts always count.

    Args:
        frozen: id -> text.
        length: words in a row.
    """
    words_of = {name: tuple(_words(text)) for name, text in frozen.items()}
    owners: dict[tuple[str, ...], list[str]] = collections.defaultdict(list)
    for name, words in words_of.items():
        for run in set(_runs(words, min(length, len(words)))):
            owners[run].append(name)
    sizes = sorted({len(run) for run in owners})
    found = []
    for index, text in enumerate(texts):
        words = tuple(_words(text))
        names = {name for size in sizes for run in _runs(words, size) for name in owners.get(run, ())}
        shared = [
            (run, name)
            for name in sorted(names)
            if (run := _longest_common_run(words, words_of[name])) == words == words_of[name] or _is_phrase(run)
        ]
        if shared:
            run, name = max(shared, key=lambda hit: len(hit[0]))
            found.append(Shared(index, " ".join(run), name))
    return found


def _is_phrase(run: Sequence[str]) -> bool:
    meaning = [word for word in run if word not in _FUNCTION_WORDS and not _KANA.match(word)]
    return len(meaning) >= _MEANING_WORDS and any(word not in _FACE_WORDS for word in meaning)


def _runs(words: tuple[str, ...], size: int) -> list[tuple[str, ...]]:
    return [words[k : k + size] for k in range(len(words) - size + 1)] if size else []


def _longest_common_run(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    """The longest run of words in both; of equally long ones the first in `first`."""
    best, end = 0, 0
    before = [0] * (len(second) + 1)
    for i, word in enumerate(first, 1):
        row = [0] * (len(second) + 1)
        for j, other in enumerate(second, 1):
            if word == other:
                row[j] = before[j - 1] + 1
                if row[j] > best:
                    best, end = row[j], i
        before = row
    return first[end - best : end]


def _words(text: str) -> list[str]:
    return _WORD.findall(_UNSPACED.sub(r" \g<0> ", key(text)))

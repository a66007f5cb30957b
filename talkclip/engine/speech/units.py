"""A line as words with their phones, and what a corrected transcript changes of it."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping, Sequence

from talkclip.engine.speech.align import AlignedWord
from talkclip.engine.speech.transcript import SpokenWord, spoken_words
from talkclip.errors import InputError
from talkclip.phones import SIL, Phone, PhoneTrack, Word
from talkclip.script import word_key

# Borders this close are the same border.
AGREE_S = 0.02
# What the room leaves of a phone must be longer.
_LEAST_S = 1e-3


@dataclasses.dataclass(frozen=True)
class Unit:
    """A word and its phones, or sounds in a row that belong to no word (`word` and `said` None)."""

    phones: tuple[Phone, ...]
    word: Word | None = None
    said: SpokenWord | None = None

    @property
    def start_s(self) -> float:
        """Of its first phone, else of the word."""
        return self.phones[0].start_s if self.phones or self.word is None else self.word.start_s

    @property
    def end_s(self) -> float:
        """Of its last phone, else of the word."""
        return self.phones[-1].end_s if self.phones or self.word is None else self.word.end_s


@dataclasses.dataclass(frozen=True)
class WordChange:
    """The earlier words `first` .. `end` - 1 (none: between two) become `new` (none: nothing is said there)."""

    first: int
    end: int
    new: tuple[SpokenWord, ...]


def require_order(words: Sequence[Word]) -> None:
    """Raise InputError where words of an earlier answer overlap or run backwards."""
    last_s = 0.0
    for number, word in enumerate(words, 1):
        if word.end_s < word.start_s or word.start_s < last_s - AGREE_S:
            raise InputError(
                f"word {number} of the given phones ('{word.text}', {word.start_s:.3f}-{word.end_s:.3f} s) is out of "
                "order.",
                "Give the phones as they were answered, or leave the transcript out.",
            )
        last_s = word.end_s


def compare(before: Sequence[Word], after: Sequence[SpokenWord]) -> tuple[list[WordChange], dict[int, SpokenWord]]:
    """-> changes in order; for each word that stays, by its index, how it is written now."""
    old, new = [word_key(word.text) for word in before], [word_key(word.text) for word in after]
    # What both begin and end with is the same; only between is the likeliest match a question (choruses, "no no no").
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    same = {k: after[k] for k in range(head)}
    same |= {len(old) - k: after[len(new) - k] for k in range(tail, 0, -1)}
    changes: list[WordChange] = []
    matcher = difflib.SequenceMatcher(None, old[head : len(old) - tail], new[head : len(new) - tail], autojunk=False)
    for tag, *places in matcher.get_opcodes():
        first, end, new_first, new_end = (head + place for place in places)
        if tag == "equal":
            same |= {first + k: after[new_first + k] for k in range(end - first)}
        else:
            changes.append(WordChange(first, end, tuple(after[new_first:new_end])))
    return changes, same


def _common(a: Sequence[str], b: Sequence[str]) -> int:
    """How many words two lists begin with alike."""
    return next((k for k, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def units_of(track: PhoneTrack, same: Mapping[int, SpokenWord]) -> list[Unit]:
    """Words with their phones, and between them the sounds that belong to no word, in order."""
    units: list[Unit] = []
    sounds = [phone for phone in track.phones if phone.symbol != SIL]
    k = 0
    for index, word in enumerate(track.words):
        first = k
        while k < len(sounds) and _middle_s(sounds[k]) < word.start_s:
            k += 1
        if k > first:
            units.append(Unit(tuple(sounds[first:k])))
        first = k
        while k < len(sounds) and _middle_s(sounds[k]) < word.end_s:
            k += 1
        said = same.get(index)
        written = word if said is None else dataclasses.replace(word, text=said.text)
        units.append(Unit(tuple(sounds[first:k]), written, said or _said(word.text)))
    return [*units, Unit(tuple(sounds[k:]))] if k < len(sounds) else units


def _middle_s(phone: Phone) -> float:
    return (phone.start_s + phone.end_s) / 2


def _said(text: str) -> SpokenWord | None:
    """How a word of an earlier answer is said; None for what is no English word."""
    try:
        return SpokenWord(text, tuple(part for word in spoken_words(text) for part in word.says))
    except InputError:
        return None


def timed(said: SpokenWord, found: AlignedWord, phones: Sequence[Phone], room: tuple[float, float]) -> Unit | None:
    """A word with its phones, cut to the room there is; None where there is none."""
    inside = [
        Phone(phone.symbol, max(phone.start_s, room[0]), min(phone.end_s, room[1]))
        for phone in phones
        if phone.symbol != SIL
        and found.start_s <= _middle_s(phone) < found.end_s
        and min(phone.end_s, room[1]) - max(phone.start_s, room[0]) > _LEAST_S
    ]
    return Unit(tuple(inside), Word(said.text, inside[0].start_s, inside[-1].end_s), said) if inside else None


def reaching(units: Sequence[Unit], room: tuple[float, float]) -> list[Unit]:
    """New units reach to the old ones beside them where less than a real pause would be between."""
    reaching = list(units)
    if units and 0 < units[0].start_s - room[0] <= AGREE_S:
        first, *others = units[0].phones
        reaching[0] = _with_phones(units[0], (dataclasses.replace(first, start_s=room[0]), *others))
    if units and 0 < room[1] - units[-1].end_s <= AGREE_S:
        *others, last = reaching[-1].phones
        reaching[-1] = _with_phones(reaching[-1], (*others, dataclasses.replace(last, end_s=room[1])))
    return reaching


def _with_phones(unit: Unit, phones: tuple[Phone, ...]) -> Unit:
    assert unit.word is not None
    word = Word(unit.word.text, phones[0].start_s, phones[-1].end_s)
    return Unit(phones, word, unit.said)

# SPDX-License-Identifier: GPL-3.0-or-later
"""The words and phones of the last answer: kept on the character, shown, corrected, and sent back.

One row per word (and one per sound between words that is no word), with its phones as text: a long line has hundreds,
and a file should not carry a property per phone. Times are seconds on the line's clock.

`line` is a `LineSettings`; what is saved builds on this module.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import bpy

from talkclip.client import SpeakRequest
from talkclip.errors import InputError
from talkclip.phones import SIL, Phone, PhoneTrack, Word, phones_of_label
from talkclip.script import spoken_text

from . import sound
from .overlay_layout import Mark
from .sound import Extent, Line

_LEAST_S: Final = 0.005  # no phone is shorter
_SILENT_MARKS: Final = frozenset({"Lm", "Mn", "Sk"})  # stress, length, tone
_LONGEST_SOUND: Final = 4  # letters of one IPA sound


# --- from and to the server -------------------------------------------------------------------------------------------


def keep(line: Any, track: PhoneTrack | None, request: SpeakRequest, spoken: Line) -> None:
    """Keep what was heard in an answer; nothing changes where the answer does not say."""
    if track is None:
        return
    line.words.clear()
    for number, (word, phones) in enumerate(_rows(track)):
        row = line.words.add()
        row.name = f"word {number}"  # library overrides tell rows apart by their names
        row.spelled = row.heard = word.text
        row.start_s, row.end_s = word.start_s, word.end_s
        _store(row, phones)
    text = spoken_text(request.script) if request.script else (request.text or "")
    line.words_text, line.words_sound = text, identity(spoken)
    line.words_mended = request.phones is not None
    line.words_s, line.words_by = track.duration_s, track.backend
    line.active_word = min(line.active_word, max(len(line.words) - 1, 0))


def for_request(line: Any, spoken: Line) -> tuple[str | None, PhoneTrack | None]:
    """What to ask with -> (text, phones).

    Phones go along once a word or a phone was corrected: then only the neighbourhood of changed words is aligned anew,
    and what was mended by hand stays.
    """
    text = line.transcript.strip() or None
    if not line.words or line.words_sound != identity(spoken):
        return text, None
    corrected = text is not None and text != line.words_text
    return text, track_of(line) if line.words_mended or corrected else None


def track_of(line: Any) -> PhoneTrack:
    """The words as they were heard, with their phones, mended ones included."""
    phones = tuple(phone for row in line.words for phone in _stored(row))
    words = tuple(Word(row.heard, row.start_s, row.end_s) for row in line.words if row.heard)
    return PhoneTrack(phones, words, max([line.words_s, *(p.end_s for p in phones[-1:])]), line.words_by or "file")


def identity(spoken: Line) -> str:
    """Tells one part of a sound from another, also on another computer."""
    if isinstance(spoken.audio, Path):
        name, size = spoken.audio.name, spoken.audio.stat().st_size
    else:
        name, size = spoken.audio.name, len(spoken.audio.samples)
    end = "end" if spoken.end_s is None else f"{spoken.end_s:.3f}"
    return f"{name}|{size}|{spoken.start_s:.3f}|{end}"


def belong(line: Any, scene: bpy.types.Scene) -> bool:
    """Whether the words kept are those of the sound that is chosen now."""
    if not line.words:
        return False
    try:
        return line.words_sound == identity(sound.line_of(line, scene))
    except (InputError, OSError):
        return False


def forget(line: Any) -> None:
    """The next answer listens anew; the transcript stays."""
    line.words.clear()
    line.words_text = line.words_sound = ""
    line.words_mended = False
    line.active_word = 0


# --- correcting -------------------------------------------------------------------------------------------------------


def correct(line: Any, index: int, text: str) -> None:
    """Give a word another spelling, in the transcript too; "" takes it out, two words put one in."""
    names = [row.spelled for row in line.words]
    line.transcript = corrected(line.transcript, names, index, text)
    line.words[index].spelled = " ".join(text.split())


def corrected(transcript: str, words: Sequence[str], index: int, text: str) -> str:
    """The transcript with another spelling of one word, keeping its punctuation where its words are those heard."""
    text = " ".join(text.split())
    tokens = [match for match in re.finditer(r"\S+", transcript) if re.search(r"\w", match.group())]
    counts = [len(word.split()) for word in words]
    if sum(counts) != len(tokens) or counts[index] == 0:
        return " ".join(filter(None, [*words[:index], text, *words[index + 1 :]]))
    first = sum(counts[:index])
    start, end = tokens[first].start(), tokens[first + counts[index] - 1].end()
    if not text:
        return " ".join((transcript[:start] + transcript[end:]).split())
    before = re.match(r"\W*", transcript[start:end]).group()
    after = re.search(r"\W*$", transcript[start:end]).group()
    return transcript[:start] + before + text + after + transcript[end:]


def respell_phones(line: Any, index: int, text: str) -> None:
    """Give a word other phones, in ARPABET or IPA; equally many keep their times, others share the word's.

    Raises:
        InputError: a sound that is neither.
    """
    row = line.words[index]
    symbols = parse_phones(text)
    old = _stored(row)
    if len(symbols) == len(old):
        phones = [Phone(s, p.start_s, p.end_s) for s, p in zip(symbols, old, strict=True)]
    else:
        start = old[0].start_s if old else row.start_s
        end = max(old[-1].end_s if old else row.end_s, start + _LEAST_S * len(symbols))
        step = (end - start) / max(len(symbols), 1)
        phones = [Phone(s, start + k * step, start + (k + 1) * step) for k, s in enumerate(symbols)]
    _store(row, phones)
    line.words_mended = True


def parse_phones(text: str) -> tuple[str, ...]:
    """'HH EH1 L OW', 'h ɛ l oʊ' or 'hɛloʊ' -> ARPABET symbols.

    Raises:
        InputError: names what is neither.
    """
    symbols: list[str] = []
    for token in text.split():
        symbols += phones_of_label(token) or _ipa_run(token)
    return tuple(symbol for symbol in symbols if symbol != SIL)


def retime(line: Any, index: int, start_s: float | None = None, end_s: float | None = None) -> None:
    """Move a word's borders, as far as its neighbours let it; its phones are stretched with it."""
    row = line.words[index]
    old_start, old_end = row.start_s, row.end_s
    low = line.words[index - 1].end_s if index > 0 else 0.0
    high = line.words[index + 1].start_s if index + 1 < len(line.words) else max(line.words_s, old_end)
    least = _LEAST_S * max(len(_stored(row)), 1)
    new_start = old_start if start_s is None else min(max(start_s, low), old_end - least)
    new_end = old_end if end_s is None else max(min(end_s, high), new_start + least)
    factor = (new_end - new_start) / max(old_end - old_start, 1e-6)
    phones = [
        Phone(p.symbol, new_start + (p.start_s - old_start) * factor, new_start + (p.end_s - old_start) * factor)
        for p in _stored(row)
    ]
    row.start_s, row.end_s = new_start, new_end
    _store(row, phones)
    line.words_mended = True


# --- drawing ----------------------------------------------------------------------------------------------------------


def marks(line: Any, extent: Extent, left: float, right: float) -> tuple[tuple[Mark, ...], tuple[Mark, ...]]:
    """(words, phones) between two scene frames, to be drawn."""

    def frame(seconds: float) -> float:
        return extent.first + seconds * extent.fps

    found_words, found_phones = [], []
    for index in range(_first_after(line, (left - extent.first) / extent.fps), len(line.words)):
        row = line.words[index]
        if frame(row.start_s) > right:
            break
        if row.spelled:
            found_words.append(Mark(row.spelled, frame(row.start_s), frame(row.end_s)))
        found_phones += [Mark(p.symbol, frame(p.start_s), frame(p.end_s)) for p in _stored(row)]
    return tuple(found_words), tuple(found_phones)


def _first_after(line: Any, seconds: float) -> int:
    """Index of the first row that ends after a time; rows are in order."""
    low, high = 0, len(line.words)
    while low < high:
        middle = (low + high) // 2
        if line.words[middle].end_s < seconds:
            low = middle + 1
        else:
            high = middle
    return low


# --- rows -------------------------------------------------------------------------------------------------------------


def _rows(track: PhoneTrack) -> list[tuple[Word, list[Phone]]]:
    """Words with their phones; runs of phones outside all words get a word without text."""
    rows: list[tuple[Word, list[Phone]]] = [(word, []) for word in track.words]
    others: list[tuple[Word, list[Phone]]] = []
    place, between = 0, False
    for phone in track.phones:
        middle = (phone.start_s + phone.end_s) / 2
        while place < len(track.words) and track.words[place].end_s < middle:
            place += 1
        if phone.symbol == SIL:
            between = False
        elif place < len(track.words) and track.words[place].start_s <= middle:
            rows[place][1].append(phone)
            between = False
        else:
            if not between:
                others.append((Word("", phone.start_s, phone.end_s), []))
            word, phones = others[-1]
            others[-1] = (Word("", word.start_s, phone.end_s), [*phones, phone])
            between = True
    return sorted(rows + others, key=lambda row: row[0].start_s)


def _store(row: Any, phones: Sequence[Phone]) -> None:
    row.phones = " ".join(phone.symbol for phone in phones)
    row.phone_times = " ".join(f"{phone.start_s:.4f}-{phone.end_s:.4f}" for phone in phones)


def _stored(row: Any) -> list[Phone]:
    times = [pair.split("-") for pair in row.phone_times.split()]
    return [
        Phone(symbol, float(start), float(end)) for symbol, (start, end) in zip(row.phones.split(), times, strict=True)
    ]


def _ipa_run(token: str) -> tuple[str, ...]:
    """IPA without blanks: the longest sounds first; stress and length marks stand for nothing."""
    symbols: list[str] = []
    at = 0
    while at < len(token):
        ends = range(min(at + _LONGEST_SOUND, len(token)), at, -1)
        end = next((end for end in ends if phones_of_label(token[at:end])), None)
        if end is not None:
            symbols += phones_of_label(token[at:end])
        elif unicodedata.category(token[at]) not in _SILENT_MARKS:
            raise InputError(f"'{token}' is neither ARPABET nor IPA.", "Write for example HH EH L OW, or h ɛ l oʊ.")
        at = at + 1 if end is None else end
    return tuple(symbols)

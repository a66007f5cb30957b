"""One wrong word mended: a corrected transcript is compared with the words of an earlier alignment, and only around
the words that differ is anything timed anew.

A wrong word pushes the borders of the words beside it, hardly ever further (measured: docs/speech.md). So changed words
are aligned together with a few neighbours on each side, and a neighbour keeps its times and phones as they were from
where the new alignment agrees with the old one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from talkclip.audio import AudioClip
from talkclip.engine.speech.align import AlignedWord, Aligner
from talkclip.engine.speech.pauses import pauses
from talkclip.engine.speech.spans import PAUSE_S, with_silence
from talkclip.engine.speech.transcript import SpokenWord, spoken_words
from talkclip.engine.speech.units import AGREE_S, Unit, WordChange, compare, reaching, require_order, timed, units_of
from talkclip.phones import Phone, PhoneTrack
from talkclip.progress import CancelCheck, ProgressCallback, report, stop_if

BACKEND = "mended"
# Words on each side that are aligned along, and of them those that the wrong word had pushed are timed anew.
_CONTEXT = 6
# Of a pause at the window's edge as much is taken along.
_MARGIN_S = 0.2
# Context is taken along while the window is shorter than the first; one over the second is work for the whole aligner.
_WINDOW_S, _LONGEST_S = 20.0, 60.0
# Below this share of unchanged words it is another transcript.
_LEAST_SAME = 0.5
# A word in doubt sounds worse than the first and than so many times its neighbours' median; squeezed into fewer seconds
# a sound than the last it was not said there. Measured on LJSpeech: true words -11 (median), -37 (1 in 100), 1.0 and
# 3.7 times, .08 s a sound; other words in their place -59, 4.7 times; words that nobody says -88, 6.7 times, .032 s.
_DOUBT_SCORE, _DOUBT_TIMES, _SQUEEZED_S = -45.0, 3.0, 0.036
_USUAL_SCORE = -12.0
# A shorter word ("I", "a") says too little: said in passing it sounds like anything.
_JUDGED_SOUNDS = 3


def mend(
    aligner: Aligner,
    clip: AudioClip,
    earlier: PhoneTrack,
    text: str,
    progress: ProgressCallback | None = None,
    cancel: CancelCheck | None = None,
) -> tuple[PhoneTrack, tuple[str, ...]] | None:
    """An earlier answer with a corrected transcript.

    Args:
        clip: 16 kHz mono.
        earlier: phones and words of this recording; they cover it, silence is SIL.
        text: what is said, as written.

    Returns:
        (track, notes). Words that stay keep their times and phones to the bit, but for those beside a change that the
        wrong word had pushed, at most six on each side. Back end `mended`, or that of `earlier` where nothing was timed
        anew. None where the texts have so little in common, or the place is so long, that all has to be aligned.

    Raises:
        InputError: no English word in the text, or the earlier words are out of order.
        Cancelled: `cancel` said so.
    """
    words = spoken_words(text)
    require_order(earlier.words)
    changes, same = compare(earlier.words, words)
    if len(same) < _LEAST_SAME * max(len(earlier.words), len(words)):
        return None
    line = _Line(aligner, clip, units_of(earlier, same))
    groups = line.groups(changes)
    if any(line.window(group).length_s > _LONGEST_S for group in groups):
        return None
    for done, group in enumerate(reversed(groups)):  # from the end: places before it stay what they are
        stop_if(cancel)
        report(progress, "phones", done / len(groups), f"mending the words of {clip.name}")
        line.mend(group)
    report(progress, "phones", 1.0, f"mended {clip.name}")
    phones = with_silence([phone for unit in line.units for phone in unit.phones], clip.duration_s)
    said = tuple(unit.word for unit in line.units if unit.word is not None)
    backend = BACKEND if line.anew else earlier.backend
    return PhoneTrack(phones, said, clip.duration_s, backend), line.notes()


@dataclasses.dataclass(frozen=True)
class _Change:
    """The units `first` .. `end` - 1 (none: between two) become the words `new` (none: nothing is said there)."""

    first: int
    end: int
    new: tuple[SpokenWord, ...]


@dataclasses.dataclass(frozen=True)
class _Window:
    """What is aligned at once: changes with their neighbours.

    Attributes:
        words: what is said.
        kept: per word the unit that says it now, None for a new word.
        changed: per change, its first word and the one after its last.
        low, high: the units `low` .. `high` - 1 are in the window.
        start_s, end_s: its sound.
    """

    words: tuple[SpokenWord, ...]
    kept: tuple[int | None, ...]
    changed: tuple[tuple[int, int], ...]
    low: int
    high: int
    start_s: float
    end_s: float

    @property
    def length_s(self) -> float:
        return self.end_s - self.start_s


@dataclasses.dataclass(frozen=True)
class _Patch:
    """`units` in place of the units `first` .. `end` - 1, from when to when; `notes`: words in doubt."""

    first: int
    end: int
    units: tuple[Unit, ...]
    room: tuple[float, float]
    notes: tuple[str, ...] = ()


class _Line:
    """A recording's units while they are mended.

    Attributes:
        units: words and sounds in order.
        anew: per stretch that was timed anew, from the last to the first, where it is.
    """

    def __init__(self, aligner: Aligner, clip: AudioClip, units: list[Unit]) -> None:
        self.units = units
        self.anew: list[str] = []
        self._aligner = aligner
        self._clip = clip
        self._silences: list[tuple[float, float]] | None = None
        self._notes: list[str] = []

    def notes(self) -> tuple[str, ...]:
        """What was done, and what was not, in the order of time."""
        done = [f"aligned anew: {'; '.join(self.anew[::-1])}; everything else is as it was."] if self.anew else []
        return tuple(f"{self._clip.name}: {note}" for note in (*done, *self._notes[::-1]))

    def groups(self, changes: Sequence[WordChange]) -> list[list[_Change]]:
        """Changes of words, as changes of units; those that are each other's neighbours are mended together."""
        at = [k for k, unit in enumerate(self.units) if unit.word is not None]
        groups: list[list[_Change]] = []
        for words in changes:
            first, end = words.first, words.end
            if len(words.new) <= end - first:
                change = _Change(at[first], at[end - 1] + 1, words.new)
            else:  # more words than there were: with all that sounds beside them and belongs to none
                before, after = at[first - 1] + 1 if first else 0, at[end] if end < len(at) else len(self.units)
                change = _Change(before, after, words.new)
            between = self.units[groups[-1][-1].end : change.first] if groups else []
            near = 0 < len(between) <= _CONTEXT and all(unit.said is not None for unit in between)
            if near and self._around([*groups[-1], change], 1).length_s <= _WINDOW_S:
                groups[-1].append(change)
            else:
                groups.append([change])
        return groups

    def window(self, group: Sequence[_Change]) -> _Window:
        """Changes and their neighbours, as far as these are words and the window stays short."""
        window = self._around(group, 1)
        for context in range(2, _CONTEXT + 1):
            wider = self._around(group, context)
            if wider.length_s > _WINDOW_S:
                break
            window = wider
        return window

    def mend(self, group: Sequence[_Change]) -> None:
        """Put a group's new words into their places, as far as they fit."""
        window = self.window(group)
        found = self._align(window)
        if found is not None:
            for patch in reversed(found):
                self.units[patch.first : patch.end] = patch.units
                self.anew.append(_place(patch))
                self._notes += patch.notes
        elif len(group) > 1:
            for change in reversed(group):
                self.mend([change])
        else:
            start_s, end_s = self._room(group[0].first, group[0].end)
            words = " ".join(word.text for word in group[0].new) or "nothing"
            self._notes.append(f"'{words}' does not fit between {start_s:.2f} s and {end_s:.2f} s; that place is kept.")

    def _room(self, first: int, end: int) -> tuple[float, float]:
        """(start_s, end_s) between the units before `first` and from `end` on."""
        start_s = self.units[first - 1].end_s if first > 0 else 0.0
        return start_s, self.units[end].start_s if end < len(self.units) else self._clip.duration_s

    def _around(self, group: Sequence[_Change], context: int) -> _Window:
        low, high = group[0].first, group[-1].end
        while low > max(group[0].first - context, 0) and self.units[low - 1].said is not None:
            low -= 1
        while high < min(group[-1].end + context, len(self.units)) and self.units[high].said is not None:
            high += 1
        words: list[SpokenWord | None] = []
        kept: list[int | None] = []
        changed: list[tuple[int, int]] = []
        at = low
        for change in group:
            words += [unit.said for unit in self.units[at : change.first]]
            kept += range(at, change.first)
            changed.append((len(words), len(words) + len(change.new)))
            words += change.new
            kept += [None] * len(change.new)
            at = change.end
        words += [unit.said for unit in self.units[at:high]]
        kept += range(at, high)
        start_s, end_s = before_s, after_s = self._room(low, high)
        if low < group[0].first:
            start_s = self.units[low].start_s - min(_MARGIN_S, max(self.units[low].start_s - before_s, 0.0) / 2)
        if high > group[-1].end:
            end_s = self.units[high - 1].end_s + min(_MARGIN_S, max(after_s - self.units[high - 1].end_s, 0.0) / 2)
        said = tuple(word for word in words if word is not None)
        return _Window(said, tuple(kept), tuple(changed), low, high, start_s, end_s)

    def _align(self, window: _Window) -> list[_Patch] | None:
        """The window aligned -> what changes, or None where a new word does not fit."""
        if not window.words:
            return [_Patch(window.low, window.high, (), self._room(window.low, window.high))]
        if self._silences is None:
            self._silences = pauses(self._clip, PAUSE_S)
        aligned = self._aligner.align_words(self._clip, window.words, window.start_s, window.end_s, self._silences)
        if aligned is None:
            return None
        phones, found = aligned[0], {word.index: word for word in aligned[1]}
        doubt = _doubt_below(window, found)
        patches: list[_Patch] = []
        for first, end in self._moved(window, found):
            patch = self._patch(window, range(first, end), phones, found, doubt)
            if patch is None:
                return None
            patches.append(patch)
        return patches

    def _moved(self, window: _Window, found: Mapping[int, AlignedWord]) -> list[tuple[int, int]]:
        """[first, end) of the window's words that are timed anew: the changes, and neighbours whose borders moved."""
        spans: list[tuple[int, int]] = []
        for changed_first, changed_end in window.changed:
            first, end = changed_first, changed_end
            while first > 0 and self._differs(window, found, first - 1, "end_s"):
                first -= 1
            while end < len(window.words) and self._differs(window, found, end, "start_s"):
                end += 1
            if spans and first <= spans[-1][1]:
                first, end = spans[-1][0], max(end, spans.pop()[1])
            spans.append((first, end))
        return spans

    def _differs(self, window: _Window, found: Mapping[int, AlignedWord], index: int, border: str) -> bool:
        """Whether a word's border towards the change was moved by it."""
        unit = window.kept[index]
        if unit is None or index not in found:
            return False
        return abs(getattr(found[index], border) - getattr(self.units[unit], border)) > AGREE_S

    def _patch(
        self,
        window: _Window,
        indices: range,
        phones: Sequence[Phone],
        found: Mapping[int, AlignedWord],
        doubt: float,
    ) -> _Patch | None:
        """The window's words `indices` as units, or None where one does not fit."""
        before = window.kept[indices.start - 1] if indices.start > 0 else window.low - 1
        after = window.kept[indices.stop] if indices.stop < len(window.kept) else window.high
        assert before is not None and after is not None  # what is not kept is in the same stretch
        room = self._room(before + 1, after)
        units: list[Unit] = []
        notes: list[str] = []
        for index in indices:
            unit = timed(window.words[index], found[index], phones, room) if index in found else None
            if unit is None:
                return None
            if window.kept[index] is None and len(unit.phones) >= _JUDGED_SOUNDS and found[index].score < doubt:
                if unit.end_s - unit.start_s < _SQUEEZED_S * len(unit.phones):
                    return None
                where = f"from {unit.start_s:.2f} s to {unit.end_s:.2f} s"
                notes.append(f"'{window.words[index].text}' hardly sounds like what is heard {where}; it is taken.")
            units.append(unit)
        return _Patch(before + 1, after, tuple(reaching(units, room)), room, tuple(notes[::-1]))


def _doubt_below(window: _Window, found: Mapping[int, AlignedWord]) -> float:
    """The score under which a new word is in doubt beside its neighbours."""
    usual = [word.score for index, word in found.items() if window.kept[index] is not None]
    return min(_DOUBT_SCORE, _DOUBT_TIMES * float(np.median(usual) if usual else _USUAL_SCORE))


def _place(patch: _Patch) -> str:
    words = [unit.word for unit in patch.units if unit.word is not None]
    if not words:
        return f"{patch.room[0]:.2f}-{patch.room[1]:.2f} s (nothing)"
    return f"{words[0].start_s:.2f}-{words[-1].end_s:.2f} s ('{' '.join(word.text for word in words)}')"

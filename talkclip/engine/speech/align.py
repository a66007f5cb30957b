"""Forced alignment: which sound of a known transcript is heard when (pocketsphinx, English).

The recording is first listened to without the text (`heard`). Matching what was heard with what the text says shows
where the text fits at all, and where a long recording can be cut; the aligner then works on pieces that are known to
fit. A stretch that does not fit keeps the phones that were heard, and is reported.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Sequence

import numpy as np

from talkclip.audio import AudioClip
from talkclip.engine.speech.lexicon import Lexicon
from talkclip.engine.speech.pauses import contrast_db, pauses
from talkclip.engine.speech.segments import Piece, plan
from talkclip.engine.speech.spans import PAUSE_S, out_of_pause, replaced, with_silence
from talkclip.engine.speech.sphinx import FRAME_S, FoundWord, Sphinx
from talkclip.engine.speech.transcript import SpokenWord, spoken_words
from talkclip.errors import InputError
from talkclip.phones import CMU39, SIL, Phone, PhoneTrack, Word, arpabet
from talkclip.progress import CancelCheck, ProgressCallback, report, stop_if

# pocketsphinx's borders come this much early against hand and MFA labels (measured: docs/speech.md).
SHIFT_S = 0.015
# Less of what is heard than this in fitting stretches: the text is another one.
LEAST_FIT = 0.3
# With less contrast between speech and background the recogniser is no judge of the text, while alignment still works;
# with still less nothing does. Measured with white noise: 5 dB below speech leaves a contrast of 11 dB and 61 % of the
# frames right, 0 dB leaves 7 dB and 29 %. A contrast needs some length, to hold pauses as well.
_JUDGED_CONTRAST_DB, _LEAST_CONTRAST_DB, _CONTRAST_OVER_S = 15.0, 9.0, 2.0
_NOISY = "{}: is so noisy that it cannot be checked whether the transcript fits; it is taken as it is."
# Words are in doubt when this many in a row sound much worse than the recording's usual word and than this score, and
# the recogniser agrees. Measured on LJSpeech, runs of three: true text -17 (median), -36 (1 in 500); other text -61.
_RUN, _DOUBT_SCORE, _DOUBT_TIMES, _DOUBT_AGREE = 3, -36.0, 1.9, 0.5


@dataclasses.dataclass(frozen=True)
class Alignment:
    """The result: phones and words in time, and what the user should know about the fit."""

    track: PhoneTrack
    notes: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class AlignedWord:
    """One word of the transcript in time.

    Attributes:
        index: which word of the transcript.
        start_s, end_s: on the recording's clock.
        score: how well it sounds: about -11 where the word is said and the sound clean, -60 where another one is.
        agree: how much of it was recognised without the text, 0..1.
    """

    index: int
    start_s: float
    end_s: float
    score: float
    agree: float


class Aligner:
    """Holds the acoustic model and the dictionary; safe to share between threads."""

    def __init__(self) -> None:
        # Re-entrant: `cancel`, asked between pieces, may let a shorter recording be aligned meanwhile.
        self._lock = threading.RLock()
        self._sphinx: Sphinx | None = None
        self._lexicon: Lexicon | None = None

    def align(
        self,
        clip: AudioClip,
        text: str,
        heard: Sequence[Phone],
        progress: ProgressCallback | None = None,
        cancel: CancelCheck | None = None,
    ) -> Alignment:
        """Align a transcript.

        Args:
            clip: 16 kHz mono.
            text: what is said, as written.
            heard: phones recognised without the text, in order (silence included or not).

        Raises:
            InputError: no English word in the text, nothing is heard, or the text is not what is said.
            Cancelled: `cancel` said so.
        """
        words = spoken_words(text)
        noisy = _is_noisy(clip)
        if not noisy and not any(phone.symbol != SIL for phone in heard):
            raise InputError(f"{clip.name}: no speech is heard in it.", "Give a recording of somebody speaking.")
        phones: list[Phone] = []
        aligned: list[AlignedWord] = []
        notes = [_NOISY.format(clip.name)] if noisy else []
        with self._lock:
            sphinx, lexicon = self._load()
            entries = [lexicon.entries(word) for word in words]
            pieces = plan(clip, [[p for e in said for p in lexicon.phones(e)] for said in entries], heard, noisy)
            if not noisy:
                _refuse_other_text(clip, words, pieces)
            silences = pauses(clip, PAUSE_S)
            for number, piece in enumerate(pieces):
                stop_if(cancel)
                report(progress, "phones", number / len(pieces), f"aligning {clip.name}")
                found = _align_piece(sphinx, clip, piece, entries, silences) if piece.fits and piece.words else None
                if found is not None:
                    phones += found[0]
                    aligned += found[1]
                elif piece.words or any(phone.symbol != SIL for phone in piece.heard):
                    phones += piece.heard
                    notes.append(_misfit_note(clip, words, piece.words, piece.start_s, piece.end_s))
        for run in _doubtful_runs(aligned):
            phones = replaced(phones, heard, run[0].start_s, run[-1].end_s)
            aligned = [word for word in aligned if word not in run]
            notes.append(_misfit_note(clip, words, [w.index for w in run], run[0].start_s, run[-1].end_s))
        missing = sorted({w for piece in pieces for w in piece.not_heard})
        if missing:
            notes.append(f"{clip.name}: these words of the transcript are not heard: '{_quote(words, missing)}'.")
        report(progress, "phones", 1.0, f"aligned {clip.name}")
        said = tuple(Word(words[w.index].text, w.start_s, w.end_s) for w in aligned)
        track = PhoneTrack(with_silence(phones, clip.duration_s), said, clip.duration_s, "align")
        return Alignment(track, tuple(notes))

    def align_words(
        self,
        clip: AudioClip,
        words: Sequence[SpokenWord],
        start_s: float,
        end_s: float,
        silences: Sequence[tuple[float, float]],
    ) -> tuple[list[Phone], list[AlignedWord]] | None:
        """A few words that are said in a stretch of a recording, unjudged.

        Args:
            clip: 16 kHz mono, the whole recording.
            words: what is said between `start_s` and `end_s`, at most half a minute.
            silences: the recording's `pauses` of at least `PAUSE_S`.

        Returns:
            (phones, words), or None where the aligner finds no path; words that nothing can pronounce are missing.
        """
        with self._lock:
            sphinx, lexicon = self._load()
            entries = [lexicon.entries(word) for word in words]
            every = tuple(range(len(words)))
            piece = Piece(start_s, end_s, every, (), True, 0, 0, 0, (0.0,) * len(words))
            return _align_piece(sphinx, clip, piece, entries, silences)

    def refine(self, clip: AudioClip, heard: PhoneTrack, cancel: CancelCheck | None = None) -> PhoneTrack:
        """Recognised phones with the aligner's borders.

        Args:
            clip: 16 kHz mono.
            heard: phones recognised without a transcript; a stretch without a path keeps its borders.
            cancel: asked between stretches.

        Returns:
            The same phones, back end `fast+align`.
        """
        phones: list[Phone] = []
        sounds = [(phone.symbol,) for phone in heard.phones if phone.symbol != SIL]
        if not sounds:
            return dataclasses.replace(heard, backend="fast+align")
        with self._lock:
            sphinx, _ = self._load()
            for piece in plan(clip, sounds, heard.phones):
                stop_if(cancel)
                phones += _refine_piece(sphinx, clip, piece) or piece.heard
        return PhoneTrack(with_silence(phones, clip.duration_s), (), clip.duration_s, "fast+align")

    def _load(self) -> tuple[Sphinx, Lexicon]:
        if self._sphinx is None or self._lexicon is None:
            self._sphinx = Sphinx()
            self._lexicon = Lexicon(self._sphinx.decoder)
        return self._sphinx, self._lexicon


def _is_noisy(clip: AudioClip) -> bool:
    """Whether noise keeps the recogniser from judging the text. Raises InputError where nothing can be aligned."""
    if clip.duration_s < _CONTRAST_OVER_S:
        return False
    contrast = contrast_db(clip)
    if contrast < _LEAST_CONTRAST_DB:
        raise InputError(
            f"{clip.name}: speech hardly stands out of the noise ({contrast:.0f} dB); no transcript can be aligned.",
            "Clean the recording, or give its phones (--phones).",
        )
    return contrast < _JUDGED_CONTRAST_DB


def _refuse_other_text(clip: AudioClip, words: Sequence[SpokenWord], pieces: Sequence[Piece]) -> None:
    heard = sum(piece.n_heard for piece in pieces)
    fitting = sum(piece.n_heard for piece in pieces if piece.fits and piece.words)
    if fitting >= LEAST_FIT * heard:
        return
    raise InputError(
        f"{clip.name}: the transcript is not what is said in it (it accounts for {fitting} of the {heard} sounds that "
        f"are heard; it begins '{_quote(words, range(len(words)))}').",
        "Check the transcript (--text), or leave it out.",
    )


def _align_piece(
    sphinx: Sphinx,
    clip: AudioClip,
    piece: Piece,
    entries: Sequence[Sequence[str]],
    silences: Sequence[tuple[float, float]],
) -> tuple[list[Phone], list[AlignedWord]] | None:
    """-> (phones, words), or None if the aligner finds no path."""
    owners = iter([w for w in piece.words for _ in entries[w]])
    said = [entry for w in piece.words for entry in entries[w]]
    found = sphinx.align(clip.slice_s(piece.start_s, piece.end_s), said) if said else None
    if found is None:
        return None
    agree = dict(zip(piece.words, piece.agree, strict=True))
    phones: list[Phone] = []
    words: list[AlignedWord] = []
    for entry in found:
        parts = [out_of_pause(phone, silences) for phone in _phones_of(entry, piece)]
        phones += parts
        if not entry.is_word:
            continue
        w = next(owners)
        if words and words[-1].index == w and parts:  # "1984": several spoken words are one written word
            score = min(words[-1].score, entry.score_per_frame)
            words[-1] = dataclasses.replace(words[-1], end_s=parts[-1].end_s, score=score)
        elif parts:
            words.append(AlignedWord(w, parts[0].start_s, parts[-1].end_s, entry.score_per_frame, agree[w]))
    return phones, words


def _phones_of(entry: FoundWord, piece: Piece) -> list[Phone]:
    phones = []
    for name, first, n_frames in entry.parts:
        start_s = piece.start_s + (first * FRAME_S + SHIFT_S if first else 0.0)
        end_s = min(piece.start_s + (first + n_frames) * FRAME_S + SHIFT_S, piece.end_s)
        if end_s > start_s:
            phones.append(Phone((arpabet(name) or SIL) if entry.is_word else SIL, start_s, end_s))
    return phones


def _refine_piece(sphinx: Sphinx, clip: AudioClip, piece: Piece) -> list[Phone] | None:
    symbols = [phone.symbol for phone in piece.heard if phone.symbol in CMU39]
    found = sphinx.align_phones(clip.slice_s(piece.start_s, piece.end_s), symbols) if symbols else None
    if found is None:
        return None
    return _phones_of(FoundWord(True, tuple(found), 0.0), piece)


def _doubtful_runs(words: Sequence[AlignedWord]) -> list[list[AlignedWord]]:
    """Words in a row that are probably not what is said there."""
    if len(words) < _RUN:
        return []
    scores = np.array([word.score for word in words])
    agree = np.array([word.agree for word in words])
    threshold = min(_DOUBT_SCORE, _DOUBT_TIMES * float(np.median(scores)))
    runs: list[list[AlignedWord]] = []
    last = -1
    for first in range(len(words) - _RUN + 1):
        window = slice(first, first + _RUN)
        if scores[window].mean() >= threshold or agree[window].mean() >= _DOUBT_AGREE:
            continue
        if first > last:
            runs.append([])
        runs[-1] += words[max(first, last) : first + _RUN]
        last = first + _RUN
    return runs


def _misfit_note(
    clip: AudioClip, words: Sequence[SpokenWord], which: Sequence[int], start_s: float, end_s: float
) -> str:
    where = f"{clip.name}: the transcript does not fit from {start_s:.1f} s to {end_s:.1f} s"
    text = f" ('{_quote(words, which)}')" if which else ""
    return f"{where}{text}; the sounds that are heard there are used."


def _quote(words: Sequence[SpokenWord], indices: Sequence[int]) -> str:
    return " ".join(words[w].text for w in list(indices)[:6]) + (" ..." if len(indices) > 6 else "")

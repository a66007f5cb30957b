"""Forced alignment: which sound of a known transcript is heard when (pocketsphinx, English).

The recording is first listened to without the text (`heard`). Matching what was heard with what the text says shows
where the text fits at all, and where a long recording can be cut; the aligner then works on pieces that are known
to fit. A stretch that does not fit keeps the phones that were heard, and is reported.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from talkclip.audio import AudioClip
from talkclip.engine.speech.lexicon import Lexicon
from talkclip.engine.speech.pauses import pauses
from talkclip.engine.speech.segments import Piece, plan
from talkclip.engine.speech.transcript import SpokenWord, spoken_words
from talkclip.errors import InputError, TalkClipError
from talkclip.phones import CMU39, SIL, Phone, PhoneTrack, Word, arpabet
from talkclip.progress import CancelCheck, ProgressCallback, report, stop_if

FRAME_S = 0.01
# pocketsphinx's borders come this much early against hand and MFA labels (measured: docs/speech.md).
SHIFT_S = 0.015
# Wide beams: a forced alignment must not lose its only path.
_BEAM = 1e-80
_PEAK = 0.7
# Dictionary entries that are one phone each, for `refine`.
_PHONE_WORD = "phone-"
# Silences by energy of at least this length hold no sound, but for the edges: the silent closure of a stop before its
# burst, and what energy cannot see of a soft sound.
_PAUSE_S, _CLOSURE_S, _EDGE_S = 0.15, 0.08, 0.04
_STOPS = frozenset("P B T D K G CH JH".split())  # noqa: SIM905
# Less of what is heard than this in fitting stretches: the text is another one.
LEAST_FIT = 0.3


@dataclasses.dataclass(frozen=True)
class Alignment:
    """The result: phones and words in time, and what the user should know about the fit."""

    track: PhoneTrack
    notes: tuple[str, ...]


class Aligner:
    """Holds the acoustic model and the dictionary; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._decoder: Any = None
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
        if not any(phone.symbol != SIL for phone in heard):
            raise InputError(f"{clip.name}: no speech is heard in it.", "Give a recording of somebody speaking.")
        with self._lock:
            lexicon = self._load()
            entries = [lexicon.entries(word) for word in words]
            sounds = [tuple(p for entry in said for p in lexicon.phones(entry)) for said in entries]
            pieces = plan(clip, sounds, heard)
            silences = pauses(clip, _PAUSE_S)
            self._refuse_other_text(clip, words, pieces)
            phones: list[Phone] = []
            spans: dict[int, tuple[float, float]] = {}
            notes: list[str] = []
            for number, piece in enumerate(pieces):
                stop_if(cancel)
                report(progress, "phones", number / len(pieces), f"aligning {clip.name}")
                aligned = self._align_piece(clip, piece, entries, silences) if piece.fits and piece.words else None
                if aligned is not None:
                    phones += aligned[0]
                    spans |= aligned[1]
                elif piece.words or any(phone.symbol != SIL for phone in piece.heard):
                    phones += piece.heard
                    notes.append(_misfit_note(clip, words, piece))
        missing = sorted({w for piece in pieces for w in piece.not_heard})
        if missing:
            notes.append(f"{clip.name}: these words of the transcript are not heard: '{_quote(words, missing)}'.")
        report(progress, "phones", 1.0, f"aligned {clip.name}")
        return Alignment(_track(clip, phones, words, spans), tuple(notes))

    def refine(self, clip: AudioClip, heard: PhoneTrack, cancel: CancelCheck | None = None) -> PhoneTrack:
        """Recognised phones with the aligner's borders (each phone is a word of its own, so one pass is enough).

        Args:
            clip: 16 kHz mono.
            heard: phones recognised without a transcript; a stretch without a path keeps its borders.
            cancel: asked between stretches.

        Returns:
            The same phones, back end `fast+align`.
        """
        phones: list[Phone] = []
        with self._lock:
            self._load()
            for piece in plan(clip, [(p.symbol,) for p in heard.phones if p.symbol != SIL], heard.phones):
                stop_if(cancel)
                phones += self._refine_piece(clip, piece) or piece.heard
        return PhoneTrack(with_silence(phones, clip.duration_s), (), clip.duration_s, "fast+align")

    def _refine_piece(self, clip: AudioClip, piece: Piece) -> list[Phone] | None:
        said = [_PHONE_WORD + phone.symbol for phone in piece.heard if phone.symbol in CMU39]
        if not said:
            return None
        self._decoder.set_align_text(" ".join(said))
        try:
            _run(self._decoder, _pcm(clip.slice_s(piece.start_s, piece.end_s)))
            found = [(s.word, s.start_frame, s.end_frame + 1) for s in self._decoder.seg()]
        except (RuntimeError, TypeError):  # no path
            return None
        named = [(word.removeprefix(_PHONE_WORD), a, b) for word, a, b in found if word.startswith(_PHONE_WORD)]
        if [name for name, _, _ in named] != [word.removeprefix(_PHONE_WORD) for word in said]:
            return None
        return [
            Phone(name, piece.start_s + a * FRAME_S + SHIFT_S, min(piece.start_s + b * FRAME_S + SHIFT_S, piece.end_s))
            for name, a, b in named
            if piece.start_s + a * FRAME_S + SHIFT_S < piece.end_s - 1e-6
        ]

    def _load(self) -> Lexicon:
        if self._lexicon is None:
            self._decoder = _make_decoder()
            for symbol in CMU39:
                self._decoder.add_word(_PHONE_WORD + symbol, symbol, symbol == CMU39[-1])
            self._lexicon = Lexicon(self._decoder)
        return self._lexicon

    def _refuse_other_text(self, clip: AudioClip, words: Sequence[SpokenWord], pieces: Sequence[Piece]) -> None:
        heard = sum(piece.n_heard for piece in pieces)
        fitting = sum(piece.n_heard for piece in pieces if piece.fits and piece.words)
        if fitting >= LEAST_FIT * heard:
            return
        exact, expected = sum(p.n_exact for p in pieces), sum(p.n_expected for p in pieces)
        raise InputError(
            f"{clip.name}: the transcript is not what is said in it (only {exact} of its {max(expected, 1)} sounds are "
            f"heard in order; it begins '{_quote(words, range(len(words)))}').",
            "Check the transcript (--text), or leave it out.",
        )

    def _align_piece(
        self, clip: AudioClip, piece: Piece, entries: Sequence[Sequence[str]], silences: Sequence[tuple[float, float]]
    ) -> tuple[list[Phone], dict[int, tuple[float, float]]] | None:
        """-> (phones, word index -> (start_s, end_s)), or None if the aligner finds no path."""
        owners = [w for w in piece.words for _ in entries[w]]
        said = [entry for w in piece.words for entry in entries[w]]
        found = _force(self._decoder, _pcm(clip.slice_s(piece.start_s, piece.end_s)), said) if said else None
        if found is None or sum(1 for is_word, _ in found if is_word) != len(owners):
            return None
        phones: list[Phone] = []
        spans: dict[int, tuple[float, float]] = {}
        owner = iter(owners)
        for is_word, parts in found:
            w = next(owner) if is_word else -1
            for name, start, length in parts:
                symbol = (arpabet(name) or SIL) if is_word else SIL
                start_s = piece.start_s + (start * FRAME_S + SHIFT_S if start else 0.0)
                end_s = min(piece.start_s + (start + length) * FRAME_S + SHIFT_S, piece.end_s)
                if end_s <= start_s:
                    continue
                phones.append(_out_of_pause(Phone(symbol, start_s, end_s), silences))
                if is_word:
                    spans[w] = (spans[w][0] if w in spans else phones[-1].start_s, phones[-1].end_s)
        return phones, spans


def _out_of_pause(phone: Phone, silences: Sequence[tuple[float, float]]) -> Phone:
    """The aligner lets a word's first or last consonant reach across a pause; by energy it does not sound there."""
    if phone.symbol == SIL:
        return phone
    for first_s, last_s in silences:
        closing_s = last_s - (_CLOSURE_S if phone.symbol in _STOPS else _EDGE_S)
        if first_s - _EDGE_S <= phone.start_s < closing_s and phone.end_s > last_s:
            return Phone(phone.symbol, closing_s, phone.end_s)
        if phone.start_s < first_s and first_s + _EDGE_S < phone.end_s <= last_s + _EDGE_S:
            return Phone(phone.symbol, phone.start_s, first_s + _EDGE_S)
    return phone


def _make_decoder() -> Any:
    try:
        import pocketsphinx
    except ImportError as error:
        raise TalkClipError(
            f"Alignment needs pocketsphinx ({error}).", "Run: pip install 'talkclip[lite]'", code="missing_package"
        ) from None
    return pocketsphinx.Decoder(
        hmm=pocketsphinx.get_model_path("en-us/en-us"),
        dict=pocketsphinx.get_model_path("en-us/cmudict-en-us.dict"),
        lm=None, bestpath=False, beam=_BEAM, pbeam=_BEAM, wbeam=_BEAM, loglevel="FATAL",
    )  # fmt: skip


def _pcm(clip: AudioClip) -> bytes:
    """16-bit samples at a fixed peak: quiet recordings keep their detail."""
    peak = max(float(np.abs(clip.samples).max()), 1e-6)
    return np.asarray(clip.samples * (_PEAK * 32767 / peak), "<i2").tobytes()


def _force(decoder: Any, pcm: bytes, said: Sequence[str]) -> list[tuple[bool, list[tuple[str, int, int]]]] | None:
    """Two passes, words then phones. -> [(is a word, [(phone, first frame, frames)])], or None without a path.

    Everything is read out while the alignment and its iterators are alive: pocketsphinx frees them with their parents.
    """
    decoder.set_align_text(" ".join(said))
    try:
        _run(decoder, pcm)
        if decoder.hyp() is None:
            return None
        decoder.set_alignment()
        _run(decoder, pcm)
    except RuntimeError:
        return None
    alignment = decoder.get_alignment()
    if alignment is None:
        return None
    found = []
    for word in alignment:
        is_word = not word.name.startswith(("<", "[", "("))
        parts = []
        for phone in word:
            parts.append((phone.name, phone.start, phone.duration))
        found.append((is_word, parts))
    return found


def _run(decoder: Any, pcm: bytes) -> None:
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()


def _track(
    clip: AudioClip, phones: Sequence[Phone], words: Sequence[SpokenWord], spans: dict[int, tuple[float, float]]
) -> PhoneTrack:
    said = tuple(Word(words[w].text, *spans[w]) for w in sorted(spans))
    return PhoneTrack(with_silence(phones, clip.duration_s), said, clip.duration_s, "align")


def with_silence(phones: Sequence[Phone], duration_s: float) -> tuple[Phone, ...]:
    """Fill every gap with SIL, join neighbouring SILs, cut what overlaps or reaches beyond the recording."""
    filled: list[Phone] = []
    now_s = 0.0
    for phone in [*phones, Phone(SIL, duration_s, duration_s)]:
        start_s, end_s = max(phone.start_s, now_s), min(phone.end_s, duration_s)
        if start_s > now_s + 1e-6:
            filled.append(Phone(SIL, now_s, start_s))
        if end_s > start_s + 1e-6:
            filled.append(Phone(phone.symbol, start_s, end_s))
        now_s = max(now_s, start_s, end_s)
    joined: list[Phone] = []
    for phone in filled:
        if joined and joined[-1].symbol == phone.symbol == SIL:
            joined[-1] = Phone(SIL, joined[-1].start_s, phone.end_s)
        else:
            joined.append(phone)
    return tuple(joined)


def _misfit_note(clip: AudioClip, words: Sequence[SpokenWord], piece: Piece) -> str:
    where = f"{clip.name}: the transcript does not fit from {piece.start_s:.1f} s to {piece.end_s:.1f} s"
    text = f" ('{_quote(words, piece.words)}')" if piece.words else ""
    return f"{where}{text}; the sounds that are heard there are used."


def _quote(words: Sequence[SpokenWord], indices: Sequence[int]) -> str:
    return " ".join(words[w].text for w in list(indices)[:6]) + (" ..." if len(indices) > 6 else "")

"""Forced alignment: which sound of a known transcript is heard when (pocketsphinx, English).

The recording is first listened to without the text (`heard`). Matching what was heard with what the text says shows where
the text fits at all, and where a long recording can be cut; the aligner then works on pieces that are known to fit. A
stretch that does not fit keeps the phones that were heard, and is reported.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from talkclip.audio import AudioClip
from talkclip.engine.speech.lexicon import Lexicon
from talkclip.engine.speech.segments import Piece, plan
from talkclip.engine.speech.transcript import SpokenWord, spoken_words
from talkclip.errors import InputError, TalkClipError
from talkclip.phones import SIL, Phone, PhoneTrack, Word, arpabet
from talkclip.progress import CancelCheck, ProgressCallback, report, stop_if

FRAME_S = 0.01
# pocketsphinx's borders come this much early against hand and MFA labels (measured: docs/speech.md).
SHIFT_S = 0.01
# Wide beams: a forced alignment must not lose its only path.
_BEAM = 1e-80
_PEAK = 0.7
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
            self._refuse_other_text(clip, words, pieces)
            phones: list[Phone] = []
            spans: dict[int, tuple[float, float]] = {}
            notes: list[str] = []
            for number, piece in enumerate(pieces):
                stop_if(cancel)
                report(progress, "phones", number / len(pieces), f"aligning {clip.name}")
                aligned = self._align_piece(clip, piece, entries) if piece.fits and piece.words else None
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

    def _load(self) -> Lexicon:
        if self._lexicon is None:
            self._decoder = _make_decoder()
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
        self, clip: AudioClip, piece: Piece, entries: Sequence[Sequence[str]]
    ) -> tuple[list[Phone], dict[int, tuple[float, float]]] | None:
        """-> (phones, word index -> (start_s, end_s)), or None if the aligner finds no path."""
        owners = [w for w in piece.words for _ in entries[w]]
        said = [entry for w in piece.words for entry in entries[w]]
        found = _force(self._decoder, _pcm(clip.slice_s(piece.start_s, piece.end_s)), said) if said else None
        if found is None or sum(1 for is_word, _ in found if is_word) != len(owners):
            return None
        phones: list[Phone] = []
        spans: dict[int, tuple[float, float]] = {}
        position = 0
        for is_word, parts in found:
            for name, start, length in parts:
                symbol = (arpabet(name) or SIL) if is_word else SIL
                start_s = piece.start_s + (start * FRAME_S + SHIFT_S if start else 0.0)
                end_s = min(piece.start_s + (start + length) * FRAME_S + SHIFT_S, piece.end_s)
                if end_s > start_s:
                    phones.append(Phone(symbol, start_s, end_s))
            if is_word and parts:
                w = owners[position]
                spans[w] = (spans[w][0] if w in spans else phones[-len(parts)].start_s, phones[-1].end_s)
                position += 1
        return phones, spans


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
            parts.append((phone.name, phone.start, phone.duration))  # noqa: PERF401
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

"""pocketsphinx, the part of it that forced alignment needs, in plain values."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from talkclip.audio import AudioClip
from talkclip.errors import TalkClipError
from talkclip.phones import CMU39

FRAME_S = 0.01
# Dictionary entries that are one phone each: with them a single pass aligns phones.
PHONE_WORD = "phone-"
# Wide beams: a forced alignment must not lose its only path.
_BEAM = 1e-80
_PEAK = 0.7


@dataclasses.dataclass(frozen=True)
class FoundWord:
    """One entry of an alignment.

    Attributes:
        is_word: False for silence and noise, which the aligner puts in by itself.
        parts: (phone, first frame, frames) in order, frames of FRAME_S.
        score_per_frame: acoustic score; about -14 where the text is right and the sound clean, -60 where it is wrong.
    """

    is_word: bool
    parts: tuple[tuple[str, int, int], ...]
    score_per_frame: float


class Sphinx:
    """An English acoustic model and dictionary. Not safe to share between threads.

    Raises:
        TalkClipError: pocketsphinx is not installed.
    """

    def __init__(self) -> None:
        try:
            import pocketsphinx
        except ImportError as error:
            raise TalkClipError(
                f"Alignment needs pocketsphinx ({error}).", "Run: pip install 'talkclip[lite]'", code="missing_package"
            ) from None
        self.decoder: Any = pocketsphinx.Decoder(
            hmm=pocketsphinx.get_model_path("en-us/en-us"),
            dict=pocketsphinx.get_model_path("en-us/cmudict-en-us.dict"),
            lm=None, bestpath=False, beam=_BEAM, pbeam=_BEAM, wbeam=_BEAM, loglevel="FATAL",
        )  # fmt: skip
        for symbol in CMU39:
            self.decoder.add_word(PHONE_WORD + symbol, symbol, symbol == CMU39[-1])

    def align(self, clip: AudioClip, said: Sequence[str]) -> list[FoundWord] | None:
        """Two passes, words then phones. None if there is no path, or other words come back than were given.

        Args:
            clip: 16 kHz mono.
            said: dictionary entries in order.
        """
        pcm = _pcm(clip)
        try:
            self._hear(pcm, said)
            if self.decoder.hyp() is None:
                return None
            self.decoder.set_alignment()
            self._run(pcm)
        except RuntimeError:
            return None
        # Held while it is read: pocketsphinx frees words and phones with their parents.
        alignment = self.decoder.get_alignment()
        if alignment is None:
            return None
        found = []
        for word in alignment:
            parts = [(phone.name, phone.start, phone.duration) for phone in word]
            is_word = not word.name.startswith(("<", "[", "("))
            found.append(FoundWord(is_word, tuple(parts), word.score / max(word.duration, 1)))
        return found if sum(word.is_word for word in found) == len(said) else None

    def align_phones(self, clip: AudioClip, symbols: Sequence[str]) -> list[tuple[str, int, int]] | None:
        """One pass. -> (phone, first frame, frames) in order, or None if there is no path."""
        try:
            self._hear(_pcm(clip), [PHONE_WORD + symbol for symbol in symbols])
            segments = [(s.word, s.start_frame, s.end_frame + 1 - s.start_frame) for s in self.decoder.seg()]
        except (RuntimeError, TypeError):  # pocketsphinx: no hypothesis
            return None
        found = [(w.removeprefix(PHONE_WORD), a, n) for w, a, n in segments if w.startswith(PHONE_WORD)]
        return found if [symbol for symbol, _, _ in found] == list(symbols) else None

    def _hear(self, pcm: bytes, said: Sequence[str]) -> None:
        self.decoder.set_align_text(" ".join(said))
        self._run(pcm)

    def _run(self, pcm: bytes) -> None:
        # Its noise removal would go on from the sound before, and move borders: the same line must align the same.
        self.decoder.reinit_feat()
        self.decoder.start_utt()
        self.decoder.process_raw(pcm, full_utt=True)
        self.decoder.end_utt()


def _pcm(clip: AudioClip) -> bytes:
    """16-bit samples at a fixed peak: quiet recordings keep their detail."""
    peak = max(float(np.abs(clip.samples).max()), 1e-6)
    return np.asarray(clip.samples * (_PEAK * 32767 / peak), "<i2").tobytes()

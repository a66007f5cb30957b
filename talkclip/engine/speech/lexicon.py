"""How words are pronounced: the CMU dictionary, spelling of letters, hama's grapheme-to-phoneme model for the rest."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

from talkclip.engine.speech.transcript import SpokenWord
from talkclip.ipa import arpabet_sequence

_VOWEL_LETTERS = frozenset("aeiouy")
_LETTER_NAMES = {"a": "EY"}  # the dictionary's first "a" is the article
_VOICELESS = frozenset("P T K F TH".split())  # noqa: SIM905
_HISSING = frozenset("S Z SH ZH CH JH".split())  # noqa: SIM905
_MAX_LETTERS = 40


class Lexicon:
    """Pronunciations, kept in a pocketsphinx decoder's dictionary, to which unknown words are added.

    Args:
        decoder: a `pocketsphinx.Decoder` with the English dictionary.
        spell: unknown word -> ARPABET phones; hama's model when not given.
    """

    def __init__(self, decoder: Any, spell: Callable[[str], tuple[str, ...]] | None = None) -> None:
        self._decoder = decoder
        self._spell = spell or _g2p

    def entries(self, word: SpokenWord) -> list[str]:
        """The dictionary entries that say `word`, in order; each is in the decoder's dictionary afterwards."""
        entries = []
        for said in word.says:
            if (known := self._known(said)) is not None:
                entries.append(known)
            elif _is_acronym(said, word.text):
                entries += [self._letter(letter) for letter in said if letter.isalpha()]
            else:
                phones = self._guess(said)
                if phones:
                    self._decoder.add_word(said, " ".join(phones), True)
                    entries.append(said)
        return entries

    def phones(self, entry: str) -> tuple[str, ...]:
        """The first pronunciation of a dictionary entry."""
        return tuple((self._decoder.lookup_word(entry) or "").split())

    def _known(self, said: str) -> str | None:
        drawn_out = re.sub(r"([a-z])\1{2,}", r"\1\1", said)
        shortest = re.sub(r"([a-z])\1+", r"\1", drawn_out) if drawn_out != said else said
        candidates = (said, said.strip("'"), drawn_out, shortest)
        return next((entry for entry in candidates if entry and self._decoder.lookup_word(entry)), None)

    def _letter(self, letter: str) -> str:
        if letter not in _LETTER_NAMES:
            return letter
        entry = f"{letter}-letter"
        if not self._decoder.lookup_word(entry):
            self._decoder.add_word(entry, _LETTER_NAMES[letter], True)
        return entry

    def _guess(self, said: str) -> tuple[str, ...]:
        stem, apostrophe, ending = said.rpartition("'")
        if apostrophe and ending == "s" and stem.strip("'"):
            known = self._known(stem)
            phones = self.phones(known) if known else self._spell(stem.replace("'", ""))
            return (*phones, *_possessive(phones)) if phones else ()
        return self._spell(said.replace("'", "")[:_MAX_LETTERS])


def _is_acronym(said: str, written: str) -> bool:
    """No vowel to say it with (DVD, mp), or a short word in capitals that no dictionary knows."""
    letters = said.replace("'", "")
    return len(letters) <= 5 and (not _VOWEL_LETTERS & set(letters) or (written.isupper() and len(letters) >= 2))


def _possessive(phones: tuple[str, ...]) -> tuple[str, ...]:
    if phones[-1] in _HISSING:
        return ("IH", "Z")
    return ("S",) if phones[-1] in _VOICELESS else ("Z",)


@functools.cache
def _g2p_model() -> Any:
    from hama.inference import G2PModel  # onnxruntime sessions: only when a word is unknown

    return G2PModel(providers=["CPUExecutionProvider"])


@functools.cache
def _g2p(word: str) -> tuple[str, ...]:
    return arpabet_sequence(alignment.phoneme for alignment in _g2p_model().predict(word).alignments)

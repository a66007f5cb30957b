"""WordPiece tokens as BERT's uncased models expect them.

Written here, against the published algorithm (Wu et al. 2016, as used by Devlin et al. 2018), because the usual
library brings a hub client with it, and this is all of it that one fixed vocabulary needs.
"""

from __future__ import annotations

import functools
import unicodedata
from pathlib import Path

UNKNOWN, CLS, SEP, PAD = "[UNK]", "[CLS]", "[SEP]", "[PAD]"
# A word of more characters than this is one unknown token, as in BERT's reference tokenizer.
LONGEST_WORD = 100

# Ranges of Chinese characters (CJK Unified Ideographs and its extensions); each stands as a word of its own.
_HAN = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


class WordPiece:
    """Text -> token ids of one vocabulary.

    Args:
        vocabulary: one token a line; the line number is the id. Continuations start with `##`.
    """

    def __init__(self, vocabulary: Path) -> None:
        tokens = vocabulary.read_text(encoding="utf-8").splitlines()
        self._ids = {token: number for number, token in enumerate(tokens)}
        self.pad_id = self._ids[PAD]
        self.unknown_id = self._ids[UNKNOWN]

    def encode(self, text: str, longest: int = 256) -> list[int]:
        """-> [CLS] pieces [SEP], cut to `longest` ids."""
        pieces = [piece for word in split_words(text) for piece in self.pieces(word)]
        return [self._ids[CLS], *pieces[: longest - 2], self._ids[SEP]]

    @functools.lru_cache(maxsize=8192)  # noqa: B019 - one tokenizer a process, and it lives as long as that
    def pieces(self, word: str) -> tuple[int, ...]:
        """Greedy longest match from the left; a word with any unmatched rest is unknown as a whole."""
        if len(word) > LONGEST_WORD:
            return (self.unknown_id,)
        found: list[int] = []
        start = 0
        while start < len(word):
            prefix = "##" if start else ""
            for end in range(len(word), start, -1):
                number = self._ids.get(prefix + word[start:end])
                if number is not None:
                    found.append(number)
                    start = end
                    break
            else:
                return (self.unknown_id,)
        return tuple(found)


def split_words(text: str) -> list[str]:
    """Lower-case, accents removed, split at white space, punctuation and around each Chinese character."""
    cleaned = "".join(_spaced(char) for char in text if not _is_control(char))
    lowered = unicodedata.normalize("NFD", cleaned.lower())
    bare = "".join(char for char in lowered if unicodedata.category(char) != "Mn")
    return "".join(f" {char} " if _is_punctuation(char) else char for char in bare).split()


def _spaced(char: str) -> str:
    if char.isspace():
        return " "
    code = ord(char)
    return f" {char} " if any(low <= code <= high for low, high in _HAN) else char


def _is_control(char: str) -> bool:
    if char in "\t\n\r":
        return False
    return char in "\x00\ufffd" or unicodedata.category(char).startswith("C")


def _is_punctuation(char: str) -> bool:
    """All of ASCII that is neither letter nor digit counts ($, + and ^ too), besides Unicode's own class."""
    return (char.isascii() and char.isprintable() and not char.isalnum() and char != " ") or unicodedata.category(
        char
    ).startswith("P")

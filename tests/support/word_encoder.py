"""A text encoder for tests: the sum of one fixed direction per word. Texts that share words are alike."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

import numpy as np


class WordEncoder:
    """See `talkclip.engine.text.encoder.TextEncoder`."""

    def __init__(self, dim: int = 24, seed: int = 0, id_: str = "words") -> None:
        self.id, self.dim, self.weight_hash = id_, dim, f"{seed:064x}"
        self._seed = seed

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """-> float32 (n, dim), unit length."""
        rows = np.stack([self._sum(text) for text in texts])
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)

    def _sum(self, text: str) -> np.ndarray:
        words = map(self._word, re.findall(r"\w+", text.lower()))
        return np.asarray(sum(words, 1e-6 * self._word("")))

    def _word(self, word: str) -> np.ndarray:
        return np.random.default_rng([self._seed, zlib.crc32(word.encode())]).standard_normal(self.dim)

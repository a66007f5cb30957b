"""Text encoders: a sentence becomes a vector. The default is all-MiniLM-L6-v2, tuned to acting directions (int8 ONNX).

An encoder proves at load that it is the one its users were trained with: file hashes first, then reference
sentences whose vectors are stored. A tower with other, random or damaged weights raises instead of answering.
"""

from __future__ import annotations

import collections
import functools
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from talkclip.engine.text.wordpiece import WordPiece
from talkclip.engine.weights.registry import WEIGHTS, find_weight
from talkclip.errors import TalkClipError

MAX_TOKENS = 256
CACHE_SENTENCES = 4096
# int8 kernels differ a little between processors; another tower is at a cosine of 0.1 or less.
SAME_TOWER_COSINE = 0.98


class TextEncoder(Protocol):
    """What turns prompts into vectors.

    Attributes:
        id: stable name, stored by everything that was trained on it.
        dim: length of a vector.
        weight_hash: SHA-256 of the weights (hex).
    """

    id: str
    dim: int
    weight_hash: str

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """-> float32 (n, dim), unit length."""
        ...


class MiniLMEncoder:
    """all-MiniLM-L6-v2, tuned: mean of the last hidden states over the tokens, scaled to unit length.

    One sentence takes about 8 ms on one core; the last `CACHE_SENTENCES` are remembered. Thread-safe.
    """

    id = "minilm-acting-int8"
    dim = 384

    def __init__(self, model: Path, vocabulary: Path, weight_hash: str) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # a sentence is too short to share, and other work runs beside it
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._wordpiece = WordPiece(vocabulary)
        self._cache: collections.OrderedDict[str, np.ndarray] = collections.OrderedDict()
        self._lock = threading.Lock()
        self.weight_hash = weight_hash

    @classmethod
    def load(cls) -> MiniLMEncoder:
        """The one encoder of this process, checked by hash and by reference vectors.

        Raises:
            TalkClipError: weights missing (the hint names the pip command) or not the right ones.
        """
        return _loaded()

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """-> float32 (n, 384) of unit length, one row a text; equal texts give equal rows in any batch."""
        rows = np.empty((len(texts), self.dim), np.float32)
        for number, text in enumerate(texts):
            rows[number] = self._remembered(text)
        return rows

    def _remembered(self, text: str) -> np.ndarray:
        with self._lock:
            known = self._cache.get(text)
            if known is not None:
                self._cache.move_to_end(text)
                return known
        vector = self._encode_one(text)
        with self._lock:
            self._cache[text] = vector
            while len(self._cache) > CACHE_SENTENCES:
                self._cache.popitem(last=False)
        return vector

    def _encode_one(self, text: str) -> np.ndarray:
        # One at a time: int8 activations are scaled per tensor, so a batch would change each row's vector a little.
        ids = np.array([self._wordpiece.encode(text, MAX_TOKENS)], np.int64)
        (hidden,) = self._session.run(None, {"input_ids": ids})
        vector = np.asarray(hidden[0], np.float64).mean(0)
        return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-9), np.float32)

    def piece_counts(self, words: Sequence[str]) -> list[int]:
        """How many pieces the vocabulary needs for each word: 1 for a word it knows, many for a foreign one."""
        return [len(self._wordpiece.encode(word)) - 2 for word in words]


@functools.cache
def _loaded() -> MiniLMEncoder:
    encoder = MiniLMEncoder(find_weight("encoder"), find_weight("encoder-vocab"), WEIGHTS["encoder"].sha256)
    check_reference(encoder, find_weight("encoder-reference"))
    return encoder


def check_reference(encoder: TextEncoder, reference: Path) -> None:
    """Compare the encoder with stored vectors of known sentences.

    Raises:
        TalkClipError: another tower, or one that computes differently.
    """
    with np.load(reference, allow_pickle=False) as stored:
        texts, vectors = [str(text) for text in stored["texts"]], stored["vectors"]
    got = encoder.encode(texts)
    cosine = (got * vectors).sum(1) if got.shape == vectors.shape else np.zeros(1)
    if not np.isfinite(got).all() or float(cosine.min()) < SAME_TOWER_COSINE:
        raise TalkClipError(
            f"The text encoder '{encoder.id}' does not give its reference vectors (cosine {float(cosine.min()):.2f}).",
            "Install TalkCLIP again; its weights belong to the package.",
            code="wrong_weights",
        )

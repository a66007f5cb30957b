"""A text encoder that knows nothing: MiniLM's shape with random weights, for the ablation alone.

No product code can load it: it is no `clip:` or `minilm` spec, and its id is refused by every adapter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from talkclip.engine.text.wordpiece import WordPiece
from talkclip.engine.weights.registry import find_weight

_WIDTH, _HEADS, _LAYERS, _LONGEST = 384, 12, 6, 128


class RandomTower:
    """See `talkclip.engine.text.encoder.TextEncoder`. The same seed gives the same tower."""

    dim = _WIDTH

    def __init__(self, seed: int) -> None:
        self.id, self.weight_hash = f"random-{seed}", f"{seed:064x}"
        vocabulary = find_weight("encoder-vocab")
        self._wordpiece = WordPiece(vocabulary)
        size = len(vocabulary.read_text(encoding="utf-8").splitlines())
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self._tokens, self._places = nn.Embedding(size, _WIDTH), nn.Embedding(_LONGEST, _WIDTH)
            layer = nn.TransformerEncoderLayer(_WIDTH, _HEADS, 4 * _WIDTH, 0.0, "gelu", batch_first=True)
            self._layers = nn.TransformerEncoder(layer, _LAYERS, enable_nested_tensor=False).eval()
            for table in (self._tokens, self._places):
                nn.init.normal_(table.weight, std=1 / math.sqrt(_WIDTH))

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """-> float32 (n, 384), unit length: mean over the tokens of each text."""
        ids = [self._wordpiece.encode(text, _LONGEST) for text in texts]
        longest = max(map(len, ids))
        padding = torch.tensor([[k >= len(row) for k in range(longest)] for row in ids])
        tokens = torch.tensor([row + [0] * (longest - len(row)) for row in ids])
        x = self._tokens(tokens) + self._places(torch.arange(longest))
        x = functional.layer_norm(x, (_WIDTH,))
        hidden = self._layers(x, src_key_padding_mask=padding)
        there = (~padding)[..., None].to(hidden)
        return np.asarray(functional.normalize((hidden * there).sum(1) / there.sum(1), dim=-1).numpy())

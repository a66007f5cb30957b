"""Audio encoders E_a: what is spoken around each frame. They only take whole contexts: padding is the caller's.

An encoder with `per_frame = False` gives (B, T, W, D), one window per frame; with `per_frame = True` it gives
(B, T + W - 1, D), one vector per frame, which the decoder gathers into windows.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from talkclip.engine.models.nets.layers import EncoderLayer, init_xavier, sinusoids
from talkclip.phones import PHONES41

_PHONE_WIDTH = 128


def windows(frames: Tensor, window: int, step: int = 1) -> Tensor:
    """Runs of `window` neighbouring frames, one every `step`: (B, step * (T - 1) + W, ...) -> (B, T, W, ...)."""
    span = frames.shape[1] - window + 1
    return torch.stack([frames[:, first : first + span : step] for first in range(window)], dim=2)


class WindowEncoder(nn.Module):
    """A transformer over each window by itself, as in the paper."""

    per_frame = False

    def __init__(
        self,
        entry: nn.Module,
        width: int,
        heads: int,
        expansion: int,
        layers: int,
        dropout: float,
        half_window: int,
        rate: int,
    ) -> None:
        """`rate`: frames of the window per model frame; above 1, `audio` holds so many of them side by side."""
        super().__init__()
        self.window, self.rate = 2 * half_window + 1, rate
        before = -half_window % rate  # frames of the first row that no window reaches
        self.reached = slice(before, 1 - before - rate)
        self.entry = entry
        self.layers = nn.ModuleList(EncoderLayer(width, heads, expansion, dropout) for _ in range(layers))
        self.positions: Tensor
        self.register_buffer("positions", sinusoids(self.window, width), persistent=False)
        init_xavier(self)

    def forward(self, audio: Tensor) -> Tensor:
        """Encode.

        Args:
            audio: (B, T + 2 * context) ids or (B, T + 2 * context, rate * I), what `entry` takes.

        Returns:
            (B, T, W, D)
        """
        if self.rate > 1:
            audio = audio.unflatten(2, (self.rate, -1)).flatten(1, 2)[:, self.reached]
        # The entry looks at single frames: once per frame is enough.
        x = windows(self.entry(audio), self.window, self.rate)
        batch, n_frames = x.shape[:2]
        x = (x + self.positions).flatten(0, 1)
        for layer in self.layers:
            x = layer(x)
        return x.unflatten(0, (batch, n_frames))


class PhoneEntry(nn.Module):
    """Phone ids -> vectors: a table of 128 numbers each, then a linear map."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(len(PHONES41), _PHONE_WIDTH)
        self.linear = nn.Linear(_PHONE_WIDTH, width)

    def forward(self, ids: Tensor) -> Tensor:
        """ids int64 (B, F) -> (B, F, D)."""
        return self.linear(self.table(ids))


class FrameEncoder(nn.Module):
    """Convolutions over frames; each residual layer hears one frame more on each side."""

    per_frame = True

    def __init__(self, inputs: int, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.entry = nn.Linear(inputs, width)
        self.entry_norm = nn.LayerNorm(width)
        self.convolutions = nn.ModuleList(nn.Conv1d(width, width, 3) for _ in range(layers))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers))
        self.dropout = nn.Dropout(dropout)
        init_xavier(self)

    def forward(self, audio: Tensor) -> Tensor:
        """Encode.

        Args:
            audio: (B, T + W - 1 + 2 * layers, I).

        Returns:
            (B, T + W - 1, D)
        """
        x = self.entry_norm(self.entry(audio))
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            heard = convolution(x.transpose(1, 2)).transpose(1, 2).relu()
            x = norm(x[:, 1:-1] + self.dropout(heard))
        return x

"""Face animation decoder E_d: audio windows and a style per frame -> coefficients.

Two stacks in parallel, one for the lower face and one for the rest. Each frame's query is the style beside positions;
keys and values are the audio window; the middle token is read out. What is the same for many frames is computed once:
the first self-attention per distinct style, keys and values per audio frame, the last layer for the middle token only.
All of that is exact, tested against the plain form.

Letters: B clips, T frames, N = B * T, W window, L query tokens, D width, S style width, U distinct styles, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from talkclip.engine.models.nets.audio import windows
from talkclip.engine.models.nets.layers import Attention, DynamicFeedForward, init_xavier, sinusoids


def distinct_styles(style: Tensor, n_frames: int) -> tuple[Tensor, Tensor | None]:
    """Find the styles that differ, so that work on styles is done once for each.

    Args:
        style: (B, S), one per clip, or (B, T, S), one per frame.
        n_frames: T.

    Returns:
        styles (U, S), and which of them each of the N frames has (N,); None: one for all, or (U = N) one for each.
    """
    if style.dim() == 2:
        if len(style) == 1:
            return style, None
        return style, torch.arange(len(style), device=style.device).repeat_interleave(n_frames)
    frames = style.flatten(0, 1)
    if torch.is_grad_enabled() and style.requires_grad:
        return frames, None  # each frame must get its own gradient
    _, index = torch.unique(frames, dim=0, return_inverse=True)
    order = torch.arange(len(frames), device=style.device)
    first = order.new_full((int(index.max()) + 1,), len(frames)).scatter_reduce(0, index, order, "amin")
    return frames[first], None if len(first) == 1 else index


def spread(per_style: Tensor, index: Tensor | None, n: int) -> Tensor:
    """(U, ...) -> (N, ...): each frame gets its style's part."""
    if index is not None:
        return per_style[index]
    return per_style if per_style.shape[0] == n else per_style.expand(n, *per_style.shape[1:])


class DecoderLayer(nn.Module):
    """Self-attention over the query tokens (where there are several), attention to the window, feed-forward."""

    def __init__(self, width: int, heads: int, dropout: float, feed_forward: nn.Module, query_tokens: int) -> None:
        super().__init__()
        self.self_attention = Attention(width, heads, dropout) if query_tokens > 1 else None
        self.norm1 = nn.LayerNorm(width) if query_tokens > 1 else None
        self.cross_attention = Attention(width, heads, dropout)
        self.feed_forward = feed_forward
        self.norm2, self.norm3 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def attend_itself(self, x: Tensor, middle_only: bool) -> Tensor:
        """x (N, L, D) -> (N, L, D), or (N, 1, D) if only the middle token is wanted."""
        if self.self_attention is None or self.norm1 is None:
            return x
        keys_values = self.self_attention.keys_values(x)
        if middle_only:
            middle = x.shape[1] // 2
            x = x[:, middle : middle + 1]
        return self.norm1(x + self.dropout(self.self_attention(x, keys_values)))

    def attend_audio(self, x: Tensor, keys_values: Tensor, style: Tensor, index: Tensor | None) -> Tensor:
        """x (N, L, D), keys_values (N, W, 2 D), style (U, S), index (N,) or None -> (N, L, D)."""
        x = self.norm2(x + self.dropout(self.cross_attention(x, keys_values)))
        if isinstance(self.feed_forward, DynamicFeedForward):
            answer = self.feed_forward(x, style, index)
        else:
            answer = self.feed_forward(x)
        return self.norm3(x + self.dropout(answer))


class HalfFace(nn.Module):
    """One stack with its tail: the channels of the lower or of the upper face."""

    def __init__(self, layers: Sequence[DecoderLayer], width: int, channels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.norm = nn.LayerNorm(width)
        half = width // 2
        self.tail = nn.Sequential(
            nn.Linear(width, half), nn.ReLU(), nn.Linear(half, half), nn.ReLU(), nn.Linear(half, channels)
        )

    def begin_small(self, gain: float) -> None:
        """Scale what comes out at the start of training."""
        last = self.tail[-1]
        assert isinstance(last, nn.Linear)
        with torch.no_grad():
            last.weight.mul_(gain)
            last.bias.zero_()

    def forward(
        self, query: Tensor, audio: Tensor, positions: Tensor | None, style: Tensor, index: Tensor | None
    ) -> Tensor:
        """Decode.

        Args:
            query: (U, L, D), or (N, L, D).
            audio: windows (B, T, W, D), or frames (B, T + W - 1, D).
            positions: (W, D) added to the window's tokens where `audio` is frames; None for windows.
            style: (U, S).
            index: (N,) or None, see `distinct_styles`.

        Returns:
            (N, channels)
        """
        x = query
        for number, layer in enumerate(self.layers):
            assert isinstance(layer, DecoderLayer)
            x = layer.attend_itself(x, middle_only=number == len(self.layers) - 1)
            keys_values = windowed_keys_values(layer.cross_attention, audio, positions)
            if number == 0:
                x = spread(x, index, keys_values.shape[0])
            x = layer.attend_audio(x, keys_values, style, index)
        return self.tail(self.norm(x[:, 0]))


def windowed_keys_values(attention: Attention, audio: Tensor, positions: Tensor | None) -> Tensor:
    """-> (N, W, 2 D); of frames, keys and values are made once each and gathered (the positions' part is linear)."""
    keys_values = attention.keys_values(audio)
    if positions is None:
        return keys_values.flatten(0, 1)
    gathered = windows(keys_values, len(positions)) + attention.keys_values_offset(positions)
    return gathered.flatten(0, 1)


class FaceDecoder(nn.Module):
    """Both halves of the face."""

    def __init__(
        self,
        lower: HalfFace,
        upper: HalfFace,
        order: Sequence[int],
        width: int,
        style_width: int,
        window: int,
        query_tokens: int,
        query_sees_audio: bool,
        anchor: int,
    ) -> None:
        """`order`: channel numbers as the halves speak them, lower before upper; `anchor`: how many numbers of the
        style are added to the output as they are (0: none)."""
        super().__init__()
        self.lower, self.upper = lower, upper
        self.anchor = anchor
        self.window = window
        self.style_entry = nn.Linear(style_width, width) if style_width != width else nn.Identity()
        self.audio_entry = nn.Linear(width, width) if query_sees_audio else None
        middle = window // 2
        table = sinusoids(window, width)
        self.positions: Tensor
        self.place: Tensor
        self.register_buffer("positions", table, persistent=False)
        self.query_positions: Tensor
        picked = table if query_tokens == window else table[middle : middle + 1]
        self.register_buffer("query_positions", picked.clone(), persistent=False)
        self.register_buffer("place", torch.tensor(order).argsort(), persistent=False)
        self.dynamic = any(isinstance(part, DynamicFeedForward) for part in lower.modules())
        init_xavier(self)

    def forward(self, audio: Tensor, style: Tensor) -> Tensor:
        """Decode.

        Args:
            audio: windows (B, T, W, D), or frames (B, T + W - 1, D).
            style: (B, S), one per clip, or (B, T, S), one per frame.

        Returns:
            (B, T, C)
        """
        per_frame = audio.dim() == 3
        n_frames = audio.shape[1] - self.window + 1 if per_frame else audio.shape[1]
        index: Tensor | None
        if self.dynamic or len(self.query_positions) > 1:
            styles, index = distinct_styles(style, n_frames)
        else:
            if style.dim() == 2:
                style = style[:, None].expand(-1, n_frames, -1)
            styles, index = style.flatten(0, 1), None
        query = self.style_entry(styles)[:, None] + self.query_positions  # (U, L, D)
        if self.audio_entry is not None:
            middle = self.window // 2
            here = self.audio_entry(audio[:, middle : middle + n_frames]).flatten(0, 1)
            query = spread(query, index, here.shape[0]) + here[:, None]
        positions = self.positions if per_frame else None
        halves = [half(query, audio, positions, styles, index) for half in (self.lower, self.upper)]
        out = torch.cat(halves, dim=-1)[:, self.place].unflatten(0, (audio.shape[0], n_frames))
        if self.anchor == 0:
            return out
        pose = style[..., : self.anchor]
        return out + (pose[:, None] if style.dim() == 2 else pose)

"""Style encoder E_v (V2SS): a clip of coefficients -> its style code, by self-attention pooling over time."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from talkclip.engine.models.nets.layers import EncoderLayer, init_xavier, sinusoids

_MASKED = -1e5


def crop_clip(
    clip: Tensor, padding: Tensor | None, frames: int, generator: torch.Generator | None
) -> tuple[Tensor, Tensor | None]:
    """Cut a clip to at most `frames`.

    Args:
        clip: (B, N, C).
        padding: bool (B, N), True where there is no frame; or None.
        frames: most frames.
        generator: where the cut begins at random (training); None: at the beginning (inference).

    Returns:
        Clip and padding of at most `frames` frames.
    """
    surplus = clip.shape[1] - frames
    if surplus <= 0:
        return clip, padding
    first = 0 if generator is None else int(torch.randint(surplus + 1, (1,), generator=generator))
    kept = slice(first, first + frames)
    return clip[:, kept], None if padding is None else padding[:, kept]


class AttentionPooling(nn.Module):
    """A weighted mean over time whose weights are learned."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.hidden, self.score = nn.Linear(width, width), nn.Linear(width, 1)

    def forward(self, x: Tensor, padding: Tensor | None) -> Tensor:
        """x (B, N, D), padding bool (B, N) or None -> (B, D)."""
        logits = self.score(functional.mish(self.hidden(x))).squeeze(-1)
        if padding is not None:
            logits = logits + _MASKED * padding
        return (logits.softmax(dim=1)[..., None] * x).sum(1)


class StyleEncoder(nn.Module):
    """Transformer, pooling and, where the code's width is another than the layers', a linear map to it."""

    def __init__(
        self,
        channels: int,
        width: int,
        heads: int,
        expansion: int,
        layers: int,
        dropout: float,
        frames: int,
        style_width: int,
        anchor: int,
    ) -> None:
        """`anchor`: how many first numbers of the code are the clip's mean plus a learned correction (0: none)."""
        super().__init__()
        self.anchor, self.frames = anchor, frames
        self.entry = nn.Linear(channels, width)
        self.layers = nn.ModuleList(EncoderLayer(width, heads, expansion, dropout) for _ in range(layers))
        self.pooling = AttentionPooling(width)
        needs_exit = style_width != width or anchor > 0
        self.exit = nn.Linear(width, style_width) if needs_exit else nn.Identity()
        self.positions: Tensor
        self.register_buffer("positions", sinusoids(frames, width), persistent=False)
        init_xavier(self)
        if anchor and isinstance(self.exit, nn.Linear):
            nn.init.zeros_(self.exit.weight[:anchor])  # begin with the mean itself, not with noise on it
            nn.init.zeros_(self.exit.bias[:anchor])

    def forward(self, clip: Tensor, padding: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        """Encode.

        Args:
            clip: (B, N, C), any N >= 1; cropped to `frames`.
            padding: bool (B, N), True where there is no frame; at least one frame must be there. None: all are.
            generator: makes the crop random; None crops from the beginning.

        Returns:
            style code (B, S)
        """
        clip, padding = crop_clip(clip, padding, self.frames, generator)
        x = self.entry(clip) + self.positions[: clip.shape[1]]
        for layer in self.layers:
            x = layer(x, padding)
        code = self.exit(self.pooling(x, padding))
        if self.anchor == 0:
            return code
        return functional.pad(_mean(clip, padding), (0, code.shape[1] - self.anchor)) + code


def _mean(clip: Tensor, padding: Tensor | None) -> Tensor:
    """Mean over the frames that are there: (B, N, C) -> (B, C)."""
    if padding is None:
        return clip.mean(1)
    there = (~padding).to(clip.dtype)[..., None]
    return (clip * there).sum(1) / there.sum(1).clamp(min=1)

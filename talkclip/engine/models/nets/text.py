"""T2SS, a sentence's vector -> style code, and the condition encoder, a composed pose -> style code.

The text encoder itself is frozen and lives elsewhere; its vector is the input here. Residual adapter after CLIP-Adapter
(Gao et al. 2021), mix 0.6 (Ma et al., arXiv 2304.00334, Eq. 1 as we read it).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class TextStyle(nn.Module):
    """Adapter with residual mix, then a projection to the style's width (or none, the paper's reading)."""

    def __init__(
        self,
        text_width: int,
        adapter_width: int,
        style_width: int,
        mix: float,
        mix_on: str,
        project: bool,
        normalise: bool,
    ) -> None:
        """`mix` multiplies the adapted term if `mix_on` is "adapted", else the text's own vector."""
        super().__init__()
        self.adapted_share = mix if mix_on == "adapted" else 1.0 - mix
        self.normalise = normalise
        self.adapter = nn.Sequential(
            nn.Linear(text_width, adapter_width), nn.ReLU(), nn.Linear(adapter_width, text_width), nn.ReLU()
        )
        self.projection = nn.Linear(text_width, style_width) if project else nn.Identity()

    def forward(self, vector: Tensor) -> Tensor:
        """vector (B, text width) -> style code (B, S)."""
        if self.normalise:
            vector = functional.normalize(vector, dim=-1)
        share = self.adapted_share
        return self.projection(share * self.adapter(vector) + (1 - share) * vector)


class ConditionEncoder(nn.Module):
    """The pose passes through as the code's anchor; how it moves with speech is learned from pose and scalars."""

    def __init__(self, anchor: int, scalars: int, style_width: int, width: int) -> None:
        super().__init__()
        self.free = nn.Sequential(nn.Linear(anchor + scalars, width), nn.ReLU(), nn.Linear(width, style_width - anchor))

    def forward(self, pose: Tensor, scalars: Tensor) -> Tensor:
        """pose (B, anchor) signed, scalars (B, K: arousal, intensity) -> style code (B, S)."""
        return torch.cat([pose, self.free(torch.cat([pose, scalars], dim=-1))], dim=-1)

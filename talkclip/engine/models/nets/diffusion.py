"""DreamTalk's way to the same coefficients: noise made into motion, step by step (arXiv 2312.09767).

The networks are those of the family; the audio window is mixed with the noisy frame and the step before it reaches the
decoder. The network predicts the clean frame (x0); DDIM (Song et al. 2021, eta 0) walks there in a few steps. Every
frame is made from its own noise and its own window, so cutting a clip into blocks changes nothing.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from talkclip.engine.models.config import ModelConfig
from talkclip.engine.models.nets.model import build_audio_encoder, build_decoder, build_style_encoder, pad_audio
from talkclip.errors import InputError

STEPS, _FIRST_BETA, _LAST_BETA = 1000, 1e-4, 0.02
DDIM_STEPS = 10


class Schedule(nn.Module):
    """The linear noise schedule; entry t belongs to step t, entry 0 to the clean frame."""

    def __init__(self) -> None:
        super().__init__()
        betas = torch.cat([torch.zeros(1), torch.linspace(_FIRST_BETA, _LAST_BETA, STEPS)])
        alphas = 1 - betas
        alpha_bars = alphas.log().cumsum(0).exp()
        before = torch.cat([torch.ones(1), alpha_bars[:-1]])
        posterior = torch.where(betas > 0, (1 - before) / (1 - alpha_bars).clamp(min=1e-12) * betas, 0.0)
        self.alpha_bars: Tensor
        tables = {
            "betas": betas,
            "alphas": alphas,
            "alpha_bars": alpha_bars,
            "sigmas_flex": betas.sqrt(),
            "sigmas_inflex": posterior.sqrt(),
        }
        for name, table in tables.items():
            self.register_buffer(name, table)


class DenoisingModel(nn.Module):
    """Audio encoder, style encoder, decoder and what mixes the noisy frame in.

    Raises:
        InputError: the configuration's audio encoder gives no windows.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        if config.audio_per_frame:
            raise InputError("The denoising model needs windows.", "Use a configuration without audio_per_frame.")
        self.config = config
        width, channels = config.width, config.channels
        self.audio_encoder = build_audio_encoder(config)
        self.style_encoder = build_style_encoder(config)
        self.decoder = build_decoder(config)
        self.mix = nn.Sequential(
            nn.Linear(width + channels, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width)
        )
        self.time = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.schedule = Schedule()
        self.null_style_clip: Tensor
        self.null_pad_mask: Tensor
        self.register_buffer("null_style_clip", torch.zeros(config.style_frames, channels))
        self.register_buffer("null_pad_mask", torch.zeros(config.style_frames, dtype=torch.bool))

    def forward(self, noisy: Tensor, step: int, windows: Tensor, style: Tensor) -> Tensor:
        """Predict the clean frames.

        Args:
            noisy: (B, T, C).
            step: 1 .. 1000, how noisy they are.
            windows: (B, T, W, D) from the audio encoder.
            style: (B, S) or (B, T, S).

        Returns:
            (B, T, C)
        """
        beside = noisy[:, :, None].expand(-1, -1, windows.shape[2], -1)
        mixed = self.mix(torch.cat([windows, beside], dim=-1)) + self.time(step_embedding(step, self.config.width))
        return self.decoder(mixed, style)

    def null_style(self) -> Tensor:
        """The style of no style, for guidance: (1, S)."""
        return self.style_encoder(self.null_style_clip[None], self.null_pad_mask[None])

    @torch.inference_mode()
    def sample(
        self, audio: Tensor, style: Tensor, noise: Tensor, guidance: float = 1.0, steps: int = DDIM_STEPS
    ) -> Tensor:
        """Make a clip; outside it there is silence.

        Args:
            audio: (B, T, I).
            style: (B, S) or (B, T, S).
            noise: (B, T, C), standard normal: the seed of the result.
            guidance: 0 ignores the style, 1 follows it, more exaggerates it (lips suffer above 2).
            steps: divides 1000.

        Returns:
            (B, T, C)

        Raises:
            InputError: `steps` does not divide 1000.
        """
        return self.sample_padded(pad_audio(audio, self.config), style, noise, guidance, steps)

    @torch.inference_mode()
    def sample_padded(
        self, padded: Tensor, style: Tensor, noise: Tensor, guidance: float = 1.0, steps: int = DDIM_STEPS
    ) -> Tensor:
        """As `sample`, of frames whose context is given: padded (B, T + 2 * context, I) -> (B, T, C)."""
        if steps < 1 or STEPS % steps:
            raise InputError(f"{steps} steps do not divide {STEPS}.", "Use for example 10, 20 or 50.")
        windows = self.audio_encoder(padded)
        null = None if guidance == 1.0 else self.null_style().expand(len(style), -1)
        x = noise
        for step in range(STEPS - STEPS // steps + 1, 0, -(STEPS // steps)):
            clean = self(x, step, windows, style)
            if null is not None:
                plain = self(x, step, windows, null)
                clean = plain + guidance * (clean - plain)
            now, then = self.schedule.alpha_bars[step], self.schedule.alpha_bars[max(step - STEPS // steps, 0)]
            direction = (x - now.sqrt() * clean) / (1 - now).sqrt()
            x = then.sqrt() * clean + (1 - then).sqrt() * direction
        return x


def step_embedding(step: int, width: int) -> Tensor:
    """-> (width,): cosines, then sines, of the step at falling frequencies."""
    half = width // 2
    angle = step * torch.exp(-math.log(10000.0) * torch.arange(half) / half)
    return torch.cat([angle.cos(), angle.sin()])

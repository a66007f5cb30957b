"""What judges the motion in training: D_tem, is it natural over time, and D_sync, does the mouth say what is heard.

The paper's discriminators were never released; D_tem follows the building blocks left in StyleTalk's repository
(PatchGAN over the sequence), D_sync its paper's description (PointNet over mouth vertices beside a phone-window
encoder, Qi et al. 2017; pretrained on in-sync and off-sync pairs, then frozen).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from talkclip.engine.models.config import AUDIO_WIDTHS, ModelConfig
from talkclip.engine.models.nets.audio import PhoneEntry, windows
from talkclip.engine.models.nets.layers import EncoderLayer, init_xavier, sinusoids
from talkclip.errors import InputError

SYNC_FRAMES = 5
LEAST_FRAMES = 8
_LEAST_NORM = 1e-6
_SLOPE = 0.2


class TemporalDiscriminator(nn.Module):
    """D_tem: one logit per patch of 26 frames."""

    def __init__(self, channels: int, width: int = 256) -> None:
        """`width`: of the first layer; the paper's size is 256, 64 is enough for the default model."""
        super().__init__()
        self.layers = nn.Sequential(
            *_patch_layer(channels, width, kernel=4, stride=2),
            *_patch_layer(width, 2 * width, kernel=4, stride=2),
            *_patch_layer(2 * width, 4 * width, kernel=3, stride=1),
            nn.Conv1d(4 * width, 1, 3, padding=1),
        )

    def forward(self, motion: Tensor) -> Tensor:
        """motion (B, T, C), T >= 8 -> logits (B, T // 4).

        Raises:
            InputError: fewer than 8 frames.
        """
        if motion.shape[1] < LEAST_FRAMES:
            raise InputError(f"{motion.shape[1]} frames are too short to judge.", f"Give at least {LEAST_FRAMES}.")
        return self.layers(motion.transpose(1, 2))[:, 0]


def _patch_layer(inputs: int, outputs: int, kernel: int, stride: int) -> tuple[nn.Module, ...]:
    return (
        nn.Conv1d(inputs, outputs, kernel, stride, padding=1),
        nn.InstanceNorm1d(outputs, affine=True),
        nn.LeakyReLU(_SLOPE),
    )


class MouthPoints(nn.Module):
    """Coefficients -> what PointNet sees of each mouth vertex: where it rests and how it moved, in unit scale."""

    def __init__(self, basis: np.ndarray, rest: np.ndarray) -> None:
        """`basis` (V, 3, C), displacement per coefficient, and `rest` (V, 3), both in the same unit.

        Raises:
            InputError: shapes disagree, or nothing moves.
        """
        super().__init__()
        if basis.ndim != 3 or basis.shape[1] != 3 or rest.shape != basis.shape[:2]:
            raise InputError(f"mouth basis {basis.shape} and rest {rest.shape} are not (V, 3, C) and (V, 3).")
        moved = float(np.sqrt((basis**2).sum(axis=1)).max())
        if not moved > 0:
            raise InputError("The mouth basis moves nothing.", "Give vertices of the lips.")
        centred = rest - rest.mean(axis=0)
        self.basis: Tensor
        self.rest: Tensor
        self.register_buffer("basis", torch.tensor(basis / moved, dtype=torch.float32))
        self.register_buffer("rest", torch.tensor(centred / np.abs(centred).max(), dtype=torch.float32))

    def forward(self, motion: Tensor) -> Tensor:
        """motion (B, T, C) -> (B, T, V, 6)."""
        displacement = torch.einsum("vxc,btc->btvx", self.basis, motion)
        return torch.cat([self.rest.expand_as(displacement), displacement], dim=-1)


class PointNet(nn.Module):
    """The same small network for every point, then the maximum over points: their order means nothing."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.each = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, width))

    def forward(self, points: Tensor) -> Tensor:
        """points (..., V, 6) -> (..., D)."""
        return self.each(points).amax(dim=-2)


class SyncDiscriminator(nn.Module):
    """D_sync: how well `SYNC_FRAMES` frames of mouth fit the sound of the same frames, 0..1."""

    def __init__(self, config: ModelConfig, basis: np.ndarray, rest: np.ndarray, width: int = 128, layers: int = 2):
        """`config` names the audio input; `basis` and `rest` as `MouthPoints`, C channels of the same space.

        Raises:
            InputError: the basis is of another space.
        """
        super().__init__()
        self.points = MouthPoints(basis, rest)
        if basis.shape[2] != config.channels:
            raise InputError(f"The mouth basis has {basis.shape[2]} channels, {config.space} has {config.channels}.")
        self.point_net = PointNet(width)
        self.mouth_exit = nn.Sequential(nn.Linear(SYNC_FRAMES * width, width), nn.ReLU(), nn.Linear(width, width))
        phones = config.audio_input == "phones"
        self.audio_entry = PhoneEntry(width) if phones else nn.Linear(AUDIO_WIDTHS[config.audio_input], width)
        self.audio_layers = nn.ModuleList(
            EncoderLayer(width, config.heads, config.expansion, config.dropout) for _ in range(layers)
        )
        self.audio_exit = nn.Linear(width, width)
        self.positions: Tensor
        self.register_buffer("positions", sinusoids(SYNC_FRAMES, width), persistent=False)
        init_xavier(self)

    def forward(self, motion: Tensor, audio: Tensor) -> Tensor:
        """Judge every run of 5 frames.

        Args:
            motion: (B, T, C), T >= 5.
            audio: the same frames, (B, T, I) or phone ids (B, T).

        Returns:
            P (B, T - 4), 0..1, the cosine of both embeddings (neither has negative numbers).
        """
        mouth, sound = self.embed_mouth(motion), self.embed_audio(audio)
        norm = (mouth.norm(dim=-1) * sound.norm(dim=-1)).clamp(min=_LEAST_NORM)
        return (mouth * sound).sum(-1) / norm

    def embed_mouth(self, motion: Tensor) -> Tensor:
        """motion (B, T, C) -> e_m (B, T - 4, D)."""
        frames = self.point_net(self.points(motion))
        return self.mouth_exit(windows(frames, SYNC_FRAMES).flatten(2)).relu()

    def embed_audio(self, audio: Tensor) -> Tensor:
        """audio (B, T, I) or ids (B, T) -> e_a (B, T - 4, D)."""
        x = windows(self.audio_entry(audio), SYNC_FRAMES)
        batch, n_windows = x.shape[:2]
        x = (x + self.positions).flatten(0, 1)
        for layer in self.audio_layers:
            x = layer(x)
        return self.audio_exit(x.mean(1)).relu().unflatten(0, (batch, n_windows))


def sync_pretraining_loss(probability: Tensor, in_sync: Tensor) -> Tensor:
    """Cross-entropy of P with what is true.

    Args:
        probability: P of any shape, 0..1.
        in_sync: bool of the same shape, or broadcastable to it.

    Returns:
        scalar
    """
    inside = probability.clamp(_LEAST_NORM, 1 - _LEAST_NORM)
    return functional.binary_cross_entropy(inside, in_sync.to(inside).expand_as(inside))

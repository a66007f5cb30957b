"""The judges of training: shapes, limits, and that they can learn what they judge."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from talkclip.engine.models.config import default
from talkclip.engine.models.nets import losses
from talkclip.engine.models.nets.discriminators import (
    MouthPoints,
    PointNet,
    SyncDiscriminator,
    TemporalDiscriminator,
    sync_pretraining_loss,
)
from talkclip.errors import InputError
from tests.support.tiny_models import TINY, sound


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(3)


@pytest.fixture
def mouth() -> tuple[np.ndarray, np.ndarray]:
    """Twelve lip vertices that eight of the 52 channels move."""
    random = np.random.default_rng(1)
    basis = np.zeros((12, 3, 52), np.float32)
    basis[:, :, 14:22] = 0.01 * random.standard_normal((12, 3, 8))
    return basis, random.standard_normal((12, 3)).astype(np.float32)


def test_the_temporal_discriminator_has_the_papers_layers_and_judges_patches() -> None:
    judge = TemporalDiscriminator(64)
    convolutions = [m for m in judge.layers if isinstance(m, torch.nn.Conv1d)]
    assert [m.out_channels for m in convolutions] == [256, 512, 1024, 1]
    for frames in (8, 9, 64):
        assert judge(torch.randn(2, frames, 64)).shape == (2, frames // 4)
    with pytest.raises(InputError, match="too short"):
        judge(torch.randn(1, 7, 64))


def test_the_temporal_discriminator_learns_to_see_jitter() -> None:
    judge = TemporalDiscriminator(8, width=16)
    optimiser = torch.optim.Adam(judge.parameters(), lr=2e-3)
    phase, rate = torch.rand(16, 1, 8) * 6, 0.2 + 0.2 * torch.rand(16, 1, 8)
    smooth = torch.sin(rate * torch.arange(32)[None, :, None] + phase)
    for _ in range(30):
        jittery = smooth + 0.3 * torch.randn_like(smooth)
        loss = losses.hinge_discriminator_loss(judge(smooth), judge(jittery))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        jittery = smooth + 0.3 * torch.randn_like(smooth)
        assert float(judge(smooth).mean()) > float(judge(jittery).mean()) + 0.5


def test_points_rest_and_move_in_unit_scale(mouth: tuple[np.ndarray, np.ndarray]) -> None:
    basis, rest = mouth
    points = MouthPoints(basis, rest)(torch.zeros(1, 1, 52))
    assert points.shape == (1, 1, 12, 6)
    assert float(points[..., 3:].abs().max()) == 0 and float(points[..., :3].abs().max()) == pytest.approx(1)
    moved = MouthPoints(basis, rest)(torch.eye(52)[None])[..., 3:].norm(dim=-1)
    assert float(moved.max()) == pytest.approx(1) and float(moved[0, 0].max()) == 0


def test_the_order_of_the_vertices_means_nothing() -> None:
    net, points = PointNet(16), torch.randn(2, 12, 6)
    torch.testing.assert_close(net(points[:, torch.randperm(12)]), net(points))


@pytest.mark.parametrize("kind", ["default", "paper"])
def test_sync_is_a_probability_per_window(kind: str, mouth: tuple[np.ndarray, np.ndarray]) -> None:
    config = TINY[kind]
    basis = np.zeros((12, 3, config.channels), np.float32)
    basis[..., :8] = mouth[0][..., 14:22]
    judge = SyncDiscriminator(config, basis, mouth[1], width=16).eval()
    motion, audio = torch.rand(2, 9, config.channels), sound(config, 2, 9)
    probability = judge(motion, audio)
    assert probability.shape == (2, 5)
    assert float(probability.detach().min()) >= 0 and float(probability.detach().max()) <= 1 + 1e-6
    torch.testing.assert_close(judge(motion[:, 2:7], audio[:, 2:7])[:, 0], probability[:, 2])


def test_sync_learns_which_sound_belongs_to_which_mouth(mouth: tuple[np.ndarray, np.ndarray]) -> None:
    judge = SyncDiscriminator(TINY["default"], *mouth, width=16)
    optimiser = torch.optim.Adam(judge.parameters(), lr=3e-3)

    def clips() -> tuple[torch.Tensor, torch.Tensor]:
        """Mouths that open with their own sound, each in its own rhythm."""
        rate, phase = 0.5 + torch.rand(8, 1, 1), 6 * torch.rand(8, 1, 1)
        loudness = 0.5 + 0.5 * torch.sin(rate * torch.arange(16)[None, :, None] + phase)
        motion, audio = torch.zeros(8, 16, 52), torch.zeros(8, 16, 244)
        motion[..., 14:22] = loudness * torch.linspace(0.2, 1, 8)
        audio[..., :8] = loudness
        return motion, audio

    for _ in range(100):
        motion, audio = clips()
        right, wrong = judge(motion, audio), judge(motion, audio.roll(1, dims=0))
        loss = sync_pretraining_loss(right, torch.tensor(True)) + sync_pretraining_loss(wrong, torch.tensor(False))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    judge.eval()
    motion, audio = clips()
    with torch.no_grad():
        assert float(judge(motion, audio).mean()) > float(judge(motion, audio.roll(1, dims=0)).mean()) + 0.15
    (gradient,) = torch.autograd.grad(losses.sync_loss(judge(motion.requires_grad_(), audio)), motion)
    assert float(gradient[..., 14:22].abs().max()) > 0 == float(gradient[..., :14].abs().max())


def test_a_mouth_that_does_not_fit_is_refused(mouth: tuple[np.ndarray, np.ndarray]) -> None:
    basis, rest = mouth
    for wrong in ((basis[:, :2], rest), (basis, rest[:3]), (0 * basis, rest)):
        with pytest.raises(InputError):
            MouthPoints(*wrong)
    with pytest.raises(InputError, match="7 channels"):
        SyncDiscriminator(default(), basis[..., 14:21], rest)

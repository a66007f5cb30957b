"""Losses: known values, masks, and that they train."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from talkclip.engine.models.nets import losses
from talkclip.engine.models.nets.losses import LossWeights
from talkclip.errors import InputError
from tests.support.tiny_models import sound, styles, tiny_model


def test_ssim_of_equal_maps_is_one_and_noise_lowers_it() -> None:
    torch.manual_seed(0)
    truth = torch.rand(2, 64, 52)
    assert float(losses.ssim(truth, truth, 1.0)) == pytest.approx(1.0, abs=1e-5)
    slightly, much = (losses.ssim(truth, truth + s * torch.randn_like(truth), 1.0) for s in (0.05, 0.5))
    assert 0.9 < float(slightly) < 1 and float(much) < 0.7


def test_ssim_agrees_with_the_formula_written_out() -> None:
    torch.manual_seed(1)
    x, y = torch.rand(1, 11, 11), torch.rand(1, 11, 11)
    place = np.arange(11) - 5
    one = np.exp(-(place**2) / (2 * 1.5**2))
    window = np.outer(one, one) / np.outer(one, one).sum()
    a, b = x[0].numpy().astype(float), y[0].numpy().astype(float)
    mean_a, mean_b = (window * a).sum(), (window * b).sum()
    var_a, var_b = (window * a * a).sum() - mean_a**2, (window * b * b).sum() - mean_b**2
    cov = (window * a * b).sum() - mean_a * mean_b
    c1, c2 = 1e-4, 9e-4
    expected = (2 * mean_a * mean_b + c1) * (2 * cov + c2) / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    assert float(losses.ssim(x, y, 1.0)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("frames", [1, 5])
def test_short_clips_have_a_reconstruction_loss(frames: int) -> None:
    truth = torch.rand(1, frames, 52)
    assert float(losses.reconstruction_loss(truth, truth, LossWeights())) == pytest.approx(0, abs=1e-5)


def test_u_multiplies_the_term_that_the_flag_names() -> None:
    torch.manual_seed(2)
    x, y = torch.rand(1, 20, 52), torch.rand(1, 20, 52)
    l1, dissimilarity = float((x - y).abs().mean()), 1 - float(losses.ssim(x, y, 1.0))
    on_l1 = losses.reconstruction_loss(x, y, LossWeights())
    on_ssim = losses.reconstruction_loss(x, y, LossWeights(ssim_mix_on="ssim"))
    assert float(on_l1) == pytest.approx(0.1 * l1 + 0.9 * dissimilarity, abs=1e-6)
    assert float(on_ssim) == pytest.approx(0.9 * l1 + 0.1 * dissimilarity, abs=1e-6)


def test_what_is_not_known_is_neither_right_nor_wrong() -> None:
    torch.manual_seed(3)
    predicted = torch.rand(1, 20, 52, requires_grad=True)
    truth = torch.rand(1, 20, 52)
    known = torch.zeros(1, 1, 52, dtype=torch.bool)
    known[..., :30] = True
    loss = losses.reconstruction_loss(predicted, truth, LossWeights(), known)
    changed = torch.where(known, truth, truth + 5)
    torch.testing.assert_close(losses.reconstruction_loss(predicted, changed, LossWeights(), known), loss)
    (gradient,) = torch.autograd.grad(loss, predicted)
    assert float(gradient[..., 30:].abs().max()) == 0 < float(gradient[..., :30].abs().min())


def test_the_other_losses_at_known_points() -> None:
    a, b = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    assert float(losses.cosine_style_loss(a, a)) == pytest.approx(0)
    assert float(losses.cosine_style_loss(a, b)) == pytest.approx(1)
    assert float(losses.hinge_discriminator_loss(torch.tensor([2.0]), torch.tensor([-2.0]))) == 0
    assert float(losses.hinge_discriminator_loss(torch.tensor([0.0]), torch.tensor([0.0]))) == 2
    assert float(losses.hinge_generator_loss(torch.tensor([3.0]))) == -3
    assert float(losses.sync_loss(torch.tensor([1.0, 1.0]))) == 0
    assert bool(losses.sync_loss(torch.tensor([-1.0])).isfinite())
    assert float(losses.anchor_loss(torch.tensor([[1.0, 9.0]]), torch.tensor([[0.0]]))) == 1


def test_impossible_weights_are_all_named() -> None:
    with pytest.raises(InputError, match=r"sync.*ssim_mix is.*ssim_mix_on.*data_range"):
        LossWeights(sync=-1, ssim_mix=2, ssim_mix_on="both", data_range=0)


@pytest.mark.parametrize("kind", ["default", "paper"])
def test_a_few_steps_learn_one_clip(kind: str) -> None:
    model = tiny_model(kind).train()
    audio, clip = sound(model.config, 2, 16), 0.3 * torch.rand(2, 16, model.config.channels)
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    history = []
    for _ in range(25):
        code = model.style_of_clip(clip)
        out = model(audio, code)
        loss = losses.reconstruction_loss(out, clip, LossWeights(ssim_mix_on="ssim"))
        loss = loss + 0.01 * losses.cosine_style_loss(model.style_of_text(styles(model.config, 2)[:, :24]), code)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        history.append(float(loss.detach()))
    assert history[-1] < 0.75 * history[0]
    unused = [name for name, p in model.named_parameters() if p.grad is None and not name.startswith("condition")]
    assert not unused

"""Style codes: from clips, from text, from poses."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from talkclip.engine.models.config import paper_reading
from talkclip.engine.models.nets.model import TalkClipModel
from talkclip.engine.models.nets.style import crop_clip
from talkclip.engine.models.nets.text import TextStyle
from talkclip.errors import InputError
from tests.support.tiny_models import sound, tiny_model


@torch.inference_mode()
def test_padding_changes_nothing() -> None:
    for kind in ("default", "paper"):
        model = tiny_model(kind)
        clip = torch.rand(2, 30, model.config.channels)
        padded = torch.cat([clip, torch.full((2, 10, model.config.channels), 9.0)], dim=1)
        there = torch.arange(40).expand(2, -1) >= 30
        torch.testing.assert_close(model.style_of_clip(padded, there), model.style_of_clip(clip), atol=1e-5, rtol=0)


@torch.inference_mode()
def test_long_clips_are_cropped_from_the_beginning_or_at_random() -> None:
    model = tiny_model()
    clip = torch.rand(1, 400, 52)
    torch.testing.assert_close(model.style_of_clip(clip), model.style_of_clip(clip[:, :256]))
    generator = torch.Generator().manual_seed(1)
    starts = {float(crop_clip(clip, None, 256, generator)[0][0, 0, 0]) for _ in range(8)}
    assert len(starts) > 3
    padding = torch.arange(400)[None] >= 380
    cropped, kept = crop_clip(clip, padding, 256, generator)
    assert cropped.shape == (1, 256, 52) and kept is not None and kept.shape == (1, 256)
    assert model.style_of_clip(clip[:, :1]).shape == (1, 64)


@torch.inference_mode()
def test_the_anchor_of_a_clip_begins_as_its_mean() -> None:
    model = TalkClipModel(tiny_model().config).eval()
    clip = torch.rand(3, 20, 52)
    torch.testing.assert_close(model.style_of_clip(clip)[:, :52], clip.mean(1))


@torch.inference_mode()
def test_an_expression_that_was_never_trained_shows_in_full() -> None:
    model = tiny_model()
    audio, style = sound(model.config, 1, 6), torch.zeros(1, 64)
    model.decoder.style_entry.weight[:, 23] = 0  # what the network itself makes of mouthSmileLeft
    smiling = style.clone()
    smiling[0, 23] = 0.7
    difference = model(audio, smiling) - model(audio, style)
    assert float(difference[..., 23].min()) == pytest.approx(0.7, abs=1e-6)
    assert float(difference[..., :23].abs().max()) < 1e-6


@torch.inference_mode()
def test_a_pose_passes_through_the_condition_encoder() -> None:
    model = tiny_model()
    pose = torch.rand(2, 52) - 0.5
    calm, excited = (model.style_of_pose(pose, torch.tensor([[a, 1.0]] * 2)) for a in (0.0, 1.0))
    assert torch.equal(calm[:, :52], pose) and torch.equal(excited[:, :52], pose)
    assert not torch.equal(calm[:, 52:], excited[:, 52:])
    with pytest.raises(InputError, match="composed poses"):
        tiny_model("paper").style_of_pose(pose, pose[:, :2])


@torch.inference_mode()
@pytest.mark.parametrize(("mix_on", "share"), [("adapted", 0.6), ("text", 0.4)])
def test_the_residual_mix_is_as_its_flag_says(mix_on: str, share: float) -> None:
    style = TextStyle(8, 4, 5, 0.6, mix_on, project=True, normalise=False)
    vector = torch.randn(3, 8)
    expected = style.projection(share * style.adapter(vector) + (1 - share) * vector)
    torch.testing.assert_close(style(vector), expected)
    normalising = TextStyle(8, 4, 5, 0.6, mix_on, project=True, normalise=True)
    torch.testing.assert_close(normalising(vector), normalising(7 * vector))


def test_the_papers_reading_has_one_width_and_no_projection() -> None:
    config = paper_reading()
    style = TextStyle(512, 256, 512, config.adapter_mix, config.adapter_mix_on, project=False, normalise=True)
    assert isinstance(style.projection, torch.nn.Identity) and style(torch.randn(2, 512)).shape == (2, 512)
    assert {config.width, config.text_width, config.style_width} == {512}


def test_gradients_reach_every_style_path() -> None:
    model = tiny_model()
    for code in (
        model.style_of_text(torch.randn(1, 24)),
        model.style_of_clip(torch.rand(1, 9, 52)),
        model.style_of_pose(torch.rand(1, 52), torch.rand(1, 2)),
    ):
        model.zero_grad()
        model(sound(model.config, 1, 3), code).sum().backward()
        assert model.decoder.style_entry.weight.grad is not None
    assert np.isfinite(float(model.condition_encoder.free[0].weight.grad.sum()))

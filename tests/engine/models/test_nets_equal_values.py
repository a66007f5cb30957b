"""One frame, one batch, blocks, streams, shared work: always the same values."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from talkclip.engine.models.blocks import FaceStream, decode_clip
from talkclip.engine.models.inputs import padding_frame
from talkclip.engine.models.nets.audio import windows
from talkclip.engine.models.nets.decoder import distinct_styles, windowed_keys_values
from talkclip.engine.models.nets.layers import DynamicFeedForward, StyleMixedLinear
from talkclip.engine.models.nets.model import TalkClipModel, as_decode
from tests.support.tiny_models import TINY, sound, styles, tiny_model

KINDS = list(TINY)
TOLERANCE = 1e-5


@pytest.fixture(params=KINDS)
def model(request: pytest.FixtureRequest) -> TalkClipModel:
    return tiny_model(request.param)


@torch.inference_mode()
def test_one_frame_and_one_batch_give_what_the_clip_gives(model: TalkClipModel) -> None:
    audio, style = sound(model.config, 3, 12), styles(model.config, 3, 12)
    whole = model(audio, style)
    assert whole.shape == (3, 12, model.config.channels)
    padded, context = model.pad(audio), model.config.context
    for clip, frame in ((0, 0), (1, 5), (2, 11)):
        alone = model.decode(padded[clip : clip + 1, frame : frame + 2 * context + 1], style[clip : clip + 1, frame])
        torch.testing.assert_close(alone[0, 0], whole[clip, frame], atol=TOLERANCE, rtol=0)
    alone = model(audio[1:2], style[1:2])
    torch.testing.assert_close(alone[0], whole[1], atol=TOLERANCE, rtol=0)


@torch.inference_mode()
def test_a_clip_of_a_single_frame_works(model: TalkClipModel) -> None:
    audio, style = sound(model.config, 1, 1), styles(model.config, 1)
    out = model(audio, style)
    assert out.shape == (1, 1, model.config.channels) and bool(out.isfinite().all())
    torch.testing.assert_close(model(audio, style[:, None]), out, atol=TOLERANCE, rtol=0)


@torch.inference_mode()
def test_blocks_and_streams_give_what_the_clip_gives(model: TalkClipModel) -> None:
    audio, style = sound(model.config, 1, 47)[0].numpy(), styles(model.config, 47).numpy()
    style[10:30] = style[10]  # a held style between two fades
    whole = as_decode(model)(model.pad(torch.from_numpy(audio)[None])[0].numpy(), style)
    context, padding = model.config.context, padding_frame(model.config)
    for block_frames in (1, 7, 500):
        blocks = decode_clip(as_decode(model), audio, style, context, padding, block_frames)
        np.testing.assert_allclose(blocks, whole, atol=TOLERANCE)
    stream = FaceStream(as_decode(model), context, padding)
    cuts = [0, 1, 2, 9, 10, 30, 47]
    parts = [stream.push(audio[a:b], style[a:b]) for a, b in itertools.pairwise(cuts)]
    assert parts[0] is None and parts[3] is not None
    parts.append(stream.finish())
    np.testing.assert_allclose(np.concatenate([p for p in parts if p is not None]), whole, atol=TOLERANCE)


def test_ten_minutes_go_through_in_bounded_memory() -> None:
    resource = pytest.importorskip("resource")
    model = tiny_model()
    frames = 10 * 60 * 25
    audio = sound(model.config, 1, 700)[0].numpy()[np.arange(frames) % 700]
    style = styles(model.config, 1)[0].numpy()
    longest = 0

    def decode(inputs: np.ndarray, codes: np.ndarray) -> np.ndarray:
        nonlocal longest
        longest = max(longest, len(inputs))
        return as_decode(model)(inputs, codes)

    decode_clip(decode, audio[:1500], style, model.config.context, padding_frame(model.config))
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    out = decode_clip(decode, audio, style, model.config.context, padding_frame(model.config))
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb
    assert out.shape == (frames, 52) and longest == 500 + 2 * model.config.context
    assert grown_kb < 20_000 + out.nbytes / 1024, grown_kb
    np.testing.assert_allclose(out[7000:7300], out[7700:8000], atol=TOLERANCE)


@torch.inference_mode()
def test_one_style_per_clip_is_that_style_in_every_frame(model: TalkClipModel) -> None:
    audio, style = sound(model.config, 2, 9), styles(model.config, 2)
    per_clip = model(audio, style)
    torch.testing.assert_close(model(audio, style[:, None].expand(-1, 9, -1)), per_clip, atol=TOLERANCE, rtol=0)
    changing = styles(model.config, 2, 9)
    changing[0] = style[0]
    torch.testing.assert_close(model(audio, changing)[0], per_clip[0], atol=TOLERANCE, rtol=0)
    assert (model(audio, changing)[1] - per_clip[1]).abs().max() > 1e-2


def _one_matrix_per_sequence(layer: StyleMixedLinear, x: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
    """The slow form: x (N, L, I), style (N, S)."""
    shares = layer.shares(style)
    weights = torch.einsum("nk,koi->noi", shares, layer.expert_weight)
    return torch.einsum("noi,nli->nlo", weights, x) + (shares @ layer.expert_bias)[:, None]


@pytest.mark.parametrize("distinct", [1, 2, 3, 40])
def test_mixing_once_per_style_equals_one_matrix_per_frame(distinct: int) -> None:
    torch.manual_seed(0)
    layer = tiny_model("paper").decoder.lower.layers[0].feed_forward
    assert isinstance(layer, DynamicFeedForward)
    x, codes = torch.randn(40, 11, 32), torch.randn(distinct, 32)
    index = torch.arange(40) % distinct
    with torch.no_grad():
        slow = _one_matrix_per_sequence(layer.linear1, x, codes[index])
        for chosen in [index] if distinct > 1 else [index, None]:
            torch.testing.assert_close(layer.linear1(x, codes, chosen), slow, atol=TOLERANCE, rtol=0)
        if distinct == 40:
            torch.testing.assert_close(layer.linear1(x, codes, None), slow, atol=TOLERANCE, rtol=0)


def test_gradients_of_the_fast_path_are_those_of_the_slow_one() -> None:
    layer = tiny_model("paper").decoder.lower.layers[0].feed_forward.linear1
    x, codes = torch.randn(40, 3, 32), torch.randn(2, 32, requires_grad=True)
    index = torch.arange(40) % 2
    wanted = (layer.expert_weight, layer.gate_in.weight, codes)
    slow = torch.autograd.grad(_one_matrix_per_sequence(layer, x, codes[index]).square().mean(), wanted)
    fast = torch.autograd.grad(layer(x, codes, index).square().mean(), wanted)
    for a, b in zip(slow, fast, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-3)


def test_distinct_styles_are_found_and_keep_their_gradients() -> None:
    style = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]]])
    codes, index = distinct_styles(style, 3)
    assert index is not None and len(codes) == 2
    torch.testing.assert_close(codes[index], style[0])
    codes, index = distinct_styles(style.requires_grad_(), 3)
    assert index is None and len(codes) == 3


@torch.inference_mode()
def test_the_middle_token_alone_gives_what_all_tokens_give() -> None:
    model = tiny_model("paper")
    half = model.decoder.upper
    audio = model.audio_encoder(model.pad(sound(model.config, 1, 5)))
    style = styles(model.config, 1)
    query = (style[:, None] + model.decoder.query_positions).expand(5, -1, -1)
    x = query
    for layer in half.layers:
        keys_values = layer.cross_attention.keys_values(audio).flatten(0, 1)
        x = layer.attend_audio(layer.attend_itself(x, middle_only=False), keys_values, style, None)
    plain = half.tail(half.norm(x)[:, 5])
    torch.testing.assert_close(half(style[:, None] + model.decoder.query_positions, audio, None, style, None), plain)


@torch.inference_mode()
def test_frames_gathered_after_the_projection_equal_windows_with_positions() -> None:
    model = tiny_model()
    attention = model.decoder.lower.layers[0].cross_attention
    frames = torch.randn(2, 15, 32)
    plain = attention.keys_values((windows(frames, 11) + model.decoder.positions).flatten(0, 1))
    fast = windowed_keys_values(attention, frames, model.decoder.positions)
    torch.testing.assert_close(fast, plain, atol=TOLERANCE, rtol=0)

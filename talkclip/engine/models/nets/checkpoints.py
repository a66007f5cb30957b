"""Public weights into our modules, strictly: StyleTalk's `.pth` and DreamTalk's `denoising_network.pth`.

Names and shapes of the files are facts of their formats (FuxiVirtualHuman/styletalk @17b046c, ali-vilab/dreamtalk
@ba798b0); the modules are ours, so every key is translated. The weights come from the user, under their own licence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from talkclip.engine.models.config import ModelConfig, dreamtalk, paper
from talkclip.engine.models.nets.diffusion import DenoisingModel
from talkclip.engine.models.nets.model import TalkClipModel
from talkclip.engine.models.nets.state import read_pickled, require_fit, state_problems
from talkclip.errors import InputError

STYLETALK_PREFIXES = ("content_encoder.", "style_encoder.", "decoder.")
DREAMTALK_PREFIX = "diff_net."
# Ours -> theirs, in this order; what no rule touches has the same name on both sides.
_RENAMED: tuple[tuple[str, str], ...] = (
    (r"^audio_encoder\.entry\.table\.", "content_encoder.ph_embedding."),
    (r"^audio_encoder\.entry\.(linear\.)?", "content_encoder.increase_embed_dim."),
    (r"^audio_encoder\.positions$", "content_encoder.pos_embed.pos_table"),
    (r"^audio_encoder\.layers\.", "content_encoder.encoder.layers."),
    (r"^style_encoder\.entry\.", "style_encoder.increase_embed_dim."),
    (r"^style_encoder\.positions$", "style_encoder.pos_embed.pos_table"),
    (r"^style_encoder\.layers\.", "style_encoder.encoder.layers."),
    (r"^style_encoder\.pooling\.hidden\.", "style_encoder.aggregate_method.W.0."),
    (r"^style_encoder\.pooling\.score\.", "style_encoder.aggregate_method.W.2."),
    (r"^decoder\.query_positions$", "decoder.pos_embed.pos_table"),
    (r"^decoder\.(lower|upper)\.tail\.", r"decoder.\1_tail_fc."),
    (r"^decoder\.(lower|upper)\.", r"decoder.\1_decoder."),
    (r"^mix\.", "content_xt_to_decoder_input_wo_time."),
    (r"^time\.", "time_embed_net."),
    (r"^schedule\.", "var_sched."),
    (r"\.self_attention\.", ".self_attn."),
    (r"\.cross_attention\.", ".multihead_attn."),
    (r"\.feed_forward\.linear1\.expert_", ".linear1.dynamic_conv."),
    (r"\.feed_forward\.linear1\.gate_in\.", ".linear1.dynamic_conv.attention.net.0."),
    (r"\.feed_forward\.linear1\.gate_out\.", ".linear1.dynamic_conv.attention.net.2."),
    (r"\.feed_forward\.", "."),
)
# The parts whose keys stand outside `net.` in DreamTalk's file.
_DREAMTALK_OUTSIDE = ("var_sched.", "null_")
_TABLES = ("audio_encoder.positions", "style_encoder.positions", "decoder.query_positions")
_PARTS = ("audio_encoder.", "style_encoder.", "decoder.", "mix.", "time.", "schedule.", "null_")
_DERIVED = ("decoder.positions", "decoder.place")


_AS_CONVOLUTIONS = (".expert_weight", ".gate_in.weight", ".gate_out.weight")


def load_styletalk(path: str | Path, config: ModelConfig | None = None) -> TalkClipModel:
    """StyleTalk's three networks, ready for inference; keys of other networks in the file are ignored.

    The file holds no T2SS: `style_of_text` says so until `talkclip adapt` has trained one.

    Args:
        path: the `.pth` with "model_state_dict".
        config: its shapes; None: `config.paper()`.

    Raises:
        InputError: unreadable, or not all keys and shapes are as expected (every one named).
    """
    model = TalkClipModel(config or paper())
    model.text_style = None
    state = {key: tensor for key, tensor in read_state(path).items() if key.startswith(STYLETALK_PREFIXES)}
    _fill(public_places(model), state, str(path))
    return model.eval()


def load_dreamtalk(path: str | Path, config: ModelConfig | None = None) -> DenoisingModel:
    """DreamTalk's denoising network, ready for inference.

    Args:
        path: `denoising_network.pth` with "model_state_dict".
        config: its shapes; None: `config.dreamtalk()`.

    Raises:
        InputError: as `load_styletalk`.
    """
    model = DenoisingModel(config or dreamtalk())
    prefix = len(DREAMTALK_PREFIX)
    state = {key[prefix:]: tensor for key, tensor in read_state(path).items() if key.startswith(DREAMTALK_PREFIX)}
    places = {
        key if key.startswith(_DREAMTALK_OUTSIDE) else f"net.{key}": place
        for key, place in public_places(model).items()
    }
    _fill(places, state, str(path))
    return model.eval()


def read_state(path: str | Path) -> Mapping[str, Tensor]:
    """Tensors of a `.pth`, without running any code that may stand in it.

    Raises:
        InputError: unreadable, holds other objects than tensors, or no "model_state_dict".
    """
    data = read_pickled(path, "Save it again as {'model_state_dict': tensors}, by whoever you have it from.")
    state = data.get("model_state_dict") if isinstance(data, dict) else None
    if not isinstance(state, dict) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise InputError(f"{path}: holds no 'model_state_dict' of tensors.", "Give one of StyleTalk or DreamTalk.")
    return state


def public_places(model: nn.Module) -> dict[str, tuple[Tensor, tuple[int, ...]]]:
    """Their key -> our tensor and its shape in the file, for all that public files hold (positional tables too).

    The shapes differ from ours by axes of length 1 only.
    """
    places = {}
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if not name.startswith(_PARTS) or name in _DERIVED:
            continue
        shape = tuple(tensor.shape)
        if name in _TABLES:
            shape = (1, *shape)
        elif name.endswith(_AS_CONVOLUTIONS):
            shape = (*shape, 1, 1)
        places[_their_name(name)] = (tensor, shape)
    return places


def _their_name(name: str) -> str:
    for pattern, replacement in _RENAMED:
        name = re.sub(pattern, replacement, name)
    return name


def _fill(places: Mapping[str, tuple[Tensor, tuple[int, ...]]], state: Mapping[str, Tensor], where: str) -> None:
    require_fit(state_problems({key: shape for key, (_, shape) in places.items()}, state), where)
    with torch.no_grad():
        for key, (tensor, _) in places.items():
            tensor.copy_(state[key].reshape(tensor.shape))

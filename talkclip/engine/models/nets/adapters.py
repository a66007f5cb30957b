"""Adapters between files and modules: T2SS of a torch model taken from, and put into, an `Adapter`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save
from torch import nn

from talkclip.engine.models.adapter import Adapter, codes_hash
from talkclip.engine.models.nets.model import TalkClipModel
from talkclip.engine.models.nets.text import TextStyle
from talkclip.engine.text.encoder import TextEncoder
from talkclip.files import atomic_write


def save_adapter(adapter: Adapter, path: Path) -> None:
    """Write the safetensors file that `Adapter.load` reads."""
    arrays, metadata = adapter.contents()
    data = save({name: np.ascontiguousarray(array) for name, array in arrays.items()}, metadata)
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)


def decoder_hash(style_encoder: nn.Module, condition_encoder: nn.Module | None) -> str:
    """`codes_hash` of a torch model's parts."""
    part = style_encoder if condition_encoder is None else condition_encoder
    return codes_hash({name: tensor.detach().numpy() for name, tensor in part.state_dict().items()})


def put_adapter(model: TalkClipModel, adapter: Adapter, encoder: TextEncoder) -> None:
    """Let a model read prompts through another encoder, or read any at all (public weights have no T2SS).

    Raises:
        TalkClipError: the adapter belongs to another encoder or another decoder.
    """
    adapter.check_encoder(encoder)
    adapter.check_decoder(model.config.space, decoder_hash(model.style_encoder, model.condition_encoder))
    hidden = adapter.arrays["adapter.0.bias"].size
    part = TextStyle(adapter.encoder_dim, hidden, adapter.dim, adapter.adapted_share, "adapted", True, True)
    part.load_state_dict({name: torch.tensor(array) for name, array in adapter.arrays.items()})
    model.text_style = part.eval()

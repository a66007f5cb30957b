"""Models of each family in small, with weights that let every part show."""

from __future__ import annotations

import dataclasses

import torch

from talkclip.engine.models import config as configs
from talkclip.engine.models.nets.model import TalkClipModel

_TINY_DEFAULT = dataclasses.replace(
    configs.default(), width=32, heads=4, style_inner_width=16, style_width=64, adapter_width=8, text_width=24
)
_TINY_PAPER = dataclasses.replace(
    configs.paper(), width=32, style_width=32, style_inner_width=32, adapter_width=8, text_width=24, decoder_layers=2,
    audio_layers=1, style_layers=1, heads=4, temperature=0.5,
)  # fmt: skip
TINY: dict[str, configs.ModelConfig] = {
    "default": _TINY_DEFAULT,
    "paper": _TINY_PAPER,
    "dreamtalk": dataclasses.replace(_TINY_PAPER, audio_input="hidden", feed_forward="plain", fps=25.0),
}


def tiny_model(kind: str = "default", **changes: object) -> TalkClipModel:
    """A model of TINY, see `model_at_work`."""
    return model_at_work(dataclasses.replace(TINY[kind], **changes))


def model_at_work(config: configs.ModelConfig) -> TalkClipModel:
    """A model in inference mode, the same every time; no layer is near zero."""
    torch.manual_seed(7)
    model = TalkClipModel(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))
        for half in (model.decoder.lower, model.decoder.upper):
            torch.nn.init.xavier_uniform_(half.tail[-1].weight)
    return model


def sound(config: configs.ModelConfig, batch: int, frames: int) -> torch.Tensor:
    """Audio input (B, T, ...) at random, the same every time."""
    generator = torch.Generator().manual_seed(frames)
    if config.audio_input == "phones":
        return torch.randint(0, 41, (batch, frames), generator=generator)
    return torch.rand(batch, frames, configs.AUDIO_WIDTHS[config.audio_input], generator=generator)


def styles(config: configs.ModelConfig, *shape: int) -> torch.Tensor:
    """Style codes (*shape, S) at random, the same every time."""
    return 0.5 * torch.randn(*shape, config.style_width, generator=torch.Generator().manual_seed(11))

"""ONNX files of the trained model, for the runtime without torch."""

from __future__ import annotations

import json
import logging
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from talkclip.engine.models.config import AUDIO_WIDTHS, CONFIG_KEY, config_to_dict
from talkclip.engine.models.nets.model import TalkClipModel
from talkclip.errors import InputError
from talkclip.files import atomic_write

OPSET = 18
# Any length will do; 0 and 1 would be taken for constants.
_EXAMPLE_FRAMES = 6


class _Face(nn.Module):
    def __init__(self, model: TalkClipModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, audio: Tensor, style: Tensor) -> Tensor:
        """audio (T + 2 * context, I), style (T, S) -> (T, C)."""
        return self.model.decode(audio[None], style[None])[0]


class _StyleOfClip(nn.Module):
    def __init__(self, model: TalkClipModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, clip: Tensor) -> Tensor:
        """clip (N, C) -> (S,)."""
        return self.model.style_of_clip(clip[None])[0]


def export_face(model: TalkClipModel, path: str | Path) -> None:
    """Write the decoder with its audio encoder.

    Inputs `audio` float32 (T + 2 * context, I) and `style` float32 (T, S); output `coefficients` float32 (T, C), any
    T >= 1. The configuration stands in the file's metadata as JSON under "talkclip_config".

    Raises:
        InputError: a configuration that the graph cannot express (dynamic feed-forward or several query tokens).
    """
    config = model.config
    if config.feed_forward != "plain" or config.query_tokens != 1 or config.audio_input == "phones":
        raise InputError(
            "Only models with plain feed-forward, one query token and vectors as input are exported.",
            "Run the others in torch.",
        )
    audio = torch.zeros(_EXAMPLE_FRAMES + 2 * config.context, AUDIO_WIDTHS[config.audio_input])
    style = torch.zeros(_EXAMPLE_FRAMES, config.style_width)
    frames = torch.export.Dim("frames", min=1, max=2**20)
    shapes = ({0: frames + 2 * config.context}, {0: frames})
    _export(_Face(model), (audio, style), ["audio", "style"], ["coefficients"], shapes, model, path)


def export_text_style(model: TalkClipModel, path: str | Path) -> None:
    """Write T2SS: `vector` float32 (B, text width) -> `style` float32 (B, S), any B >= 1.

    Raises:
        InputError: the model has none.
    """
    if model.text_style is None:
        raise InputError("These weights understand no prompts yet.", "Train an adapter for them: talkclip adapt.")
    batch = torch.export.Dim("batch", min=1, max=2**16)
    vector = torch.ones(2, model.config.text_width)
    _export(model.text_style, (vector,), ["vector"], ["style"], ({0: batch},), model, path)


def export_style_encoder(model: TalkClipModel, path: str | Path) -> None:
    """Write V2SS: `clip` float32 (N, C) -> `style` float32 (S,), any 1 <= N <= config.style_frames.

    The configuration stands in the file's metadata, as in `export_face`.
    """
    clip = torch.zeros(min(_EXAMPLE_FRAMES, model.config.style_frames), model.config.channels)
    frames = torch.export.Dim("frames", min=1, max=model.config.style_frames)
    _export(_StyleOfClip(model), (clip,), ["clip"], ["style"], ({0: frames},), model, path)


def _export(
    module: nn.Module,
    example: tuple[Tensor, ...],
    inputs: list[str],
    outputs: list[str],
    shapes: tuple[dict[int, Any], ...],
    model: TalkClipModel,
    path: str | Path,
) -> None:
    was_training = model.training
    module.eval()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter's own, about its libraries
            logging.getLogger("torch.onnx").setLevel(logging.ERROR)
            program = torch.onnx.export(
                module, example, input_names=inputs, output_names=outputs, dynamic_shapes=shapes,
                dynamo=True, opset_version=OPSET, verbose=False, external_data=False,
            )  # fmt: skip
    finally:
        model.train(was_training)
    assert program is not None
    proto = program.model_proto
    _forget_origins(proto)
    entry = proto.metadata_props.add()
    entry.key, entry.value = CONFIG_KEY, json.dumps(config_to_dict(model.config), sort_keys=True)
    with atomic_write(path) as temporary:
        temporary.write_bytes(proto.SerializeToString())


def _forget_origins(proto: Any) -> None:
    """Take out the exporter's notes: they hold source paths of this machine, and the same model must give one file."""
    graph = proto.graph
    for part in (proto, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        for field in ("metadata_props", "doc_string"):
            if field in part.DESCRIPTOR.fields_by_name:
                part.ClearField(field)

"""PIRenderer as one ONNX file, for rendering without torch."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from talkclip.engine.models.nets.pirender.generator import MOTION, SIZE_PX, WINDOW, Generator
from talkclip.files import atomic_write

OPSET = 18


class _Picture(nn.Module):
    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, portrait: Tensor, motion: Tensor) -> Tensor:
        return self.generator(portrait, motion).picture


def export_generator(generator: Generator, path: str | Path) -> None:
    """Write inputs `portrait` float32 (1, 3, 256, 256), `motion` (1, 73, 27) -> `picture` (1, 3, 256, 256), -1..1.

    One picture at a time: on a processor, batches are no faster. The branch without effect is not in the file.
    """
    example = (torch.zeros(1, 3, SIZE_PX, SIZE_PX), torch.zeros(1, MOTION, WINDOW))
    with atomic_write(path) as temporary, warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        torch.onnx.export(
            _Picture(generator).eval(), example, str(temporary), input_names=["portrait", "motion"],
            output_names=["picture"], opset_version=OPSET, dynamo=True, external_data=False, verbose=False,
        )  # fmt: skip

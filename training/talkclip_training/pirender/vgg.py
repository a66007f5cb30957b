"""VGG-19, whose features say how alike two pictures look (K. Simonyan, A. Zisserman, 2015).

The weights are ImageNet's as torchvision publishes them (`vgg19-dcbb9e9d.pth`, 575 MB). They come from the user, and
every tensor must have its name and shape. Without their file nothing is trained: only for tests, with
TALKCLIP_TEST_RANDOM_VGG=1 in the environment, `--vgg random` stands for a narrow network of fixed random weights.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from talkclip.engine.models.nets.state import read_tensors, state_problems
from talkclip.errors import InputError

RANDOM, TEST_SWITCH = "random", "TALKCLIP_TEST_RANDOM_VGG"
WHERE_FROM = (
    "Get vgg19-dcbb9e9d.pth from download.pytorch.org/models (torchvision's ImageNet weights) and give it as --vgg."
)
# Channels of the convolutions between the poolings. What lies behind relu5_1 is not used, but must be in the file.
_BLOCKS = ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,) * 4)
_CLASSIFIER = {"0": (4096, 25088), "3": (4096, 4096), "6": (1000, 4096)}
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_NAMED = 4


class Vgg19(nn.Module):
    """The convolutions up to relu5_1. Pictures (B, 3, H, W), -1..1 -> five maps, of relu1_1 ... relu5_1.

    Args:
        width: share of the published channels; below 1 only with random weights.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        self.features = nn.ModuleDict()
        before = 3
        for name, channels in _convolutions():
            after = round(channels * width)
            self.features[name] = nn.Conv2d(before, after, 3, padding=1)
            before = after
        self.register_buffer("mean", torch.tensor(_MEAN)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(_DEVIATION)[:, None, None], persistent=False)
        self.requires_grad_(False).eval()

    def forward(self, pictures: Tensor) -> list[Tensor]:
        x = (0.5 * (pictures + 1.0) - self.get_buffer("mean")) / self.get_buffer("deviation")
        maps = []
        numbers = iter(self.features.values())
        for block, channels in enumerate(_BLOCKS):
            if block:
                x = functional.max_pool2d(x, 2)
            x = functional.relu(next(numbers)(x))
            maps.append(x)
            if block == len(_BLOCKS) - 1:
                break
            for _ in channels[1:]:
                x = functional.relu(next(numbers)(x))
        return maps


def load_vgg(path: str | Path) -> Vgg19:
    """The network with the weights of a file.

    Raises:
        InputError: missing, unreadable, holds code, or names and shapes are not all as torchvision writes them.
    """
    if str(path) == RANDOM:
        return _random()
    state = read_tensors(path, "VGG-19's weights", WHERE_FROM)
    tensors = {n: t for n, t in state.items() if isinstance(t, Tensor)} if isinstance(state, dict) else {}
    problems = state_problems(_published(), tensors)
    if problems:
        more = f" and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
        raise InputError(f"{path}: is not VGG-19: {'; '.join(problems[:_NAMED])}{more}.", WHERE_FROM)
    network = Vgg19()
    network.load_state_dict({name: state[name] for name in network.state_dict()})
    return network


def _convolutions() -> list[tuple[str, int]]:
    """Number in torchvision's sequence (as text) and output channels, up to the one behind relu5_1."""
    return _all_convolutions()[:13]


def _all_convolutions() -> list[tuple[str, int]]:
    found, place = [], 0
    for channels in _BLOCKS:
        for count in channels:
            found.append((str(place), count))
            place += 2  # a convolution and its ReLU
        place += 1  # pooling
    return found


def _published() -> dict[str, tuple[int, ...]]:
    """Every name of torchvision's file with its shape."""
    shapes: dict[str, tuple[int, ...]] = {}
    before = 3
    for place, channels in _all_convolutions():
        shapes[f"features.{place}.weight"], shapes[f"features.{place}.bias"] = (channels, before, 3, 3), (channels,)
        before = channels
    for place, shape in _CLASSIFIER.items():
        shapes[f"classifier.{place}.weight"], shapes[f"classifier.{place}.bias"] = shape, shape[:1]
    return shapes


def _random() -> Vgg19:
    """An eighth as wide, weights that keep the variance; the same in every process and run."""
    if os.environ.get(TEST_SWITCH) != "1":
        raise InputError(f"--vgg {RANDOM}: random features are for tests alone.", WHERE_FROM)
    network = Vgg19(width=1 / 8)
    noise = torch.Generator().manual_seed(19)
    for layer in network.features.values():
        assert isinstance(layer, nn.Conv2d)
        nn.init.normal_(layer.weight, std=(2.0 / (9 * layer.in_channels)) ** 0.5, generator=noise)
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return network

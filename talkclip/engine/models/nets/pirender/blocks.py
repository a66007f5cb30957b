"""Building blocks: normalisations that the motion code steers, and the convolutions around them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

SLOPE = 0.1
CODE = 256
_HIDDEN = 128


class AdaptiveNorm(nn.Module):
    """Instance normalisation whose scale and shift come from the code: (B, C, H, W), (B, 256) -> (B, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mlp_shared = nn.Sequential(nn.Linear(CODE, _HIDDEN), nn.ReLU())
        self.mlp_gamma = nn.Linear(_HIDDEN, channels)
        self.mlp_beta = nn.Linear(_HIDDEN, channels)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        shared = self.mlp_shared(code)
        gamma, beta = self.mlp_gamma(shared), self.mlp_beta(shared)
        return functional.instance_norm(x) * (1 + gamma[..., None, None]) + beta[..., None, None]


class LayerNorm2d(nn.Module):
    """Normalisation over channels and places together, scaled per channel. (B, C, H, W) -> the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean((1, 2, 3), keepdim=True)
        variance = (x - mean).square().mean((1, 2, 3), keepdim=True)
        return (x - mean) * torch.rsqrt(variance + 1e-5) * self.weight + self.bias


class DownBlock(nn.Module):
    """Half the size: (B, I, H, W) -> (B, O, H/2, W/2)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norm_0, self.norm_1 = AdaptiveNorm(inputs), AdaptiveNorm(outputs)
        self.conv_0 = nn.Conv2d(inputs, outputs, 4, stride=2, padding=1)
        self.conv_1 = nn.Conv2d(outputs, outputs, 3, padding=1)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        x = self.conv_0(_act(self.norm_0(x, code)))
        return self.conv_1(_act(self.norm_1(x, code)))


class UpBlock(nn.Module):
    """Twice the size, with a normalised shortcut: (B, I, H, W) -> (B, O, 2 H, 2 W)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norm_0, self.norm_1, self.norm_s = AdaptiveNorm(inputs), AdaptiveNorm(outputs), AdaptiveNorm(inputs)
        self.conv_0 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.conv_1 = nn.ConvTranspose2d(outputs, outputs, 3, stride=2, padding=1, output_padding=1)
        self.conv_s = nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        shortcut = self.conv_s(_act(self.norm_s(x, code)))
        x = self.conv_0(_act(self.norm_0(x, code)))
        return shortcut + self.conv_1(_act(self.norm_1(x, code)))


class FineBlock(nn.Module):
    """x + norm2(conv2(x)). (B, C, H, W) -> the same.

    The released code also computes a first branch and drops its result; the public weights were trained so. Its
    parameters (`conv1`, `norm1`) are kept to load them strictly, and not used: a sixth of the arithmetic saved.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
        self.norm1, self.norm2 = AdaptiveNorm(channels), AdaptiveNorm(channels)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        return x + self.norm2(self.conv2(x), code)


class FinePair(nn.Module):
    """Two `FineBlock`s."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.res0, self.res1 = FineBlock(channels), FineBlock(channels)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        return self.res1(self.res0(x, code), code)


class ConvBlock(nn.Module):
    """Convolution, LayerNorm2d, LeakyReLU; `before` and `after` change the size."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, before: nn.Module | None = None, after: nn.Module | None = None
    ) -> None:
        super().__init__()
        conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
        self.model = nn.Sequential(conv, LayerNorm2d(outputs), nn.LeakyReLU(SLOPE))
        # Without parameters, so that these do not count among the file's names.
        self.before, self.after = before or nn.Identity(), after or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.model(self.before(x)))


def _act(x: Tensor) -> Tensor:
    return functional.leaky_relu(x, SLOPE)

"""The three networks of PIRenderer and their sum."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor, nn
from torch.nn import functional

from talkclip.engine.models.nets.pirender.blocks import (
    CODE,
    SLOPE,
    ConvBlock,
    DownBlock,
    FinePair,
    LayerNorm2d,
    UpBlock,
)

SIZE_PX = 256
# Motion of one frame: 64 expression, 3 angles, 3 translation, 3 crop; a window of frames around it.
MOTION, WINDOW = 73, 27
_SKIPPED = 3
# Channels of the paper's first layer: narrower generators have 4 to 31 there.
FIRST_CHANNELS, FEWEST_CHANNELS = 32, 4


def scaled(channels: int, width: float) -> int:
    """Channels of a generator that is `width` (a whole number of 32nds) times as wide as the paper's."""
    return round(channels * width)


@dataclasses.dataclass(frozen=True)
class Rendering:
    """Results of `Generator`. B pictures.

    Attributes:
        picture: (B, 3, 256, 256) -1..1.
        warped: (B, 3, 256, 256) the portrait after the flow alone.
        flow: (B, 2, 64, 64) x, y in pixels of the 64 grid.
        code: (B, 256) what the motion was read as.
    """

    picture: Tensor
    warped: Tensor
    flow: Tensor
    code: Tensor


class MappingNet(nn.Module):
    """Motion window (B, 73, 27) -> code (B, 256)."""

    def __init__(self, motion: int = MOTION) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv1d(motion, CODE, 7))
        for level in range(3):
            self.add_module(f"encoder{level}", nn.Sequential(nn.LeakyReLU(SLOPE), nn.Conv1d(CODE, CODE, 3, dilation=3)))

    def forward(self, motion: Tensor) -> Tensor:
        x = self.first(motion)  # (B, 256, 21)
        for level in range(3):
            x = self.get_submodule(f"encoder{level}")(x) + x[:, :, _SKIPPED:-_SKIPPED]
        return x.mean(2)


class HourglassEncoder(nn.Module):
    """Portrait (B, 3, 256, 256) -> feature maps of 64, 32, 16 and 8 pixels."""

    WIDTHS = (FIRST_CHANNELS, 64, 128, 256, 256, 256)

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        widths = [scaled(channels, width) for channels in self.WIDTHS]
        self.input_layer = nn.Conv2d(3, widths[0], 7, padding=3)
        for level in range(5):
            self.add_module(f"encoder{level}", DownBlock(widths[level], widths[level + 1]))

    def forward(self, portrait: Tensor, code: Tensor) -> list[Tensor]:
        x = self.input_layer(portrait)
        maps = []
        for level in range(5):
            x = self.get_submodule(f"encoder{level}")(x, code)
            maps.append(x)
        return maps[1:]


class HourglassDecoder(nn.Module):
    """Feature maps -> (B, 256, 64, 64)."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        most, last = scaled(256, width), scaled(128, width)
        self.decoder4 = UpBlock(most, most)
        self.decoder3 = UpBlock(2 * most, most)
        self.decoder2 = UpBlock(2 * most, last)

    def forward(self, maps: list[Tensor], code: Tensor) -> Tensor:
        x = maps[3]
        for level in (4, 3, 2):
            x = self.get_submodule(f"decoder{level}")(x, code)
            x = torch.cat([x, maps[level - 2]], 1)
        return x


class Hourglass(nn.Module):
    """Encoder and decoder of the warp."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        self.encoder, self.decoder = HourglassEncoder(width), HourglassDecoder(width)

    def forward(self, portrait: Tensor, code: Tensor) -> Tensor:
        return self.decoder(self.encoder(portrait, code), code)


class WarpingNet(nn.Module):
    """Portrait (B, 3, 256, 256) and code -> flow (B, 2, 64, 64), warped portrait (B, 3, 256, 256)."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        self.hourglass = Hourglass(width)
        maps = 2 * scaled(128, width)
        self.flow_out = nn.Sequential(LayerNorm2d(maps), nn.LeakyReLU(SLOPE), nn.Conv2d(maps, 2, 7, padding=3))

    def forward(self, portrait: Tensor, code: Tensor) -> tuple[Tensor, Tensor]:
        flow = self.flow_out(self.hourglass(portrait, code))
        places = functional.interpolate(_places(flow), portrait.shape[2:], mode="bilinear", align_corners=False)
        # The weights were trained with this mismatch: the grid counts corners, the sampling counts pixel middles.
        warped = functional.grid_sample(portrait, places.permute(0, 2, 3, 1), align_corners=False)
        return flow, warped


def _places(flow: Tensor) -> Tensor:
    """Flow in pixels -> sampling places (B, 2, H, W) in -1..1, corner to corner."""
    height, width = flow.shape[2], flow.shape[3]
    x = torch.linspace(-1, 1, width, device=flow.device, dtype=flow.dtype)
    y = torch.linspace(-1, 1, height, device=flow.device, dtype=flow.dtype)
    identity = torch.stack([x.expand(height, width), y[:, None].expand(height, width)])
    scale = torch.tensor([2.0 / (width - 1), 2.0 / (height - 1)], device=flow.device, dtype=flow.dtype)
    return identity + flow * scale[:, None, None]


class EditingEncoder(nn.Module):
    """Portrait beside its warp (B, 6, 256, 256) -> maps of 256, 128, 64 and 32 pixels."""

    WIDTHS = (64, 128, 256, 256)

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        widths = [scaled(channels, width) for channels in self.WIDTHS]
        self.first = ConvBlock(6, widths[0], 7)
        for level in range(3):
            block = ConvBlock(widths[level], widths[level + 1], 3, after=nn.AvgPool2d(2))
            self.add_module(f"down{level}", block)

    def forward(self, pair: Tensor) -> list[Tensor]:
        maps = [self.first(pair)]
        for level in range(3):
            maps.append(self.get_submodule(f"down{level}")(maps[-1]))
        return maps


class EditingDecoder(nn.Module):
    """Maps and code -> picture (B, 3, 256, 256), -1..1."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        widths = [scaled(channels, width) for channels in EditingEncoder.WIDTHS]
        for level in (2, 1, 0):
            inputs, outputs = widths[level + 1], widths[level]
            self.add_module(f"res{level}", FinePair(inputs))
            self.add_module(f"up{level}", ConvBlock(inputs, outputs, 3, before=nn.Upsample(scale_factor=2)))
            self.add_module(f"jump{level}", ConvBlock(outputs, outputs, 3))
        self.final = nn.ModuleDict({"model": nn.Sequential(nn.Conv2d(widths[0], 3, 7, padding=3), nn.Tanh())})

    def forward(self, maps: list[Tensor], code: Tensor) -> Tensor:
        x = maps[3]
        for level in (2, 1, 0):
            x = self.get_submodule(f"res{level}")(x, code)
            x = self.get_submodule(f"up{level}")(x) + self.get_submodule(f"jump{level}")(maps[level])
        return self.final["model"](x)


class EditingNet(nn.Module):
    """Portrait, warped portrait (B, 3, 256, 256) and code -> picture (B, 3, 256, 256)."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        self.encoder, self.decoder = EditingEncoder(width), EditingDecoder(width)

    def forward(self, portrait: Tensor, warped: Tensor, code: Tensor) -> Tensor:
        return self.decoder(self.encoder(torch.cat([portrait, warped], 1)), code)


class Generator(nn.Module):
    """PIRenderer: portrait (B, 3, 256, 256) in -1..1 and motion window (B, 73, 27) -> `Rendering`.

    Args:
        width: 1: the paper's and the public weights'; less, in 32nds: fewer channels, for weights of one's own.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        self.mapping_net, self.warpping_net, self.editing_net = MappingNet(), WarpingNet(width), EditingNet(width)

    def forward(self, portrait: Tensor, motion: Tensor) -> Rendering:
        code, flow, warped = self.warp(portrait, motion)
        return Rendering(self.editing_net(portrait, warped, code), warped, flow, code)

    def warp(self, portrait: Tensor, motion: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Code, flow and warped portrait, without the editing that follows."""
        code = self.mapping_net(motion)
        flow, warped = self.warpping_net(portrait, code)
        return code, flow, warped

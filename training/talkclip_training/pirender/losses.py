"""What PIRenderer's training minimises: how unlike pictures are to VGG-19, and how unlike their textures.

    stage 1 (warp)    2.5 P(warped)
    stage 2 (all)     2.5 P(warped) + 4 (P(picture) + 250 G(picture))

P sums the mean absolute difference of the five maps relu1_1 ... relu5_1 over four sizes of the picture, each half of
the one before; G compares the maps' Gram matrices, at full size alone. There is no adversarial loss.
"""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor, nn
from torch.nn import functional

from talkclip.errors import InputError
from talkclip_training.pirender.vgg import Vgg19


@dataclasses.dataclass(frozen=True)
class RenderWeights:
    """Factors of the total; the defaults are PIRender's.

    Attributes:
        warp, final: of the perceptual losses of the warped portrait and of the picture.
        style: of the Gram loss, on top of `final`.
        scales: sizes at which pictures are compared.
    """

    warp: float = 2.5
    final: float = 4.0
    style: float = 250.0
    scales: int = 4

    def __post_init__(self) -> None:
        problems = [f"{n} is {getattr(self, n)}, below 0" for n in ("warp", "final", "style") if getattr(self, n) < 0]
        if not 1 <= self.scales <= 6:
            problems.append(f"scales is {self.scales}, outside 1 .. 6")
        if problems:
            raise InputError(f"loss: {'; '.join(problems)}.", "See training/configs/pirender.toml.")


class PictureLoss(nn.Module):
    """Compares pictures (B, 3, H, W), -1..1, with the true ones.

    Args:
        vgg: the features; not trained.
        scales: see `RenderWeights`.
    """

    def __init__(self, vgg: Vgg19, scales: int) -> None:
        super().__init__()
        self.vgg, self.scales = vgg, scales

    def truth(self, true: Tensor) -> list[list[Tensor]]:
        """Maps of the true pictures at every size, to compare several pictures with."""
        with torch.no_grad():
            return [self.vgg(picture) for picture in self._sizes(true)]

    def forward(self, made: Tensor, truth: list[list[Tensor]]) -> tuple[Tensor, Tensor]:
        """-> perceptual loss, Gram loss: scalars."""
        perceptual = made.new_zeros(())
        style = made.new_zeros(())
        for scale, (picture, wanted) in enumerate(zip(self._sizes(made), truth, strict=True)):
            for ours, theirs in zip(self.vgg(picture), wanted, strict=True):
                perceptual = perceptual + functional.l1_loss(ours, theirs)
                if scale == 0:
                    style = style + functional.l1_loss(gram(ours), gram(theirs))
        return perceptual, style

    def _sizes(self, picture: Tensor) -> list[Tensor]:
        sizes = [picture]
        for _ in range(1, self.scales):
            half = functional.interpolate(sizes[-1], scale_factor=0.5, mode="bilinear", align_corners=False)
            sizes.append(half)
        return sizes


def gram(maps: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C, C): how channels go together, over C H W."""
    flat = maps.flatten(2)
    return flat @ flat.transpose(1, 2) / flat[0].numel()

"""What training minimises (Ma et al., arXiv 2304.00334; weights of StyleTalk, Ma et al., AAAI 2023).

Total = 88 L_rec + 1 L_cos + 1 L_tem + 1 L_sync; TalkCLIP gives no numbers. Letters: B clips, T frames, C channels.
"""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor
from torch.nn import functional

from talkclip.errors import InputError

# Wang et al. 2004: Gaussian window of 11 with deviation 1.5, K1 and K2.
_SSIM_WINDOW, _SSIM_DEVIATION, _K1, _K2 = 11, 1.5, 0.01, 0.03
_LEAST_PROBABILITY = 1e-4


@dataclasses.dataclass(frozen=True)
class LossWeights:
    """Factors of the total.

    Attributes:
        reconstruction, cosine, temporal, sync: of L_rec, L_cos, L_tem, L_sync.
        ssim_mix: u of `reconstruction_loss`.
        ssim_mix_on: the term that u multiplies, "l1" or "ssim".
        data_range: span of the coefficients for SSIM (1 for arkit52; about 4 for bfm64).
        anchor: of `anchor_loss`; not the paper's, 0 without an anchor.

    Raises:
        InputError: a value out of range, all of them in one message.
    """

    reconstruction: float = 88.0
    cosine: float = 1.0
    temporal: float = 1.0
    sync: float = 1.0
    ssim_mix: float = 0.1
    ssim_mix_on: str = "l1"
    data_range: float = 1.0
    anchor: float = 1.0

    def __post_init__(self) -> None:
        names = ("reconstruction", "cosine", "temporal", "sync", "anchor")
        problems = [f"{name} is {getattr(self, name)}, below 0" for name in names if not getattr(self, name) >= 0]
        if not 0 <= self.ssim_mix <= 1:
            problems.append(f"ssim_mix is {self.ssim_mix}, outside 0 .. 1")
        if self.ssim_mix_on not in ("l1", "ssim"):
            problems.append(f"ssim_mix_on is {self.ssim_mix_on!r}, neither 'l1' nor 'ssim'")
        if not self.data_range > 0:
            problems.append(f"data_range is {self.data_range}, not above 0")
        if problems:
            raise InputError(f"loss weights: {'; '.join(problems)}.", "See docs/model.md.")


def reconstruction_loss(predicted: Tensor, true: Tensor, weights: LossWeights, known: Tensor | None = None) -> Tensor:
    """L_rec: u * L1 + (1 - u) * (1 - SSIM), or the other way round by `weights.ssim_mix_on`.

    Args:
        predicted: (B, T, C).
        true: (B, T, C).
        weights: u and its term.
        known: bool, broadcastable to (B, T, C), False where the truth is not known (padding, channels that were not
            captured): there the prediction is neither right nor wrong. None: all is known.

    Returns:
        scalar
    """
    if known is None:
        l1 = (predicted - true).abs().mean()
    else:
        known = known.expand_as(true)
        true = torch.where(known, true, predicted.detach())
        l1 = ((predicted - true).abs() * known).sum() / known.sum().clamp(min=1)
        predicted = torch.where(known, predicted, predicted.detach())
    dissimilarity = 1 - ssim(predicted, true, weights.data_range)
    share = weights.ssim_mix if weights.ssim_mix_on == "l1" else 1 - weights.ssim_mix
    return share * l1 + (1 - share) * dissimilarity


def ssim(x: Tensor, y: Tensor, data_range: float) -> Tensor:
    """Structural similarity of the (frames x channels) maps, (B, T, C) each -> scalar mean over clips and places.

    The window shrinks to the map where that is smaller than 11 x 11; only places with a whole window count.
    """
    frames, channels = (_gaussian(min(_SSIM_WINDOW, size)).to(x) for size in x.shape[1:])

    def blur(image: Tensor) -> Tensor:
        along_time = functional.conv2d(image[:, None], frames[None, None, :, None])
        return functional.conv2d(along_time, channels[None, None, None, :])[:, 0]

    mean_x, mean_y = blur(x), blur(y)
    var_x, var_y = blur(x * x) - mean_x**2, blur(y * y) - mean_y**2
    covariance = blur(x * y) - mean_x * mean_y
    c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    similarity = ((2 * mean_x * mean_y + c1) * (2 * covariance + c2)) / (
        (mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)
    )
    return similarity.mean()


def cosine_style_loss(from_text: Tensor, from_video: Tensor) -> Tensor:
    """L_cos = 1 - cos of paired style codes, (B, S) each -> scalar. The caller detaches the teacher."""
    return (1 - functional.cosine_similarity(from_text, from_video, dim=-1)).mean()


def anchor_loss(style: Tensor, pose: Tensor, known: Tensor | None = None) -> Tensor:
    """The first numbers of a code against the sustained pose that they are to be.

    Args:
        style: (B, S).
        pose: (B, A), signed, A <= S.
        known: bool, broadcastable to (B, A); None: all is known.

    Returns:
        scalar, mean squared difference
    """
    squared = (style[:, : pose.shape[1]] - pose) ** 2
    if known is None:
        return squared.mean()
    known = known.expand_as(squared)
    return (squared * known).sum() / known.sum().clamp(min=1)


def hinge_discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Hinge loss of D_tem; logits of any shape -> scalar."""
    return (1 - real_logits).relu().mean() + (1 + fake_logits).relu().mean()


def hinge_generator_loss(fake_logits: Tensor) -> Tensor:
    """L_tem of the generator: -mean D(fake)."""
    return -fake_logits.mean()


def sync_loss(probability: Tensor) -> Tensor:
    """L_sync = mean -log P, P the cosine of mouth and audio embeddings in -1 .. 1 (clamped above 0) -> scalar."""
    return -probability.clamp(min=_LEAST_PROBABILITY).log().mean()


def _gaussian(size: int) -> Tensor:
    place = torch.arange(size) - (size - 1) / 2
    weight = torch.exp(-(place**2) / (2 * _SSIM_DEVIATION**2))
    return weight / weight.sum()

"""One training run of PIRenderer, read from TOML: tables [run] and [loss]."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from talkclip.engine.models.nets.pirender.generator import FEWEST_CHANNELS, FIRST_CHANNELS, SIZE_PX
from talkclip.errors import InputError
from talkclip_training.pirender.losses import RenderWeights
from talkclip_training.stages.config import read_tables, too_small

# Four poolings lie before relu5_1.
LEAST_PX = 16
# The hourglass halves the picture five times, and normalises over what is left: more than one pixel.
_STEP_PX, _SMALLEST_PX = 32, 64


@dataclasses.dataclass(frozen=True)
class RenderRun:
    """How PIRenderer is trained; the defaults are the paper's where it says.

    Attributes:
        steps: optimiser steps in all; the first `warp_steps` train the warp alone, then the optimiser starts anew.
        pairs: per step and process; each is learned in both directions, so that 2 pairs are 4 samples.
        size: pixels; 64 or a larger multiple of 32. Only weights trained at 256 are of use to `talkclip render`.
        width: of the generator, 1 the paper's; in 32nds.
        rate: learning rate of Adam (beta 0.5, 0.999); `rate_drop` times it from step `rate_drop_at` on.
        decay_ema: of the averaged weights, which are the ones kept.
        held_every: every so manieth person is held out.
        held_pairs: pairs of held-out people that are judged at every log line.
        every: steps between log lines and checkpoints.
        seed: of weights and pairs.
        threads: torch threads; workers: processes that read pictures.
    """

    steps: int = 400_000
    warp_steps: int = 200_000
    pairs: int = 10
    size: int = SIZE_PX
    width: float = 1.0
    rate: float = 1e-4
    rate_drop: float = 0.2
    rate_drop_at: int = 300_000
    decay_ema: float = 0.5 ** (32 / 10_000)
    held_every: int = 20
    held_pairs: int = 16
    every: int = 1000
    seed: int = 0
    threads: int = 1
    workers: int = 0

    def __post_init__(self) -> None:
        problems = too_small(
            self,
            ("steps", "pairs", "every", "threads", "held_pairs", "held_every"),
            ("warp_steps", "rate_drop_at", "seed", "workers"),
        )
        if self.size < _SMALLEST_PX or self.size % _STEP_PX:
            problems.append(f"size is {self.size}, not a multiple of {_STEP_PX} from {_SMALLEST_PX}")
        channels = self.width * FIRST_CHANNELS
        if not FEWEST_CHANNELS <= channels <= FIRST_CHANNELS or channels != round(channels):
            problems.append(
                f"width is {self.width}, not a number of {FIRST_CHANNELS}nds from {FEWEST_CHANNELS / FIRST_CHANNELS}"
            )
        for name in ("rate", "rate_drop"):
            if not 0 < getattr(self, name) <= 1:
                problems.append(f"{name} is {getattr(self, name)}, outside 0 .. 1")
        if not 0 <= self.decay_ema < 1:
            problems.append(f"decay_ema is {self.decay_ema}, outside 0 .. 1")
        if problems:
            raise InputError(f"run: {'; '.join(problems)}.", "See training/configs/pirender.toml.")


@dataclasses.dataclass(frozen=True)
class RenderConfig:
    """A configuration file: tables [run], [loss]."""

    run: RenderRun = dataclasses.field(default_factory=RenderRun)
    loss: RenderWeights = dataclasses.field(default_factory=RenderWeights)

    def __post_init__(self) -> None:
        smallest = self.run.size >> (self.loss.scales - 1)
        if smallest < LEAST_PX:
            raise InputError(
                f"At {self.loss.scales} scales {self.run.size} px become {smallest}; VGG-19 needs {LEAST_PX}.",
                "Lower loss.scales, or raise run.size.",
            )


def load_render_config(path: Path) -> RenderConfig:
    """Read a TOML file.

    Raises:
        InputError: it cannot be read, or holds unknown tables, keys or values; everything in one message.
    """
    built: dict[str, Any] = read_tables(path, {"run": RenderRun, "loss": RenderWeights})
    return RenderConfig(**built)

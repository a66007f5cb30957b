"""LayerGains: how much of each layer of motion a result holds."""

from __future__ import annotations

import dataclasses
import math

from talkclip.errors import InputError

GAIN_MAX = 2.0


@dataclasses.dataclass(frozen=True)
class LayerGains:
    """How much of each layer is in the result: 0 (off) .. 1 (as computed) .. 2."""

    mouth: float = 1.0
    expression: float = 1.0
    blinks: float = 1.0
    head: float = 1.0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            gain = getattr(self, field.name)
            if not math.isfinite(gain) or not 0 <= gain <= GAIN_MAX:
                raise InputError(f"gain of the layer '{field.name}' is {gain}.", f"Use 0 (off) to {GAIN_MAX:g}.")

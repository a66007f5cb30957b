# SPDX-License-Identifier: GPL-3.0-or-later
"""Shape keys whose sliders end before the mapping's values do: Blender cuts a value at its slider's range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import bpy
import numpy as np

from . import table
from .properties import TalkClipRig

_REACH: Final = 10.0  # hard limit of `ShapeKey.slider_min` and `slider_max`
_NOTICED: Final = 1e-4


@dataclass(frozen=True)
class Limit:
    """A shape key that cannot take all the values it may be given."""

    body: bpy.types.Object
    shape: str
    low: float
    high: float
    """The slider's range."""

    @property
    def text(self) -> str:
        """For people."""
        if self.low > 0 or self.high <= 0:
            return f"limited to {self.low:.3g} .. {self.high:.3g} by its slider"
        return f"limited to {self.high:.3g} by its slider"


def limits_of(settings: TalkClipRig) -> list[Limit]:
    """Every mapped shape key that its slider limits.

    A range of 0 to 1 on a rig that goes farther is nobody's choice; it is widened when keys are made.
    """
    found = []
    for body, rows in table.rows_of(settings, table.objects_of(settings)).items():
        blocks = body.data.shape_keys.key_blocks
        lows, highs = np.empty(len(blocks), np.float32), np.empty(len(blocks), np.float32)
        blocks.foreach_get("slider_min", lows)
        blocks.foreach_get("slider_max", highs)
        cut = (lows > settings.low + _NOTICED) | (highs < settings.high - _NOTICED)
        cut &= ~((lows == 0.0) & (highs == 1.0))
        mapped = {row.shape for row in rows}
        names = table.shape_names(body)
        found += [
            Limit(body, names[k], float(lows[k]), float(highs[k])) for k in np.flatnonzero(cut) if names[k] in mapped
        ]
    return found


def widen(limit: Limit, low: float, high: float) -> None:
    """Make the slider's range cover low to high."""
    block = limit.body.data.shape_keys.key_blocks[limit.shape]
    block.slider_min = max(min(block.slider_min, low), -_REACH)
    block.slider_max = min(max(block.slider_max, high), _REACH)

"""Coefficients of a face that acts."""

from __future__ import annotations

import numpy as np

from talkclip.coefficients import ARKIT52, arkit_index

STILL = np.zeros(52, np.float32)


def acting(**shapes: float) -> np.ndarray:
    """float32 (52,): these shapes, a name without side on both sides, and nothing else."""
    values = STILL.copy()
    for name, value in shapes.items():
        for full in (name, f"{name}Left", f"{name}Right"):
            if full in ARKIT52:
                values[arkit_index(full)] = value
    return values

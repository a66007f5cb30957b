"""Smooth seeded randomness that does not depend on the frame rate."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import PchipInterpolator


def drift(rng: np.random.Generator, times_s: np.ndarray, step_s: float) -> np.ndarray:
    """A smooth wander with zero mean and unit deviation, turning about every `step_s`.

    Knots are drawn in time order from `rng` at fixed seconds, so equal seeds give the same motion at any frame
    rate, and a longer clip begins like a shorter one.

    Args:
        rng: generator owned by this wander.
        times_s: (T,) seconds, >= 0, increasing.
        step_s: seconds between knots.

    Returns:
        (T,) float64.
    """
    n_knots = int(np.ceil(max(float(times_s[-1]), 0.0) / step_s)) + 3
    knots = rng.standard_normal(n_knots)
    # Linear blends of unit knots shrink in between; 1.2 restores unit deviation on average.
    return np.asarray(PchipInterpolator(np.arange(n_knots) * step_s, knots)(times_s) * 1.2, np.float64)

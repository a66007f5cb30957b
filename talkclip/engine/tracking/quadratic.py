"""Least squares with bounds, for a hundred unknowns and a thousand frames."""

from __future__ import annotations

import numpy as np

from talkclip.engine.compiled import compiled

_MAX_SWEEPS, _TOLERANCE = 200, 1e-5


@compiled(nogil=True)
def _descend(normal, right, low, high, x, max_sweeps, tolerance):
    """Coordinate descent in place: exact along each axis, cut off at the bounds."""
    n = len(x)
    slope = normal @ x - right
    for _ in range(max_sweeps):
        largest = 0.0
        for i in range(n):
            wanted = x[i] - slope[i] / normal[i, i]
            wanted = min(max(wanted, low[i]), high[i])
            step = wanted - x[i]
            if step != 0.0:
                x[i] = wanted
                for k in range(n):
                    slope[k] += step * normal[i, k]
                largest = max(largest, abs(step))
        if largest < tolerance:
            break


def bounded_quadratic(
    normal: np.ndarray, right: np.ndarray, low: np.ndarray, high: np.ndarray, start: np.ndarray
) -> np.ndarray:
    """The x in low..high that minimises x N x / 2 - r x.

    Args:
        normal: (n, n) symmetric, positive definite.
        right: (n,); low, high: (n,), may be infinite; start: (n,) where to begin.
    """
    x = np.clip(np.asarray(start, np.float64), low, high)
    free = np.isinf(low) & np.isinf(high)
    if free.any():
        # Unbounded unknowns are strongly coupled and slow to descend: they are solved for, not searched.
        inverse = np.linalg.inv(normal[np.ix_(free, free)])
        cross = normal[np.ix_(~free, free)]
        reduced = normal[np.ix_(~free, ~free)] - cross @ inverse @ cross.T
        bound = x[~free]
        _descend(
            np.ascontiguousarray(reduced), right[~free] - cross @ inverse @ right[free], low[~free], high[~free],
            bound, _MAX_SWEEPS, _TOLERANCE,
        )  # fmt: skip
        x[~free] = bound
        x[free] = inverse @ (right[free] - cross.T @ bound)
        return x
    _descend(np.ascontiguousarray(normal), right, low, high, x, _MAX_SWEEPS, _TOLERANCE)
    return x

# SPDX-License-Identifier: GPL-3.0-or-later
"""Fewer keys for the same movement: Bezier curves through samples, none of which is missed by more than a bound.

No bpy here. A segment between two keys has its handles at thirds of its length in time; then time runs evenly along
the curve, the value is a cubic polynomial of time, and the best handles follow from least squares. Segments are made as
long as the bound lets them be, one after the other. At a key the two handles are put in line wherever the bound allows.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from typing import Final

import numpy as np

LONGEST: Final = 512
"""Samples in one segment at most."""
_FITTED: Final = 0.5
"""Share of the bound that segments are fitted to; the rest is there for putting handles in line."""


@dataclass(frozen=True)
class Fit:
    """A curve of few keys.

    `samples`, `values`, `left` and `right` are (K,): the indices and values of the samples that are keys, and the
    values of the handles before and after each. The handles stand a third of the way to the neighbouring key; the
    outermost ones are level.
    """

    samples: np.ndarray
    values: np.ndarray
    left: np.ndarray
    right: np.ndarray
    in_line: np.ndarray
    """(K,) bool: whether both handles of a key lie on one straight line."""


def fit(values: np.ndarray, bound: float) -> Fit:
    """The curve with few keys that misses no sample by more than `bound`.

    Args:
        values: (T,) at even distances, T >= 2.
        bound: > 0.
    """
    values = np.asarray(values, np.float64)
    keys, handles, length = [0], [], 4
    while keys[-1] < len(values) - 1:
        start = keys[-1]
        length = _longest(values, start, _FITTED * bound, length)
        handles.append(_handles(values[start : start + length + 1])[0])
        keys.append(start + length)
    samples, inner = np.array(keys), np.array(handles)
    right, left = np.append(inner[:, 0], values[-1]), np.append(values[0], inner[:, 1])
    in_line = _put_in_line(values, samples, left, right, bound)
    return Fit(samples, values[samples], left, right, in_line)


def curve(fitted: Fit) -> np.ndarray:
    """(T,) what a fit gives at each sample."""
    keys, parts = list(zip(fitted.samples, fitted.values, fitted.left, fitted.right, strict=True)), []
    for (start, first, _, right), (end, last, left, _) in itertools.pairwise(keys):
        parts.append(_between(first, right, left, last, end - start)[:-1])
    return np.concatenate([*parts, fitted.values[-1:]])


def _longest(values: np.ndarray, start: int, bound: float, guess: int) -> int:
    """How many samples on a segment from `start` may end. The error is taken to grow with the length."""
    most = min(len(values) - 1 - start, LONGEST)
    fits, misses, length = 1, most + 1, min(guess, most)
    while fits + 1 < misses:
        if _handles(values[start : start + length + 1])[1] <= bound:
            fits = length
            length = min(2 * length, (length + misses + 1) // 2) if misses <= most else min(2 * length, most)
        else:
            misses = length
        if not fits < length < misses:
            length = (fits + misses) // 2
    return fits


def _handles(values: np.ndarray) -> tuple[np.ndarray, float]:
    """Values of the two handles inside a segment, and the largest error then."""
    count = len(values) - 1
    first, last = values[0], values[-1]
    if count == 1:
        return np.array([first + (last - first) / 3, last - (last - first) / 3]), 0.0
    ends, middle, solve = _basis(count)
    rest = values[1:-1] - ends @ np.array([first, last])
    handles = solve @ rest
    return handles, float(np.abs(rest - middle @ handles).max())


@functools.lru_cache(maxsize=LONGEST)
def _basis(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What keys and handles add at the samples inside a segment of `count` steps, and what solves for the handles."""
    u = np.arange(1, count) / count
    ends = np.stack([(1 - u) ** 3, u**3], axis=1)
    middle = np.stack([3 * (1 - u) ** 2 * u, 3 * (1 - u) * u**2], axis=1)
    return ends, middle, np.linalg.pinv(middle)


def _between(first: float, right: float, left: float, last: float, count: int) -> np.ndarray:
    """(count + 1,) values of a segment at its samples."""
    u = np.arange(count + 1) / count
    return (1 - u) ** 3 * first + 3 * (1 - u) ** 2 * u * right + 3 * (1 - u) * u**2 * left + u**3 * last


def _put_in_line(
    values: np.ndarray, samples: np.ndarray, left: np.ndarray, right: np.ndarray, bound: float
) -> np.ndarray:
    """Give both handles of a key one slope where no sample is missed for it; changes `left` and `right`."""
    in_line = np.zeros(len(samples), bool)
    for k in range(1, len(samples) - 1):
        before, here, after = samples[k - 1 : k + 2]
        value, steps_before, steps_after = values[here], (here - before) / 3, (after - here) / 3
        slopes = (value - left[k]) / steps_before, (right[k] - value) / steps_after
        slope = (slopes[0] * steps_before + slopes[1] * steps_after) / (steps_before + steps_after)
        new_left, new_right = value - slope * steps_before, value + slope * steps_after
        missed = max(
            _missed(values[before : here + 1], right[k - 1], new_left),
            _missed(values[here : after + 1], new_right, left[k + 1]),
        )
        if missed <= bound:
            left[k], right[k], in_line[k] = new_left, new_right, True
    return in_line


def _missed(values: np.ndarray, right: float, left: float) -> float:
    return float(np.abs(_between(values[0], right, left, values[-1], len(values) - 1) - values).max())

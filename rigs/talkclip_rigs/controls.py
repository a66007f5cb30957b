"""Controls that drive shapes, turned around: which value of a slider or bone gives the shapes their values.

A control may move several shapes (a slider that smiles to one side and frowns to the other, one that opens jaw, teeth
and tongue); then it takes, frame by frame, the value with the least sum of squared differences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from talkclip_rigs.driver_expression import Floats, Function

# How far from rest a control is searched that has no range of its own: metres, radians, percent.
_REACHES: Final = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
_SEARCH_STEPS: Final = 1000
_KNOTS: Final = 257
# A shape that stays below this share of its range is out of the control's reach.
_LEAST_REACH: Final = 0.02
_TOLERANCE: Final = 1e-4
_CHUNK: Final = 2000


@dataclass(frozen=True)
class Link:
    """A shape and how it answers to its control."""

    response: Function
    """(N,) values of the control -> (N,) values of the shape."""
    low: float
    high: float
    """The part of the control's range that is used; rest lies within."""
    least: float
    most: float
    """The shape's values there."""


@dataclass(frozen=True)
class Solution:
    """What a control does over time."""

    values: Floats
    """(T,) values of the control."""
    off: Floats
    """(n,) how far each shape stays from what it should be, at worst."""


def link(
    response: Function, rest: float, bounds: tuple[float, float], wanted: tuple[float, float] = (0.0, 1.0)
) -> Link | None:
    """The way from rest to where the shape is fully there.

    Args:
        response: how the shape answers to the control.
        rest: the control's value when nothing is done with it.
        bounds: values the control may take; infinite where nothing says so.
        wanted: values the shape should be able to take.

    Returns:
        The link; None where the control does not move the shape.
    """
    low, high = bounds
    rest = min(max(rest, low), high)
    best: tuple[float, float] | None = None
    covered = -1.0
    for reach in _REACHES:
        steps = np.linspace(-reach, reach, 2 * _SEARCH_STEPS + 1)
        grid = np.clip(rest + steps, low, high)
        values = np.nan_to_num(response(grid), nan=0.0, posinf=wanted[1], neginf=wanted[0])
        ends = [_end(grid, values, target) for target in wanted]
        span = min(ends[0], ends[1], rest), max(ends[0], ends[1], rest)
        inside = values[(grid >= span[0]) & (grid <= span[1])]
        share = (min(inside.max(), wanted[1]) - max(inside.min(), wanted[0])) / (wanted[1] - wanted[0])
        if share > covered + _TOLERANCE:
            best, covered = span, share
        if covered > 1 - _TOLERANCE:
            break
    if best is None or covered < _LEAST_REACH:
        return None
    inside = response(np.linspace(*best, _KNOTS))
    return Link(response, *best, float(np.nanmin(inside)), float(np.nanmax(inside)))


def _end(grid: Floats, values: Floats, target: float) -> float:
    """Where the values are nearest to target; of equal places, the nearest to the grid's middle."""
    middle = len(grid) // 2
    away = np.abs(values - target)
    near = np.flatnonzero(away <= away.min() + _TOLERANCE)
    at = int(near[np.argmin(np.abs(near - middle))])
    if away[at] > _TOLERANCE:  # between two steps: take the outer one
        beyond = [k for k in (at - 1, at + 1) if 0 <= k < len(grid) and (values[k] > target) != (values[at] > target)]
        at = max([at, *beyond], key=lambda k: abs(k - middle))
    return float(grid[at])


def solve(links: Sequence[Link], wanted: NDArray[np.floating], rest: float) -> Solution:
    """The control's value at every frame.

    Args:
        links: the shapes it moves; at least one.
        wanted: (n, T) what they should be.
        rest: where the control stays when several values are equally good.
    """
    low, high = min(each.low for each in links), max(each.high for each in links)
    inner = [x for each in links for x in (each.low, each.high, rest)]
    knots = np.unique(np.clip(np.concatenate([np.linspace(low, high, _KNOTS), inner]), low, high))
    curves = np.stack([np.nan_to_num(each.response(knots)) for each in links])
    want = np.asarray(wanted, dtype=np.float64)
    values = _inverted(knots, curves[0], want[0], rest) if len(links) == 1 else None
    if values is None:
        chunks = [want[:, start : start + _CHUNK] for start in range(0, want.shape[1], _CHUNK)]
        values = np.concatenate([_best(knots, curves, chunk, rest) for chunk in chunks])
    off = np.array([np.abs(each.response(values) - row).max() for each, row in zip(links, want, strict=True)])
    return Solution(values, off)


def _inverted(knots: Floats, curve: Floats, want: Floats, rest: float) -> Floats | None:
    """(T,) where one curve has the wanted values, or None where it goes up and down."""
    if abs(rest - knots[-1]) < abs(rest - knots[0]):
        knots, curve = knots[::-1], curve[::-1]
    if curve[-1] < curve[0]:
        curve, want = -curve, -want
    if (np.diff(curve) < 0).any():
        return None
    # Where the curve is flat, the end nearer to rest has the least of equal values.
    rising = curve + 1e-12 * np.arange(len(curve))
    return np.interp(want, rising, knots)


def _best(knots: Floats, curves: Floats, want: Floats, rest: float) -> Floats:
    """(T,) the place on the curves nearest to `want`; the curves are straight between knots."""
    laziness: Floats = 1e-12 * np.abs(knots - rest) / max(float(np.ptp(knots)), 1e-12)
    cost = (curves**2).sum(axis=0) - 2 * want.T @ curves + laziness
    at = np.argmin(cost, axis=1)
    best: Floats = knots[at]
    least = np.full(len(at), np.inf)
    for first in (np.maximum(at - 1, 0), np.minimum(at, len(knots) - 2)):
        start, way = curves[:, first], curves[:, first + 1] - curves[:, first]
        length = (way**2).sum(axis=0)
        share = np.clip(((want - start) * way).sum(axis=0) / np.maximum(length, 1e-30), 0.0, 1.0)
        share = np.where(length > 1e-30, share, np.where(first == at, 0.0, 1.0))
        error = ((start + share * way - want) ** 2).sum(axis=0) + laziness[first]
        better = error < least
        best = np.where(better, knots[first] + share * (knots[first + 1] - knots[first]), best)
        least = np.where(better, error, least)
    return best

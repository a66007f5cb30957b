"""Matching what was heard with what should have been said: the cheapest alignment of two phone sequences."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from talkclip.phones import PHONES41, VOWELS

_INDEX = {symbol: i for i, symbol in enumerate(PHONES41)}
# A phone left out or put in costs less than two quite different phones, so that unrelated stretches are skipped.
_GAP = 0.65
# Recognisers mix these up; each row is one family.
_FAMILIES = (
    "P B", "T D", "K G", "F V", "TH DH", "S Z", "SH ZH", "CH JH", "M N NG", "L W", "R ER", "Y IY", "D DH", "T CH",
    "V DH", "AA AO AH", "IY IH EH", "EH AE AH", "UW UH OW", "AH IH EH UH", "EY EH IY", "AY AA", "AW AA OW", "OY AO OW",
    "ER AH", "SH S", "JH D ZH", "HH",
)  # fmt: skip
# Above this many cells the problem is halved first, which bounds memory at a few megabytes.
_CELLS = 4_000_000


@functools.cache
def _costs() -> np.ndarray:
    """(41, 41) substitution costs: 0 the same, .35 one family, .7 both vowels, 1.2 anything else."""
    size = len(PHONES41)
    costs = np.full((size, size), 1.2, np.float32)
    vowels = [_INDEX[v] for v in VOWELS]
    costs[np.ix_(vowels, vowels)] = 0.7
    for family in _FAMILIES:
        members = [_INDEX[s] for s in family.split()]
        costs[np.ix_(members, members)] = 0.35
    np.fill_diagonal(costs, 0.0)
    return costs


def match_phones(heard: Sequence[str], expected: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs (index in `heard`, index in `expected`), both rising; phones without partner are left out.

    Global alignment with linear gap costs; Hirschberg's halving keeps the memory small for an hour of speech.
    """
    a = np.array([_INDEX[s] for s in heard], np.int64)
    b = np.array([_INDEX[s] for s in expected], np.int64)
    return _match(a, b, 0, 0)


def _match(a: np.ndarray, b: np.ndarray, at_a: int, at_b: int) -> list[tuple[int, int]]:
    if a.size == 0 or b.size == 0:
        return []
    if a.size * b.size <= _CELLS or a.size == 1:
        return _trace(a, b, at_a, at_b)
    half = a.size // 2
    forward = _last_row(a[:half], b)
    backward = _last_row(a[half:][::-1], b[::-1])[::-1]
    split = int(np.argmin(forward + backward))
    return _match(a[:half], b[:split], at_a, at_b) + _match(a[half:], b[split:], at_a + half, at_b + split)


def _row(previous: np.ndarray, costs: np.ndarray, ramp: np.ndarray) -> np.ndarray:
    """The next row of the table. Gaps along the row are a running minimum once the ramp of gap costs is taken off."""
    best = np.empty_like(previous)
    best[0] = previous[0] + _GAP
    np.minimum(previous[:-1] + costs, previous[1:] + _GAP, out=best[1:])
    best -= ramp
    np.minimum.accumulate(best, out=best)
    best += ramp
    return best


def _last_row(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    ramp = np.arange(b.size + 1, dtype=np.float64) * _GAP
    by_symbol = _costs()[:, b]
    row = ramp.copy()
    for symbol in a:
        row = _row(row, by_symbol[symbol], ramp)
    return row


def _trace(a: np.ndarray, b: np.ndarray, at_a: int, at_b: int) -> list[tuple[int, int]]:
    ramp = np.arange(b.size + 1, dtype=np.float64) * _GAP
    by_symbol = _costs()[:, b]
    table = np.empty((a.size + 1, b.size + 1))
    table[0] = ramp
    for i, symbol in enumerate(a):
        table[i + 1] = _row(table[i], by_symbol[symbol], ramp)
    pairs = []
    i, j = a.size, b.size
    while i and j:
        if table[i, j] >= table[i - 1, j] + _GAP - 1e-6:
            i -= 1
        elif table[i, j] >= table[i, j - 1] + _GAP - 1e-6:
            j -= 1
        else:
            i, j = i - 1, j - 1
            pairs.append((at_a + i, at_b + j))
    return pairs[::-1]

"""Action units of a clip: how strong each is on average, and what strength that is in words.

TalkCLIP takes the mean of a detector's intensities over all frames; above a threshold a unit is active, further
thresholds give its level. The values of the thresholds are not published: ours are in `Thresholds`.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from scipy.optimize import nnls

from talkclip.coefficients import ARKIT52, CoefficientTrack
from talkclip.errors import InputError
from talkclip.track_io import SUFFIXES, read_track
from talkclip_rigs.facs import action_units

FACS_MAXIMUM = 5.0
# Units whose rows of the table are independent: least squares can tell them apart.
_BASIC = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 16, 17, 18, 20, 22, 24, 26, 28, 43)
# Their rows are sums of others' (lips part = a little of 10, 16 and 26; lip tightener = 18, 24 and 28 together).
_COMPOUND = (23, 25)
_JAW_DROP, _MOUTH_STRETCH = 26, 27
# What is reported. 41, 42, 44, 45 and 46 move the lids as 43 does, 11 is as good as a mix of 9 and 10, 13 of 6 and 12:
# to name one of them would be a guess.
SEPARABLE = (*_BASIC, *_COMPOUND, _MOUTH_STRETCH)
# One more unit has to explain this much (summed squares of ARKit weights: .03 in one shape) to be worth its name.
_COST_OF_A_UNIT = 1e-3
_FAINT = 0.02
_ROUNDS = 8


@dataclass(frozen=True, eq=False)
class UnitTrack:
    """Intensities of action units over the frames in which a face was found.

    Attributes:
        units: (U,) FACS numbers, rising.
        values: float32 (T, U), T >= 1, on the FACS scale 0 (absent) .. 5 (E, maximum). A source that gives only means
            has one frame.
    """

    units: tuple[int, ...]
    values: np.ndarray

    def __post_init__(self) -> None:
        values = np.ascontiguousarray(self.values, np.float32)
        object.__setattr__(self, "values", values)
        if values.ndim != 2 or len(values) == 0 or values.shape[1] != len(self.units):
            raise InputError(f"action units: {values.shape} values do not fit {len(self.units)} units and a frame.")
        if not np.isfinite(values).all():
            raise InputError("action units: a value is not a number.")

    def means(self) -> dict[int, float]:
        """Unit -> mean intensity over all frames, 0..5."""
        return dict(zip(self.units, self.values.mean(axis=0, dtype=np.float64).tolist(), strict=True))


class UnitDetector(Protocol):
    """Something that knows the action units of a clip."""

    @property
    def name(self) -> str:
        """Written into every line made from it."""

    def units_of(self, clip_id: str) -> UnitTrack | None:
        """The clip's units; None where this detector has no data for the clip.

        Raises:
            InputError: there are data, but they cannot be read.
        """


@dataclass(frozen=True)
class Thresholds:
    """Mean intensity (FACS scale 0..5) at which a unit is named, and how strongly.

    `active`, `middle` and `high` are the three of the paper, with values of ours (it gives none). The adverbs come in
    five levels, so that low and high are parted once more, also by us: level 1 from `active`, 2 from `lightly`, 3 from
    `middle`, 4 from `high`, 5 from `utterly`. Another detector needs other values: these suit intensities of human
    coders.

    Attributes:
        ignored: never named. Speech itself parts the lips and drops the jaw in every clip, so that the mean of units 25
            and 26 tells how much was said, not how (our inference).
    """

    active: float = 0.5
    lightly: float = 1.0
    middle: float = 1.5
    high: float = 3.0
    utterly: float = 4.0
    ignored: frozenset[int] = frozenset((25, 26))

    def __post_init__(self) -> None:
        steps = self._steps()
        if not all(low < high for low, high in zip((0.0, *steps), steps, strict=False)):
            raise InputError(f"thresholds {steps} do not rise.", "Give active < lightly < middle < high < utterly.")

    def _steps(self) -> tuple[float, ...]:
        return self.active, self.lightly, self.middle, self.high, self.utterly

    def level(self, intensity: float) -> int:
        """0 (not active), or the adverbs' level 1..5."""
        return sum(intensity >= step for step in self._steps())


@dataclass(frozen=True)
class ActiveUnit:
    """A unit that a sentence names: FACS number, mean intensity 0..5, level 1..5."""

    au: int
    intensity: float
    level: int


def active_units(track: UnitTrack, thresholds: Thresholds, named: Collection[int]) -> list[ActiveUnit]:
    """Active units among those we have words for, the strongest first."""
    found = [
        ActiveUnit(au, intensity, thresholds.level(intensity))
        for au, intensity in track.means().items()
        if au in named and au not in thresholds.ignored and thresholds.level(intensity) > 0
    ]
    return sorted(found, key=lambda unit: (-unit.intensity, unit.au))


@dataclass(frozen=True)
class ArkitUnits:
    """Our detector: tracked ARKit coefficients -> action units, the inverse of the table in `talkclip_rigs.facs`.

    Attributes:
        folder: holds `<clip id>.csv` (Live Link Face), .json or .npz tracks.
    """

    folder: Path

    @property
    def name(self) -> str:
        """See `UnitDetector`."""
        return "arkit"

    def units_of(self, clip_id: str) -> UnitTrack | None:
        """See `UnitDetector`."""
        for suffix in SUFFIXES:
            path = self.folder / f"{clip_id}{suffix}"
            if path.is_file():
                return units_of_track(read_track(path))
        return None


def units_of_track(track: CoefficientTrack) -> UnitTrack:
    """Action units of every frame of an `arkit52` track.

    Raises:
        InputError: another space.
    """
    if track.space != "arkit52":
        raise InputError(f"track: action units are read from arkit52, not {track.space}.", "Convert the track first.")
    order = [track.names.index(name) for name in ARKIT52]
    levels = np.stack([units_of_pose(pose) for pose in track.values[:, order]])
    rising = np.argsort(SEPARABLE)
    return UnitTrack(tuple(SEPARABLE[i] for i in rising), levels[:, rising] * FACS_MAXIMUM)


def units_of_pose(pose: np.ndarray) -> np.ndarray:
    """One ARKit pose -> (U,) levels 0..1 of `SEPARABLE`, which `pose_of` would turn into it.

    Non-negative least squares, both halves of the face together. Compound units are as good as a mix of others, so
    every choice of them is tried: a compound unit takes the highest level that no shape contradicts, least squares
    explain the rest, and the best balance of error and number of units wins.

    Args:
        pose: (52,) in the order of `ARKIT52`, 0..1.
    """
    pose = np.asarray(pose, np.float64)
    table = _shapes_by_unit()
    compounds = table[:, len(_BASIC) :]
    # The pose carries a compound unit as far as its least moved shape does.
    highest = np.array([np.min(pose[column > 0] / column[column > 0]) for column in compounds.T])
    possible = [column for column in range(len(_COMPOUND)) if highest[column] >= _FAINT]
    best, lowest = np.zeros(table.shape[1]), np.inf
    for size in range(len(possible) + 1):
        for chosen in itertools.combinations(possible, size):
            levels = np.zeros(table.shape[1])
            picked = len(_BASIC) + np.array(chosen, np.intp)
            levels[picked] = np.minimum(highest[list(chosen)], 1.0)
            levels[: len(_BASIC)] = _basic_levels(pose, (table * levels).max(axis=1))
            cost = _error(levels, pose) + _COST_OF_A_UNIT * np.count_nonzero(levels >= _FAINT)
            if cost < lowest:
                best, lowest = levels, cost
    return _split_jaw(best)


def _basic_levels(pose: np.ndarray, explained: np.ndarray) -> np.ndarray:
    """-> levels of `_BASIC` for what `explained` (52,) leaves of the pose; AU26 above 1 stands for AU27.

    Least squares add up what two units do to a common shape, while `pose_of` lets the stronger one move it. So they are
    only the start; then one unit after the other takes the level that fits best beside the others.
    """
    table = _shapes_by_unit()[:, : len(_BASIC)]
    # A shape that is explained already says nothing about the others, except where they alone reach it.
    asked = (pose > explained + 1e-6) | (explained <= 0)
    levels = np.minimum(nnls(table[asked], pose[asked])[0], _ceilings()).tolist()
    target, floor = pose.tolist(), explained.tolist()  # a few numbers each time: plain floats are faster
    for _ in range(_ROUNDS):
        change = 0.0
        for unit, shapes in _entangled().items():
            terms = [
                (weight, max([floor[shape], *(levels[other] * w for other, w in others)]), target[shape])
                for shape, weight, others in shapes
            ]
            best = _best_level(terms, float(_ceilings()[unit]))
            change = max(change, abs(best - levels[unit]))
            levels[unit] = best
        if change < 1e-4:
            break
    return np.array(levels)


def _best_level(terms: Sequence[tuple[float, float, float]], ceiling: float) -> float:
    """The level of one unit with the least sum of (max(weight level, beside) - wanted)^2; terms: those three by shape.

    From the level at which the unit outdoes the others in a shape, that shape counts; so for each such set of shapes
    there is one best level, and the best of these is taken (the lowest, where several are as good).
    """
    options = [0.0]
    for own, beside, _ in terms:
        start = beside / own
        counted = [(weight, wanted) for weight, rival, wanted in terms if rival / weight <= start]
        best = sum(weight * wanted for weight, wanted in counted) / sum(weight * weight for weight, _ in counted)
        options.append(min(max(best, start), ceiling))

    def rank(level: float) -> tuple[float, float]:
        error = sum((max(weight * level, rival) - wanted) ** 2 for weight, rival, wanted in terms)
        return round(error, 9), level  # rounded: an equal fit is to be seen as equal

    return min(options, key=rank)


def _error(levels: np.ndarray, pose: np.ndarray) -> float:
    return float(np.square((_shapes_by_unit() * levels).max(axis=1) - pose).sum())


def _split_jaw(levels: np.ndarray) -> np.ndarray:
    """Append AU27: a jaw lower than AU26 can drop it is AU27 instead, at the level of the opening."""
    jaw = _BASIC.index(_JAW_DROP)
    stretched = levels[jaw] > 1.0 + 1e-6
    opening = levels[jaw] / _ceilings()[jaw] if stretched else 0.0
    out = np.append(levels, opening)
    if stretched:
        out[jaw] = 0.0
    return out


@functools.cache
def _shapes_by_unit() -> np.ndarray:
    """(52, U - 1) weights at level 1, both sides, of `_BASIC` and `_COMPOUND`."""
    table = np.zeros((len(ARKIT52), len(_BASIC) + len(_COMPOUND)))
    for column, au in enumerate((*_BASIC, *_COMPOUND)):
        for shape, weight in action_units()[au].shapes["both"].items():
            table[ARKIT52.index(shape), column] = weight
    return table


@functools.cache
def _entangled() -> Mapping[int, tuple[tuple[int, float, tuple[tuple[int, float], ...]], ...]]:
    """Column of `_BASIC` that shares a shape -> its (shape, weight, ((other column, its weight there), ...))."""
    table = _shapes_by_unit()
    common = np.count_nonzero(table, axis=1) > 1

    def rivals(shape: int, unit: int) -> tuple[tuple[int, float], ...]:
        return tuple((int(c), float(table[shape, c])) for c in np.flatnonzero(table[shape, : len(_BASIC)]) if c != unit)

    return {
        unit: tuple((int(s), float(table[s, unit]), rivals(int(s), unit)) for s in np.flatnonzero(table[:, unit]))
        for unit in range(len(_BASIC))
        if (table[common, unit] > 0).any()
    }


@functools.cache
def _ceilings() -> np.ndarray:
    """Highest level of each of `_BASIC`; AU26's stands for AU27 too, up to a jaw that is fully open."""
    drop = action_units()[_JAW_DROP].shapes["both"]["jawOpen"]
    return np.array([1.0 / drop if au == _JAW_DROP else 1.0 for au in _BASIC])

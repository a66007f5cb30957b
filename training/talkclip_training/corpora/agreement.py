"""How far two annotators agree on the lines that both annotated."""

from __future__ import annotations

import collections
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from talkclip.errors import InputError
from talkclip_training.corpora.likeness import key
from talkclip_training.corpora.written import Written


@dataclass(frozen=True)
class Agreement:
    """Agreement of two annotators.

    Attributes:
        lines: lines that both annotated.
        same_emotion: share of them with the same strongest emotion.
        kappa: Cohen's kappa on the strongest emotion; NaN where both use one emotion only.
        intensity_r: Pearson's correlation of the intensities; NaN where one annotator's never change.
        intensity_difference: mean absolute difference of the intensities.
        unit_precision, unit_recall, unit_f1: action units of the second annotator against the first one's, all lines
            together, sides and levels aside; NaN where nobody named one.
        confused: (first's emotion, second's emotion, lines), the most frequent first.
    """

    lines: int
    same_emotion: float
    kappa: float
    intensity_r: float
    intensity_difference: float
    unit_precision: float
    unit_recall: float
    unit_f1: float
    confused: tuple[tuple[str, str, int], ...]


def agreement(first: Sequence[Written], second: Sequence[Written]) -> Agreement:
    """Compare two annotations, line by line, by text.

    Raises:
        InputError: no text occurs in both.
    """
    by_key = {key(line.text): line for line in reversed(second)}
    pairs = [(line, by_key[name]) for line in first if (name := key(line.text)) in by_key]
    if not pairs:
        raise InputError("the two annotations have no text in common.", "Give a second annotation of the same lines.")
    emotions = [(one.strongest, other.strongest) for one, other in pairs]
    intensity = np.array([(one.intensity, other.intensity) for one, other in pairs])
    units = [({m.au for m in one.moves}, {m.au for m in other.moves}) for one, other in pairs]
    both = sum(len(mine & yours) for mine, yours in units)
    ours, theirs = sum(len(mine) for mine, _ in units), sum(len(yours) for _, yours in units)
    different = collections.Counter(pair for pair in emotions if pair[0] != pair[1])
    return Agreement(
        lines=len(pairs),
        same_emotion=sum(one == other for one, other in emotions) / len(pairs),
        kappa=cohens_kappa(emotions),
        intensity_r=_correlation(intensity[:, 0], intensity[:, 1]),
        intensity_difference=float(np.abs(intensity[:, 0] - intensity[:, 1]).mean()),
        unit_precision=_ratio(both, theirs),
        unit_recall=_ratio(both, ours),
        unit_f1=_ratio(2 * both, ours + theirs),
        confused=tuple((one, other, count) for (one, other), count in different.most_common()),
    )


def cohens_kappa(labels: Sequence[tuple[str, str]]) -> float:
    """Agreement beyond chance, 1 - (1 - observed) / (1 - expected); NaN where chance alone gives agreement."""
    observed = sum(one == other for one, other in labels) / len(labels)
    mine = collections.Counter(one for one, _ in labels)
    yours = collections.Counter(other for _, other in labels)
    expected = sum(mine[name] * yours[name] for name in mine) / len(labels) ** 2
    return float("nan") if expected == 1 else (observed - expected) / (1 - expected)


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")

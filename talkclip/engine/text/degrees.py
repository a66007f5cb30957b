"""Words of degree in a clause, and what they do to movements and feelings near them."""

from __future__ import annotations

from dataclasses import dataclass

from talkclip.engine.text import lexicon
from talkclip.engine.text.marks import Hit, Marks

# A word of degree further away than this speaks of something else.
_REACH = 4
# "as hard as he possibly can": how far the words that say so stand from the first "as".
_UTMOST_REACH = 6
_VERY_STRONG = 1.6
# How much of the way to the top a degree of 2 takes a word of feeling.
_RAISING = 0.8


@dataclass(frozen=True)
class Degrees:
    """The words of degree of a clause.

    Attributes:
        found: (first word, behind the last, factor).
        owners: where movements and feelings begin; a degree right before one belongs to that alone.
    """

    found: tuple[tuple[int, int, float], ...] = ()
    owners: frozenset[int] = frozenset()

    def factor(self, hit: Hit) -> float:
        """The word of degree nearest to the hit; one that stands beside it counts half; 1 without any."""
        near = [(hit.distance(s, e), s, e, f) for s, e, f in self.found if e == hit.start or e not in self.owners]
        if not near or min(near)[0] > _REACH:
            return 1.0
        _, start, end, factor = min(near)
        beside = [f for _, s, e, f in near if (e == start or s == end) and f < 1.0 and factor < 1.0]
        return factor * (beside[0] ** 0.5 if beside else 1.0)


def find_degrees(marks: Marks, regions: tuple[Hit, ...], owners: frozenset[int]) -> Degrees:
    """The words of degree that nothing else explains; the half of "the upper half" is none."""
    utmost = _utmost(marks)
    for start, end, _ in utmost:
        marks.mark(start, end)
    found = utmost + [
        (start, end, factor)
        for start, end, factor in marks.peek(lexicon.degrees(), movement=False)
        if not (marks.words[start:end] == ["light"] and start and marks.words[start - 1] == "the")
        and not any(region.start < end and start < region.end for region in regions)
    ]
    for start, end, _ in found:
        marks.mark(start, end)
    return Degrees(tuple(found), owners)


def _utmost(marks: Marks) -> list[tuple[int, int, float]]:
    """'As far as they'll go', 'as wide as you possibly can': a very strong degree; "wide" may be what the eyes do."""
    words = marks.words
    for start in range(len(words) - 3):
        if words[start] == "as" and words[start + 2] == "as":
            ends = [i for i in range(start + 3, len(words)) if words[i] in lexicon.words_that("utmost")]
            if ends and ends[0] <= start + _UTMOST_REACH:
                return [(start + 2 * marks.used[start + 1], ends[-1] + 1, _VERY_STRONG)]
    return []


def felt(strength: float, factor: float) -> float:
    """A feeling's strength with its degree: weak words lie far from the top, so strong degrees move them further."""
    if factor <= 1.0 or strength <= 0.0:
        return strength * factor
    return min(1.0, max(strength * factor, strength + (1.0 - strength) * _RAISING * (factor - 1.0)))

"""Region x action: "the corners of his mouth turned right down", "push the chin up", "jaw slid off to the right"."""

from __future__ import annotations

from dataclasses import dataclass

from talkclip.engine.text import lexicon
from talkclip.engine.text.marks import Hit, Marks
from talkclip.engine.text.sides import SIDE_WORDS, own_direction

_JOINING = ("and", "or", "")
_CARRYING = ("and", "then", "or", "but", "yet", "while", "though")
# Regions that can go to one side; the eyes do so by their gaze (`gaze.py`).
_GOES_SIDEWAYS = frozenset({"jaw", "mouth", "lip", "chin"})
_OF_LIDS = frozenset({"open", "wide", "narrow", "shut", "squeeze"})
# Between "above" and what it speaks of stand so many words at most.
_PLACE_REACH = 3
_MIDDLE = frozenset({"middle", "centre", "center"})
# So many words that say something may follow on without naming the region again.
_SHORT = 2
_TOWARDS = frozenset({"to", "towards", "toward", "over", "off", "sideways"})


@dataclass(frozen=True)
class Pair:
    """A region that does something.

    Attributes:
        place: where the action stands.
        region: where the region stands, or what is carried over.
        action: what it does.
        direction: "left" or "right" for what goes sideways.
    """

    place: Hit
    region: Hit
    action: str
    direction: str = ""

    @property
    def units(self) -> tuple[tuple[int, float], ...]:
        """(action unit, factor)."""
        return lexicon.units_for(self.region.name, self.action)


@dataclass(frozen=True)
class Pairs:
    """What the regions of a clause do.

    Attributes:
        pairs: in the order of the actions.
        regions: all regions named here.
        idle: those without an action.
    """

    pairs: tuple[Pair, ...]
    regions: tuple[Hit, ...]
    idle: tuple[Hit, ...]


def find_pairs(marks: Marks, lead: str, carried: str, waiting: tuple[str, ...]) -> Pairs:
    """Pair actions with regions; marks their words as explained.

    Args:
        marks: the clause's words.
        lead: its joining word.
        carried: the region that earlier clauses spoke of last.
        waiting: regions of the clause before that still have no action.
    """
    regions = [Hit(s, e, _refined(name, marks.words)) for s, e, name in marks.peek(lexicon.regions())]
    regions = [region for region in regions if not _is_a_place(region, regions, marks.words)]
    says = [w for w in marks.words if w not in lexicon.words_that("silent") and w not in SIDE_WORDS]
    short = len(says) <= _SHORT and not any(marks.used)
    in_region = [any(r.start <= i < r.end for r in regions) for i in range(len(marks.words))]
    found = [
        Pair(action, region, action.name, action.name if action.name in ("left", "right") else "")
        for action in _actions(marks, in_region, regions)
        for region in _regions_for(action, regions, lead, carried, waiting, short)
    ]
    kept = [pair for pair in found if not _is_outdone(pair, found, marks)]
    for pair in kept:
        marks.mark(pair.place.start, pair.place.end)
    moved = {pair.region for pair in kept}
    for region in moved:
        marks.mark(region.start, region.end)
    return Pairs(tuple(kept), tuple(regions), tuple(r for r in regions if r not in moved))


def _is_a_place(region: Hit, regions: list[Hit], words: list[str]) -> bool:
    """The eye in "the brow above her left eye" only says which brow."""
    before = words[max(0, region.start - _PLACE_REACH) : region.start]
    places = [i for i, word in enumerate(before) if word in lexicon.words_that("places")]
    if not places or not any(other.end <= region.start for other in regions):
        return False
    between = before[places[-1] + 1 :]
    return all(w in SIDE_WORDS or w in lexicon.words_that("silent") for w in between)


def _refined(region: str, words: list[str]) -> str:
    """'The brows rise in the middle' are the inner brows."""
    return "inner_brow" if region in ("brow", "forehead") and _MIDDLE & set(words) else region


def _actions(marks: Marks, in_region: list[bool], regions: list[Hit]) -> list[Hit]:
    found = [
        Hit(s, e, name)
        for s, e, name in marks.peek(lexicon.actions())
        if not any(in_region[s:e]) and not any(own_direction(marks.words, i) for i in range(s, e))
    ]
    for index in range(len(marks.words)):
        if not marks.used[index] and _is_direction(marks.words, index, regions):
            found.append(Hit(index, index + 1, own_direction(marks.words, index)))
    return sorted(found, key=lambda hit: hit.start)


def _is_direction(words: list[str], index: int, regions: list[Hit]) -> bool:
    """'Jaw left', 'mouth shoved over to her left' are directions; 'mouth down on the left' names a side."""
    before = [r for r in regions if r.end <= index]
    if not own_direction(words, index) or not before or before[-1].name not in _GOES_SIDEWAYS:
        return False
    towards = any(w in _TOWARDS for w in words[max(0, index - 2) : index])
    moved = index > 0 and words[index - 1] in lexicon.words_that("moved")
    return towards or moved or (before[-1].name == "jaw" and "on" not in words[max(0, index - 2) : index])


def _regions_for(
    action: Hit, regions: list[Hit], lead: str, carried: str, waiting: tuple[str, ...], short: bool
) -> list[Hit]:
    """The nearest region here that can do it, and those of the clause before that wait for an action.

    A `short` clause ("..., trembling") goes on with what the clause before spoke of.
    """

    def fits(name: str) -> bool:
        if action.name == "off":
            return bool(lexicon.units_of_region(name))
        return bool(lexicon.units_for(name, action.name) or lexicon.denied_by(name, action.name))

    here = [region for region in regions if fits(region.name)]
    waits = [Hit(-1, -1, name) for name in waiting if lead in _JOINING and fits(name)]
    if here:
        nearest = min(here, key=lambda r: r.distance(action.start, action.end))
        return [nearest, *(waits if lead == "and" else ())]
    if regions:
        return []
    if (lead in _CARRYING or short) and carried and fits(carried):
        return [Hit(-1, -1, carried)]
    return waits


def _is_outdone(pair: Pair, found: list[Pair], marks: Marks) -> bool:
    """'Pull' says nothing beside 'down', and 'hard' beside 'shut' is a degree."""
    others = [p for p in found if p.region == pair.region and p is not pair and not _is_weak(p, marks)]
    to_rest = [p for p in others if p.action == "off" and "neutral" in marks.words[p.place.start : p.place.end]]
    if to_rest and pair.action != "off":  # "lift the corners back to neutral"
        marks.mark(pair.place.start, pair.place.end)
        return True
    if pair.region.name == "eye" and pair.action in ("up", "down") and any(p.action in _OF_LIDS for p in others):
        return True  # "open the eyes up"
    if not _is_weak(pair, marks) or not others:
        return False
    if pair.action in lexicon.words_that("light_actions"):
        marks.mark(pair.place.start, pair.place.end)
    return True


def _is_weak(pair: Pair, marks: Marks) -> bool:
    words = marks.words[pair.place.start : pair.place.end]
    return pair.action in lexicon.words_that("light_actions") or (
        len(words) == 1 and words[0] in lexicon.words_that("degree_like_actions")
    )

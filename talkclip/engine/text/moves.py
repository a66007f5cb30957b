"""Movements found in a clause before their degree and negation are known: glances, verbs, smiles of one part."""

from __future__ import annotations

from dataclasses import dataclass, replace

from talkclip.engine.text import lexicon
from talkclip.engine.text.gaze import GAZE_UNITS, Gaze
from talkclip.engine.text.marks import Hit, Marks
from talkclip.engine.text.negation import Negation
from talkclip.engine.text.sides import Sides

Units = tuple[tuple[int, float], ...]

# "smiling eyes": a smile that a neighbouring "eyes" claims is one of lids and cheeks.
_SMILING_EYES: Units = ((6, 1.0), (7, 0.4))
_SMILE, _CHEEKS, _NEAR = 12, 6, 3
_SMILING_MOUTH = frozenset({"mouth", "lip", "lower_face"})
_SIDEWAYS = {"left": 61, "right": 62}


@dataclass(frozen=True)
class Move:
    """A movement as it stands in the text.

    Attributes:
        hit: where.
        units: (action unit, factor on the usual strength).
        side: "both", "left" or "right".
        rules_out: action units that it denies.
        instead: what denying it amounts to ("her eyes won't open"); empty where it amounts to nothing.
        fixed: the side belongs to the units even where the eyes move (crossed eyes).
        region, action: what part does what; "" for a verb or a glance.
    """

    hit: Hit
    units: Units
    side: str
    rules_out: tuple[int, ...] = ()
    instead: Units = ()
    fixed: bool = False
    region: str = ""
    action: str = ""


def glances(gaze: Gaze, negation: Negation) -> list[Move]:
    """Movements of the gaze; "won't look at me" looks away, "don't look away" looks nowhere."""
    if gaze.straight:
        place, away = gaze.glances[0], lexicon.units_for("gaze", "away")
        denied = negation.covers(place.start)
        return [Move(Hit(place.start, place.end, "gaze"), away, "both", instead=away)] if denied else []
    anywhere = tuple((unit, 1.0) for unit in sorted(GAZE_UNITS))
    found = []
    for glance in gaze.glances:
        stays = len(glance.units) > 1 and negation.covers(glance.start)
        found.append(Move(Hit(glance.start, glance.end, "gaze"), anywhere if stays else glance.units, "both"))
    return [move for move in found if move.units]


def verbs(marks: Marks, sides: Sides) -> list[Move]:
    """Verbs and phrases that are movements by themselves; marks their words as explained."""
    found = []
    for start, end, word in marks.peek(lexicon.movement_words(), without=_halves(marks)):
        if _is_an_action(marks, start, end):
            continue
        marks.mark(start, end)
        hit = Hit(start, end, "")
        if word.sides:
            found += [Move(hit, (u,), own, fixed=True) for u, own in zip(word.units, word.sides, strict=True)]
        else:
            side = sides.nearest(start, end, marks.used, word.side)
            found.append(Move(hit, _aimed(word.units, sides), side, word.denied))
    return found


def of_its_part(move: Move, idle: tuple[Hit, ...], words: list[str]) -> Move:
    """The smile of "smiling eyes" stays in the eyes, that of "a smiling mouth" in the mouth."""
    if not any(au == _SMILE for au, _ in move.units):
        return move
    near = {region.name for region in idle if region.distance(move.hit.start, move.hit.end) <= _NEAR}
    if near == {"eye"}:
        return replace(move, units=_SMILING_EYES)
    if near & _SMILING_MOUTH and "eye" not in near:
        only = (_CHEEKS,) if {"only", "just"} & set(words) else ()
        return replace(move, units=tuple(u for u in move.units if u[0] != _CHEEKS), rules_out=move.rules_out + only)
    return move


def _halves(marks: Marks) -> frozenset[int]:
    """Words inside a region that begin no movement: "the lower half smiles" is no half-smile."""
    inside = {i: name for s, e, name in marks.peek(lexicon.regions()) for i in range(s + 1, e)}
    return frozenset(
        i for i, name in inside.items() if marks.words[i] in ("half", "teeth") or name in ("lower_lip", "lower_teeth")
    )


def _is_an_action(marks: Marks, start: int, end: int) -> bool:
    """'Puckered' beside "chin" is what the chin does."""
    action = lexicon.actions().at(marks.words, start) if end - start == 1 else None
    regions = [name for _, _, name in marks.peek(lexicon.regions())]
    return action is not None and any(lexicon.units_for(region, action[1]) for region in regions)


def _aimed(units: Units, sides: Sides) -> Units:
    """A side-eye goes to the side that the clause names."""
    named = next((side for _, side in sides.named if side in _SIDEWAYS), "")
    if not named:
        return units
    return tuple((_SIDEWAYS[named] if au in _SIDEWAYS.values() else au, factor) for au, factor in units)

"""Where the eyes look: a word for looking, then directions ("glances up and slightly to her left").

"looks right at me" and "eyes on the camera" ask for a straight gaze.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from talkclip.engine.text import lexicon
from talkclip.engine.text.sides import own_direction

LEFT, RIGHT, UP, DOWN = 61, 62, 63, 64
GAZE_UNITS = frozenset({LEFT, RIGHT, UP, DOWN})
_HORIZONTAL = {"left": LEFT, "right": RIGHT}
_AWAY = ((LEFT, 0.85), (DOWN, 0.45))
_ASIDE = ((RIGHT, 0.9),)
# Directions follow within so many words that are neither directions nor known to stand between.
_LONGEST = 9
# "open the eyes up": the lids move, the gaze does not.
_LID_REACH = 3


@dataclass(frozen=True)
class Glance:
    """One direction of the gaze.

    Attributes:
        start: first word of the direction.
        end: behind its last word.
        units: (action unit, factor on the usual strength); empty for a straight gaze.
    """

    start: int
    end: int
    units: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Gaze:
    """The glances of a clause.

    Attributes:
        glances: in order.
        used: indices of the words they explain.
        spoken_of: the clause speaks of the gaze at all.
    """

    glances: tuple[Glance, ...] = ()
    used: tuple[int, ...] = ()
    spoken_of: bool = False

    @property
    def straight(self) -> bool:
        """Whether a straight gaze is asked for."""
        return bool(self.glances) and not any(g.units for g in self.glances)


def find_gaze(words: list[str], blocked: list[bool], goes_on: bool) -> Gaze:
    """The gaze of a clause.

    Args:
        words: lower-case words of the clause.
        blocked: words whose look of a movement deceives ("looks up to").
        goes_on: the clause before spoke of the gaze, and this one may go on with it ("... then to the left").
    """
    heads = [(s, e, kind) for s, e, kind in lexicon.gaze_heads().find(words) if not any(blocked[s:e])]
    spoken_of = any(kind != "stare" for _, _, kind in heads)
    if not heads and goes_on and not any(True for _ in lexicon.regions().find(words)):
        heads = [(0, 0, "on")]
    for start, end, kind in heads:
        if kind == "eyes" and any(
            w in lexicon.words_that("lid_words") for w in words[max(0, start - _LID_REACH) : start]
        ):
            continue
        glances = _directions(words, end, blocked, kind == "stare")
        if glances:
            used = [i for g in glances for i in range(g.start, g.end)]
            used += range(start, end) if kind in ("look", "eyes") else ()
            return Gaze(tuple(_settled(words, glances)), tuple(used), True)
    return Gaze(spoken_of=spoken_of)


def _directions(words: list[str], start: int, blocked: list[bool], only_towards: bool) -> list[Glance]:
    """What follows a word for looking, as long as it speaks of directions.

    `only_towards`: left and right count behind "to the" alone, for "squint, left eye" names a side.
    """
    found: list[Glance] = []
    index = start
    while index < min(len(words), start + _LONGEST):
        side = "" if _is_a_side(words, index, only_towards) else own_direction(words, index)
        hit = lexicon.gaze_directions().at(words, index)
        if side:
            found.append(Glance(index, index + 1, ((_HORIZONTAL[side], 1.0),)))
            index += 1
        elif hit is not None and not any(blocked[index : index + hit[0]]):
            found.append(Glance(index, index + hit[0], _units(hit[1])))
            index += hit[0]
        elif _stands_between(words, index):
            index += 1
        else:
            break
    return found


def _is_a_side(words: list[str], index: int, only_towards: bool) -> bool:
    """'The left side', 'right eye': no direction."""
    following = words[index + 1] if index + 1 < len(words) else ""
    if following in lexicon.words_that("sided_things"):
        return True
    return only_towards and not {"to", "towards", "toward"} & set(words[max(0, index - 2) : index])


def _units(direction: str) -> tuple[tuple[int, float], ...]:
    return {"up": ((UP, 1.0),), "down": ((DOWN, 1.0),), "away": _AWAY, "aside": _ASIDE, "straight": ()}[direction]


def _settled(words: list[str], glances: list[Glance]) -> list[Glance]:
    """'Away to the left' goes left, 'away at the floor' down; a straight gaze is what is left without any other."""
    named = next((s for s in (own_direction(words, i) for i in range(len(words))) if s), "")
    if named:
        glances = [
            replace(g, units=((_HORIZONTAL[named], g.units[0][1]),)) if g.units == _ASIDE else g for g in glances
        ]
    clear = [g for g in glances if len(g.units) == 1 and g.units != _ASIDE]
    return clear or [g for g in glances if g.units] or glances


def _stands_between(words: list[str], index: int) -> bool:
    word = words[index]
    if word in lexicon.words_that("gaze_fillers") or word.endswith("ly") or word == "right":
        return True
    return lexicon.degrees().at(words, index) is not None

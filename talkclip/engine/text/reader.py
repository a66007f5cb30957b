"""Reads one clause: movements, feelings, and what is denied, with sides and degrees."""

from __future__ import annotations

from dataclasses import dataclass, replace

from talkclip.engine.text import lexicon
from talkclip.engine.text.amounts import PLAIN_LEVEL, Amounts, find_amounts
from talkclip.engine.text.clause import PART_OF_REGION, Clause, Feeling
from talkclip.engine.text.degrees import Degrees, felt, find_degrees
from talkclip.engine.text.extent import JAW_DROP, coded_jaw, jaw_extent, lid_extent
from talkclip.engine.text.gaze import GAZE_UNITS, Gaze, find_gaze
from talkclip.engine.text.idioms import find_idioms
from talkclip.engine.text.marks import Hit, Marks
from talkclip.engine.text.moves import Move, Units, glances, of_its_part, verbs
from talkclip.engine.text.negation import Negation, denies_feeling, find_negation, removed_from
from talkclip.engine.text.pairs import Pair, Pairs, find_pairs
from talkclip.engine.text.sides import UNSTATED_SIDE, WEAKER_SHARE, Sides, is_side_word, read_sides
from talkclip_rigs.facs import AuMove

_IS_NOT = frozenset({"isn't", "aren't", "wasn't", "weren't", "ain't"})
# A stated amount below this is "none".
_NOTHING = 0.02
# Units of a denied movement that are weaker than this share of its main one are left alone.
_DENIED_SHARE = 0.19
_BROWS = frozenset({1, 2, 4})


@dataclass(frozen=True)
class Context:
    """What earlier clauses leave to the next one.

    Attributes:
        region: the region spoken of last.
        waiting: regions of the last clause that still have no action.
        side: the side named last.
        denies: the last clause denies what it names, and an "or" goes on with that.
        gaze: the last clause spoke of the gaze.
        still: the last clause asks for nothing, or denies.
    """

    region: str = ""
    waiting: tuple[str, ...] = ()
    side: str = ""
    denies: bool = False
    gaze: bool = False
    still: bool = False


class ClauseReader:
    """Reads one clause.

    Args:
        lead: its joining word, "" for none.
        text: its words.
        context: what the clauses before left.
    """

    def __init__(self, lead: str, text: str, context: Context) -> None:
        self._lead, self._text, self._context = lead, text, context
        self._amounts: Amounts = find_amounts(text)
        self._marks = Marks(lexicon.word_list(self._amounts.rest))
        self._words = self._marks.words
        self._idioms = find_idioms(self._words)
        for found in self._idioms:
            if not found.idiom.shown:
                self._marks.mark(found.start, found.end)
                self._marks.deceive(found.start, found.end)
        self._sides: Sides = read_sides(self._words, context.side)
        self._negation = self._find_negation()
        self._lessens = self._find_lessening()
        self._removal: int | None = None
        self._degrees = Degrees()
        self._pairs = Pairs((), (), ())
        self._gaze = Gaze()
        self._is_still = False

    def read(self) -> Clause:
        """-> the clause."""
        absent = [unit for _, _, units in self._marks.take(lexicon.absent_words()) for unit in units]
        denied = [*absent, *self._amounts.denied]
        looks, named = self._read_gaze(denied), verbs(self._marks, self._sides)
        moves, said = [*looks, *named], [move.hit.start for move in named]
        self._pairs = find_pairs(self._marks, self._lead, self._context.region, self._context.waiting)
        self._pairs = replace(self._pairs, idle=tuple(r for r in self._pairs.idle if not self._in_idiom(r.start)))
        moves = [of_its_part(move, self._pairs.idle, self._words) for move in moves] + self._read_pairs(denied)
        moves += self._read_defaults(bool(moves))
        turned_off = self._turned_off([m.hit.start for m in moves])
        feelings = self._read_feelings()
        self._degrees = find_degrees(self._marks, self._pairs.regions, self._beginnings(moves, feelings))
        self._settle_negation([m.hit.start for m in moves], said, [start for start, _, _ in feelings], turned_off)
        shown = [self._coded(move) for move in self._amounts.moves]
        shown += [AuMove(*coded_jaw(m.level)) for m in shown if m.au == JAW_DROP and m.au not in self._amounts.plain]
        lessened: list[int] = []
        for move in moves:
            if self._removal == move.hit.start:  # the "drop" of "drop the smile"
                continue
            self._apply(move, shown, denied if not self._lessens else lessened)
        if self._lessens:
            lessened += [u for region in self._pairs.idle for u in lexicon.units_of_region(region.name)]
        shown = [move for move in shown if move.au not in absent]
        told, untold = self._feelings(feelings)
        self._is_still = not shown and all(f.strength <= 0.0 for f in told) and bool(told or untold or denied)
        denied += self._denied_regions(bool(moves or feelings))
        for region in self._pairs.regions:
            self._marks.mark(region.start, region.end)
        return Clause(
            self._text, self._lead, tuple(shown), tuple(dict.fromkeys(denied)), tuple(told), tuple(untold),
            self._hides(),
            tuple(w for w in self._marks.unused() if not _is_silent(w)),
            self._negation.denies or self._lessens,
            tuple(r.name for r in self._pairs.idle),
            tuple(dict.fromkeys(lessened)),
        )  # fmt: skip

    def _hides(self) -> bool:
        """'Hides her fear'; "warm and fuzzy inside" hides nothing."""
        hiding = [i for i, word in enumerate(self._words) if word in lexicon.words_that("hiding")]
        return any(i not in self._negation.words and not self._in_idiom(i) for i in hiding)

    def _beginnings(self, moves: list[Move], feelings: list[tuple[int, int, lexicon.FeelingWord]]) -> frozenset[int]:
        return frozenset([*(m.hit.start for m in moves), *(start for start, _, _ in feelings)])

    def context(self) -> Context:
        """What this clause leaves to the next one (after `read`)."""
        regions = self._pairs.regions
        sides = [side for _, side in self._sides.named if side != "both"]
        side = sides[-1] if sides else UNSTATED_SIDE if self._sides.open_at else self._context.side
        gaze = self._gaze.spoken_of or (self._context.gaze and not regions)
        return Context(
            regions[-1].name if regions else "gaze" if self._gaze.spoken_of else self._context.region,
            tuple(r.name for r in self._pairs.idle),
            side,
            self._negation.denies,
            gaze,
            self._is_still,
        )

    # -- what is denied ------------------------------------------------------------------------------------------

    def _find_negation(self) -> Negation:
        carried = self._context.denies and self._lead in ("or", "nor")
        lead = "" if self._lead == "except" and self._context.still else self._lead  # "calm, except for the brows"
        harmless = frozenset(i for found in self._idioms for i in range(found.start, found.end))
        negation = find_negation(self._words, lead, carried, harmless)
        for index in negation.words:
            self._marks.used[index] = True
        if negation.start is not None and not negation.closing:
            return replace(negation, end=self._end_of_lack(negation))
        return negation

    def _end_of_lack(self, negation: Negation) -> int:
        """'No joy in that smile' lacks the joy, not the smile: where what it is missing in begins."""
        start = negation.start or 0
        places = [i for i in range(start + 1, negation.end - 1) if self._words[i] == "in"]
        for place in places:
            if any(s <= place + 2 for s, _, _ in self._marks.peek(lexicon.movement_words()) if s > place):
                return place
        return negation.end

    def _find_lessening(self) -> bool:
        """'Less brow', 'ease up on the smile', 'frown less': lowers what other clauses show."""
        if not self._words or "than" in self._words:  # "less scared than before" is a degree
            return False
        hit = lexicon.phrases_that("lessening").at(self._words, 0)
        if hit is not None:
            self._marks.mark(0, hit[0])
        elif len(self._words) > 1 and self._words[-1] == "less" and self._words[-2] not in ("or", "care"):
            self._marks.mark(len(self._words) - 1, len(self._words))
        else:
            return False
        return not self._negation.denies

    def _settle_negation(self, moves: list[int], said: list[int], feelings: list[int], turned_off: bool) -> None:
        """'A leer is not what I asked for' denies what stands before; 'lose the grin' is known by what follows."""
        start = self._negation.start
        if start is None and turned_off:
            self._negation = Negation(0, len(self._words))
        elif start is None and self._vanishes([*said, *feelings]):
            self._negation = Negation(0, len(self._words), closing=True)
        elif start is None:
            regions = [r.start for r in self._pairs.idle]
            start = removed_from(self._words, sorted([*said, *feelings]), regions)
            self._removal = start
            if start is not None:
                self._negation = Negation(start, len(self._words))
        elif not self._negation.closing and not any(i >= start for i in [*moves, *feelings]):
            first = min(self._negation.words, default=0)
            is_not = first > 0 and ({"is", "are"} & {self._words[first - 1]} or self._words[first] in _IS_NOT)
            self._negation = replace(self._negation, closing=bool(is_not))

    def _vanishes(self, named: list[int]) -> bool:
        """'The smile fades', 'her anger is gone'; a jaw that drops does not vanish."""
        if not named or self._pairs.regions:
            return False
        hits = [start for start, _, _ in self._marks.peek(lexicon.phrases_that("vanishing"), movement=False)]
        return bool(hits) and max(named) < hits[-1]

    def _turned_off(self, moves: list[int]) -> bool:
        """'Mentalis relaxed', 'relax the masseter'; a relaxed smile is a smile."""
        off = [i for i, w in enumerate(self._words) if w in lexicon.words_that("off_words") and not self._marks.used[i]]
        if not off or not moves:
            return False
        behind = off[-1] == len(self._words) - 1 and off[-1] > max(moves)
        turned_off = behind or (off[0] == 0 and self._words[0] in ("relax", "release"))
        if turned_off:
            self._marks.mark(off[-1], off[-1] + 1)
        return turned_off

    def _denied_regions(self, something_found: bool) -> list[int]:
        """'Minus the eyebrows', 'nothing happening in the mouth'."""
        rest = [w for w in self._marks.unused() if not _is_silent(w)]
        still = lexicon.words_that("stillness")
        if something_found or not self._negation.denies or any(w not in still for w in self._without_regions(rest)):
            return []
        idle = self._pairs.idle  # "the mouth barely moves": all of them where none stands behind the negation
        covered = [region for region in idle if self._negation.covers(region.start)] or idle
        return [unit for region in covered for unit in lexicon.units_of_region(region.name)]

    def _without_regions(self, rest: list[str]) -> list[str]:
        named = {w for r in self._pairs.regions for w in self._words[r.start : r.end]}
        return [w for w in rest if w not in named]

    # -- movements -----------------------------------------------------------------------------------------------

    def _read_gaze(self, denied: list[int]) -> list[Move]:
        self._gaze = find_gaze(self._words, self._marks.deceptive, self._context.gaze)
        for index in self._gaze.used:
            self._marks.used[index] = True
        found = glances(self._gaze, self._negation)
        denied += sorted(GAZE_UNITS) if self._gaze.straight and not found else ()
        return found

    def _read_pairs(self, denied: list[int]) -> list[Move]:
        found = []
        for pair in self._pairs.pairs:
            if not self._negation.covers(pair.place.start):
                denied += lexicon.denied_by(pair.region.name, pair.action)
                denied += lexicon.units_of_region(pair.region.name) if pair.action == "off" else ()
            if pair.action != "off":
                means = lexicon.negated_means(pair.region.name, pair.action)
                wide = "wide" in self._words  # "without opening the eyes wide" does not shut them
                instead = () if wide else lexicon.units_for(pair.region.name, means)
                side = self._side_of(pair)
                move = Move(pair.place, pair.units, side, instead=instead, region=pair.region.name, action=pair.action)
                found.append(move)
        return found

    def _side_of(self, pair: Pair) -> str:
        others = [p.direction for p in self._pairs.pairs if p.region == pair.region and p.direction]
        if others:  # "mouth skewed to the right"
            return others[0]
        if pair.region.name in self._context.waiting and not self._sides.named:  # "her brow, the left one, shoots up"
            return self._context.side or "both"
        hit = pair.region if pair.region.start >= 0 else pair.place
        return self._sides.nearest(hit.start, hit.end, self._marks.used)

    def _read_defaults(self, moves_already: bool) -> list[Move]:
        """'Tongue', 'dimples', 'jaw 30 %', 'more brow'."""
        found: list[Move] = []
        if self._lessens or self._idioms or self._marks.peek(lexicon.feeling_words(), movement=False):
            return found
        amount = self._amounts.level is not None or any(w in lexicon.words_that("comparing") for w in self._words[:2])
        for region in self._pairs.idle:
            action, units = lexicon.default_units(region.name, amount and not moves_already)
            if units:
                side = self._sides.nearest(region.start, region.end, self._marks.used)
                found.append(Move(region, units, side, region=region.name, action=action))
                self._marks.mark(region.start, region.end)
        idle = tuple(r for r in self._pairs.idle if not any(r == m.hit for m in found))
        self._pairs = replace(self._pairs, idle=idle)
        return found

    def _apply(self, move: Move, shown: list[AuMove], denied: list[int]) -> None:
        """Adds a movement to what is shown or to what is denied."""
        level = self._level(move.hit)
        units = move.units
        if self._lessens or self._negation.covers(move.hit.start) or level < _NOTHING:
            if not (move.instead and self._negation.denies):
                denied += _denied_of(units)
                return
            units = move.instead
        denied += move.rules_out
        for au, amount in self._reached(move) or self._scaled(level, units):
            side = "both" if au in GAZE_UNITS and not move.fixed else move.side
            shown.append(AuMove(au, amount, side))
            if self._sides.unequal and side in ("left", "right"):
                shown.append(AuMove(au, WEAKER_SHARE * amount, "right" if side == "left" else "left"))

    def _reached(self, move: Move) -> list[tuple[int, float]]:
        """(action unit, level) of lids and jaw where the text says how far they go."""
        amount, factor = self._amounts.level, self._degrees.factor(move.hit)
        return lid_extent(move.region, move.action, amount, factor) or jaw_extent(move.units, amount, factor)

    def _coded(self, move: AuMove) -> AuMove:
        """A unit by its code takes the clause's side and degree where the code has none."""
        level = move.level
        if move.au in self._amounts.plain and self._degrees.found:
            level = min(1.0, PLAIN_LEVEL * self._degrees.found[0][2])
        elif move.au in self._amounts.plain and self._amounts.level is not None:
            level = self._amounts.level
        side = move.side
        if side == "both" and move.au not in GAZE_UNITS:
            named = {s for _, s in self._sides.named}
            side = named.pop() if len(named) == 1 else UNSTATED_SIDE if self._sides.open_at and not named else "both"
        return AuMove(move.au, level, side)

    def _scaled(self, level: float, units: Units) -> list[tuple[int, float]]:
        """(action unit, level): the factor counts, except that a stated amount is the main movement's own."""
        main = max(factor for _, factor in units) if self._amounts.level is not None else 1.0
        return [(au, min(1.0, level * factor / main)) for au, factor in units]

    def _level(self, hit: Hit) -> float:
        """Strength: a stated amount, or the usual one times the nearest word of degree."""
        if self._amounts.level is not None:
            return self._amounts.level
        return min(1.0, lexicon.usual_strength() * self._degrees.factor(hit))

    # -- feelings ------------------------------------------------------------------------------------------------

    def _read_feelings(self) -> list[tuple[int, int, lexicon.FeelingWord]]:
        """Idioms, then words of feeling, but for those that are a degree of the next one ("bitterly disappointed")."""
        for idiom in self._idioms:
            self._marks.mark(idiom.start, idiom.end)
        found = [(f.start, f.end, f.idiom.feeling) for f in self._idioms]
        found = sorted([*found, *self._marks.peek(lexicon.feeling_words(), movement=False)], key=lambda f: f[0])
        starts = {start for start, _, _ in found}
        found = [f for f in found if f[1] not in starts or lexicon.degrees().at(self._words[f[0] : f[1]], 0) is None]
        for start, end, _ in found:
            self._marks.mark(start, end)
        return found

    def _in_idiom(self, index: int) -> bool:
        return any(found.start <= index < found.end for found in self._idioms)

    def _feelings(self, found: list[tuple[int, int, lexicon.FeelingWord]]) -> tuple[list[Feeling], list[str]]:
        told: list[Feeling] = []
        untold: list[str] = []
        # A red-eyed man feels with all of his face.
        named = [r for r in self._pairs.idle if not self._words[r.start].endswith("ed")]
        parts = [PART_OF_REGION.get(region.name, "") for region in named]
        part = next((part for part in parts if part), "")
        for start, end, word in found:
            absent = self._lessens or self._amounts.level == 0.0
            if absent or self._negation.covers(start) or denies_feeling(self._words, start):
                untold += [emotion for emotion, weight in word.emotion.items() if weight >= 0.4]
                continue
            strength = felt(word.strength, self._degrees.factor(Hit(start, end, "")))
            if self._amounts.level is not None and not self._amounts.moves:
                strength = self._amounts.level
            emotion = tuple(word.emotion.items())
            told.append(Feeling(" ".join(self._words[start:end]), emotion, strength, part, word.moves))
        if not found and self._negation.denies and any(w in lexicon.words_that("any_feeling") for w in self._words):
            told.append(Feeling("no feeling", (("neutral", 1.0),), 0.0))
        return told, untold


def _denied_of(units: Units) -> list[int]:
    """What denying a movement denies: "no snarl" leaves the brows to the anger, although a snarl lowers them."""
    main = max((factor for _, factor in units), default=0.0)
    of_brows = any(au in _BROWS and factor == main for au, factor in units)
    return [au for au, factor in units if factor >= _DENIED_SHARE * main and (of_brows or au not in _BROWS)]


def _is_silent(word: str) -> bool:
    """Words that say who speaks, or nothing, leave no question for the emotion model."""
    return is_side_word(word) or word in lexicon.words_that("silent") or word in lexicon.words_that("hiding")

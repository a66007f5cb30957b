"""Clause parser: what a prompt says about the parts of the face, about feelings, and about what must not show.

A prompt is cut at punctuation and at joining words. In each clause, phrases of the vocabulary are matched (longest
first): movements by region x action x side x degree, verbs that are movements, words of feeling, negation. What no
rule explains stays as free text for the emotion model.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from talkclip.engine.text import lexicon
from talkclip.engine.text.amounts import Amounts, find_amounts
from talkclip.engine.text.clause import Clause, Feeling, settle_masks
from talkclip_rigs.facs import AuMove

# "winks with the left eye": the side belongs to what stands before.
_SIDED = re.compile(r"(?:(?:the|his|her|their|your|only|just) )*(?:left|right|one)\b")
_SIDE_WORDS = {"left": "left", "right": "right", "one": "one", "single": "one", "lopsided": "one", "crooked": "one"}
_GAZE = frozenset({61, 62, 63, 64})
_SIDEWAYS = {"left": 61, "right": 62}
# A stated amount below this is "none".
_NOTHING = 0.02
# The side a movement takes when the text only says that it is one-sided.
UNSTATED_SIDE = "right"
PART_OF_REGION = {
    "eye": "eyes", "gaze": "eyes", "lid": "eyes", "upper_lid": "eyes", "lower_lid": "eyes", "brow": "brows",
    "inner_brow": "brows", "outer_brow": "brows", "mouth": "mouth", "lip": "mouth", "corner": "mouth", "jaw": "mouth",
}  # fmt: skip


@dataclass(frozen=True)
class _Hit:
    """A vocabulary phrase at words [start, end)."""

    start: int
    end: int
    name: str


def parse(prompt: str) -> tuple[Clause, ...]:
    """-> the prompt's clauses, in order; empty for a prompt without words."""
    clauses: list[Clause] = []
    carried = ""
    waiting: tuple[str, ...] = ()
    negated_before = False
    for lead, text in split_clauses(prompt):
        reader = _ClauseReader(lead, text, carried, waiting, negated_before and lead in ("or", "nor"))
        clause = reader.read()
        clauses.append(clause)
        carried, waiting = reader.last_region or carried, reader.regions_without_action
        negated_before = clause.negated
    return tuple(settle_masks(clauses))


def split_clauses(prompt: str) -> list[tuple[str, str]]:
    """-> (lead, text) pairs: cut at punctuation and before joining words."""
    # A dot or comma between digits is part of a number, a hyphen inside a word part of the word.
    pieces = re.split(r"(?:[;:!?()\[\]\"\n/—–]|(?<!\d)[.,]|[.,](?!\d)| - |…)+(?![\d]+\b(?<=/\d))", _keep_scales(prompt))
    found: list[tuple[str, str]] = []
    for piece in pieces:
        lead = ""
        words: list[str] = []
        tokens = piece.replace("\x1f", "/").split()
        for number, token in enumerate(tokens):
            rest = " ".join(tokens[number + 1 : number + 4]).lower()
            word = token.lower().strip("'\"")
            if word in lexicon.words_that("leads") and not (word == "with" and words and _SIDED.match(rest)):
                if words:
                    found.append((lead, " ".join(words)))
                    lead = ""
                # "but not", "and without": the negation is what counts
                lead, words = (word if lead not in ("without", "nor", "except") else lead), []
            else:
                words.append(token)
        if words:
            found.append((lead, " ".join(words)))
    return found


def _keep_scales(text: str) -> str:
    """8/10 is one amount, not two clauses."""
    return re.sub(r"(?<=\d)\s*/\s*(?=\d)", "\x1f", text)


class _ClauseReader:
    """Reads one clause; the state is which words are already explained."""

    def __init__(self, lead: str, text: str, carried: str, waiting: tuple[str, ...], negated: bool) -> None:
        self.lead, self.text, self._carried, self._waiting = lead, text, carried, waiting
        self._amounts: Amounts = find_amounts(text)
        self._words = lexicon.word_list(self._amounts.rest)
        self._used = [False] * len(self._words)
        self._no_move = [False] * len(self._words)
        self._negated_from = self._first_negated_word(negated)
        self._degrees: list[tuple[int, int, float]] = []
        self._subject_denied = False
        self.last_region = ""
        self.regions_without_action: tuple[str, ...] = ()

    def read(self) -> Clause:
        """-> the clause."""
        for start, end, _ in lexicon.no_movements().find(self._words):
            self._no_move[start:end] = [True] * (end - start)
        denied = [unit for _, _, units in self._take(lexicon.absent_words()) for unit in units]
        verbs = [(hit, word) for hit, word in self._movement_words() if not word.region]
        pairs = self._pairs()
        feelings = list(self._take(lexicon.feeling_words()))
        self._degrees = [(s, e, f) for s, e, f in lexicon.degrees().find(self._words) if not any(self._used[s:e])]
        named = (
            [hit.start for hit, _ in verbs] + [hit.start for hit, _, _ in pairs] + [start for start, _, _ in feelings]
        )
        self._subject_denied = self._denies_subject(named)
        for start, end, _ in self._degrees:
            self._used[start:end] = [True] * (end - start)
        moves = list(self._amounts.moves)
        denied += self._amounts.denied
        for hit, units, side, rules_out in [
            *((h, w.units, self._side(h, w.side), w.denied) for h, w in verbs),
            *((h, u, s, ()) for h, u, s in pairs),
        ]:
            level = self._level(hit)
            if self._is_negated(hit.start) or level < _NOTHING:
                denied += [au for au, _ in units]
            else:
                moves += [AuMove(au, lv, "both" if au in _GAZE else side) for au, lv in self._scaled(level, units)]
                denied += rules_out
        told, untold = self._feelings(feelings)
        for start, end, _ in lexicon.regions().find(self._words):
            self._used[start:end] = [True] * (end - start)
        return Clause(
            self.text, self.lead, tuple(moves), tuple(dict.fromkeys(denied)), tuple(told), tuple(untold),
            any(word in lexicon.words_that("hiding") for word in self._words),
            tuple(w for w, used in zip(self._words, self._used, strict=True) if not used and not _is_silent(w)),
            self._negated_from is not None,
        )  # fmt: skip

    # -- negation ------------------------------------------------------------------------------------------------

    def _first_negated_word(self, negated: bool) -> int | None:
        if negated or self.lead in ("without", "nor", "except", "unlike", "instead"):
            return 0
        harmless = {
            index
            for match in lexicon.harmless_negations().finditer(" ".join(self._words))
            for index in _word_range(self._words, match.start(), match.end())
        }
        for index, word in enumerate(self._words):
            if word in lexicon.words_that("negations") and index not in harmless:
                self._used[index] = True
                return index
        return None

    def _denies_subject(self, named: list[int]) -> bool:
        """'A leer is not what I asked for': nothing to deny behind the negation, so it denies what stands before."""
        at = self._negated_from
        if at is None or any(start >= at for start in named):
            return False
        return self._words[at] in ("isn't", "aren't") or (at > 0 and self._words[at - 1] in ("is", "are"))

    def _is_negated(self, start: int) -> bool:
        """What follows a negation is denied; a subject before it is denied too ("smiling not at all")."""
        if self._negated_from is None:
            return False
        if start < self._negated_from and self._subject_denied:
            return True
        return start >= self._negated_from or " ".join(self._words[self._negated_from :]).startswith("not at all")

    # -- movements -----------------------------------------------------------------------------------------------

    def _movement_words(self) -> list[tuple[_Hit, lexicon.MovementWord]]:
        found = []
        for start, end, word in self._take(lexicon.movement_words(), movement=True):
            found.append((_Hit(start, end, word.region), self._aimed(start, word)))
            if word.region:  # "one eyebrow" only names a region; the pairing takes it from here
                self._used[start:end] = [False] * (end - start)
        return found

    def _aimed(self, start: int, word: lexicon.MovementWord) -> lexicon.MovementWord:
        """A glance goes where the clause says; what follows ("and to her left") still speaks of the gaze."""
        if not any(au in _GAZE for au, _ in word.units):
            return word
        self._carried = self.last_region = "gaze"
        named = next((w for w in self._words[start:] if w in _SIDEWAYS), "")
        units = [(_SIDEWAYS[named] if named and au in _SIDEWAYS.values() else au, f) for au, f in word.units]
        return replace(word, units=tuple(units))

    def _pairs(self) -> list[tuple[_Hit, tuple[tuple[int, float], ...], str]]:
        """Region x action in this clause -> (place, units, side)."""
        regions = [_Hit(s, e, name) for s, e, name in self._peek(lexicon.regions())]
        taken = [any(r.start <= i < r.end for r in regions) for i in range(len(self._words))]
        actions = [
            _Hit(s, e, name)
            for s, e, name in self._peek(lexicon.actions())
            if not any(taken[s:e]) and not self._is_side_word(s, e, regions)
        ]
        pairs, with_action = [], set()
        for action in actions:
            for region in self._regions_for(action, regions):
                with_action.add(region)
                units = lexicon.units_for(region.name, action.name)
                if action.name == "off":
                    self._amounts.denied.extend(lexicon.units_of_region(region.name))
                else:
                    side = self._side(region if region.start >= 0 else action)
                    if action.name in ("left", "right"):
                        side = action.name if region.name == "jaw" else "both"
                    pairs.append((action, units, side))
                self._mark(region, action)
        for region in regions:
            units = lexicon.default_units(region.name, self._amounts.level is not None)
            if region not in with_action and units and not self._has_feeling():
                with_action.add(region)
                pairs.append((region, units, self._side(region)))
        self.last_region = regions[-1].name if regions else self.last_region
        self.regions_without_action = tuple(r.name for r in regions if r not in with_action)
        return pairs

    def _regions_for(self, action: _Hit, regions: list[_Hit]) -> list[_Hit]:
        """The nearest region here that can do it, and those of the clause before that wait for an action."""

        def fits(name: str) -> bool:
            if action.name == "off":
                return bool(lexicon.units_of_region(name))
            return bool(lexicon.units_for(name, action.name))

        here = [region for region in regions if fits(region.name)]
        waiting = [_Hit(-1, -1, name) for name in self._waiting if self.lead in ("and", "or", "") and fits(name)]
        if here:
            nearest = min(here, key=lambda r: max(r.start - action.end, action.start - r.end))
            return [nearest, *(waiting if self.lead == "and" else ())]
        if not regions and self.lead in ("and", "then", "or", "but", "yet") and self._carried and fits(self._carried):
            return [_Hit(-1, -1, self._carried)]
        if not regions and waiting:
            return waiting
        return []

    def _is_side_word(self, start: int, end: int, regions: list[_Hit]) -> bool:
        """'left' before a region is a side; after eyes, gaze or jaw it is a direction."""
        if self._words[end - 1] not in ("left", "right"):
            return False
        if any(0 <= region.start - end <= 1 for region in regions):
            return True
        before = [region for region in regions if region.end <= start]
        if not before or before[-1].name not in ("eye", "gaze", "jaw"):
            return True
        return before[-1].name == "eye" and self._words[before[-1].end - 1] == "eye"

    def _side(self, hit: _Hit, default: str = "both") -> str:
        """The side named nearest to the hit, if any."""
        named = [
            (min(abs(index - hit.start), abs(index - hit.end + 1)), _SIDE_WORDS[word])
            for index, word in enumerate(self._words)
            if word in _SIDE_WORDS and (not self._used[index] or hit.start <= index < hit.end)
        ]
        if not named:
            return default
        side = min(named)[1]
        return (UNSTATED_SIDE if default == "both" else default) if side == "one" else side

    def _scaled(self, level: float, units: tuple[tuple[int, float], ...]) -> list[tuple[int, float]]:
        """(action unit, level): the factor counts, except that a stated amount is the main movement's own."""
        main = max(factor for _, factor in units) if self._amounts.level is not None else 1.0
        return [(au, min(1.0, level * factor / main)) for au, factor in units]

    def _level(self, hit: _Hit) -> float:
        """Strength: a stated amount, or the usual one times the nearest word of degree."""
        if self._amounts.level is not None:
            return self._amounts.level
        return min(1.0, lexicon.usual_strength() * self._factor(hit))

    def _factor(self, hit: _Hit) -> float:
        """Product of the words of degree that stand next to the hit, or the one nearest to it (1 without any)."""
        if not self._degrees:
            return 1.0
        distances = [(max(s - hit.end, hit.start - e), f) for s, e, f in self._degrees]
        return min(distances)[1] if min(distances)[0] <= 4 else 1.0

    def _has_feeling(self) -> bool:
        return any(True for _ in self._peek(lexicon.feeling_words(), movement=False))

    # -- feelings ------------------------------------------------------------------------------------------------

    def _feelings(self, found: list[tuple[int, int, lexicon.FeelingWord]]) -> tuple[list[Feeling], list[str]]:
        told: list[Feeling] = []
        untold: list[str] = []
        parts = [PART_OF_REGION.get(name, "") for name in self.regions_without_action]
        part = next((part for part in parts if part), "")
        for start, end, word in found:
            if self._is_negated(start):
                untold += [emotion for emotion, weight in word.emotion.items() if weight >= 0.4]
                continue
            strength = min(1.0, word.strength * self._factor(_Hit(start, end, "")))
            if self._amounts.level is not None and not self._amounts.moves:
                strength = self._amounts.level
            emotion = tuple(word.emotion.items())
            told.append(Feeling(" ".join(self._words[start:end]), emotion, strength, part, word.moves))
        return told, untold

    # -- book-keeping --------------------------------------------------------------------------------------------

    def _take(self, table: lexicon.PhraseTable[lexicon.T], movement: bool = False) -> list[tuple[int, int, lexicon.T]]:
        """Matches over unexplained words; marks them as explained."""
        found = self._peek(table, movement)
        for start, end, _ in found:
            self._used[start:end] = [True] * (end - start)
        return found

    def _peek(self, table: lexicon.PhraseTable[lexicon.T], movement: bool = True) -> list[tuple[int, int, lexicon.T]]:
        blocked = [used or (movement and no) for used, no in zip(self._used, self._no_move, strict=True)]
        return [(s, e, value) for s, e, value in table.find(self._words) if not any(blocked[s:e])]

    def _mark(self, *hits: _Hit) -> None:
        for hit in hits:
            if hit.start >= 0:
                self._used[hit.start : hit.end] = [True] * (hit.end - hit.start)


def _word_range(words: list[str], start: int, end: int) -> list[int]:
    """Indices of the words that lie in characters [start, end) of ' '.join(words)."""
    indices, position = [], 0
    for index, word in enumerate(words):
        if position >= start and position < end:
            indices.append(index)
        position += len(word) + 1
    return indices


def _is_silent(word: str) -> bool:
    """Words that say who speaks, or nothing, leave no question for the emotion model."""
    return word in _SIDE_WORDS or word in lexicon.words_that("silent") or word in lexicon.words_that("hiding")

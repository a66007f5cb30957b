"""Amounts in a prompt: FACS codes with their letters, percentages, and scales such as 8/10.

`AU4 C`, `AU12 60%`, `1+2+5B`, `L12B + R14A`, `no AU6`; `smile at 30 percent`, `anger 8 out of 10`, `brows 0.4`.
"""

from __future__ import annotations

import functools
import itertools
import re
from dataclasses import dataclass, field

from talkclip.engine.text import lexicon
from talkclip_rigs.facs import AuMove, action_units, intensity_letters

# Level of an action unit whose amount is not given (C, "marked").
PLAIN_LEVEL = 0.6

_NUMBER = r"\d+(?:[.,]\d+)?"
_CODE = re.compile(
    r"(?P<deny>\b(?:no|not|without|minus|never)\s+)?"
    r"(?:(?P<prefix>\bAUs?|\bU|\baction units?)\s*)?"
    r"(?P<side>\b[LRlr])?(?<![\d.,])(?P<number>\d{1,2})(?P<letter>[A-Ea-e])?(?P<side2>[LR])?(?![\w%.])"
    r"(?:\s*(?:at|=|:|\(|-)?\s*(?:(?:an? )?(?:intensity|level|strength|grade|score)\s*(?:of|=|:)?)?\s*"
    rf"(?:(?P<percent>{_NUMBER})\s*(?:%|per ?cent\b)|"
    r"(?P<share>[01]?\.\d+|(?<=(?:at|.=|.:)\s)[01](?![\d.%/])|(?<=[=:])[01](?![\d.%/]))|"
    r"(?P<far>(?-i:[A-E]))\b(?:[ -](?:intensity|level|strength))?)\)?)?",
    re.IGNORECASE,
)
_ABSENT = re.compile(
    r"^\s*(?:(?:is|at)\s+|[:=-]\s*)?(?:absent|none|zero|off|inactive|not (?:present|active|used))\b", re.IGNORECASE
)
_JOIN = re.compile(r"^\s*(?:\+|,|/|&|and|plus)\s*$", re.IGNORECASE)
_PERCENT = re.compile(rf"({_NUMBER})\s*(?:%|per ?cent\b|pct\b)", re.IGNORECASE)
_UNITS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_SPELT = "|".join(_UNITS)
_OUT_OF = re.compile(
    rf"\b({_NUMBER}|{_SPELT}|ten)\s*(?:/|\bout of\b|\bof\b)\s*({_NUMBER}|five|ten|hundred|a hundred)\b", re.IGNORECASE
)
_SHARE = re.compile(r"(?<![\d.])(0?[.]\d+|1[.]0+|0,\d+)(?![\d.])")
_TENS = ["ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety", "hundred"]
_WORDS = {word: 10.0 * (number + 1) for number, word in enumerate(_TENS)} | {"zero": 0.0, "a hundred": 100.0}
_WORDS |= {word: float(number + 1) for number, word in enumerate(_UNITS)}
_WORD_PERCENT = re.compile(
    rf"\b(?:a )?({'|'.join([*_TENS, 'zero'])})\b(?:\s*(?:percent|per cent|pct)\b|\s*$)", re.IGNORECASE
)
_PARTS = ("third", "quarter", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_FRACTION = re.compile(
    rf"(?<!inner )(?<!outer )\b(?P<count>a|{_SPELT})[ -](?P<part>{'|'.join(_PARTS)})s?\b(?: of the way\b)?"
    r"(?! (?:time|take|person|party|attempt|row|degree|of an inch))|"
    r"\b(?P<half>half[ -]?way\b(?! (?:through|between|to|across|along|home|there|up the|down the))|"
    r"half(?=[ -](?:open|closed|shut|raised|lowered|down|up|parted|of the way)\b))",
    re.IGNORECASE,
)
_BARE = re.compile(r"(?<![\w.,/+-])(?:at |a |level )?(\d{1,3})\s*$")
_TEN = 10.0
_LETTER = re.compile(r"(?<=[a-z])[ ,:]+([A-E])\s*$")
# ARKit's shapes that go to one side, and the action unit that does.
_SIDEWAYS = 30
_TO_A_SIDE = {"jawleft": "left", "jawright": "right", "mouthleft": "left", "mouthright": "right"}
_SHAPE = re.compile(
    r"\b(?P<name>(?:brow|eye|cheek|nose|jaw|mouth|tongue)(?:[A-Z][a-z]+|_[a-z]+)+?)_?(?P<side>Left|Right|[LR]|left|right)?"
    r"\s*(?:=|:|at|to)?\s*(?P<value>\d+(?:[.,]\d+)?|[.]\d+)\b(?!\s*/)"
)


@dataclass(frozen=True)
class Amounts:
    """What the numbers of a clause say.

    Attributes:
        moves: action units by code.
        denied: action units by code that must not show (a working list of the clause's reader).
        level: 0..1, a stated amount for whatever else the clause names; None without one.
        rest: the text without codes and amounts.
        plain: those of `moves` whose amount the text does not say.
    """

    moves: tuple[AuMove, ...]
    denied: list[int] = field(default_factory=list)
    level: float | None = None
    rest: str = ""
    plain: frozenset[int] = frozenset()


def find_amounts(text: str) -> Amounts:
    """Read codes and names of shapes first, then a percentage, a scale, a share of one, or a bare number at the end."""
    named, text = _shapes(text)
    moves, plain, denied, rest = _codes(text)
    level = None
    letter = _LETTER.search(rest)
    if letter is not None and len(plain) == len(moves):
        moves = [AuMove(move.au, intensity_letters()[letter[1]], move.side) for move in moves]
        return Amounts((*named, *moves), denied, intensity_letters()[letter[1]], rest[: letter.start()])
    for pattern, unit in (
        (_FRACTION, None),
        (_PERCENT, 100.0),
        (_OUT_OF, None),
        (_WORD_PERCENT, 100.0),
        (_SHARE, 1.0),
        (_BARE, 0.0),
    ):
        match = pattern.search(rest)
        if match is not None:
            level = _level(match, unit)
            rest = rest[: match.start()] + " " + rest[match.end() :]
            break
    shown = [move for move in (*named, *moves) if move.level > 0]
    denied += [move.au for move in (*named, *moves) if move.level <= 0]
    return Amounts(tuple(shown), denied, level, rest, frozenset(plain))


def is_amount(text: str) -> bool:
    """Whether a text is an amount and no more: "two thirds", "at 40 %"."""
    amounts = find_amounts(text)
    silent = lexicon.words_that("silent")
    return amounts.level is not None and not amounts.moves and all(w in silent for w in lexicon.word_list(amounts.rest))


def _level(match: re.Match[str], unit: float | None) -> float:
    if match.re is _FRACTION:
        count = 1.0 if (match["count"] or "a").lower() == "a" else _number(match["count"])
        return 0.5 if match["half"] else min(1.0, count / (_PARTS.index(match["part"].lower()) + 3))
    if unit is None:
        return min(1.0, _number(match[1]) / max(_number(match[2]), 1e-6))
    value = _number(match[1])
    if unit == 0.0:  # "disgust 60", "worried, maybe a 6"
        unit = 100.0 if value > _TEN else 10.0
    return min(1.0, value / unit)


def _shapes(text: str) -> tuple[list[AuMove], str]:
    """'browDown_L 0.8', 'jaw_open = 0.7', 'mouthSmileRight 45': names of ARKit's shapes -> action units."""
    found: list[AuMove] = []
    rest = text
    for match in _SHAPE.finditer(text):
        name = _plain_name(match["name"])
        unit = _shape_units().get(name) or (_SIDEWAYS if name in _TO_A_SIDE else None)
        if unit is not None:
            side = {"l": "left", "r": "right"}.get((match["side"] or "")[:1].lower(), _TO_A_SIDE.get(name, "both"))
            value = _number(match["value"])
            found.append(AuMove(unit, min(1.0, value if value <= 1 else value / 100), side))
            rest = rest.replace(match[0], " ")
    return found, rest


@functools.cache
def _shape_units() -> dict[str, int]:
    """Name of a shape without its side -> the action unit that moves it most."""
    best: dict[str, tuple[float, int]] = {}
    for number, unit in action_units().items():
        for shape, weight in unit.shapes["both"].items():
            name = _plain_name(re.sub(r"(?<=[a-z])(Left|Right)$", "", shape))
            best.setdefault(name, (0.0, 0))
            if weight > best[name][0]:
                best[name] = (weight, number)
    return {name: number for name, (_, number) in best.items()}


def _plain_name(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def _codes(text: str) -> tuple[list[AuMove], set[int], list[int], str]:
    """A bare number counts as a code only with a letter (4D), a side (L12), or joined to another code (1+2+5)."""
    matches = [m for m in _CODE.finditer(text) if int(m["number"]) in action_units()]
    accepted = [
        bool(m["prefix"] or _capital(m["side"]) or _capital(m["side2"]) or _capital(m["letter"])) for m in matches
    ]
    changed = True
    while changed:
        changed = False
        for i, (left, right) in enumerate(itertools.pairwise(matches)):
            if accepted[i] != accepted[i + 1] and _JOIN.match(text[left.end() : right.start()]):
                accepted[i] = accepted[i + 1] = changed = True
    if not any(accepted):  # "1+2+5" alone: joined by plus signs is how FACS is written
        accepted = [bool(re.search(r"\d\s*\+\s*\d", text)) for _ in matches]
    if not any(accepted) and re.fullmatch(r"\s*\d{1,2},?\s+(?:left|right)\b.{0,8}", text, re.IGNORECASE):
        accepted = [True for _ in matches]  # "46 left"
    moves: list[AuMove] = []
    plain: set[int] = set()
    denied: list[int] = []
    rest, end = "", 0
    shared = _shared_level(matches, accepted)
    for match, ok in zip(matches, accepted, strict=True):
        if not ok:
            continue
        rest += text[end : match.start()] + " "
        end = match.end()
        absent = _ABSENT.match(text[end:])
        end += absent.end() if absent is not None else 0
        if match["deny"] or absent is not None:
            denied.append(int(match["number"]))
        else:
            moves.append(_move(match, shared))
            if shared == PLAIN_LEVEL and not any(match[name] for name in ("percent", "share", "letter", "far")):
                plain.add(moves[-1].au)
    return moves, plain, denied, rest + text[end:]


def _move(match: re.Match[str], shared: float) -> AuMove:
    letter = match["letter"] or match["far"]
    if match["percent"]:
        level = min(1.0, _number(match["percent"]) / 100)
    elif match["share"]:
        level = min(1.0, _number(match["share"]))
    elif letter:
        level = intensity_letters()[letter.upper()]
    else:
        level = shared
    side = {"L": "left", "R": "right"}.get((match["side"] or match["side2"] or "").upper(), "both")
    return AuMove(int(match["number"]), level, side)


def _shared_level(matches: list[re.Match[str]], accepted: list[bool]) -> float:
    """'1+2 at C': an amount behind the last code counts for those before it that have none."""
    codes = [m for m, ok in zip(matches, accepted, strict=True) if ok]
    if codes and codes[-1]["far"]:
        return intensity_letters()[codes[-1]["far"].upper()]
    return PLAIN_LEVEL


def _capital(letter: str | None) -> bool:
    return letter is not None and letter.isupper()


def _number(text: str) -> float:
    return _WORDS[text.lower()] if text.lower() in _WORDS else float(text.replace(",", "."))

"""Amounts in a prompt: FACS codes with their letters, percentages, and scales such as 8/10.

`AU4 C`, `AU12 60%`, `1+2+5B`, `L12B + R14A`, `no AU6`; `smile at 30 percent`, `anger 8 out of 10`, `brows 0.4`.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field

from talkclip_rigs.facs import AuMove, action_units, intensity_letters

# Level of an action unit whose amount is not given (C, "marked").
PLAIN_LEVEL = 0.6

_NUMBER = r"\d+(?:[.,]\d+)?"
_CODE = re.compile(
    r"(?P<deny>\b(?:no|not|without|minus|never)\s+)?"
    r"(?:(?P<prefix>\bAUs?|\bU|\baction units?)\s*)?"
    r"(?P<side>\b[LRlr])?(?<![\d.,])(?P<number>\d{1,2})(?P<letter>[A-Ea-e])?(?P<side2>[LR])?(?![\w%.])"
    rf"(?:\s*(?:at|=|:|\()?\s*(?:(?P<percent>{_NUMBER})\s*(?:%|per ?cent\b)|(?P<share>[01]?\.\d+)|"
    r"(?P<far>[A-E])\b)\)?)?",
    re.IGNORECASE,
)
_JOIN = re.compile(r"^\s*(?:\+|,|/|&|and|plus)\s*$", re.IGNORECASE)
_PERCENT = re.compile(rf"({_NUMBER})\s*(?:%|per ?cent\b|pct\b)", re.IGNORECASE)
_OUT_OF = re.compile(rf"({_NUMBER})\s*(?:/|\bout of\b|\bof\b)\s*({_NUMBER})", re.IGNORECASE)
_SHARE = re.compile(r"(?<![\d.])(0?[.]\d+|1[.]0+|0,\d+)(?![\d.])")


@dataclass(frozen=True)
class Amounts:
    """What the numbers of a clause say.

    Attributes:
        moves: action units by code.
        denied: action units by code that must not show (a working list of the clause's reader).
        level: 0..1, a stated amount for whatever else the clause names; None without one.
        rest: the text without codes and amounts.
    """

    moves: tuple[AuMove, ...]
    denied: list[int] = field(default_factory=list)
    level: float | None = None
    rest: str = ""


def find_amounts(text: str) -> Amounts:
    """Read codes first, then a percentage, a scale, or a share of one."""
    moves, denied, rest = _codes(text)
    level = None
    for pattern, unit in ((_PERCENT, 100.0), (_OUT_OF, None), (_SHARE, 1.0)):
        match = pattern.search(rest)
        if match is not None:
            level = min(1.0, _number(match[1]) / (unit or max(_number(match[2]), 1e-6)))
            rest = rest[: match.start()] + " " + rest[match.end() :]
            break
    return Amounts(tuple(moves), denied, level, rest)


def _codes(text: str) -> tuple[list[AuMove], list[int], str]:
    """A bare number counts as a code only with a letter (4D), a side (L12), or joined to another code (1+2+5)."""
    matches = [m for m in _CODE.finditer(text) if int(m["number"]) in action_units()]
    accepted = [bool(m["prefix"] or (m["side"] and m["side"].isupper()) or _capital(m["letter"])) for m in matches]
    changed = True
    while changed:
        changed = False
        for i, (left, right) in enumerate(itertools.pairwise(matches)):
            if accepted[i] != accepted[i + 1] and _JOIN.match(text[left.end() : right.start()]):
                accepted[i] = accepted[i + 1] = changed = True
    if not any(accepted):  # "1+2+5" alone: joined by plus signs is how FACS is written
        accepted = [bool(re.search(r"\d\s*\+\s*\d", text)) for _ in matches]
    moves: list[AuMove] = []
    denied: list[int] = []
    rest, end = "", 0
    shared = _shared_level(matches, accepted)
    for match, ok in zip(matches, accepted, strict=True):
        if not ok:
            continue
        rest += text[end : match.start()] + " "
        end = match.end()
        if match["deny"]:
            denied.append(int(match["number"]))
        else:
            moves.append(_move(match, shared))
    return moves, denied, rest + text[end:]


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
    return float(text.replace(",", "."))

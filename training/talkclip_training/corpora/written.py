"""Lines of the written corpus (`data/prompt_corpus`, GUIDE.md): read, and every line's faults named."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from talkclip.engine.text.lexicon import EMOTIONS
from talkclip.files import read_text
from talkclip_rigs.facs import SIDES, AuMove

KINDS = (
    "situation", "stage", "idiom", "simile", "character", "adjective", "movement", "facs", "scale", "contrast",
    "negation", "neutral", "dialogue", "voice", "language",
)  # fmt: skip
# The guide's list: what a director names; the remaining units of FACS are not used in the corpus.
UNITS = frozenset(
    (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 23, 24, 25, 26, 27, 28, 29, 30, 32, 33, 35,
     38, 41, 43, 45, 46, 61, 62, 63, 64)
)  # fmt: skip
REGIONS = ("eyes", "mouth", "brows")
# Weights are written with two digits; a sum of 1 may come out a little higher.
_MOST_WEIGHT = 1.01


@dataclass(frozen=True)
class Written:
    """One annotated direction. Fields as in the guide.

    Attributes:
        where: "file:line".
        file: the file.
        emotion: emotion -> weight, sum at most 1.
        moves: action units that are stated or that nearly every actor would show.
        denied_emotions, denied_units: what the text excludes.
        regions: part of the face -> its own (emotion, level).
    """

    where: str
    file: Path
    text: str
    lang: str
    kind: str
    family: str
    emotion: Mapping[str, float]
    fine: str
    intensity: float
    valence: float
    arousal: float
    moves: tuple[AuMove, ...]
    denied_emotions: tuple[str, ...]
    denied_units: tuple[int, ...]
    regions: Mapping[str, tuple[str, float]]

    @property
    def strongest(self) -> str:
        """The emotion with the highest weight; of equal ones the first in the order of `EMOTIONS`."""
        return max(EMOTIONS, key=lambda name: (self.emotion.get(name, 0.0), -EMOTIONS.index(name)))


@dataclass(frozen=True)
class BadLine:
    """A line that breaks the guide: where, and all that is wrong with it."""

    where: str
    problems: tuple[str, ...]


def read_written(path: Path) -> tuple[list[Written], list[BadLine]]:
    """-> (good lines, bad lines) of a corpus file; empty lines are passed over.

    Raises:
        InputError: the file cannot be read or is not UTF-8.
    """
    lines = read_text(path, "Give a UTF-8 file, one JSON object a line.").splitlines()
    good, bad = [], []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            row = json.loads(line)
            problems = problems_of(row)
        except ValueError as error:
            problems = [f"is no JSON: {error}"]
        if problems:
            bad.append(BadLine(where, tuple(problems)))
        else:
            good.append(_written(row, where, path))
    return good, bad


def problems_of(row: object) -> list[str]:
    """Everything wrong with one line's object, as words for its writer; none for a good line."""
    if not isinstance(row, dict):
        return ["is no JSON object"]
    missing = [f"{name} is missing" for name in _FIELDS if name not in row]
    unknown = [f"{name} is no field of the guide" for name in row if name not in _FIELDS]
    wrong = [f"{name}: {problem}" for name, check in _FIELDS.items() if name in row and (problem := check(row[name]))]
    return missing + unknown + wrong


def _share(value: object, low: float = 0.0) -> bool:
    """Whether a number of low..1; true and false are numbers to Python, not to a writer."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= 1


def _named(values: object, allowed: frozenset[object]) -> bool:
    """Whether a list of allowed names or numbers."""
    return isinstance(values, list) and all(isinstance(v, (str, int)) and v in allowed for v in values)


def _text(value: object) -> str:
    return "" if isinstance(value, str) and value.strip() else "must be words"


def _string(value: object) -> str:
    return "" if isinstance(value, str) else "must be a string"


def _kind(value: object) -> str:
    return "" if value in KINDS else f"{value!r} is none of {', '.join(KINDS)}"


def _unit_range(value: object) -> str:
    return "" if _share(value) else f"{value!r} is not 0..1"


def _valence(value: object) -> str:
    return "" if _share(value, -1.0) else f"{value!r} is not -1..1"


def _emotion(value: object) -> str:
    if not isinstance(value, dict) or not value:
        return "must name a weight for at least one emotion"
    if set(value) - set(EMOTIONS):
        return f"{', '.join(sorted(set(value) - set(EMOTIONS)))} is none of {', '.join(EMOTIONS)}"
    if not all(_share(weight) for weight in value.values()):
        return "a weight is not 0..1"
    total = sum(value.values())
    return "" if 0 < total <= _MOST_WEIGHT else f"weights sum to {total:.2f}, not to more than 0 and at most 1"


def _moves(value: object) -> str:
    if not isinstance(value, list):
        return "must be a list"
    for move in value:
        if not isinstance(move, dict) or set(move) != {"au", "level", "side"}:
            return f"{move!r} must have au, level and side"
        if not _named([move["au"]], frozenset(UNITS)) or isinstance(move["au"], bool):
            return f"{move['au']!r} is no action unit of the guide"
        if not _share(move["level"]) or move["side"] not in SIDES:
            return f"{move!r}: level 0..1, side {', '.join(SIDES)}"
    return ""


def _deny(value: object) -> str:
    if not isinstance(value, dict) or set(value) - {"emotion", "au"}:
        return "holds emotion and au, or nothing"
    if not _named(value.get("emotion", []), frozenset(EMOTIONS)) or not _named(value.get("au", []), frozenset(UNITS)):
        return "names an emotion or action unit that is not in the guide"
    return ""


def _region(value: object) -> str:
    if not isinstance(value, dict) or set(value) - set(REGIONS):
        return f"holds {', '.join(REGIONS)}, or nothing"
    for part, look in value.items():
        if not isinstance(look, dict) or look.get("emotion") not in EMOTIONS or not _share(look.get("level")):
            return f"{part} needs an emotion and a level 0..1"
    return ""


_FIELDS: Mapping[str, Callable[[object], str]] = {
    "text": _text, "lang": _text, "kind": _kind, "family": _text, "emotion": _emotion, "fine": _string,
    "intensity": _unit_range, "valence": _valence, "arousal": _unit_range, "au": _moves, "deny": _deny,
    "region": _region,
}  # fmt: skip


def _written(row: Mapping[str, object], where: str, file: Path) -> Written:
    """A row that `problems_of` found good."""
    values = dict(row)
    moves, deny, region = values.pop("au"), values.pop("deny"), values.pop("region")
    assert isinstance(moves, list) and isinstance(deny, dict) and isinstance(region, dict)
    return Written(
        where,
        file,
        moves=tuple(AuMove(move["au"], float(move["level"]), move["side"]) for move in moves),
        denied_emotions=tuple(deny.get("emotion", ())),
        denied_units=tuple(deny.get("au", ())),
        regions={part: (look["emotion"], float(look["level"])) for part, look in region.items()},
        **values,  # type: ignore[arg-type]  # checked one by one above
    )

"""Scores the rules' movements against lines whose action units were annotated independently of the parser.

    python -m talkclip_training.text.movement_score [more.jsonl ...] [--failures]

Lines of the kinds movement, facs, scale, negation and contrast, English. Families are split by a hash in a half whose
failures may be read (`--failures`) and a half that is only scored. The emotion model is left out: what counts is what
the rules read. Units are compared as ARKit shapes, so that neighbours which no face of ours tells apart (26 and 27)
are not held against the reader.
"""

from __future__ import annotations

import argparse
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from talkclip.coefficients import ARKIT52
from talkclip.engine.text.emotion_model import Guess
from talkclip.engine.text.lexicon import EMOTIONS
from talkclip.engine.text.pose import expression_pose
from talkclip.engine.text.understand import understand
from talkclip.exits import explained
from talkclip_rigs.facs import AuMove, pose_of
from talkclip_training.corpora.clips import json_lines
from talkclip_training.text.corpus import FOLDER

KINDS = ("movement", "facs", "scale", "negation", "contrast")
# A shape counts as shown from here, and as annotated from the weaker bound.
SHOWN, WEAK = 0.15, 0.05
_NAMES_A_SIDE = re.compile(r"left|right|\b\d*[LR]\b", re.IGNORECASE)
_MIRRORED = {"left": "right", "right": "left", "both": "both"}
_FIELDS = ("text", "lang", "kind", "family", "au")
_FIGURES = ("strongest", "recall", "precision", "side", "denied", "level_error")


@dataclass(frozen=True)
class LineScore:
    """One line; None where the annotation says nothing about it.

    Attributes:
        strongest: whether the strongest annotated shape is shown.
        recall: share of annotated shapes that are shown.
        precision: share of shown shapes that are annotated.
        side: whether a one-sided annotation comes out stronger on its side.
        denied: share of denied action units whose shapes stay away.
        level_error: mean absolute difference over the annotated shapes that are shown.
    """

    strongest: float | None
    recall: float | None
    precision: float | None
    side: float | None
    denied: float | None
    level_error: float | None


class SilentModel:
    """In the place of the emotion model: feels nothing, so that only the rules speak."""

    def guess(self, text: str) -> Guess:
        """See `EmotionModel.guess`."""
        weights = np.zeros(len(EMOTIONS))
        weights[EMOTIONS.index("neutral")] = 1.0
        return Guess(weights, 0.0, {})

    def can_read(self, words: list[str]) -> bool:
        """It says nothing about anything."""
        return bool(words)


def is_read_half(family: str) -> bool:
    """Whether a family's failures may be looked at."""
    return hashlib.sha256(family.encode()).digest()[0] % 2 == 0


def load_lines(paths: Iterable[Path]) -> list[Mapping[str, Any]]:
    """English lines of the kinds that the rules read.

    Raises:
        InputError: a file cannot be read, or a line is not in the corpus' format.
    """
    rows = []
    for path in paths:
        rows.extend(row for _, row in json_lines(path, _FIELDS))
    return [row for row in rows if row["lang"] == "en" and row["kind"] in KINDS]


def score_line(row: Mapping[str, Any], pose: np.ndarray) -> LineScore:
    """Compare a pose with a line's annotation; a side that the text does not name may be the other one."""
    if not _NAMES_A_SIDE.search(row["text"]) and any(a["side"] != "both" for a in row["au"]):
        mirrored = [a | {"side": _MIRRORED[a["side"]]} for a in row["au"]]
        return max((_score(v, pose) for v in (row, {**row, "au": mirrored})), key=lambda s: s.recall or 0.0)
    return _score(row, pose)


def _score(row: Mapping[str, Any], pose: np.ndarray) -> LineScore:
    wanted = pose_of(AuMove(a["au"], a["level"], a["side"]) for a in row["au"])
    meant, shown = wanted >= SHOWN, pose >= SHOWN
    both = meant & (pose >= WEAK)
    one_sided = [a for a in row["au"] if a["side"] != "both" and a["level"] >= SHOWN]
    denied = row.get("deny", {}).get("au", [])
    return LineScore(
        float(pose[np.argmax(wanted)] >= WEAK) if meant.any() else None,
        float(both.sum() / meant.sum()) if meant.any() else None,
        float((shown & (wanted >= WEAK)).sum() / shown.sum()) if shown.any() and (meant.any() or denied) else None,
        float(all(_leans(pose, a["au"], a["side"]) for a in one_sided)) if one_sided else None,
        float(np.mean([_absent(pose, wanted, au) for au in denied])) if denied else None,
        float(np.abs(pose - wanted)[both].mean()) if both.any() else None,
    )


def mean_scores(scores: list[LineScore]) -> dict[str, float]:
    """-> figure -> mean over the lines that have it, and "lines"."""
    values = {name: [v for s in scores if (v := getattr(s, name)) is not None] for name in _FIGURES}
    return {"lines": len(scores)} | {name: round(float(np.mean(v)), 3) for name, v in values.items() if v}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lines", type=Path, nargs="*", help="JSON lines in the corpus' format beside the corpus itself")
    parser.add_argument("--failures", action="store_true", help="list weak lines of the half that may be read")
    options = parser.parse_args()
    scored: list[tuple[Mapping[str, Any], LineScore]] = []
    for row in load_lines([FOLDER / "directions.jsonl", *options.lines]):
        pose = expression_pose(understand(row["text"], SilentModel()))
        scored.append((row, score_line(row, pose)))
        if options.failures and is_read_half(row["family"]) and _is_weak(scored[-1][1]):
            print(f"[{row['kind']}] {row['text']}\n    want {_annotation(row)}\n    got  {_shown(pose)}")
    for name, keep in (("read", True), ("only scored", False)):
        half = [(row, s) for row, s in scored if is_read_half(row["family"]) == keep]
        print(f"{name:<24}", mean_scores([s for _, s in half]))
        for kind in KINDS:
            print(f"   {kind:<21}", mean_scores([s for row, s in half if row["kind"] == kind]))


def _leans(pose: np.ndarray, au: int, side: str) -> bool:
    """Whether the unit's shapes are stronger where they were asked for."""
    asked = pose_of([AuMove(au, 1.0, side)])
    other = pose_of([AuMove(au, 1.0, "right" if side == "left" else "left")])
    here, there = asked > other + 0.1, other > asked + 0.1
    if not here.any() or not there.any():
        return True
    return bool(pose[here].max() > 1.5 * pose[there].max() + 0.02)


def _absent(pose: np.ndarray, wanted: np.ndarray, au: int) -> bool:
    shapes = pose_of([AuMove(au, 1.0)]) >= 0.4
    return not bool((pose[shapes & (wanted < WEAK)] >= SHOWN).any())


def _is_weak(score: LineScore) -> bool:
    low = [score.recall, score.precision, score.denied, score.side]
    return any(value is not None and value < 0.6 for value in low)


def _annotation(row: Mapping[str, Any]) -> str:
    units = [f"{a['au']}:{a['level']}{'' if a['side'] == 'both' else a['side'][0]}" for a in row["au"]]
    return " ".join(units) + (f" not {row['deny']}" if row.get("deny") else "")


def _shown(pose: np.ndarray) -> dict[str, float]:
    return {name: round(float(value), 2) for name, value in zip(ARKIT52, pose, strict=True) if value >= 0.1}


if __name__ == "__main__":
    explained(main)

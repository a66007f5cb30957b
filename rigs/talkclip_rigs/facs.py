"""FACS: action units, what they do to the ARKit shapes, and the published patterns of emotions.

The tables are data files with their sources (`data/facs.json`, `data/emotion_patterns.json`). Left and right are the
character's own.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np

from talkclip.coefficients import ARKIT52, arkit_index
from talkclip.errors import InputError

SIDES = ("both", "left", "right")
# A shape that ARKit does not split (browInnerUp, mouthPucker, ...) moves by this share for a one-sided action unit.
ONE_SIDE_OF_A_CENTRAL_SHAPE = 0.5


@dataclass(frozen=True)
class AuMove:
    """One action unit at a level.

    Attributes:
        au: FACS number.
        level: 0 (absent) .. 1 (E, as strong as it gets).
        side: "both", "left" or "right".
    """

    au: int
    level: float
    side: str = "both"

    def __post_init__(self) -> None:
        if self.side not in SIDES:
            raise InputError(f"AU{self.au}: side '{self.side}' is unknown.", f"Use one of {', '.join(SIDES)}.")


@dataclass(frozen=True)
class ActionUnit:
    """One row of the table.

    Attributes:
        number: FACS number.
        name: Ekman and Friesen's name.
        muscle: what moves, "" where FACS names none.
        shapes: side -> {ARKit shape: weight at level 1}.
    """

    number: int
    name: str
    muscle: str
    shapes: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class EmotionPattern:
    """Action units that a study found for an emotion.

    Attributes:
        source: key of the study.
        name: the study's word for the emotion.
        action_units: present in most people.
        variable: action unit -> share of people who showed it, where the study says so.
        side: "both", or the side on which it shows.
        checked: a second source confirmed the row.
    """

    source: str
    name: str
    action_units: tuple[int, ...]
    variable: Mapping[int, float]
    side: str
    checked: bool


@functools.cache
def action_units() -> Mapping[int, ActionUnit]:
    """FACS number -> action unit."""
    return {row["au"]: _action_unit(row) for row in _table("facs.json")["action_units"]}


@functools.cache
def intensity_letters() -> Mapping[str, float]:
    """FACS intensity A..E -> level."""
    return {letter: float(level) for letter, level in _table("facs.json")["letters"].items()}


@functools.cache
def emotion_patterns() -> tuple[EmotionPattern, ...]:
    """All published rows."""
    return tuple(
        EmotionPattern(
            row["source"],
            row["name"],
            tuple(row["au"]),
            {int(au): float(share) for au, share in row["variable"].items()},
            row["side"],
            row["checked"],
        )
        for row in _table("emotion_patterns.json")["patterns"]
    )


@functools.cache
def pattern_sources() -> Mapping[str, str]:
    """Study key -> full reference."""
    return dict(_table("emotion_patterns.json")["references"])


def pose_of(moves: Iterable[AuMove]) -> np.ndarray:
    """Action units -> ARKit weights; where two move one shape, the stronger counts (they do not add up).

    Returns:
        float32 (52,), 0..1 for levels in 0..1. Action units that ARKit has no shape for move nothing.

    Raises:
        InputError: an unknown action unit.
    """
    pose = np.zeros(len(ARKIT52), np.float32)
    for move in moves:
        unit = action_units().get(move.au)
        if unit is None:
            raise InputError(f"AU{move.au} is not in the table of action units.", "See data/facs.json.")
        for shape, weight in unit.shapes[move.side].items():
            index = arkit_index(shape)
            pose[index] = max(pose[index], weight * move.level)
    return pose


def _action_unit(row: Mapping[str, Any]) -> ActionUnit:
    arkit = row["arkit"]
    if "left" in arkit:  # sideways by nature: one direction or the other, never both
        shapes = {"left": arkit["left"], "right": arkit["right"], "both": arkit["right"]}
    else:
        shapes = {side: _expand(arkit, side) for side in SIDES}
    return ActionUnit(row["au"], row["name"], row["muscle"], shapes)


def _expand(roots: Mapping[str, float], side: str) -> dict[str, float]:
    """Shape roots -> full ARKit names on the asked side."""
    shapes: dict[str, float] = {}
    for root, weight in roots.items():
        if root in ARKIT52:
            # A glance takes both eyes along and the jaw or the tongue has no half, whichever side is named.
            halved = side != "both" and not root.startswith(("eyeLook", "jaw", "tongue"))
            shapes[root] = weight * (ONE_SIDE_OF_A_CENTRAL_SHAPE if halved else 1.0)
            continue
        for name in ("Left", "Right"):
            if side in ("both", name.lower()):
                shapes[root + name] = weight
    return shapes


@functools.cache
def _table(name: str) -> Any:
    path = resources.files("talkclip_rigs") / "data" / name
    return json.loads(path.read_text(encoding="utf-8"))

"""Expressions the model learns to play: annotated directions, free combinations of action units, neutral speech."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

import numpy as np

from talkclip.coefficients import ARKIT52, arkit_index
from talkclip.engine.text.lexicon import EMOTIONS
from talkclip.engine.text.pose import expression_pose
from talkclip.engine.text.understand import PromptReading, RegionFeeling
from talkclip.style import CALM
from talkclip_rigs.facs import AuMove, action_units, pose_of
from talkclip_training.performance.play import Condition
from talkclip_training.text.corpus import Direction

# Shares of the kinds of conditions in stage 1.
_SHARES = {"direction": 0.45, "units": 0.22, "blend": 0.10, "signed": 0.08, "neutral": 0.15}
_SIDED = 0.2
_STATES_A_SIDE = re.compile(r"\b(left|right)\b")


def _other_side(name: str) -> str:
    for here, there in (("Left", "Right"), ("Right", "Left")):
        if name.endswith(here):
            return name.removesuffix(here) + there
    return name


_MIRROR = [arkit_index(_other_side(name)) for name in ARKIT52]


@dataclasses.dataclass(frozen=True, eq=False)
class Played:
    """A condition with the number that the condition encoder hears beside it.

    Attributes:
        condition: pose and arousal.
        intensity: 0..1, strength of the feeling or of the strongest movement.
        mirrors: the text states no side, so the other one is as good.
    """

    condition: Condition
    intensity: float
    mirrors: bool = False

    @property
    def scalars(self) -> tuple[float, float]:
        """Arousal and intensity, in the condition encoder's order."""
        return self.condition.arousal, self.intensity


NEUTRAL = Played(Condition(np.zeros(52, np.float32)), 0.0)


def played_direction(direction: Direction) -> Played:
    """What a written direction's annotation looks like."""
    implied = tuple(AuMove(au, level) for au, level in (direction.levels or {}).items() if level >= 0.12)
    feelings = dict(zip(EMOTIONS, direction.emotion.tolist(), strict=True))
    movement = direction.is_parsed
    reading = PromptReading(
        direction.text,
        (),
        feelings,
        direction.intensity if not movement else 0.0,
        direction.moves or () if movement else (),
        () if movement else implied,
        direction.denied_units,
        direction.denied_emotions,
        {part: RegionFeeling({emotion: 1.0}, level) for part, (emotion, level) in direction.regions.items()},
        (),
    )
    stated = _STATES_A_SIDE.search(direction.text.lower()) is not None
    return Played(Condition(expression_pose(reading), direction.arousal), direction.intensity, not stated)


class Conditions:
    """Draws conditions; equal seeds draw equal ones."""

    def __init__(self, directions: Sequence[Direction], seed: int) -> None:
        self._pool = [played_direction(direction) for direction in directions]
        self._rng = np.random.default_rng([seed, 0xC0])
        self._units = [au for au in action_units() if pose_of([AuMove(au, 1.0)]).any()]

    def draw(self) -> Played:
        """One condition."""
        kind = str(self._rng.choice(list(_SHARES), p=list(_SHARES.values())))
        if kind == "neutral":
            return _with_arousal(NEUTRAL, float(np.clip(self._rng.normal(CALM, 0.12), 0, 1)))
        if kind == "units":
            return self._free_units()
        first = self._scaled(self._some())
        if kind == "direction":
            return first
        if kind == "blend":
            return mixed(first, self._scaled(self._some()), float(self._rng.uniform(0.2, 0.8)))
        return self._signed(first)

    def _some(self) -> Played:
        return self._pool[int(self._rng.integers(len(self._pool)))]

    def _scaled(self, played: Played) -> Played:
        gain = float(self._rng.uniform(0.5, 1.2))
        pose = np.clip(played.condition.pose * gain, -1, 1)
        return Played(Condition(pose, played.condition.arousal), min(1.0, played.intensity * gain))

    def _free_units(self) -> Played:
        chosen = self._rng.choice(self._units, size=int(self._rng.integers(1, 5)), replace=False)
        moves = []
        for au in chosen:
            side = str(self._rng.choice(("left", "right"))) if self._rng.uniform() < _SIDED else "both"
            moves.append(AuMove(int(au), float(self._rng.uniform(0.2, 1.0)), side))
        reading = PromptReading("", (), {"neutral": 1.0}, 0.0, tuple(moves), (), (), (), {}, ())
        arousal = float(np.clip(self._rng.normal(0.45, 0.2), 0, 1))
        return Played(Condition(expression_pose(reading), arousal), max(move.level for move in moves))

    def _signed(self, played: Played) -> Played:
        """A weighted edit takes something away from the speech: a few channels below zero."""
        pose = played.condition.pose.copy()
        taken = self._free_units().condition.pose
        return Played(Condition(np.clip(pose - taken, -1, 1), played.condition.arousal), played.intensity)


def mixed(a: Played, b: Played, share: float) -> Played:
    """(1 - share) of one and `share` of the other."""
    pose = (1 - share) * a.condition.pose + share * b.condition.pose
    arousal = (1 - share) * a.condition.arousal + share * b.condition.arousal
    return Played(Condition(pose, arousal), (1 - share) * a.intensity + share * b.intensity)


def mirrored(played: Played) -> Played:
    """Left and right exchanged."""
    return Played(Condition(played.condition.pose[_MIRROR], played.condition.arousal), played.intensity, played.mirrors)


def either_side(played: Played, rng: np.random.Generator) -> Played:
    """As it is, or mirrored half of the time where the text states no side."""
    return mirrored(played) if played.mirrors and rng.uniform() < 0.5 else played


def _with_arousal(played: Played, arousal: float) -> Played:
    return Played(Condition(played.condition.pose, arousal), played.intensity)

"""Where the eyes look."""

from __future__ import annotations

import pytest

from talkclip.engine.text.clauses import parse


def gaze(prompt: str) -> set[int]:
    return {move.au for clause in parse(prompt) for move in clause.moves} & {61, 62, 63, 64}


def denied(prompt: str) -> set[int]:
    return {au for clause in parse(prompt) for au in clause.denied_units}


@pytest.mark.parametrize(
    ("prompt", "units"),
    [
        ("glances up and to her left", {63, 61}), ("eyes down right", {64, 62}), ("stares at his boots", {64}),
        ("keeps her eyes on the carpet", {64}), ("peers off to the right", {62}), ("gazes nervously at the sky", {63}),
        ("looks camera left", {62}), ("looks at the left of the screen", {62}), ("glaring up at him", {63}),
        ("eyes wander to the upper left", {63, 61}), ("out of the corner of his eye, looking left", {61}),
        ("looks down, then to the right", {64, 62}), ("side-eye to the left", {61}),
    ],
)  # fmt: skip
def test_directions(prompt: str, units: set[int]) -> None:
    assert gaze(prompt) == units


def test_away_and_straight() -> None:
    assert 61 in gaze("looks away") and 61 in gaze("won't look at me") and 61 in gaze("avoids eye contact")
    assert not gaze("looks right at me") and {61, 62, 63, 64} <= denied("looks right at me")
    assert not gaze("don't look away") and {61, 62} <= denied("don't look away")


@pytest.mark.parametrize("prompt", ["looks up to his father", "open the eyes up", "squint, right eye", "looks sad"])
def test_what_is_no_glance(prompt: str) -> None:
    assert not gaze(prompt)


def test_a_step_of_its_own_for_each_direction() -> None:
    levels = {m.au: m.level for c in parse("looks down and slightly left") for m in c.moves}
    assert levels[61] < levels[64]


def test_crossed_eyes_look_two_ways() -> None:
    assert {(m.au, m.side) for c in parse("cross-eyed") for m in c.moves} == {(62, "left"), (61, "right")}

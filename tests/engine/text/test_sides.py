"""Sides: the character's own left and right, however they are told."""

from __future__ import annotations

import pytest

from talkclip.engine.text.clauses import parse
from talkclip.engine.text.sides import own_direction, read_sides


def sides(prompt: str) -> dict[int, str]:
    return {move.au: move.side for clause in parse(prompt) for move in clause.moves}


def levels(prompt: str, au: int) -> dict[str, float]:
    return {move.side: move.level for clause in parse(prompt) for move in clause.moves if move.au == au}


@pytest.mark.parametrize(
    ("prompt", "au", "side"),
    [
        ("smirk. left side.", 12, "left"), ("nose wrinkled, only on his right", 9, "right"),
        ("smiles with just the left corner of the mouth", 12, "left"), ("L brow up", 2, "left"),
        ("the cheek on the right of the frame raised", 6, "left"), ("viewer's left eye closed", 43, "right"),
        ("screen right brow lowered, her left", 4, "left"), ("raises an eyebrow", 2, "right"),
        ("unilateral AU10 on the left", 10, "left"), ("a sneer, both sides", 10, "both"),
        ("the lip above your right tooth raised", 12, "right"), ("winks, left eye", 46, "left"),
    ],
)  # fmt: skip
def test_sides(prompt: str, au: int, side: str) -> None:
    assert sides(prompt)[au] == side


def test_right_may_be_emphasis() -> None:
    assert sides("corners of the mouth turned right down")[15] == "both"
    assert own_direction(["looks", "right", "at", "me"], 1) == ""


def test_the_other_one() -> None:
    assert sides("left eye narrowed, the other wide")[5] == "right"
    assert sides("one eyebrow up, the other down")[4] == "left"


def test_comparisons_move_both_unequally() -> None:
    brows = levels("the left brow raised higher than the right", 2)
    assert brows["left"] > 1.5 * brows["right"] > 0
    smile = levels("an uneven smile", 12)
    assert smile["right"] > 1.5 * smile["left"] > 0


def test_what_counts_as_a_side() -> None:
    assert read_sides(["left", "brow"]).named == ((0, "left"),)
    assert read_sides(["the", "same", "side"], "left").named == ((1, "left"),)
    assert read_sides(["one", "brow"]).open_at == (0,)

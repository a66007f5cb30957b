"""Clause parser: movements, sides, degrees, amounts, negation, masks."""

from __future__ import annotations

import pytest

from talkclip.engine.text.amounts import find_amounts
from talkclip.engine.text.clause import Clause
from talkclip.engine.text.clauses import parse, split_clauses
from talkclip_rigs.facs import AuMove


def moves(prompt: str) -> dict[int, AuMove]:
    return {move.au: move for clause in parse(prompt) for move in clause.moves}


def denied(prompt: str) -> set[int]:
    return {au for clause in parse(prompt) for au in clause.denied_units}


def feelings(prompt: str) -> dict[str, float]:
    return {f.words: f.strength for clause in parse(prompt) for f in clause.feelings}


def only(prompt: str) -> Clause:
    (clause,) = parse(prompt)
    return clause


@pytest.mark.parametrize(
    ("prompt", "au"),
    [
        ("brows extremely lowered", 4), ("she lifts her eyebrows", 2), ("inner brow raised", 1), ("lid tightened", 7),
        ("upper lids raised", 5), ("cheek raised", 6), ("nose creased", 9), ("upper lip lifted", 10),
        ("lip corner pulled", 12), ("lip corner depressed", 15), ("lower lip pushed down", 16), ("chin raised", 17),
        ("lip puckered", 18), ("lip stretched", 20), ("lip funneled", 22), ("lip tightened", 23), ("lip pressed", 24),
        ("lips parted", 25), ("jaw dropped", 26), ("mouth stretched", 27), ("lip sucked", 28), ("eyes shut", 43),
        ("nasolabial fold deepened", 11), ("cheek dimpling, dimples showing", 14), ("corrugator tense", 4),
    ],
)  # fmt: skip
def test_words_of_the_published_scheme_and_everyday_ones_name_their_unit(prompt: str, au: int) -> None:
    assert au in moves(prompt)


def test_degree_orders_levels() -> None:
    levels = [
        moves(f"brows {degree} lowered")[4].level for degree in ("barely", "slightly", "fairly", "strongly", "utterly")
    ]
    assert levels == sorted(levels) and levels[0] < 0.25 and levels[-1] == 1.0


@pytest.mark.parametrize(
    ("prompt", "au", "side"),
    [
        ("left eyebrow raised", 2, "left"), ("raises only the right eyebrow", 2, "right"),
        ("nose wrinkled on the left side", 9, "left"), ("winks with the left eye", 46, "left"),
        ("jaw pushed to the left", 30, "left"), ("smiles with both corners", 12, "both"),
    ],
)  # fmt: skip
def test_sides_are_the_named_ones(prompt: str, au: int, side: str) -> None:
    assert moves(prompt)[au].side == side


def test_a_direction_is_not_a_side() -> None:
    assert set(moves("eyes left")) == {61}
    assert set(moves("looks to her right")) == {62}
    assert moves("left eye closed")[43].side == "left"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("AU4 C", [(4, 0.6, "both")]), ("AU12 60%", [(12, 0.6, "both")]), ("L12B", [(12, 0.4, "left")]),
        ("1+2+5", [(1, 0.6, "both"), (2, 0.6, "both"), (5, 0.6, "both")]), ("AU9=0.3", [(9, 0.3, "both")]),
        ("6D 12E", [(6, 0.8, "both"), (12, 1.0, "both")]), ("at 12 o'clock on the 4th", []), ("room 4, 6 chairs", []),
    ],
)  # fmt: skip
def test_facs_codes(text: str, expected: list[tuple[int, float, str]]) -> None:
    assert [(m.au, m.level, m.side) for m in find_amounts(text).moves] == expected


def test_denied_codes_and_scales() -> None:
    assert find_amounts("AU 12 without AU6").denied == [6]
    assert find_amounts("anger 8/10").level == pytest.approx(0.8)
    assert moves("smile at 40%")[12].level == pytest.approx(0.4, abs=0.03)
    assert moves("eyes 80% closed")[43].level == pytest.approx(0.8)
    assert denied("nose wrinkle 0%") == {9}


@pytest.mark.parametrize("prompt", ["no frown", "without frowning", "don't frown", "she never frowns", "not frowning"])
def test_negated_movements_are_denied(prompt: str) -> None:
    assert 4 in denied(prompt) and 4 not in moves(prompt)


@pytest.mark.parametrize("prompt", ["can't help smiling", "cannot stop smiling", "not only smiling"])
def test_what_only_looks_like_a_negation_is_none(prompt: str) -> None:
    assert 12 in moves(prompt) and not denied(prompt)


def test_negation_ends_with_its_clause() -> None:
    clauses = parse("not sulking, only sleepy")
    assert clauses[0].denied_feelings == ("sad",)
    assert [f.words for f in clauses[1].feelings] == ["sleepy"]
    assert feelings("not angry but sad") == {"sad": pytest.approx(0.6)}


def test_a_denied_subject() -> None:
    assert denied("a frown is not what I want") >= {4}
    assert not denied("he smiles, not knowing why")


def test_regions_at_rest_are_denied() -> None:
    assert {1, 2, 4} <= denied("furious, yet the brows stay still")
    assert denied("a smile that doesn't reach her eyes") == {6}


def test_parts_of_the_face_carry_their_own_feeling() -> None:
    (eyes,) = parse("frightened eyes over a brave grin")[0].feelings
    assert eyes.part == "eyes"
    (hidden,) = parse("hides her fear behind a smile")[0].feelings
    assert hidden.part == "eyes"


def test_words_that_are_no_movements() -> None:
    for prompt in (
        "he raises his voice",
        "the shop is open",
        "she is right about the left bank",
        "all right, sit down",
    ):
        assert not moves(prompt), prompt


def test_region_carries_over_and() -> None:
    assert {4} <= set(moves("brows lowered and drawn together"))
    assert {24, 31} <= set(moves("lips and jaw tight")) | {23}


def test_numbers_and_marks_stay_whole() -> None:
    assert [text for _, text in split_clauses("smile 0.3, anger 8/10; brows down")] == [
        "smile 0.3", "anger 8/10", "brows down",
    ]  # fmt: skip
    assert parse("") == () and parse("  ... !!! ") == ()


def test_open_words_are_what_no_rule_explains() -> None:
    assert only("A furious man speaks").open_words == ()
    assert "car" in only("somebody stole his car").open_words

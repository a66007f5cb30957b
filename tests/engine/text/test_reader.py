"""Clauses: how they are cut, what they leave to each other, regions and what they do."""

from __future__ import annotations

import random

import pytest

from talkclip.engine.text import lexicon
from talkclip.engine.text.amounts import find_amounts
from talkclip.engine.text.clauses import parse, split_clauses
from talkclip.engine.text.degrees import felt
from talkclip.engine.text.edits import read_changes
from talkclip.engine.text.lexicon import PhraseTable, forms


def levels(prompt: str) -> dict[int, float]:
    return {move.au: move.level for clause in parse(prompt) for move in clause.moves}


def parts(prompt: str) -> dict[str, str]:
    return {f.words: f.part for clause in parse(prompt) for f in clause.feelings}


@pytest.mark.parametrize(
    ("prompt", "clauses"),
    [
        ("Smile: slight.", ["Smile slight"]), ("brows up, just a bit, left only", ["brows up just a bit left only"]),
        ("anything but glad", ["anything but glad"]), ("the brow above the left eye", ["the brow above the left eye"]),
        ("fear above a smile", ["fear", "a smile"]), ("smiles with the mouth only", ["smiles with the mouth only"]),
        ("looks up and right", ["looks up and right"]), ("glad, but with a frown", ["glad", "a frown"]),
    ],
)  # fmt: skip
def test_what_only_says_how_belongs_to_what_it_follows(prompt: str, clauses: list[str]) -> None:
    assert [" ".join(text.split()) for _, text in split_clauses(prompt)] == clauses


@pytest.mark.parametrize(
    ("prompt", "units"),
    [
        ("pull the corners down hard", {15}), ("push the chin up", {17}), ("jaw slid over to her left", {30}),
        ("eyes squeezed", {43, 7}), ("lower teeth showing", {16, 25}), ("rolls his upper lip in", {28}),
        ("the brows lift in the middle", {1}), ("furrowing his eyebrows", {4}), ("mouth dragged sideways", {20, 14}),
        ("corner of mouth tucked in", {14}), ("chin puckered", {17}), ("cheeks a tiny bit puffed", {33}),
    ],
)  # fmt: skip
def test_regions_and_actions(prompt: str, units: set[int]) -> None:
    assert set(levels(prompt)) == units


def test_only_narrows_what_came_before() -> None:
    assert set(levels("raise the brows, only the inner ends up")) == {1}


def test_smiles_stay_in_the_part_that_claims_them() -> None:
    assert set(levels("smiling eyes")) == {6, 7} and set(levels("a smiling mouth")) == {12}


def test_feelings_go_where_a_neighbour_says() -> None:
    assert parts("brows: angry. mouth: glad.") == {"angry": "brows", "glad": "mouth"}
    assert parts("fear, eyes only") == {"fear": "eyes"}
    assert parts("upper half of the face scared") == {"scared": "eyes"}


def test_a_part_keeps_what_its_word_adds(styler: object) -> None:
    code = styler.code("puzzled brows")  # type: ignore[attr-defined]
    assert code.max() > 0.15


def test_degrees_order_and_strong_ones_lift_weak_words() -> None:
    smiles = [levels(f"{degree} smile")[12] for degree in ("the faintest", "a slight", "a", "a big", "the biggest")]
    assert smiles == sorted(smiles) and smiles[0] < 0.25 * smiles[-1]
    assert felt(0.3, 1.6) > 0.6 and felt(0.95, 1.6) == 1.0 and felt(0.3, 0.5) == 0.15


@pytest.mark.parametrize(
    "prompt", ["eyes as wide as they go", "brows raised as high as you can", "smile as big as possible"]
)
def test_as_far_as_it_goes(prompt: str) -> None:
    assert max(levels(prompt).values()) >= 0.95


def test_a_feeling_may_be_a_degree() -> None:
    (clause,) = parse("bitterly disappointed")
    assert [f.words for f in clause.feelings] == ["disappointed"] and clause.feelings[0].strength > 0.4


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("browDown_L 0.8", [(4, 0.8, "left")]), ("mouthSmileRight = 45", [(12, 0.45, "right")]),
        ("jaw_open: .5", [(27, 0.5, "both")]), ("12R", [(12, 0.6, "right")]),
        ("AU6 at 1, AU9 at 0", [(6, 1.0, "both")]),
    ],
)  # fmt: skip
def test_names_of_shapes_and_codes(text: str, expected: list[tuple[int, float, str]]) -> None:
    assert [(m.au, m.level, m.side) for m in find_amounts(text).moves] == expected


@pytest.mark.parametrize(
    ("text", "level"),
    [("disgust 60", 0.6), ("fear, maybe a 7", 0.7), ("smile to eighty", 0.8), ("rage, seven out of ten", 0.7),
     ("chin raiser D", 0.8), ("forty percent", 0.4), ("in 1843", None), ("take 2, please", None)],
)  # fmt: skip
def test_amounts(text: str, level: float | None) -> None:
    found = find_amounts(text).level
    assert found is None if level is None else found == pytest.approx(level)


def test_forms_of_verbs() -> None:
    assert forms("purse") == ["purse", "purses", "pursed", "pursing"]
    assert forms("tug- up") == ["tug up", "tugs up", "tugged up", "tugging up"]
    assert forms("terrify")[1:3] == ["terrifies", "terrified"]


def test_determiners_inside_a_phrase_are_interchangeable() -> None:
    table = PhraseTable([("corner of the mouth", 1), ("up the", 2)])
    for text in ("corner of his mouth", "corner of mouth", "corner of the mouth"):
        assert table.at(text.split(), 0) == (len(text.split()), 1)
    assert table.at(["up"], 0) is None


def test_any_mixture_of_the_vocabulary_is_read() -> None:
    tables = (
        lexicon.regions(), lexicon.actions(), lexicon.degrees(), lexicon.feeling_words(), lexicon.movement_words(),
        lexicon.gaze_heads(), lexicon.gaze_directions(), lexicon.phrases_that("negations"),
        lexicon.phrases_that("removals"), lexicon.phrases_that("lessening"),
    )  # fmt: skip
    words = [[" ".join(phrase) for phrase, _ in table.items()] for table in tables]
    words += [sorted(lexicon.words_that("leads")), ["left", "right", "one", "other", "8/10", "40%", "AU4", "R12", "7"]]
    words += [[",", ".", "?", ":", "-"]]
    chance = random.Random(7)
    for _ in range(1500):
        text = " ".join(chance.choice(chance.choice(words)) for _ in range(chance.randint(1, 7)))
        assert all(0 <= move.level <= 1 for clause in parse(text) for move in clause.moves), text
        assert read_changes(text), text

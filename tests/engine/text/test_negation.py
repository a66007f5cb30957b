"""What a prompt denies, and what only looks like a denial."""

from __future__ import annotations

import pytest

from talkclip.engine.text.clauses import parse
from talkclip.engine.text.negation import denies_feeling, find_negation
from talkclip.engine.text.pose import PromptStyler


def moves(prompt: str) -> set[int]:
    return {move.au for clause in parse(prompt) for move in clause.moves}


def denied(prompt: str) -> set[int]:
    return {au for clause in parse(prompt) for au in clause.denied_units}


def feelings(prompt: str) -> set[str]:
    return {f.words for clause in parse(prompt) for f in clause.feelings if f.strength > 0}


def denied_feelings(prompt: str) -> set[str]:
    return {emotion for clause in parse(prompt) for emotion in clause.denied_feelings}


@pytest.mark.parametrize(
    "prompt",
    ["a face without smiles", "refuses to smile", "fails to smile", "far from smiling", "sans smile", "stops smiling",
     "nary a smile", "not once does he smile", "incapable of smiling"],
)  # fmt: skip
def test_many_words_deny(prompt: str) -> None:
    assert 12 in denied(prompt) and 12 not in moves(prompt)


@pytest.mark.parametrize(
    "prompt",
    ["never without a smile", "do not forget to smile", "can't stop grinning", "fails to hide her smile",
     "unable to suppress a grin", "without hiding his smile"],
)  # fmt: skip
def test_two_negations_deny_nothing(prompt: str) -> None:
    assert 12 in moves(prompt) and not denied(prompt)


def test_neither_and_nor_go_on() -> None:
    assert {4, 12} <= denied("neither frowning nor smiling")
    assert denied_feelings("neither glad nor cross") == {"happy", "angry"}


@pytest.mark.parametrize("prompt", ["lose the grin", "wipe that grin away", "drop the grin", "get rid of the grin"])
def test_commands_remove_what_follows(prompt: str) -> None:
    assert 12 in denied(prompt) and not moves(prompt)


def test_the_same_words_move_a_region() -> None:
    assert 26 in moves("drop the jaw") and not denied("drop the jaw") & {26}


def test_litotes_deny_a_feeling_and_weaken_a_movement() -> None:
    assert denied_feelings("hardly delighted") == {"happy"}
    assert 12 in moves("hardly smiling")
    assert denies_feeling(["less", "than", "pleased"], 2) and not denies_feeling(["pleased"], 0)


def test_what_is_preferred_and_what_is_not() -> None:
    assert denied_feelings("curious rather than afraid") == {"fear"} and feelings("curious rather than afraid") == {
        "curious"
    }
    assert denied_feelings("calm instead of cross") == {"angry"} and not denied_feelings("instead she is glad")
    assert denied_feelings("not happy, not unhappy") == {"happy", "sad"}


def test_an_answer_denies_the_question_before() -> None:
    assert denied_feelings("Sad? He isn't.") == {"sad"}
    assert 9 in denied("nose wrinkle: none")


@pytest.mark.parametrize(
    ("prompt", "units"),
    [("minus the brows", {1, 2, 4}), ("leave the nose out of it", {9}), ("nothing going on in the brows", {1, 2, 4}),
     ("the brows barely move", {1, 2, 4}), ("mouth stays closed", {25, 26, 27})],
)  # fmt: skip
def test_regions_are_denied_as_a_whole(prompt: str, units: set[int]) -> None:
    assert units <= denied(prompt)


def test_a_denied_opening_shuts() -> None:
    assert 43 in moves("his eyes won't open") and 43 in moves("keeps from opening her eyes")
    assert 43 not in moves("without opening the eyes wide")


def test_except_after_stillness_asks() -> None:
    assert 2 in moves("neutral except for a raised eyebrow")
    assert denied("laughing, except for the eyes") >= {6, 7}


def test_muscles_are_turned_off_and_a_relaxed_smile_is_a_smile() -> None:
    assert denied("corrugator relaxed") == {4} and denied("relax the mentalis") == {17}
    assert 12 in moves("a relaxed smile")


def test_what_goes_along_gives_way_to_a_denial() -> None:
    assert moves("the mouth smiles but the cheeks don't move") == {12}
    assert 6 not in moves("a grin that never reaches his eyes")


def test_no_feeling_is_neutral() -> None:
    (clause,) = parse("without any emotion")
    assert [f.emotion for f in clause.feelings] == [(("neutral", 1.0),)]


def test_scope() -> None:
    assert not find_negation(["a", "smile"], "", False).denies
    assert find_negation(["smile"], "without", False).covers(0)
    assert find_negation(["a", "smile"], "or", True).covers(1)
    assert not feelings("not sad") and feelings("not sad, but cross") == {"cross"}


@pytest.mark.parametrize(
    ("prompt", "emotion"),
    [("sad, but not crying", "sad"), ("angry but not furious", "angry"), ("not angry, furious", "angry")],
)
def test_what_is_said_outright_stays_beside_a_denied_degree_of_it(
    styler: PromptStyler, prompt: str, emotion: str
) -> None:
    reading = styler.read(prompt)
    assert reading.emotions[emotion] > 0.8 and reading.intensity > 0.3


def test_keeping_from_and_dropping_deny() -> None:
    assert 5 not in moves("keeps his eyes from widening")
    assert 12 not in moves("drops the smile") and 26 in moves("drops her jaw")

"""Edits: commands, denials, and weights below zero."""

from __future__ import annotations

import numpy as np
import pytest

from talkclip.coefficients import arkit_index
from talkclip.engine.text.edits import ADD, LESS, MORE, Change, notes_on, read_changes
from talkclip.engine.text.pose import PromptStyler
from talkclip.timeline import PromptEdit, PromptSegment, PromptTimeline

SMILE, BROW, WIDE, FROWN = (
    arkit_index(name) for name in ("mouthSmileLeft", "browDownLeft", "eyeWideLeft", "mouthFrownLeft")
)


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("less smile", [Change(LESS, "smile", 0.5)]), ("a bit less smile", [Change(LESS, "smile", 0.25)]),
        ("much less anger", [Change(LESS, "anger", 0.75)]), ("30% less smile", [Change(LESS, "smile", 0.3)]),
        ("bigger grin", [Change(MORE, "grin", 0.5)]), ("soften the eyes", [Change(LESS, "eyes", 0.5)]),
        ("tone it down", [Change(LESS, "", 0.5)]), ("tone the anger down", [Change(LESS, "anger", 0.5)]),
        ("angrier", [Change(MORE, "angry", 0.5)]), ("calmer", [Change(LESS, "", 0.5)]),
        ("smile less", [Change(LESS, "smile", 0.5)]), ("add a wink", [Change(ADD, "wink", 1.0)]),
        ("less smile, more brow", [Change(LESS, "smile", 0.5), Change(MORE, "brow", 0.5)]),
        ("brows higher", [Change(ADD, "brows higher", 0.5)]), ("eyes closed", [Change(ADD, "eyes closed", 1.0)]),
    ],
)  # fmt: skip
def test_commands(text: str, changes: list[Change]) -> None:
    assert list(read_changes(text)) == changes


def edited(styler: PromptStyler, prompt: str, text: str, weight: float = 1.0) -> np.ndarray:
    return styler.code(prompt, [PromptEdit(text, weight)])


def test_less_takes_only_what_is_there(styler: PromptStyler) -> None:
    base = styler.code("grinning")
    a_bit, less, much = (edited(styler, "grinning", f"{d}less smile")[SMILE] for d in ("slightly ", "", "much "))
    assert base[SMILE] > a_bit > less > much > 0
    assert edited(styler, "furious", "less smile").min() >= 0
    np.testing.assert_allclose(edited(styler, "furious", "less smile"), styler.code("furious"), atol=0.02)


def test_more_adds_and_whole_commands_scale(styler: PromptStyler) -> None:
    assert edited(styler, "smiling", "bigger smile")[SMILE] > styler.code("smiling")[SMILE] + 0.2
    np.testing.assert_allclose(edited(styler, "sad", "tone it down"), 0.5 * styler.code("sad"), atol=0.05)
    assert (
        edited(styler, "angry", "angrier")[BROW] > styler.code("angry")[BROW] > edited(styler, "angry", "calmer")[BROW]
    )


def test_regions_fade_alone(styler: PromptStyler) -> None:
    base = styler.code("grinning, eyes wide")
    soft = edited(styler, "grinning, eyes wide", "soften the eyes")
    assert soft[WIDE] == pytest.approx(0.5 * base[WIDE], abs=0.05) and soft[SMILE] == pytest.approx(
        base[SMILE], abs=0.05
    )


def test_denials_take_away_what_they_name(styler: PromptStyler) -> None:
    without = edited(styler, "furious, grinning", "no grin")
    assert without[SMILE] == 0 and without[BROW] > 0.4
    relaxed = edited(styler, "furious, grinning", "relax the brow", 0.5)
    assert relaxed[BROW] == pytest.approx(0.5 * styler.code("furious, grinning")[BROW], abs=0.05)
    assert edited(styler, "angry", "no anger")[BROW] < 0.05


def test_minus_a_smile_leaves_none(styler: PromptStyler) -> None:
    assert edited(styler, "beaming", "smile", -1.0)[SMILE] == pytest.approx(0, abs=0.02)
    assert edited(styler, "astonished", "raised brows", -1.0)[arkit_index("browOuterUpLeft")] == pytest.approx(
        0, abs=0.05
    )


def test_an_added_movement_pushes_its_opposite_away(styler: PromptStyler) -> None:
    code = edited(styler, "heartbroken", "a smile", 0.8)
    assert code[SMILE] > 0.3 > code[FROWN]


def test_less_in_a_prompt_lowers_the_rest(styler: PromptStyler) -> None:
    assert 0 < styler.code("furious, less brow")[BROW] < 0.6 * styler.code("furious")[BROW]
    assert not styler.code("less smile").any()


def timeline_with(edit: str) -> PromptTimeline:
    return PromptTimeline((PromptSegment("delighted", 0.0, 1.0, edits=(PromptEdit(edit, 0.4),)),))


def test_an_edit_that_says_nothing_changes_nothing_and_is_told(styler: PromptStyler) -> None:
    delighted = styler.code("delighted")
    for text in ("xyzzy", "qwrtp, blorf"):
        np.testing.assert_array_equal(styler.code("delighted", [PromptEdit(text, 0.4)]), delighted)
        assert notes_on(timeline_with(text), styler.read) == (f"Edit '{text}': not understood, it changes nothing.",)
    for text in ("neutral", "less smile", "soften the eyes", "no smile", "angrier", "wrinkle the nose"):
        assert (styler.code("delighted", [PromptEdit(text, 0.4)]) != delighted).any(), text
        assert notes_on(timeline_with(text), styler.read) == ()

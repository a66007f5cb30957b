"""What people type for words: emoji, emoticons, short forms, slips of the finger; and what is left as it is."""

from __future__ import annotations

import pytest

from talkclip.engine.text.pose import PromptStyler
from talkclip.engine.text.spelling import in_words, mend


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("suprised", "surprised"), ("digusted", "disgusted"), ("angrey", "angry"), ("nervuos", "nervous"),
        ("frightend", "frightened"), ("heartborken", "heartbroken"), ("embarassed", "embarrassed"),
        ("dissapointed", "disappointed"), ("happyly", "happily"), ("eyebows", "eyebrows"), ("smilling", "smiling"),
        ("eyes clossed", "eyes closed"), ("so exited!", "so excited!"), ("slighty", "slightly"),
    ],
)  # fmt: skip
def test_slips_are_mended(typed: str, meant: str) -> None:
    assert mend(typed).text == meant and mend(typed).mended


@pytest.mark.parametrize(
    "text",
    ["he exited the room", "colour drained", "a gray, somber morning", "the lavatory attendant", "slippers and crumbs",
     "a lorry honking", "Marge smirked at Bartok", "gobsmacked", "stroppy", "unhurried", "lip-synching"],
)  # fmt: skip
def test_other_words_stay(text: str) -> None:
    assert mend(text).text == text


def test_the_reading_says_what_was_mended(styler: PromptStyler) -> None:
    reading = styler.read("teriffied")
    assert "Read 'teriffied' as 'terrified'." in reading.notes
    assert max(reading.emotions, key=lambda e: reading.emotions[e]) == "fear"


@pytest.mark.parametrize(
    ("prompt", "emotion"),
    [
        ("😡", "angry"), ("😭😭", "sad"), ("😱", "fear"), ("🤮", "disgusted"), ("😲", "surprised"), ("😏", "contempt"),
        ("ok 🥳", "happy"), ("👍🏽", "happy"), ("❤️", "happy"), (":-(", "sad"), ("great :D", "happy"), (">:(", "angry"),
        (":O", "surprised"), ("T_T", "sad"), ("(╯°□°)╯︵ ┻━┻", "angry"), ("^_^", "happy"),
    ],
)  # fmt: skip
def test_faces_in_signs_are_read(styler: PromptStyler, prompt: str, emotion: str) -> None:
    reading = styler.read(prompt)
    assert max(reading.emotions, key=lambda e: reading.emotions[e]) == emotion
    assert reading.intensity > 0.2 or reading.action_units


@pytest.mark.parametrize("text", ["brows: up", "AU12: D", "sad (quiet)", "8/10", "a:b", "1:30", "yes:)no"])
def test_other_marks_are_no_faces(text: str) -> None:
    assert in_words(text) == text


def test_short_forms_are_spelt_out(styler: PromptStyler) -> None:
    assert in_words("surprise w/o brows, w/ teeth") == "surprise without brows, with teeth"
    assert 6 in styler.read("smile w/o cheeks").denied_units

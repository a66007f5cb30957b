"""What asks for nothing stays out of the face, and the reading says so; what means something stays in."""

from __future__ import annotations

import pytest

from talkclip.engine.text.pose import PromptStyler
from talkclip.engine.text.production import clean


@pytest.mark.parametrize(
    "prompt",
    ["consectetur adipiscing elit", "Lorem ipsum dolor", "asdf", "foo bar baz", "test 123", "mx_040_v2.blend",
     "D:\\jobs\\line_12.wav", "https://example.org/a?b=c", "int main() { return 0; }", "import os", "x != y && z",
     "00:02:11:07", "medium close-up, 85mm, f/1.8", "pan left, then zoom in", "slow dolly in", "INT. OFFICE - DAY",
     "cut to black", "4k, cinematic lighting", "take 2", "scene 4, take 1", "1920x1080, 16:9", "hello world", "TBD"],
)  # fmt: skip
def test_no_direction_is_neutral_and_says_so(styler: PromptStyler, prompt: str) -> None:
    assert not styler.code(prompt).any()
    assert any("neutral" in note for note in styler.read(prompt).notes)


@pytest.mark.parametrize(
    "prompt",
    ["an old man", "a blonde woman in a blue dress", "young Scottish doctor with glasses", "a 35 year old man"],
)
def test_who_speaks_is_no_feeling(styler: PromptStyler, prompt: str) -> None:
    assert styler.pose(prompt).max() < 0.05


@pytest.mark.parametrize(
    "prompt",
    ["cut to the quick", "mouth wide, eyes shut", "she left the room", "eyes roll", "jaw_open = 0.7", "browDown_L 0.8",
     "1+2+5", "AU12: 50%", "take it easy", "in act two, he dies", "pull the lips back", "a close-up friend", "<angry>",
     "and/or", "sad / happy", "half past 9", "scene of the crime", "12 angry men"],
)  # fmt: skip
def test_directions_stay(prompt: str) -> None:
    assert clean(prompt).text == prompt and not clean(prompt).left_out


def test_a_direction_keeps_its_feeling_beside_the_camera(styler: PromptStyler) -> None:
    reading = styler.read("INT. KITCHEN - NIGHT. Close-up, 35mm: she is devastated")
    assert max(reading.emotions, key=lambda e: reading.emotions[e]) == "sad" and reading.intensity > 0.6

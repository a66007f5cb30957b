"""How much: FACS letters, shares of the way, numbers of takes that are none, and a jaw that is asked for."""

from __future__ import annotations

import pytest

from talkclip.coefficients import ARKIT52, arkit_index
from talkclip.engine.text.pose import PromptStyler
from talkclip_rigs.facs import action_units, intensity_letters

# Units that ARKit has one shape for; the others are mixes (`rigs/talkclip_rigs/data/facs.json`).
ONE_TO_ONE = {
    number: next(iter(unit.shapes["both"]))
    for number, unit in action_units().items()
    if number != 8 and sorted(unit.shapes["both"].values())[-1:] == [1.0]
}


def shape(styler: PromptStyler, prompt: str, root: str) -> float:
    pose = styler.pose(prompt)
    names = [root] if root in ARKIT52 else [root + "Left", root + "Right"]
    return float(sum(pose[arkit_index(name)] for name in names) / len(names))


@pytest.mark.parametrize("number", sorted(ONE_TO_ONE))
@pytest.mark.parametrize("wording", ["AU{}{}", "AU{}, intensity {}", "AU {} at level {}", "AU{} ({} intensity)"])
def test_letters_land_in_their_band(styler: PromptStyler, number: int, wording: str) -> None:
    for letter, level in intensity_letters().items():
        shown = shape(styler, wording.format(number, letter), ONE_TO_ONE[number])
        assert max(0.02, min(level - 0.15, 0.75)) <= shown <= level + 0.1, letter


@pytest.mark.parametrize(
    ("prompt", "root", "low", "high"),
    [
        ("his eyelids lowered exactly halfway", "eyeBlink", 0.4, 0.6), ("eyes half shut", "eyeBlink", 0.4, 0.6),
        ("eyes a quarter closed", "eyeBlink", 0.15, 0.35), ("eyes three quarters shut", "eyeBlink", 0.65, 0.85),
        ("eyes a third open", "eyeBlink", 0.55, 0.75), ("eyes barely open", "eyeBlink", 0.65, 0.9),
        ("eyes open 30%", "eyeBlink", 0.6, 0.8), ("lids shut all the way", "eyeBlink", 0.95, 1.0),
        ("lids at 50 percent", "eyeBlink", 0.4, 0.6), ("mouth half open", "jawOpen", 0.35, 0.6),
        ("jaw open 3 out of 10", "jawOpen", 0.15, 0.45), ("mouth a third open", "jawOpen", 0.2, 0.45),
        ("mouth fully open", "jawOpen", 0.6, 0.8), ("brows raised two thirds", "browOuterUp", 0.55, 0.8),
        ("lips pursed three quarters", "mouthPucker", 0.6, 0.85), ("a third of a smile", "mouthSmile", 0.2, 0.45),
        ("smile, two fifths", "mouthSmile", 0.25, 0.55), ("brows lowered fully", "browDown", 0.9, 1.0),
    ],
)  # fmt: skip
def test_shares_of_the_way(styler: PromptStyler, prompt: str, root: str, low: float, high: float) -> None:
    assert low <= shape(styler, prompt, root) <= high


@pytest.mark.parametrize(
    ("prompt", "root", "low", "high"),
    [
        ("AU12 (D)", "mouthSmile", 0.7, 0.9), ("smile intensity: B", "mouthSmile", 0.25, 0.5),
        ("AUs 1, 2 and 5", "eyeWide", 0.4, 0.8), ("jawLeft 0.6", "jawLeft", 0.4, 0.7),
        ("mouthPress 0.8", "mouthPress", 0.6, 0.9), ("on a scale of 1 to 10, frown 9", "browDown", 0.75, 1.0),
    ],
)  # fmt: skip
def test_other_ways_to_write_an_amount(styler: PromptStyler, prompt: str, root: str, low: float, high: float) -> None:
    assert low <= shape(styler, prompt, root) <= high


@pytest.mark.parametrize(
    "prompt",
    ["a gigantic yawn", "open your mouth wide", "mouth open as wide as it goes", "jaw on the floor", "AU27D", "jaw 90%",
     "his jaw drops to the ground"],
)  # fmt: skip
def test_a_jaw_that_is_asked_for_opens(styler: PromptStyler, prompt: str) -> None:
    assert 0.5 <= shape(styler, prompt, "jawOpen") <= 0.75


@pytest.mark.parametrize("prompt", ["astonished", "ecstatic", "terrified", "mouth slightly open", "lips parted"])
def test_other_wording_leaves_the_jaw_to_speech(styler: PromptStyler, prompt: str) -> None:
    assert shape(styler, prompt, "jawOpen") <= 0.4


@pytest.mark.parametrize(
    "mark",
    ["take 0", "Take 3", "scene 12", "line 7", "shot 4", "take zero", "page 9", "v003", "frames 10-40", "24 fps"],
)
def test_numbers_of_takes_are_no_strength(styler: PromptStyler, mark: str) -> None:
    for prompt in (f"furious, {mark}", f"{mark}: furious", f"furious ({mark})"):
        assert styler.read(prompt).intensity == pytest.approx(styler.read("furious").intensity, abs=0.02)
        assert any("left out" in note for note in styler.read(prompt).notes)

"""Sustained expressions: recognisable, anatomically sane, and obeying intensity and edits."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from talkclip.coefficients import ARKIT52, arkit_index
from talkclip.engine.text.pose import PromptStyler, style_code
from talkclip.errors import InputError
from talkclip.timeline import PromptEdit

PROMPTS = (
    "furious", "ecstatic", "heartbroken", "terrified", "astonished", "revolted", "contemptuous", "a brave smile",
    "scowling with flared nostrils", "gaping in horror", "winks and grins", "eyes wide and squinting",
    "smiling and frowning at once", "sticks out her tongue",
)  # fmt: skip


def value(code: np.ndarray, name: str) -> float:
    return float(code[arkit_index(name)])


def test_shape_type_and_range() -> None:
    code = style_code("furious", edits=(("wrinkle the nose", 0.4),), intensity=1.0)
    assert code.shape == (52,) and code.dtype == np.float32


@pytest.mark.parametrize("prompt", PROMPTS)
def test_faces_are_sane(styler: PromptStyler, prompt: str) -> None:
    code = styler.code(prompt)
    assert 0.2 < code.max() <= 1.0 and code.min() >= 0
    assert value(code, "jawOpen") <= (0.5 if "gaping" in prompt else 0.4) and value(code, "mouthClose") == 0
    for a, b in (("eyeWide", "eyeSquint"), ("eyeLookUp", "eyeLookDown"), ("browDown", "browOuterUp")):
        for side in ("Left", "Right"):
            assert min(value(code, a + side), value(code, b + side)) <= 0.45, (a, b)


def test_speech_keeps_the_jaw(styler: PromptStyler) -> None:
    for prompt in ("furious", "joyful", "sad", "disgusted", "contemptuous", "worried"):
        assert value(styler.code(prompt), "jawOpen") <= 0.12


def test_the_seven_emotions_look_different(styler: PromptStyler) -> None:
    poses = [styler.code(p) for p in ("angry", "joyful", "sad", "terrified", "astonished", "disgusted", "contemptuous")]
    for a, b in itertools.combinations(poses, 2):
        assert np.linalg.norm(a - b) > 0.6


def test_contempt_and_smirk_are_one_sided_and_joy_is_not(styler: PromptStyler) -> None:
    def tilt(prompt: str) -> float:
        code = styler.code(prompt)
        return abs(value(code, "mouthSmileLeft") - value(code, "mouthSmileRight"))

    assert tilt("contemptuous") > 0.15 and tilt("smirks") > 0.4 and tilt("joyful") == 0


def test_intensity_scales_from_neutral(styler: PromptStyler) -> None:
    half, full, twice = (styler.code("sad", intensity=i) for i in (0.5, 1.0, 2.0))
    np.testing.assert_allclose(half, 0.5 * full, atol=0.06)
    assert not styler.code("sad", intensity=0.0).any()
    assert np.linalg.norm(twice) > 1.2 * np.linalg.norm(full) and twice.max() <= 1.0


def test_edits_add_their_weight_and_take_away(styler: PromptStyler) -> None:
    nose = arkit_index("noseSneerLeft")
    base = styler.code("sad")
    more = styler.code("sad", [PromptEdit("wrinkle the nose", 0.4)])
    assert more[nose] - base[nose] == pytest.approx(0.4 * styler.code("wrinkle the nose")[nose], abs=0.02)
    less = styler.code("smiling", [PromptEdit("smiling", -0.5)])
    smile = arkit_index("mouthSmileLeft")
    assert less[smile] == pytest.approx(0.5 * styler.code("smiling")[smile], abs=0.02)
    assert styler.code("", [PromptEdit("smiling", -1.0)])[smile] < 0


def test_a_neutral_edit_fades_the_base(styler: PromptStyler) -> None:
    faded = styler.code("furious", [PromptEdit("neutral", 0.75)])
    np.testing.assert_allclose(faded, 0.25 * styler.code("furious"), atol=0.02)


def test_an_edit_out_of_range_is_the_users_mistake() -> None:
    with pytest.raises(InputError):
        style_code("sad", edits=(("smile", 5.0),))


def test_stated_movements_win_over_the_feelings_face(styler: PromptStyler) -> None:
    code = styler.code("sad, but smiling")
    assert value(code, "mouthSmileLeft") > 0.5 and value(code, "mouthFrownLeft") < 0.08
    assert value(code, "browInnerUp") > 0.3
    assert value(styler.code("happy without smiling"), "mouthSmileLeft") == 0


def test_eyes_and_mouth_may_disagree(styler: PromptStyler) -> None:
    code = styler.code("furious eyes, happy mouth")
    assert value(code, "browDownLeft") > 0.4 and value(code, "mouthSmileLeft") > 0.3


def test_one_eye_and_one_brow(styler: PromptStyler) -> None:
    code = styler.code("winks with the left eye")
    assert value(code, "eyeBlinkLeft") > 0.8 and value(code, "eyeBlinkRight") == 0
    brow = styler.code("left eyebrow raised")
    assert value(brow, "browOuterUpLeft") > 0.4 and value(brow, "browOuterUpRight") == 0


def test_same_prompt_same_face(styler: PromptStyler) -> None:
    np.testing.assert_array_equal(
        styler.code("over the hills and far away"), styler.code("over the hills and far away")
    )


def test_names_of_the_space() -> None:
    assert PromptStyler.dim == len(ARKIT52) == 52


def test_what_is_felt_inside_stays_in_eyes_and_brows(styler: PromptStyler) -> None:
    pose = dict(zip(ARKIT52, styler.pose("polite to the guest, seething inside"), strict=True))
    assert pose["browDownLeft"] > 0.4 and pose["mouthSmileLeft"] > 0.2 and pose["noseSneerLeft"] < 0.1

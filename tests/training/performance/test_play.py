"""The teacher's performances behave like faces: energy, closures, accents, breathing."""

from __future__ import annotations

import numpy as np
import pytest

from talkclip.coefficients import ARKIT52, CoefficientTrack, arkit_index
from talkclip.phones import BILABIALS, Phone, PhoneTrack
from talkclip_training.benchmarks.prompts import closures
from talkclip_training.performance.play import CALM, Condition, act, speak
from tests.support.tiny_training import made_phones, made_spoken, pose

SPOKEN = made_spoken(1, 24)
BROWS_UP = [arkit_index(n) for n in ("browInnerUp", "browOuterUpLeft", "browOuterUpRight")]
BROWS_DOWN = [arkit_index(n) for n in ("browDownLeft", "browDownRight")]
NOTHING = np.zeros(52, np.float32)


def jaw(values: np.ndarray) -> np.ndarray:
    return values[:, arkit_index("jawOpen")]


def test_a_neutral_line_moves_the_mouth_and_little_else() -> None:
    assert SPOKEN.mouth.shape == (len(SPOKEN.loud), 52) and SPOKEN.mouth.dtype == np.float32
    assert jaw(SPOKEN.mouth).max() > 0.15
    still = [k for k, name in enumerate(ARKIT52) if name.startswith(("brow", "eye", "nose"))]
    assert not SPOKEN.mouth[:, still].any()


def test_arousal_grows_the_motion() -> None:
    swings = [jaw(act(SPOKEN, Condition(NOTHING, arousal))).std() for arousal in (0.0, CALM, 0.7, 1.0)]
    assert swings == sorted(swings) and swings[-1] > 1.15 * swings[1]


@pytest.mark.parametrize(
    "expression",
    [NOTHING, pose(mouthSmile=1, cheekSquint=1), pose(jawOpen=0.6, eyeWide=1), pose(mouthUpperUp=1, noseSneer=1),
     pose(mouthStretch=1, mouthLowerDown=0.8), pose(mouthFunnel=0.8), pose(mouthSmile=-1, jawOpen=-0.5)],
    ids=["neutral", "smile", "gaping", "sneer", "fear", "funnel", "taken away"],
)  # fmt: skip
def test_lips_are_closed_on_bilabials_under_any_condition(expression: np.ndarray) -> None:
    values = act(SPOKEN, Condition(expression, 0.9))
    assert values.min() >= 0 and values.max() <= 1
    bilabials = SPOKEN.phones.spans(BILABIALS)
    closed, wanted = closures(CoefficientTrack("arkit52", ARKIT52, 25.0, values), SPOKEN.phones)
    assert closed == wanted == len(bilabials) >= 4


def test_accents_raise_the_brows() -> None:
    at = int(np.argmax(SPOKEN.accents))
    assert SPOKEN.accents[at] > 0.8
    values = act(SPOKEN, Condition(NOTHING, 0.9))
    assert values[at, BROWS_UP].min() > 0.08 and not values[:, BROWS_DOWN].any()
    calm = act(SPOKEN, Condition(NOTHING, CALM))
    assert values[at, BROWS_UP[0]] > calm[at, BROWS_UP[0]] > 0


def test_accents_knit_a_frowning_brow_further() -> None:
    at = int(np.argmax(SPOKEN.accents))
    frown = Condition(pose(browDown=0.5), 0.9)
    values = act(SPOKEN, frown)
    assert values[at, BROWS_DOWN].min() > 0.58 and values[:, BROWS_UP].max() < 0.01


def test_an_expression_breathes_with_the_speech() -> None:
    smile = act(SPOKEN, Condition(pose(cheekSquint=0.5), 1.0))[:, arkit_index("cheekSquintLeft")]
    assert 0.01 < smile.std() < 0.12 and abs(smile.mean() - 0.5) < 0.1
    assert np.corrcoef(smile, SPOKEN.loud)[0, 1] > 0.9


def test_accents_stand_apart() -> None:
    peaks = [k for k in range(1, len(SPOKEN.accents) - 1) if SPOKEN.accents[k - 1 : k + 2].argmax() == 1]
    strong = [k for k in peaks if SPOKEN.accents[k] > 0.3]
    assert strong and min(np.diff(strong), default=99) >= 0.5 * 25


def test_silence_has_no_accents_and_no_motion() -> None:
    silence = speak(PhoneTrack((Phone("SIL", 0, 1.0),), (), 1.0, "file"), np.zeros(50, np.float32), 50.0, 25.0)
    assert len(silence.mouth) == 26 and not silence.accents.any() and jaw(silence.mouth).max() < 0.05


def test_the_frame_rate_is_the_callers() -> None:
    track = made_phones(2)
    loudness = np.ones(round(track.duration_s * 50), np.float32)
    fast, slow = speak(track, loudness, 50.0, 60.0), speak(track, loudness, 50.0, 20.0)
    assert abs(len(fast.mouth) - 3 * len(slow.mouth)) <= 3
    np.testing.assert_allclose(
        jaw(fast.mouth)[::3][: len(slow.mouth)], jaw(slow.mouth)[: len(fast.mouth[::3])], atol=1e-4
    )

"""The lip constraint holds under any style, on our head and on another one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from talkclip.coefficients import ARKIT52, arkit_index
from talkclip.engine.layers.lips import apply_lip_constraint, lip_gap
from talkclip.phones import Phone, PhoneTrack
from talkclip_rigs.head import DefaultHead

FPS_LIST = [12.0, 24.0, 25.0, 30000 / 1001, 30.0, 60.0]


def phones(*rows: tuple[str, float, float]) -> PhoneTrack:
    return PhoneTrack(tuple(Phone(*row) for row in rows), (), 4.0, "file")


def any_style(seed: int, n_frames: int) -> np.ndarray:
    """A wild face: every channel somewhere, moving; what no face does at once (wide jaw and pout) included."""
    rng = np.random.default_rng(seed)
    base = rng.random(52) * (rng.random(52) < 0.6)
    return np.clip(base + 0.1 * rng.standard_normal((n_frames, 52)), 0, 1).astype(np.float32)


def head_gap_m(values: np.ndarray) -> np.ndarray:
    """Gap between the inner lips on the default head itself, metres (<= 0: they touch)."""
    head = DefaultHead.load()
    used = [head.landmarks["lip_upper_inner"], head.landmarks["lip_lower_inner"]]
    points = head.vertices[used] + np.tensordot(values, head.deltas[:, used], axes=1)
    return np.asarray(points[:, 0, 1] - points[:, 1, 1])


@settings(max_examples=80, deadline=None)
@example(seed=23, symbol="P", start_s=1.0, length_s=0.0625, fps=12.0)
@given(
    seed=st.integers(0, 10_000),
    symbol=st.sampled_from("PBM"),
    start_s=st.floats(0.2, 2.0),
    length_s=st.floats(0.015, 0.25),
    fps=st.sampled_from(FPS_LIST),
)
def test_bilabials_close_whatever_the_style(
    seed: int, symbol: str, start_s: float, length_s: float, fps: float
) -> None:
    values = any_style(seed, int(3 * fps))
    track = phones(("AA", 0.0, start_s), (symbol, start_s, start_s + length_s), ("AA", start_s + length_s, 4.0))
    out = apply_lip_constraint(values, track, fps)
    centre = start_s + length_s / 2
    nearest = int(np.abs(np.arange(len(out)) / fps - centre).argmin())
    assert lip_gap(out)[nearest] <= 1e-6
    assert head_gap_m(out[nearest : nearest + 1])[0] < 5e-4
    assert out.min() >= 0 and out.max() <= 1


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), fps=st.sampled_from(FPS_LIST))
def test_labiodentals_bite_the_lower_lip(seed: int, fps: float) -> None:
    out = apply_lip_constraint(any_style(seed, int(3 * fps)), phones(("F", 1.0, 1.1)), fps)
    nearest = round(1.05 * fps)
    assert out[nearest, arkit_index("mouthRollLower")] >= 0.39
    assert out[nearest, arkit_index("jawOpen")] <= 0.12
    assert out[nearest, arkit_index("mouthLowerDownLeft")] < 0.01


def test_away_from_closures_nothing_changes() -> None:
    values = any_style(3, 90)
    out = apply_lip_constraint(values, phones(("AA", 0.0, 1.0), ("M", 1.0, 1.1), ("AA", 1.1, 3.0)), 30.0)
    far = np.abs(np.arange(90) / 30 - 1.05) > 0.2
    np.testing.assert_array_equal(out[far], values[far])


def test_closing_is_quick_and_smooth() -> None:
    values = np.zeros((180, 52), np.float32)
    values[:, arkit_index("jawOpen")] = 0.5
    jaw = apply_lip_constraint(values, phones(("B", 1.0, 1.08)), 60.0)[:, arkit_index("jawOpen")]
    assert jaw.min() <= 0.031
    assert np.abs(np.diff(jaw)).max() < 0.25, "no jump between frames"
    assert (jaw < 0.49).sum() / 60 < 0.25, "shut for the sound, not for long"


def test_a_smile_stays_visible_through_a_closure() -> None:
    values = np.zeros((60, 52), np.float32)
    values[:, arkit_index("mouthSmileLeft")] = values[:, arkit_index("mouthSmileRight")] = 0.8
    smile = apply_lip_constraint(values, phones(("M", 0.9, 1.0)), 30.0)[:, arkit_index("mouthSmileLeft")]
    assert smile.min() > 0.45


@pytest.mark.parametrize("fps", FPS_LIST)
def test_every_closure_of_quick_speech_gets_its_frame(fps: float) -> None:
    rows = [("B", 0.3 + 0.2 * k, 0.33 + 0.2 * k) for k in range(10)]
    values = np.zeros((int(3 * fps), 52), np.float32)
    values[:, arkit_index("jawOpen")] = 0.5
    gap = lip_gap(apply_lip_constraint(values, phones(*rows), fps))
    closed = (gap <= 0).astype(int)
    assert int((np.diff(closed) == 1).sum()) == 10


def test_the_gap_table_is_true_for_our_head() -> None:
    """Each channel's entry is at least as open as the default head really is."""
    rest = head_gap_m(np.zeros((1, 52), np.float32))[0]
    head = DefaultHead.load()
    eyes = np.linalg.norm(head.landmark("eye_outer_left") - head.landmark("eye_outer_right"))
    one = np.eye(52, dtype=np.float32)
    measured, told = (head_gap_m(one) - rest) / eyes, lip_gap(one)
    for k, name in enumerate(ARKIT52):
        assert told[k] >= measured[k] - 0.006, name

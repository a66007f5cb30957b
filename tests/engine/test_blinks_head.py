"""The seeded layers: blinks and head motion."""

from __future__ import annotations

import numpy as np
import pytest

from talkclip.audio import AudioClip
from talkclip.coefficients import arkit_index
from talkclip.engine.layers.blinks import SHORTEST_INTERVAL_S, apply_blinks, plan_blinks
from talkclip.engine.layers.head import head_motion, hold_gaze
from talkclip.phones import Phone, PhoneTrack

BLINK = arkit_index("eyeBlinkLeft")


def line(duration_s: float = 12.0) -> tuple[AudioClip, PhoneTrack]:
    """Vowels of a third of a second with pauses, louder and softer."""
    rate = 16000
    t = np.arange(int(duration_s * rate)) / rate
    voiced = (t % 1.0) < 0.35
    samples = np.where(voiced, np.sin(2 * np.pi * 140 * t) * (0.2 + 0.2 * np.sin(t)), 0.0)
    phones = [Phone("AA", float(k), k + 0.35) for k in range(int(duration_s))]
    pauses = [Phone("SIL", k + 0.35, k + 1.0) for k in range(int(duration_s))]
    track = PhoneTrack(tuple(sorted(phones + pauses, key=lambda p: p.start_s)), (), duration_s, "file")
    return AudioClip(samples, rate), track


@pytest.mark.parametrize("fps", [12.0, 24.0, 30000 / 1001, 60.0])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_planned_blink_shuts_the_lids_at_any_frame_rate(fps: float, seed: int) -> None:
    _, phones = line()
    blinks = plan_blinks(12.0, phones, seed)
    times = np.arange(int(12 * fps)) / fps
    values = apply_blinks(np.zeros((len(times), 52), np.float32), times, blinks)
    shut = values[:, BLINK] > 0.9
    assert int((np.diff(shut.astype(int)) == 1).sum()) == len(blinks)
    np.testing.assert_array_equal(values[:, BLINK], values[:, arkit_index("eyeBlinkRight")])


def test_people_blink_neither_rarely_nor_constantly() -> None:
    _, phones = line(60.0)
    counts = [len(plan_blinks(60.0, phones, seed)) for seed in range(20)]
    assert 10 <= np.mean(counts) <= 30
    gaps = [np.diff([b.shut_s for b in plan_blinks(60.0, phones, seed)]) for seed in range(20)]
    assert min(g.min() for g in gaps) >= SHORTEST_INTERVAL_S


def test_wide_eyes_let_go_while_they_blink_and_come_back() -> None:
    _, phones = line()
    wide = np.zeros((360, 52), np.float32)
    wide[:, arkit_index("eyeWideLeft")] = 0.8
    out = apply_blinks(wide, np.arange(360) / 30, plan_blinks(12.0, phones, 0))
    shut = out[:, BLINK] > 0.95
    assert shut.any() and out[shut, arkit_index("eyeWideLeft")].max() < 0.05
    assert out[out[:, BLINK] == 0, arkit_index("eyeWideLeft")].min() == pytest.approx(0.8)


def test_no_gain_no_blinks() -> None:
    _, phones = line()
    values = np.random.default_rng(0).random((360, 52)).astype(np.float32)
    out = apply_blinks(values, np.arange(360) / 30, plan_blinks(12.0, phones, 0), gain=0.0)
    np.testing.assert_array_equal(out, values)


def test_head_motion_is_the_same_under_a_seed_at_any_frame_rate() -> None:
    clip, phones = line()
    slow = head_motion(clip, phones, np.arange(300) / 25, seed=7)
    fast = head_motion(clip, phones, np.arange(600) / 50, seed=7)
    np.testing.assert_allclose(slow, fast[::2], atol=2e-3)
    assert np.abs(slow - head_motion(clip, phones, np.arange(300) / 25, seed=8)).max() > 0.01


def test_head_motion_is_small_and_alive() -> None:
    clip, phones = line()
    degrees = np.degrees(head_motion(clip, phones, np.arange(360) / 30, seed=3)[:, :3])
    assert degrees.std(axis=0).max() > 0.4 and np.abs(degrees).max() < 10
    assert np.abs(np.diff(degrees, axis=0)).max() < 3, "no jumps between frames"
    assert not head_motion(clip, phones, np.arange(360) / 30, seed=3, gain=0.0).any()


def test_eyes_stay_on_target_while_the_head_turns() -> None:
    head = np.zeros((2, 6), np.float32)
    head[1, 1] = 0.1
    values = hold_gaze(np.zeros((2, 52), np.float32), head)
    assert values[1, arkit_index("eyeLookInLeft")] > 0.1 and values[1, arkit_index("eyeLookOutRight")] > 0.1
    assert values[1, arkit_index("eyeLookOutLeft")] == values[1, arkit_index("eyeLookInRight")] == 0
    assert not values[0].any()

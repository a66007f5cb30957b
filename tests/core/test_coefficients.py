"""CoefficientTrack: its clock, resampling and refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talkclip.coefficients import ARKIT52, CoefficientTrack
from talkclip.errors import InputError
from talkclip.timebase import fps_fraction, frame_count, parse_fps, split_timecode, timecode


def ramp(n_frames: int, fps: float, start_s: float = 0.0) -> CoefficientTrack:
    """Every channel equals the time in seconds / 100."""
    values = ((start_s + np.arange(n_frames) / fps) / 100)[:, None].repeat(52, 1)
    return CoefficientTrack("arkit52", ARKIT52, fps, values, start_s)


@settings(max_examples=60, deadline=None)
@given(
    n_frames=st.integers(1, 300),
    fps=st.sampled_from([24.0, 25.0, 30000 / 1001, 30.0, 60.0]),
    to_fps=st.sampled_from([12.0, 24.0, 25.0, 30000 / 1001, 60.0, 120.0]),
    start_s=st.floats(-2, 2),
)
def test_resampling_keeps_time(n_frames: int, fps: float, to_fps: float, start_s: float) -> None:
    track = ramp(n_frames, fps, start_s)
    other = track.resampled(to_fps)
    np.testing.assert_allclose(other.values[:, 0], other.times_s / 100, atol=1e-6)
    assert other.start_s == start_s
    assert track.duration_s - 1 / to_fps - 1e-6 < other.duration_s <= track.duration_s + 1e-6


def test_resampling_at_the_same_rate_is_exact_even_for_ntsc() -> None:
    rng = np.random.default_rng(1)
    track = CoefficientTrack("arkit52", ARKIT52, 30000 / 1001, rng.random((5000, 52), np.float32))
    np.testing.assert_array_equal(track.resampled(track.fps).values, track.values)


def test_one_frame_holds() -> None:
    assert ramp(1, 25.0, 1.0).resampled(60.0, n_frames=3).values[:, 0].tolist() == pytest.approx([0.01] * 3)


def test_slice_keeps_the_clock() -> None:
    part = ramp(100, 25.0, 0.5).slice_s(1.0, 2.0)
    assert part.start_s == pytest.approx(1.02) or part.start_s == pytest.approx(1.0)
    np.testing.assert_allclose(part.values[:, 0], part.times_s / 100, atol=1e-6)
    with pytest.raises(InputError):
        ramp(10, 25.0).slice_s(50.0, 60.0)


def test_blend_meets_both_ends() -> None:
    a, b = ramp(20, 25.0), ramp(20, 25.0, 0.0).with_values(np.ones((20, 52), np.float32))
    mixed = a.blended(b, np.linspace(0, 1, 20))
    np.testing.assert_array_equal(mixed.values[0], a.values[0])
    np.testing.assert_array_equal(mixed.values[-1], b.values[-1])


@pytest.mark.parametrize(
    ("values", "names", "fps"),
    [
        (np.zeros((0, 2)), ("a", "b"), 25.0),
        (np.zeros((3, 2)), ("a",), 25.0),
        (np.zeros((3, 2)), ("a", "a"), 25.0),
        (np.full((3, 2), np.nan), ("a", "b"), 25.0),
        (np.zeros((3, 2)), ("a", "b"), 0.0),
        (np.zeros((3, 2)), ("a", "b"), float("nan")),
    ],
)
def test_impossible_tracks_are_refused(values: np.ndarray, names: tuple[str, ...], fps: float) -> None:
    with pytest.raises(InputError):
        CoefficientTrack("arkit52", names, fps, values)


def test_rates_as_people_type_them() -> None:
    assert parse_fps("29.97") == pytest.approx(30000 / 1001)
    assert parse_fps("30000/1001") == parse_fps("29.97")
    assert str(fps_fraction(parse_fps("23.976"))) == "24000/1001"
    assert str(fps_fraction(25.0)) == "25"
    for wrong in ("fast", "0", "-25", "nan", "1/0", "1e9"):
        with pytest.raises(InputError):
            parse_fps(wrong)


@given(st.floats(0, 80000), st.sampled_from([24, 25, 30, 60]))
def test_timecode_round_trip(time_s: float, base: int) -> None:
    seconds, part = split_timecode(timecode(time_s, base))
    assert seconds + part / base == pytest.approx(time_s, abs=1e-3 / base)


def test_frame_count_covers_the_sound() -> None:
    assert frame_count(10.0, 25.0) == 251
    assert frame_count(0.001, 25.0) == 1
    assert frame_count(1001 / 30000 * 100, 30000 / 1001) == 101

"""Action units: recovered from the coefficients they made, and read from other detectors' files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talkclip.coefficients import ARKIT52, CoefficientTrack
from talkclip.errors import InputError
from talkclip.track_io import write_track
from talkclip_rigs.facs import AuMove, emotion_patterns, pose_of
from talkclip_training.corpora.unit_files import MaeFaceUnits, PyFeatUnits, read_heads, read_pyfeat
from talkclip_training.corpora.units import (
    SEPARABLE,
    ArkitUnits,
    Thresholds,
    UnitTrack,
    active_units,
    units_of_pose,
    units_of_track,
)

# Hidden by others they cannot be seen: lips part under a strong 10, 16 or 26; a tightener under 18, 24 and 28. 27 is
# the jaw that 26 also drops.
UNAMBIGUOUS = tuple(au for au in SEPARABLE if au not in (23, 25, 27))


def recovered(levels: dict[int, float]) -> dict[int, float]:
    found = units_of_pose(pose_of([AuMove(au, level) for au, level in levels.items()]))
    return dict(zip(SEPARABLE, found.tolist(), strict=True))


def differs(levels: dict[int, float], found: dict[int, float]) -> float:
    return max(abs(found[au] - levels.get(au, 0.0)) for au in SEPARABLE)


@pytest.mark.parametrize("au", SEPARABLE)
@pytest.mark.parametrize("level", [0.2, 0.6, 1.0])
def test_one_unit_is_recovered(au: int, level: float) -> None:
    if au == 27 and level <= 0.4:
        assert recovered({27: level})[26] == pytest.approx(level / 0.4, abs=1e-4)  # as little as AU26 would drop it
    else:
        assert differs({au: level}, recovered({au: level})) < 1e-4


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(UNAMBIGUOUS), st.floats(0.2, 1.0), min_size=1, max_size=5))
def test_combinations_are_recovered_in_levels_or_at_least_in_shape(levels: dict[int, float]) -> None:
    found = recovered(levels)
    again = pose_of([AuMove(au, level) for au, level in found.items()])
    wanted = pose_of([AuMove(au, level) for au, level in levels.items()])
    assert np.abs(again - wanted).max() < 0.05


def test_random_combinations_are_nearly_always_recovered_exactly() -> None:
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(400):
        units = rng.choice([au for au in SEPARABLE if au != 27], rng.integers(1, 6), replace=False)
        levels = dict(zip(units.tolist(), rng.uniform(0.2, 1.0, len(units)).tolist(), strict=True))
        errors.append(differs(levels, recovered(levels)))
    assert np.mean(np.array(errors) < 0.01) > 0.93


def test_published_patterns_of_emotions_are_recovered() -> None:
    wrong = []
    for row in emotion_patterns():
        units = {au: 0.7 for au in row.action_units if au in SEPARABLE}
        if units and 27 not in units and differs(units, recovered(units)) > 0.01:
            wrong.append(row.name)
    # Disgust's parted lips (25) are hidden by 9 and 26, pain's tightened ones (23) by 18 and 24.
    assert wrong == ["disgust", "pain"]


def test_noise_moves_levels_by_as_much() -> None:
    rng = np.random.default_rng(1)
    levels = {1: 0.6, 4: 0.8, 15: 0.5, 17: 0.4}
    pose = pose_of([AuMove(au, level) for au, level in levels.items()])
    found = dict(zip(SEPARABLE, units_of_pose(np.clip(pose + rng.normal(0, 0.02, 52), 0, 1)).tolist(), strict=True))
    assert differs(levels, found) < 0.15
    assert all(abs(found[au] - level) < 0.05 for au, level in levels.items())


def test_a_still_face_has_no_units() -> None:
    assert units_of_pose(np.zeros(52)).max() == 0


def smiling_track(level: float = 0.8) -> CoefficientTrack:
    poses = np.stack([pose_of([AuMove(12, level), AuMove(6, level / 2)]), pose_of([AuMove(12, level)])])
    return CoefficientTrack("arkit52", ARKIT52, 25.0, np.repeat(poses, 20, axis=0))


def test_a_track_gives_means_on_the_facs_scale(tmp_path: Path) -> None:
    write_track(smiling_track(), tmp_path / "clip.csv")
    detector = ArkitUnits(tmp_path)
    track = detector.units_of("clip")
    assert track is not None and track.units == tuple(sorted(SEPARABLE))
    means = track.means()
    assert means[12] == pytest.approx(4.0, abs=0.02) and means[6] == pytest.approx(1.0, abs=0.02)
    assert detector.units_of("other") is None
    with pytest.raises(InputError, match="arkit52"):
        units_of_track(CoefficientTrack("bfm64", ("e0",), 25.0, np.zeros((1, 1))))


def test_active_units_and_their_levels() -> None:
    means = {1: 0.4, 2: 0.5, 4: 1.0, 6: 1.5, 9: 3.0, 12: 4.0, 25: 5.0, 99: 5.0}
    track = UnitTrack(tuple(means), np.array([list(means.values())]))
    found = active_units(track, Thresholds(), named={1, 2, 4, 6, 9, 12, 25})
    assert [(unit.au, unit.level) for unit in found] == [(12, 5), (9, 4), (6, 3), (4, 2), (2, 1)]
    loud = active_units(track, Thresholds(ignored=frozenset()), named={25})
    assert [(unit.au, unit.level) for unit in loud] == [(25, 5)]


def test_thresholds_must_rise() -> None:
    with pytest.raises(InputError, match="do not rise"):
        Thresholds(active=2.0)


PYFEAT = """frame,FaceRectX,FaceScore,x_0,AU01,AU02,AU12,AU25,happiness,input
0,1.0,0.99,1.0,0.5,0.0,1.0,0.2,0.9,a.mp4
0,9.0,0.40,1.0,0.9,0.9,0.0,0.9,0.1,a.mp4
1,,0.0,,,,,,,a.mp4
2,1.0,0.98,1.0,0.1,0.0,0.6,0.2,0.9,a.mp4
"""


def test_py_feat_takes_the_surest_face_and_skips_frames_without_one(tmp_path: Path) -> None:
    (tmp_path / "clip.csv").write_text(PYFEAT)
    track = PyFeatUnits(tmp_path).units_of("clip")
    assert track is not None and track.values.shape == (2, 4)
    assert track.means() == pytest.approx({1: 1.5, 2: 0.0, 12: 4.0, 25: 1.0}, abs=1e-5)
    assert PyFeatUnits(tmp_path).units_of("other") is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no lines"),
        ("frame,FaceScore\n0,1\n", "no columns AU1"),
        ("frame,AU01\n0,\n", "no frame with a face"),
        ("frame,AU01\n0,four\n", "clip.csv:2: 'four' is not a number"),
        ("frame,AU01\n0,4.2\n", r"not on the scale 0\.\.1"),
    ],
)
def test_a_file_that_is_not_py_feats_is_explained(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "clip.csv").write_text(text)
    with pytest.raises(InputError, match=problem):
        read_pyfeat(tmp_path / "clip.csv")


def test_mae_face_as_means_as_frames_and_as_heads(tmp_path: Path) -> None:
    table = tmp_path / "means.csv"
    table.write_text("video,AU1,AU12\nclip,0.5,4.5\nother,,\n")
    means = MaeFaceUnits(table)
    track = means.units_of("clip")
    assert track is not None and track.means() == pytest.approx({1: 0.5, 12: 4.5})
    assert means.units_of("other") is None and means.units_of("third") is None
    (tmp_path / "frames.csv").write_text("frame,AU12,AU6\n0,3,1\n1,5,3\n2,,\n")
    np.save(tmp_path / "heads.npy", np.tile([1.0, 2.0, 3.0, 4.0, 5.1], (3, 1)))
    folder = MaeFaceUnits(tmp_path, "bp4d")
    frames, heads = folder.units_of("frames"), folder.units_of("heads")
    assert frames is not None and frames.means() == pytest.approx({6: 2.0, 12: 4.0})
    assert heads is not None and heads.means() == pytest.approx({6: 1.0, 10: 2.0, 12: 3.0, 14: 4.0, 17: 5.0})


def test_heads_without_their_order_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "clip.npy", np.zeros((3, 12)))
    with pytest.raises(InputError, match="--heads"):
        MaeFaceUnits(tmp_path).units_of("clip")
    with pytest.raises(InputError, match="not frames of the 5 units"):
        read_heads(tmp_path / "clip.npy", "bp4d")

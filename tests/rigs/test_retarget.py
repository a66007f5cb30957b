"""A track reaches every channel of a rig, with the right sign, size and limits, or says why not."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkclip.coefficients import ARKIT52, HEAD6, CoefficientTrack
from talkclip.errors import InputError
from talkclip_rigs.flame import flame_channels
from talkclip_rigs.profiles import match_rig, rig_by_id, rig_profile
from talkclip_rigs.retarget import (
    BLENDER_WORLD_AXES,
    CHARACTER_AXES,
    HEAD_ROTATION,
    ChannelTarget,
    Drive,
    RigProfile,
    RotationDrive,
    retarget,
)
from talkclip_rigs.rotations import (
    euler_from_matrix,
    matrix_from_axis_angle,
    matrix_from_euler,
    matrix_from_pitch_yaw_roll,
)

ORDERS = ["".join(order) for order in itertools.permutations("XYZ")]


def _arkit_track(n_frames: int = 5, head: bool = True) -> CoefficientTrack:
    rng = np.random.default_rng(3)
    values = rng.uniform(0, 1, (n_frames, 52))
    pose = rng.normal(0, 0.2, (n_frames, 6)) if head else None
    return CoefficientTrack("arkit52", ARKIT52, 29.97, values, 0.25, pose)


def _profile(rig_id: str, names: Sequence[str], channels: Sequence[str] = ARKIT52, **options: Any) -> RigProfile:
    """The profile of one rig whose shapes have these names."""
    rig = rig_by_id(rig_id)
    match = match_rig(rig, names, at_least=1)
    return rig_profile(rig, match.rows if match else (), channels, **options)


def _flame_profile(names: Sequence[str], **options: Any) -> RigProfile:
    return _profile("flame", [f"Exp{k}" for k in range(1, 101)], names, **options)


def test_arkit_shapes_arrive_unchanged_under_the_rigs_own_names() -> None:
    track = _arkit_track()
    curves = retarget(track, _profile("arkit", [f"!ex-{name}" for name in ARKIT52]))
    assert set(curves.channels) == {f"!ex-{name}" for name in ARKIT52}
    for column, name in enumerate(ARKIT52):
        np.testing.assert_array_equal(curves.channels[f"!ex-{name}"], track.values[:, column])
        assert curves.channels[f"!ex-{name}"].dtype == np.float32
        assert curves.targets[f"!ex-{name}"] == ChannelTarget("shape", f"!ex-{name}")
    np.testing.assert_allclose(curves.times_s, 0.25 + np.arange(5) / 29.97)


@pytest.mark.parametrize("head_bone", [None, "", "head"])
@pytest.mark.parametrize("names", [ARKIT52, ARKIT52[:9], (), ("browInnerUp_L", "browInnerUp_R", "jawOpen")])
def test_every_arkit_channel_is_driven_or_ignored(names: tuple[str, ...], head_bone: str | None) -> None:
    profile = _profile("arkit", names, head_bone=head_bone)
    assert profile.sources() == {*ARKIT52, *HEAD6}
    driven = {drive.source for drive in profile.drives} | {s for turn in profile.rotations for s in turn.sources}
    assert not driven & set(profile.ignored)
    retarget(_arkit_track(), profile)


@pytest.mark.parametrize("head_bone", [None, "neck"])
@pytest.mark.parametrize("n_expression", [50, 100])
def test_every_flame_channel_is_driven_or_ignored(n_expression: int, head_bone: str | None) -> None:
    names = flame_channels(n_expression)
    profile = _flame_profile(names, head_bone=head_bone)
    assert profile.sources() == {*names, *HEAD6}


def test_flame_keys_count_from_one_and_the_jaw_turns_its_bone() -> None:
    names = flame_channels(50)
    values = np.zeros((2, len(names)), np.float32)
    values[1, names.index("exp0")] = 1.5
    values[1, names.index("exp49")] = -20
    values[1, names.index("jaw_x")] = 0.3
    values[1, names.index("left_eye_y")] = -0.5
    curves = retarget(CoefficientTrack("flame", names, 25, values), _flame_profile(names))
    assert curves.channels["Exp1"][1] == 1.5
    assert curves.channels["Exp50"][1] == -10  # the key's own range
    assert "Exp0" not in curves.channels and "Exp51" not in curves.channels
    assert curves.channels["jaw.rotation_x"][1] == pytest.approx(0.3)
    assert curves.channels["jaw.rotation_y"][1] == pytest.approx(0)
    assert curves.channels["left_eye.rotation_y"][1] == pytest.approx(-0.5)
    assert curves.targets["jaw.rotation_x"] == ChannelTarget("rotation", "jaw", 0, "XYZ")
    assert not any(name.startswith("neck") for name in curves.channels)  # the track moves no head


def test_halves_of_a_shape_both_follow_it() -> None:
    track = _arkit_track()
    curves = retarget(track, _profile("arkit", ["cheekPuff_L", "cheekPuff_R"]))
    np.testing.assert_array_equal(curves.channels["cheekPuff_L"], track.channel("cheekPuff"))
    np.testing.assert_array_equal(curves.channels["cheekPuff_R"], track.channel("cheekPuff"))


def test_gains_add_up_and_limits_hold() -> None:
    track = CoefficientTrack("arkit52", ("jawOpen", "mouthFunnel"), 25, np.array([[0.5, 0.5], [1, 1]]))
    drives = (Drive("jawOpen", "Mouth", 0.5), Drive("mouthFunnel", "Mouth", 0.25), Drive("jawOpen", "Jaw", -2))
    profile = RigProfile("test", "arkit52", drives, limits={"Jaw": (-1.5, 0), "*": (0, 0.7)})
    curves = retarget(track, profile)
    np.testing.assert_allclose(curves.channels["Mouth"], [0.375, 0.7])
    np.testing.assert_allclose(curves.channels["Jaw"], [-1, -1.5])
    broader = retarget(track, RigProfile("test", "arkit52", drives, overshoot=2))
    np.testing.assert_allclose(broader.channels["Mouth"], [0.75, 1.5])


def test_an_unknown_channel_or_space_is_refused_by_name() -> None:
    profile = _profile("arkit", ARKIT52)
    with pytest.raises(InputError, match="'earWiggle'"):
        retarget(CoefficientTrack("arkit52", ("jawOpen", "earWiggle"), 25, np.zeros((1, 2))), profile)
    with pytest.raises(InputError, match=r"space arkit52, the track is flame"):
        retarget(CoefficientTrack("flame", ("exp0",), 25, np.zeros((1, 1))), profile)


def test_one_bone_cannot_be_turned_twice() -> None:
    turn = RotationDrive(HEAD_ROTATION, "head", "pitch_yaw_roll")
    with pytest.raises(ValueError, match="two rotations"):
        RigProfile("test", "arkit52", (), (turn, turn))


@pytest.mark.parametrize(
    ("column", "point", "moved"),
    [
        (0, (0, 0, 1), (0, -1, 0)),  # pitch > 0: the nose goes down
        (1, (0, 0, 1), (1, 0, 0)),  # yaw > 0: the nose goes to the character's left
        (2, (0, 1, 0), (-1, 0, 0)),  # roll > 0: the top goes to the character's right
    ],
)
@pytest.mark.parametrize("axes", [CHARACTER_AXES, BLENDER_WORLD_AXES])
def test_head_turns_the_way_the_contract_says(column: int, point: tuple, moved: tuple, axes: tuple) -> None:
    head = np.zeros((1, 6))
    head[0, column] = np.pi / 2 - 1e-3
    track = CoefficientTrack("arkit52", ARKIT52, 25, np.zeros((1, 52)), head=head)
    curves = retarget(track, _profile("arkit", ARKIT52, head_bone="head", head_axes=axes))
    angles = [curves.channels[f"head.rotation_{axis}"][0] for axis in "xyz"]
    to_bone = np.array(axes)
    turned = to_bone.T @ matrix_from_euler(angles) @ to_bone @ np.array(point)
    np.testing.assert_allclose(turned, moved, atol=2e-3)


def test_head_pose_can_be_left_to_the_animator() -> None:
    profile = _profile("arkit", ARKIT52, head_bone="head").without_head()
    curves = retarget(_arkit_track(), profile)
    assert set(curves.channels) == set(ARKIT52)
    assert profile.sources() == {*ARKIT52, *HEAD6}


angles3 = st.tuples(*[st.floats(-1.4, 1.4)] * 3)


@given(angles3, st.sampled_from(ORDERS))
def test_euler_angles_rebuild_the_rotation(angles: tuple[float, ...], order: str) -> None:
    matrix = matrix_from_pitch_yaw_roll(angles)
    np.testing.assert_allclose(matrix_from_euler(euler_from_matrix(matrix[None], order)[0], order), matrix, atol=1e-9)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    # Blender's XYZ is Rz Ry Rx.
    x, y, z = (matrix_from_axis_angle(np.eye(3)[i] * angles[i]) for i in range(3))
    np.testing.assert_allclose(matrix_from_euler(angles, "XYZ"), z @ y @ x, atol=1e-12)


@pytest.mark.parametrize("order", ORDERS)
def test_a_full_turn_does_not_jump(order: str) -> None:
    for axis in range(3):
        turning = np.zeros((100, 3))
        turning[:, axis] = np.linspace(0, 3 * np.pi, 100)
        if axis == "XYZ".index(order[1]):
            turning *= 0.15  # the middle angle cannot pass a quarter turn
        euler = euler_from_matrix(matrix_from_axis_angle(turning), order)
        assert np.abs(np.diff(euler, axis=0)).max() < 0.11


def test_quarter_turn_of_the_middle_axis_is_still_the_same_rotation() -> None:
    for order in ORDERS:
        angles = np.array([0.4, 0.4, 0.4])
        angles["XYZ".index(order[1])] = np.pi / 2
        matrix = matrix_from_euler(angles, order)
        np.testing.assert_allclose(
            matrix_from_euler(euler_from_matrix(matrix[None], order)[0], order), matrix, atol=1e-6
        )


def test_tiny_and_zero_rotations_are_exact() -> None:
    np.testing.assert_array_equal(matrix_from_axis_angle(np.zeros((2, 3))), np.stack([np.eye(3)] * 2))
    tiny = matrix_from_axis_angle([1e-6, 0, 0])
    np.testing.assert_allclose(tiny[2, 1], 1e-6, rtol=1e-9)

"""The user's FLAME model: posed right, and moved as the default head moves.

The model here is synthetic (`tests/support/synthetic_flame.py`): FLAME's shapes, another face and tessellation than the
default head's, with a known true motion. The licensed model cannot be part of a test.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from talkclip.coefficients import ARKIT52, CoefficientTrack
from talkclip.engine import flame_fit
from talkclip.engine.flame_embedding import EMBEDDING_NAME, embedded_landmarks
from talkclip.engine.flame_fit import solve_flame_map
from talkclip.engine.flame_solver import load_flame_map
from talkclip.errors import InputError
from talkclip_rigs.flame import JAW, LEFT_EYE, FlameMap, FlameModel, flame_channels
from talkclip_rigs.flame_file import load_flame_model
from talkclip_rigs.head import DefaultHead
from tests.support.synthetic_flame import SyntheticFlame, build

JAW_OPEN = ARKIT52.index("jawOpen")


def _weights(**shapes: float) -> np.ndarray:
    return DefaultHead.load().values(**shapes)


def _track(values: np.ndarray, head: np.ndarray | None = None) -> CoefficientTrack:
    return CoefficientTrack("arkit52", ARKIT52, 25, np.atleast_2d(values), 0.5, head)


def _posed(model: FlameModel, track: CoefficientTrack) -> np.ndarray:
    n = len(track.names) - 9
    jaw, left, right = (track.values[:, n + 3 * k : n + 3 * k + 3] for k in range(3))
    return model.vertices(track.values[:, :n], jaw, left, right)


# --- posing --------------------------------------------------------------------------------------------------


def _reference_vertices(model: FlameModel, expression: np.ndarray, pose: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """FLAME's formula once more, with 4x4 matrices and loops, independent of the code under test."""
    from scipy.spatial.transform import Rotation

    shaped = model.template + model.shape_basis[..., : len(shape)] @ shape + model.expression_basis @ expression
    turns = Rotation.from_rotvec(pose).as_matrix()
    joints = model.joint_regressor @ shaped
    corrected = shaped + model.pose_basis @ (turns[1:] - np.eye(3)).ravel()
    world, skin = [], []
    for joint, parent in enumerate(model.parents):
        local = np.eye(4)
        local[:3, :3] = turns[joint]
        local[:3, 3] = joints[joint] - (joints[parent] if parent >= 0 else 0)
        world.append(local if parent < 0 else world[parent] @ local)
        to_joint = np.eye(4)
        to_joint[:3, 3] = -joints[joint]
        skin.append(world[joint] @ to_joint)
    blended = np.einsum("vj,jab->vab", model.skinning, np.array(skin))
    return np.einsum("vab,vb->va", blended, np.c_[corrected, np.ones(len(corrected))])[:, :3]


def test_posing_follows_flames_formula(model: FlameModel) -> None:
    rng = np.random.default_rng(1)
    expression, shape, pose = rng.normal(0, 1, 100), rng.normal(0, 1, 300), np.zeros((5, 3))
    pose[1:] = rng.normal(0, 0.3, (4, 3))
    posed = model.vertices(expression[None], pose[2][None], pose[3][None], pose[4][None], pose[1][None], shape)
    np.testing.assert_allclose(posed[0], _reference_vertices(model, expression, pose, shape), atol=1e-6)


def test_at_rest_it_is_the_template_and_fewer_coefficients_are_enough(model: FlameModel) -> None:
    np.testing.assert_allclose(model.vertices(np.zeros((2, 10))), np.stack([model.template] * 2), atol=1e-7)
    one = np.eye(5)[:1] * 2
    np.testing.assert_allclose(model.vertices(one)[0], model.template + 2 * model.expression_basis[..., 0], atol=1e-6)
    with pytest.raises(ValueError, match="at most 100"):
        model.vertices(np.zeros((1, 101)))


def test_the_jaw_opens_downwards_and_moves_nothing_else(synthetic: SyntheticFlame, model: FlameModel) -> None:
    moved = model.vertices(np.zeros((1, 1)), [[0.3, 0, 0]])[0] - model.template
    still = model.skinning[:, JAW] == 0
    assert np.abs(moved[still]).max() < 1e-6
    assert moved[synthetic.landmark_vertices["chin"], 1] < -0.01


def test_an_eye_turns_about_its_own_centre(model: FlameModel) -> None:
    ball = model.skinning[:, LEFT_EYE] > 0.5
    centre = model.joints()[LEFT_EYE]
    turned = model.vertices(np.zeros((1, 1)), left_eye_rad=[[0, 0.4, 0]])[0]
    before, after = model.template[ball] - centre, turned[ball] - centre
    np.testing.assert_allclose(np.linalg.norm(after, axis=1), np.linalg.norm(before, axis=1), atol=5e-4)
    front = np.argmax(before[:, 2])
    assert after[front, 0] > 0.003  # to the character's left


# --- solving -------------------------------------------------------------------------------------------------


def _left_over(synthetic: SyntheticFlame, model: FlameModel, flame_map: FlameMap) -> tuple[float, float]:
    """Mixed expressions: share of the true movement that is missing, and its root mean square in mm where it moves."""
    rng = np.random.default_rng(5)
    values = rng.uniform(0, 0.7, (20, 52)) * (rng.uniform(0, 1, (20, 52)) < 0.15)
    values[:, ARKIT52.index("mouthClose")] *= values[:, JAW_OPEN]  # it only ever closes an open jaw
    shown = _posed(model, flame_map.apply(_track(values)))[:, synthetic.skin]
    truth = np.stack([synthetic.truth(row) for row in values])
    moved = truth - synthetic.truth(np.zeros(52))
    error = np.linalg.norm(shown - truth, axis=2)
    moving = np.linalg.norm(moved, axis=2) > 1e-3
    share = float(np.linalg.norm(shown - truth) / np.linalg.norm(moved))
    return share, float(1e3 * np.sqrt(np.mean(error[moving] ** 2)))


def test_flame_moves_as_the_default_head(synthetic: SyntheticFlame, model: FlameModel, flame_map: FlameMap) -> None:
    share, rms_mm = _left_over(synthetic, model, flame_map)
    assert share < 0.13
    assert rms_mm < 0.6


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "scale", "pitch_rad"), [(1, 0.9, -0.2), (2, 1.2, 0.25), (3, 1.0, 0.0), (4, 1.1, -0.25)]
)
def test_size_tilt_and_tessellation_do_not_matter(seed: int, scale: float, pitch_rad: float, tmp_path: Path) -> None:
    other = build(seed, scale, pitch_rad)
    model = load_flame_model(other.write_npz(tmp_path / "model.npz"))
    share, rms_mm = _left_over(other, model, solve_flame_map(model, DefaultHead.load()))
    assert share < 0.13
    assert rms_mm < 0.6


def test_every_shape_arrives_and_the_report_tells_the_truth(
    synthetic: SyntheticFlame, model: FlameModel, flame_map: FlameMap
) -> None:
    rest = synthetic.truth(np.zeros(52))
    for index, name in enumerate(ARKIT52):
        wanted = synthetic.truth(np.eye(52)[index]) - rest
        if np.abs(wanted).max() < 1e-4:
            assert np.isnan(flame_map.residual[index])
            assert not flame_map.expression[index].any()
            continue
        if name == "mouthClose":  # tested where it is used: on an open jaw
            continue
        shown = _posed(model, flame_map.apply(_track(np.eye(52)[index])))[0][synthetic.skin] - rest
        share = np.linalg.norm(shown - wanted) / np.linalg.norm(wanted)
        small = np.abs(wanted).max() < 2e-3  # gaze moves the lids by a millimetre; the ridge leaves part of it
        assert share < (0.45 if small else 0.25), f"{name}: {share:.0%} left over"
        assert abs(flame_map.residual[index] - share) < 0.15, name
    assert f"{flame_map.residual[JAW_OPEN]:.0%}" in flame_map.report()
    assert flame_map.fit_mm < 1.0


def test_jaw_open_is_mostly_the_jaw(synthetic: SyntheticFlame, model: FlameModel, flame_map: FlameMap) -> None:
    jaw = flame_map.pose_rad[JAW_OPEN, :3]
    assert jaw[0] > 0.2 and np.abs(jaw[1:]).max() == 0
    wanted = synthetic.truth(_weights(jawOpen=1)) - synthetic.truth(np.zeros(52))
    by_jaw = (model.vertices(np.zeros((1, 1)), jaw[None])[0] - model.template)[synthetic.skin]
    assert np.linalg.norm(by_jaw - wanted) < 0.35 * np.linalg.norm(wanted)
    for name in ("mouthSmileLeft", "eyeBlinkLeft", "browInnerUp", "mouthPucker"):
        assert not flame_map.pose_rad[ARKIT52.index(name), :3].any(), name


def test_lips_and_lids_close(synthetic: SyntheticFlame, model: FlameModel, flame_map: FlameMap) -> None:
    """p, b, m and blinks: what is shut on the default head is shut on FLAME, to a millimetre."""

    def gap(upper: str, lower: str, **shapes: float) -> float:
        posed = _posed(model, flame_map.apply(_track(_weights(**shapes))))[0]
        pair = [posed[synthetic.landmark_vertices[name]] for name in (upper, lower)]
        return float(1e3 * (pair[0] - pair[1])[1])

    lips = ("lip_upper_inner", "lip_lower_inner")
    rest = gap(*lips)
    assert gap(*lips, jawOpen=0.4) - rest > 8
    for amount in (0.2, 0.4):
        assert gap(*lips, jawOpen=amount, mouthClose=amount) - rest < 1.0
    for side in ("left", "right"):
        lids = (f"lid_upper_{side}", f"lid_lower_{side}")
        closed = {f"eyeBlink{side.capitalize()}": 1.0}
        head = DefaultHead.load()
        blinked = head.blend(_weights(**closed))
        target = 1e3 * (head.landmark(lids[0], blinked) - head.landmark(lids[1], blinked))[1]
        assert gap(*lids) > 5
        assert abs(gap(*lids, **closed) - target) < 1.0


def test_gaze_turns_the_eyes(flame_map: FlameMap) -> None:
    def turn(shape: str) -> np.ndarray:
        return flame_map.pose_rad[ARKIT52.index(shape), 3:].round(2)

    assert turn("eyeLookOutLeft")[1] > 0.3 and turn("eyeLookInLeft")[1] < -0.3
    assert turn("eyeLookOutRight")[4] < -0.3 and turn("eyeLookInRight")[4] > 0.3
    assert turn("eyeLookDownLeft")[0] > 0.2 and turn("eyeLookUpRight")[3] < -0.2
    assert not turn("eyeLookDownLeft")[3:].any()  # the other eye stays


def test_a_poorer_basis_leaves_more_over(model: FlameModel, flame_map: FlameMap) -> None:
    poor = solve_flame_map(model, DefaultHead.load(), n_expression=10)
    assert poor.names == flame_channels(10)
    assert np.nanmean(poor.residual) > 1.5 * np.nanmean(flame_map.residual)


def test_the_landmark_file_leads_to_the_same_face(
    synthetic: SyntheticFlame, model: FlameModel, flame_map: FlameMap, tmp_path: Path
) -> None:
    marks = embedded_landmarks(synthetic.write_landmarks(tmp_path / EMBEDDING_NAME), model)
    by_file = solve_flame_map(model, DefaultHead.load(), marks)
    difference = np.linalg.norm(by_file.expression - flame_map.expression) / np.linalg.norm(flame_map.expression)
    assert 0 < difference < 0.2
    assert abs(by_file.fit_mm - flame_map.fit_mm) < 0.3


def test_a_model_that_does_not_stand_as_flame_does_is_refused(synthetic: SyntheticFlame, tmp_path: Path) -> None:
    template = synthetic.arrays["v_template"]
    for turned in (template[:, [2, 1, 0]], template * 1000):
        path = synthetic.write_npz(tmp_path / "model.npz", v_template=turned.copy())
        with pytest.raises(InputError, match="eyes stand"):
            load_flame_map(path, tmp_path)


# --- using ---------------------------------------------------------------------------------------------------


def test_apply_keeps_the_clock_and_the_head_and_reads_channels_by_name(flame_map: FlameMap) -> None:
    rng = np.random.default_rng(2)
    values, head = rng.uniform(0, 1, (7, 52)).astype(np.float32), rng.normal(0, 1, (7, 6)).astype(np.float32)
    track = flame_map.apply(_track(values, head))
    assert (track.space, track.fps, track.start_s, track.names) == ("flame", 25, 0.5, flame_channels(100))
    np.testing.assert_array_equal(track.head, head)
    order = rng.permutation(52)
    shuffled = CoefficientTrack("arkit52", tuple(ARKIT52[i] for i in order), 25, values[:, order], 0.5)
    np.testing.assert_allclose(flame_map.apply(shuffled).values, track.values, atol=1e-5)
    np.testing.assert_allclose(track.channel("jaw_x"), values @ flame_map.pose_rad[:, 0], atol=1e-5)


def test_apply_refuses_other_tracks(flame_map: FlameMap) -> None:
    with pytest.raises(InputError, match="this track is flame"):
        flame_map.apply(CoefficientTrack("flame", ("exp0",), 25, np.zeros((1, 1))))
    with pytest.raises(InputError, match="51 are missing"):
        flame_map.apply(CoefficientTrack("arkit52", ("jawOpen",), 25, np.zeros((1, 1))))


def test_a_map_survives_its_file(flame_map: FlameMap, tmp_path: Path) -> None:
    flame_map.save(tmp_path / "map.npz")
    again = FlameMap.load(tmp_path / "map.npz")
    for name in ("expression", "pose_rad", "residual", "residual_mm"):
        np.testing.assert_array_equal(getattr(again, name), getattr(flame_map, name))
    assert (again.fit_mm, again.model_sha256) == (flame_map.fit_mm, flame_map.model_sha256)


@pytest.fixture
def counted(flame_map: FlameMap, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Solving replaced by the solved map, and counted: caching is tested without waiting."""
    calls: list[int] = []

    def solve(*arguments: object) -> FlameMap:
        calls.append(len(arguments))
        return flame_map

    monkeypatch.setattr(flame_fit, "solve_flame_map", solve)
    return calls


def test_a_map_is_solved_once_per_model(
    counted: list[int], model_file: Path, synthetic: SyntheticFlame, tmp_path: Path
) -> None:
    first, second = load_flame_map(model_file, tmp_path), load_flame_map(model_file, tmp_path)
    assert len(counted) == 1
    np.testing.assert_array_equal(first.expression, second.expression)
    load_flame_map(model_file, tmp_path, n_expression=50)
    load_flame_map(synthetic.write_npz(tmp_path / "other.npz"), tmp_path)
    assert len(counted) == 3
    synthetic.write_landmarks(tmp_path / EMBEDDING_NAME)  # lies beside other.npz from now on
    load_flame_map(tmp_path / "other.npz", tmp_path)
    assert len(counted) == 4


def test_a_broken_cache_is_no_obstacle(counted: list[int], model_file: Path, tmp_path: Path) -> None:
    load_flame_map(model_file, tmp_path)
    (cached,) = tmp_path.glob("*.npz")
    for content in (b"", cached.read_bytes()[:500], b"PK\x03\x04 nonsense"):
        cached.write_bytes(content)
        assert load_flame_map(model_file, tmp_path).expression.shape == (52, 100)
    assert len(counted) == 4
    FlameMap.load(cached)
    (tmp_path / "a file").write_text("")
    load_flame_map(model_file, tmp_path / "a file" / "folder")  # cannot be made


def test_the_number_of_coefficients_is_checked(model_file: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="1 to 100"):
        load_flame_map(model_file, tmp_path, n_expression=200)

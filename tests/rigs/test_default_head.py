"""The default head: complete, small, mirrored, and shaped as ARKit means its names."""

from __future__ import annotations

from importlib import resources

import numpy as np
import pytest

from talkclip.coefficients import ARKIT52
from talkclip_rigs.head import MATERIALS, DefaultHead

MM = 1e-3


@pytest.fixture(scope="module")
def head() -> DefaultHead:
    return DefaultHead.load()


def posed(head: DefaultHead, **shapes: float) -> np.ndarray:
    return head.blend(head.values(**shapes))


def both(**shapes: float) -> dict[str, float]:
    """`both(mouthSmile=1)` -> the left and the right shape."""
    return {name + side: value for name, value in shapes.items() for side in ("Left", "Right")}


def lip_gap(head: DefaultHead, **shapes: float) -> float:
    vertices = posed(head, **shapes)
    return float((head.landmark("lip_upper_inner", vertices) - head.landmark("lip_lower_inner", vertices))[1])


def lid_gap(head: DefaultHead, side: str, **shapes: float) -> float:
    vertices = posed(head, **shapes)
    return float((head.landmark(f"lid_upper_{side}", vertices) - head.landmark(f"lid_lower_{side}", vertices))[1])


def uncovered(
    head: DefaultHead,
    vertices: np.ndarray,
    part: str,
    materials: set[str],
    yaw_deg: float = 0.0,
    below_m: float = np.inf,
) -> int:
    """How many vertices of a part, of those lower than `below_m`, a viewer sees: no triangle of `materials` lies in
    front of them."""
    yaw = np.radians(yaw_deg)
    turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    seen = vertices.astype(np.float64) @ turn.T
    wanted = [head.material_index(name) for name in materials]
    corner = seen[head.triangles[np.isin(head.triangle_material, wanted)]]
    a, b, c = corner[:, 0], corner[:, 1], corner[:, 2]
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (c[:, 0] - a[:, 0]) * (b[:, 1] - a[:, 1])
    a, b, c, area = (values[np.abs(area) > 1e-14] for values in (a, b, c, area))
    members = (head.part == head.part_names.index(part)) & (vertices[:, 1] < below_m)
    facing = (head.normals(vertices) @ turn.T)[:, 2] > 0.2
    count = 0
    for x, y, z in seen[members & facing]:
        u = ((x - a[:, 0]) * (c[:, 1] - a[:, 1]) - (c[:, 0] - a[:, 0]) * (y - a[:, 1])) / area
        v = ((b[:, 0] - a[:, 0]) * (y - a[:, 1]) - (x - a[:, 0]) * (b[:, 1] - a[:, 1])) / area
        depth = a[:, 2] + u * (b[:, 2] - a[:, 2]) + v * (c[:, 2] - a[:, 2])
        over = (u >= -1e-6) & (v >= -1e-6) & (u + v <= 1 + 1e-6) & (depth > z)
        count += not over.any()
    return count


def test_file_is_small_and_says_which_format_it_is() -> None:
    file = resources.files("talkclip_rigs") / "data" / "default_head.npz"
    assert len(file.read_bytes()) < 1_000_000


def test_unknown_format_is_refused(tmp_path) -> None:
    np.savez(tmp_path / "other.npz", format_version=np.array(99))
    with pytest.raises(ValueError, match="format 99"):
        DefaultHead.load(tmp_path / "other.npz")


def test_names_are_apples_in_apples_order(head: DefaultHead) -> None:
    assert head.names == ARKIT52
    assert head.deltas.shape == (52, len(head.vertices), 3)


def test_indices_and_tables_fit_together(head: DefaultHead) -> None:
    assert head.faces.min() == 0 and head.faces.max() == len(head.vertices) - 1
    assert head.face_uv.max() < len(head.uv) and head.uv.min() >= 0 and head.uv.max() <= 1
    assert head.colors.shape == head.vertices.shape and len(head.part) == len(head.vertices)
    assert {material.name for material in head.materials} <= set(MATERIALS)
    assert set(np.unique(head.face_material)) == set(range(len(head.materials)))
    assert len(np.unique(head.faces)) == len(head.vertices), "a vertex belongs to no face"
    assert len(head.polygons) == len(head.faces) and {len(polygon) for polygon in head.polygons} == {3, 4}
    corner = head.triangles
    assert (corner[:, 0] != corner[:, 1]).all() and (corner[:, 1] != corner[:, 2]).all()
    assert np.allclose(np.linalg.norm(head.normals(), axis=1), 1, atol=1e-4)


def test_everything_an_animator_looks_for_is_there(head: DefaultHead) -> None:
    names = {material.name for material in head.materials}
    assert names >= {"skin", "lips", "brows", "lashes", "eye_white", "iris", "pupil", "teeth", "gum", "tongue"}
    size = np.ptp(head.vertices, axis=0)
    assert 0.15 < size[0] < 0.20 and 0.23 < size[1] < 0.32, "a grown-up's head, in metres"
    assert head.landmark("nose_tip")[2] > head.landmark("chin")[2] > 0, "the face looks along +Z"
    assert head.landmark("mouth_corner_left")[0] > 0 > head.landmark("mouth_corner_right")[0]


def test_surfaces_look_outwards(head: DefaultHead) -> None:
    normals = head.normals()
    for side in ("left", "right"):
        eyeball = head.part == head.part_names.index(f"{side}_eye")
        outwards = head.vertices[eyeball] - head.eye_centers[side]
        assert ((normals[eyeball] * outwards).sum(axis=1) > 0).all()
        assert normals[head.landmarks[f"pupil_{side}"]][2] > 0.99
        assert normals[head.part == head.part_names.index(f"{side}_brow"), 2].mean() > 0.5
    for name in ("nose_tip", "forehead", "chin"):
        assert normals[head.landmarks[name], 2] > 0.2
    hair = head.part == head.part_names.index("hair")
    assert ((normals[hair] * (head.vertices[hair] - [0, 0.07, 0])).sum(axis=1) > 0).mean() > 0.95


def test_blend_takes_frames_and_single_poses(head: DefaultHead) -> None:
    rng = np.random.default_rng(3)
    frames = rng.uniform(0, 1, (4, 52))
    together = head.blend(frames)
    assert together.shape == (4, len(head.vertices), 3)
    assert np.allclose(together[2], head.blend(frames[2]), atol=1e-6)
    assert np.allclose(head.blend(np.zeros(52)), head.vertices, atol=1e-7)
    by_hand = head.vertices + np.tensordot(frames[1], head.deltas, axes=1)
    assert np.allclose(together[1], by_hand, atol=1e-6)


@pytest.mark.parametrize("wrong", [np.zeros(51), np.zeros((2, 3, 52)), np.full(52, np.nan)])
def test_blend_refuses_what_is_not_a_pose(head: DefaultHead, wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match="Shape values"):
        head.blend(wrong)


def test_left_and_right_shapes_are_mirror_images(head: DefaultHead) -> None:
    skin = np.flatnonzero(head.part == 0)
    mirrored = head.vertices[skin] * [-1, 1, 1]
    gap = np.linalg.norm(mirrored[:, None].astype(np.float32) - head.vertices[skin][None], axis=2)
    twin = skin[gap.argmin(axis=1)]
    assert gap.min(axis=1).max() < 0.1 * MM
    for index, name in enumerate(head.names):
        other = name[:-4] + "Right" if name.endswith("Left") else name[:-5] + "Left" if name.endswith("Right") else name
        away = head.deltas[index][skin] * [-1, 1, 1] - head.deltas[head.names.index(other)][twin]
        assert np.abs(away).max() < 0.1 * MM, f"{name} is not the mirror image of {other}"


def test_every_shape_moves_its_region_and_nothing_far(head: DefaultHead) -> None:
    moved_m = np.linalg.norm(head.deltas, axis=2)
    height = head.vertices[:, 1]
    for index, name in enumerate(head.names):
        side = name.removesuffix("Left").removesuffix("Right")
        most = head.vertices[moved_m[index].argmax()]
        assert moved_m[index].max() > 2.5 * MM, f"{name} is hardly visible"
        if name.endswith("Left") and name not in ("jawLeft", "mouthLeft"):
            assert most[0] > -1 * MM, f"{name} moves the other side"
        if side.startswith("eye"):
            eye = head.eye_centers["left" if name.endswith("Left") else "right"]
            assert moved_m[index][np.linalg.norm(head.vertices - eye, axis=1) > 0.05].max() < 0.1 * MM, name
        elif side.startswith(("mouth", "jaw", "tongue")):
            assert moved_m[index][height > 0.055].max() < 1 * MM, f"{name} moves the forehead"
            assert most[1] < -0.015, f"{name} has its centre off the mouth"
        elif side.startswith("brow"):
            assert moved_m[index][height < 0.0].max() < 0.5 * MM, f"{name} moves the mouth"
            assert most[1] > 0.04, f"{name} has its centre off the brows"


def test_jaw_open_opens_and_mouth_close_shuts_again(head: DefaultHead) -> None:
    assert lip_gap(head) < 0.1 * MM, "the lips touch at rest"
    assert lip_gap(head, jawOpen=0.2) > 3 * MM
    assert lip_gap(head, jawOpen=1) > 20 * MM
    for amount in (0.2, 0.4, 0.7, 1.0):
        assert lip_gap(head, jawOpen=amount, mouthClose=amount) < 0.1 * MM
        assert uncovered(head, posed(head, jawOpen=amount, mouthClose=amount), "upper_teeth", {"skin", "lips"}) == 0


SHUT_POSES = {
    "rest": {},
    "p_b_m": dict(jawOpen=0.15, mouthClose=0.15, mouthRollUpper=0.3, mouthRollLower=0.3, **both(mouthPress=0.4)),
    "p_b_m smiling": dict(jawOpen=0.15, mouthClose=0.15, **both(mouthPress=0.5, mouthSmile=0.8)),
    "pressed": both(mouthPress=1),
    "rolled": {"mouthRollUpper": 1, "mouthRollLower": 1},
    "smile": both(mouthSmile=1),
    "frown": both(mouthFrown=1),
    "pout": {"mouthPucker": 1},
    "chin up": dict(mouthShrugLower=1, **both(mouthFrown=0.6)),
    "puff": {"cheekPuff": 1},
}


@pytest.mark.parametrize("pose", SHUT_POSES)
def test_no_tooth_shows_in_a_shut_mouth(head: DefaultHead, pose: str) -> None:
    vertices = posed(head, **SHUT_POSES[pose])
    for part in ("upper_teeth", "lower_teeth", "tongue"):
        for yaw_deg in (0.0, -35.0):
            seen = uncovered(head, vertices, part, {"skin", "lips", "mouth_interior"}, yaw_deg)
            assert seen == 0, f"{seen} vertices of {part} show at {yaw_deg} degrees"


def test_teeth_show_when_they_should(head: DefaultHead) -> None:
    vertices = posed(head, jawOpen=0.4, **both(mouthSmile=0.8))
    assert uncovered(head, vertices, "upper_teeth", {"skin", "lips"}) > 50
    wide = posed(head, jawOpen=0.8, **both(mouthLowerDown=0.5))
    assert uncovered(head, wide, "lower_teeth", {"skin", "lips"}) > 30
    assert uncovered(head, wide, "tongue", {"skin", "lips", "teeth"}) > 10


def test_gums_stay_inside_the_chin(head: DefaultHead) -> None:
    for pose in (
        dict(jawOpen=1, **both(mouthSmile=1)),
        {"jawOpen": 1, "mouthClose": 1},
        {"jawLeft": 1, "jawForward": 1},
    ):
        vertices = posed(head, **pose)
        lip = head.landmark("lip_lower_outer", vertices)[1]
        assert uncovered(head, vertices, "lower_teeth", {"skin", "lips"}, below_m=lip) == 0, pose


def test_teeth_stay_behind_the_lips(head: DefaultHead) -> None:
    front = head.landmark("lip_lower_inner")[2]
    for arch in ("upper", "lower"):
        teeth = head.vertices[head.part == head.part_names.index(f"{arch}_teeth")]
        assert teeth[:, 2].max() < front - 3 * MM


def test_lower_teeth_follow_the_jaw_rigidly_and_upper_ones_stay(head: DefaultHead) -> None:
    assert not head.deltas[:, head.part == head.part_names.index("upper_teeth")].any()
    lower = head.part == head.part_names.index("lower_teeth")
    before, after = head.vertices[lower], posed(head, jawOpen=1)[lower]
    assert (before - after)[:, 1].max() > 15 * MM
    spans = [np.linalg.norm(points[::7][:, None] - points[::7][None], axis=2) for points in (before, after)]
    assert np.abs(spans[0] - spans[1]).max() < 0.2 * MM, "teeth are not made of rubber"


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_blink_shuts_the_eye_and_hides_the_eyeball(head: DefaultHead, side: str) -> None:
    name = f"eyeBlink{side.capitalize()}"
    assert 7 * MM < lid_gap(head, side) < 12 * MM
    assert 2 * MM < lid_gap(head, side, **{name: 0.5}) < 7 * MM
    assert lid_gap(head, side, **{name: 1.0}) <= 0
    for extra in ({}, both(mouthSmile=1, cheekSquint=1), both(browDown=1), {"browInnerUp": 1}):
        vertices = posed(head, **{name: 1.0}, **extra)
        for yaw_deg in (0.0, -40.0, 40.0):
            assert uncovered(head, vertices, f"{side}_eye", {"skin"}, yaw_deg) == 0


def test_lids_widen_and_narrow(head: DefaultHead) -> None:
    assert lid_gap(head, "left", eyeWideLeft=1) > lid_gap(head, "left") + 2 * MM
    assert lid_gap(head, "left", eyeSquintLeft=1) < lid_gap(head, "left") - 2 * MM
    assert lid_gap(head, "left", eyeLookDownLeft=1) < lid_gap(head, "left") - 2 * MM, "the upper lid follows the gaze"
    assert lid_gap(head, "right", eyeWideLeft=1) == lid_gap(head, "right")


@pytest.mark.parametrize(("shape", "axis", "sign"), [
    ("eyeLookUpLeft", 1, 1), ("eyeLookDownLeft", 1, -1), ("eyeLookInLeft", 0, -1), ("eyeLookOutLeft", 0, 1),
    ("eyeLookInRight", 0, 1), ("eyeLookOutRight", 0, -1),
])  # fmt: skip
def test_eyes_turn_where_they_look(head: DefaultHead, shape: str, axis: int, sign: int) -> None:
    side = "left" if shape.endswith("Left") else "right"
    vertices = posed(head, **{shape: 1})
    gaze = head.landmark(f"pupil_{side}", vertices) - head.eye_centers[side]
    assert sign * gaze[axis] > 4 * MM
    assert np.linalg.norm(gaze) == pytest.approx(0.015, abs=0.2 * MM), "the eyeball keeps its size"
    other = "right" if side == "left" else "left"
    assert np.array_equal(head.landmark(f"pupil_{other}", vertices), head.landmark(f"pupil_{other}"))


def test_brows_ride_the_skin(head: DefaultHead) -> None:
    for shape, sign in (("browDownLeft", -1), ("browOuterUpLeft", 1), ("browInnerUp", 1)):
        brow = head.part == head.part_names.index("left_brow")
        lift = (posed(head, **{shape: 1}) - head.vertices)[brow, 1]
        assert sign * lift[np.abs(lift).argmax()] > 4 * MM
        skin = head.vertices[head.part == 0] + head.deltas[head.names.index(shape)][head.part == 0]
        hair = posed(head, **{shape: 1})[brow]
        nearest = np.linalg.norm(hair[:, None] - skin[None], axis=2).min(axis=1)
        assert nearest.max() < 6 * MM, "a brow leaves the face"


def test_smile_and_stretch_widen_and_pucker_narrows_the_mouth(head: DefaultHead) -> None:
    def width(**shapes: float) -> float:
        vertices = posed(head, **shapes)
        left, right = (head.landmark(f"mouth_corner_{side}", vertices) for side in ("left", "right"))
        return float(np.linalg.norm(left - right))

    assert width(**both(mouthSmile=1)) > width() + 8 * MM
    assert width(**both(mouthStretch=1)) > width() + 5 * MM
    assert width(mouthPucker=1) < width() - 8 * MM
    assert width(mouthFunnel=1) < width() - 3 * MM


def test_tongue_comes_out_between_the_lips(head: DefaultHead) -> None:
    tip = head.landmark("tongue_tip", posed(head, tongueOut=1, jawOpen=0.3))
    lips = head.landmark("lip_lower_outer", posed(head, tongueOut=1, jawOpen=0.3))
    assert tip[2] > lips[2]

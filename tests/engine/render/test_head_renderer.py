"""The picture of the head: something is there, it moves where it should, and it stays the same."""

from __future__ import annotations

import numpy as np
import pytest

from talkclip.coefficients import ARKIT52
from talkclip.engine.render.contact_sheet import contact_sheet
from talkclip.engine.render.head_renderer import HeadRenderer
from talkclip.errors import InputError

SIZE = 96
NEUTRAL = np.zeros(52, np.float32)


@pytest.fixture(scope="module")
def renderer() -> HeadRenderer:
    return HeadRenderer(SIZE)


def shape(**weights: float) -> np.ndarray:
    values = NEUTRAL.copy()
    for name, weight in weights.items():
        values[ARKIT52.index(name)] = weight
    return values


def changed(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(H, W) bool: pixels that differ visibly."""
    return np.abs(a.astype(int) - b.astype(int)).max(-1) > 12


def test_a_lit_head_stands_before_a_dark_background(renderer: HeadRenderer) -> None:
    frame = renderer.frame(NEUTRAL)
    assert frame.shape == (SIZE, SIZE, 3)
    assert frame.dtype == np.uint8
    cover = renderer.coverage(NEUTRAL)
    assert 0.25 < cover.mean() < 0.75
    assert cover[0].max() == 0.0, "there must be room above the head"
    skin = frame[SIZE * 3 // 5, SIZE // 3]
    assert skin[0] > skin[2] + 20, "skin is warm"
    assert frame[cover > 0.99].mean() > frame[cover == 0].mean() + 20
    assert (frame[cover > 0.99] >= 254).all(-1).mean() < 0.01, "skin must not burn out"


def test_equal_input_gives_the_equal_picture(renderer: HeadRenderer) -> None:
    first = renderer.frame(shape(jawOpen=0.5))
    renderer.frame(shape(eyeBlinkLeft=1.0), np.full(6, 0.1, np.float32))
    assert np.array_equal(first, renderer.frame(shape(jawOpen=0.5)))


def test_an_opening_jaw_changes_the_lower_face_only(renderer: HeadRenderer) -> None:
    moved = changed(renderer.frame(NEUTRAL), renderer.frame(shape(jawOpen=0.7)))
    rows = np.flatnonzero(moved.any(1))
    assert moved[SIZE * 5 // 8 :].sum() > 60
    assert rows[0] > SIZE // 2, "brows and eyes must stay"


def test_an_open_mouth_shows_a_dark_inside_with_teeth(renderer: HeadRenderer) -> None:
    closed, opened = (
        renderer.frame(NEUTRAL),
        renderer.frame(shape(jawOpen=0.6, mouthUpperUpLeft=0.6, mouthUpperUpRight=0.6)),
    )
    where = changed(closed, opened)
    inside = opened[where].astype(int)
    assert (inside.sum(-1) < 150).any(), "no dark mouth"
    bright = (inside.min(-1) > 110) & (inside.max(-1) - inside.min(-1) < 60)
    assert bright.any(), "no teeth"


def test_a_blink_hides_the_iris() -> None:
    larger = HeadRenderer(192)

    def blue(frame: np.ndarray) -> int:
        """Pixels between the temples, at the height of the eyes, that are bluer than red: the iris."""
        eyes = frame[84:100, 64:128].astype(int)
        return int((eyes[..., 2] > eyes[..., 0]).sum())

    opened = larger.frame(NEUTRAL)
    assert blue(opened) > 12
    eyes = opened[84:100, 64:128].astype(int)
    assert (eyes[..., 1] - eyes[..., 2]).max() < 70, "nothing in a face is yellow"
    assert blue(larger.frame(shape(eyeBlinkLeft=1.0, eyeBlinkRight=1.0))) == 0


@pytest.mark.parametrize(
    ("pose", "mirrored"),
    [
        ((0, 0.25, 0, 0, 0, 0), (0, -0.25, 0, 0, 0, 0)),
        ((0, 0, 0.2, 0, 0, 0), (0, 0, -0.2, 0, 0, 0)),
        ((0.1, 0, 0, 0.01, 0, 0), (0.1, 0, 0, -0.01, 0, 0)),
    ],
)
def test_a_mirrored_pose_mirrors_the_outline(
    renderer: HeadRenderer, pose: tuple[float, ...], mirrored: tuple[float, ...]
) -> None:
    left = renderer.coverage(NEUTRAL, np.array(pose, np.float32))
    right = renderer.coverage(NEUTRAL, np.array(mirrored, np.float32))
    assert np.abs(left - right[:, ::-1]).mean() < 0.006
    assert np.abs(left - renderer.coverage(NEUTRAL)).mean() > 0.004, "the pose must move the head"


def test_signs_of_the_head_pose(renderer: HeadRenderer) -> None:
    """Yaw > 0 turns to the character's left: the viewer's right. Roll > 0 tips the top to the viewer's left."""

    def center(values: np.ndarray) -> np.ndarray:
        weights = renderer.coverage(NEUTRAL, values)[: SIZE // 3]
        return (weights * np.arange(SIZE)).sum() / weights.sum()

    rest = center(np.zeros(6, np.float32))
    assert center(np.array([0, 0, 0.2, 0, 0, 0], np.float32)) < rest - 2
    assert center(np.array([0, 0, 0, 0.02, 0, 0], np.float32)) > rest + 2
    nose = renderer.mesh.head.landmarks["nose_tip"]
    turned = renderer.mesh.pose(NEUTRAL, np.array([0.2, 0.3, 0, 0, 0, 0], np.float32)).points[nose]
    still = renderer.mesh.rest[nose]
    assert turned[0] > still[0] + 0.01
    assert turned[1] < still[1] - 0.01


def test_the_neck_stays_when_the_head_turns(renderer: HeadRenderer) -> None:
    mesh = renderer.mesh
    still = mesh.pose(NEUTRAL, np.zeros(6, np.float32)).points
    turned = mesh.pose(NEUTRAL, np.array([0.2, 0.4, 0.1, 0, 0, 0], np.float32)).points
    low = still[:, 1] < still[:, 1].min() + 0.01
    assert np.abs(turned[low] - still[low]).max() < 1e-4
    assert still[low, 1].max() < -0.1, "the neck must reach below the picture"


def test_wrong_input_is_refused(renderer: HeadRenderer) -> None:
    with pytest.raises(ValueError, match="52"):
        renderer.frame(np.zeros(51, np.float32))
    with pytest.raises(ValueError, match="head pose"):
        renderer.frame(NEUTRAL, np.ones(3, np.float32))
    with pytest.raises(ValueError, match="size"):
        HeadRenderer(8)


def test_contact_sheet_holds_every_still(tmp_path, renderer: HeadRenderer) -> None:
    path = tmp_path / "sheet.png"
    stills = {
        "neutral": NEUTRAL,
        "turned": (NEUTRAL, np.array([0, 0.2, 0, 0, 0, 0], np.float32)),
        "open": shape(jawOpen=1),
    }
    sheet = contact_sheet(stills, path, columns=2, size=64)
    assert path.is_file()
    assert sheet.shape[0] > 2 * 64
    assert sheet.shape[1] == 2 * 64 + 6
    with pytest.raises(InputError):
        contact_sheet({}, path)


def test_the_head_alone_is_the_head_where_it_covers_all(renderer: HeadRenderer) -> None:
    values = np.zeros(len(ARKIT52), np.float32)
    values[ARKIT52.index("jawOpen")] = 0.6
    rgba, framed = renderer.frame_rgba(values), renderer.frame(values)
    inside = rgba[..., 3] == 255
    assert 0.3 < inside.mean() < 0.8 and rgba[2, 2, 3] == 0
    assert np.abs(rgba[inside][:, :3].astype(int) - framed[inside]).max() <= 1
    np.testing.assert_allclose(rgba[..., 3], 255 * renderer.coverage(values).clip(0, 1), atol=0.6)

"""Covered faces are refused and say what is hidden; open ones are not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from talkclip.engine.render.head_renderer import HeadRenderer
from talkclip.engine.render.portrait.person import fit_person
from talkclip.engine.tracking.cover import hidden_features
from talkclip.engine.tracking.landmarks import Landmarks, locate
from talkclip.errors import InputError
from talkclip_training.portraits import make


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return make.head(4)


@pytest.fixture(scope="module")
def marks(picture: np.ndarray) -> Landmarks:
    return locate(picture)


def dark_glasses(picture: np.ndarray, marks: Landmarks) -> np.ndarray:
    out, wide = picture.copy(), marks.eye_distance_px
    for corners in ((33, 133), (362, 263)):
        middle = marks.points[list(corners), :2].mean(0)
        axes = (round(0.27 * wide), round(0.21 * wide))
        cv2.ellipse(out, tuple(middle.astype(int).tolist()), axes, 0, 0, 360, (18, 20, 26), -1, cv2.LINE_AA)
    return out


def mask(picture: np.ndarray, marks: Landmarks) -> np.ndarray:
    out = picture.copy()
    outline = marks.points[[93, 197, 323, 361, 365, 152, 136, 132], :2]
    cv2.fillPoly(out, [outline.round().astype(np.int32)], (190, 215, 230), cv2.LINE_AA)
    return out


def hand(picture: np.ndarray, marks: Landmarks, middle: np.ndarray, along: tuple[float, float]) -> np.ndarray:
    """Four fingers in the colour of the cheek, lighter in their middles."""
    out, wide = picture.astype(np.float32), marks.eye_distance_px
    x, y = marks.points[50, :2].astype(int)
    skin = picture[y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3).mean(0)
    direction = np.array(along)
    across = np.array([-direction[1], direction[0]])
    for number in range(4):
        center = middle + (number - 1.5) * 0.19 * wide * across
        finger = np.zeros(picture.shape[:2], np.float32)
        ends = [tuple((center + k * 0.45 * wide * direction).astype(int).tolist()) for k in (-1, 1)]
        cv2.line(finger, *ends, 1.0, round(0.19 * wide), cv2.LINE_AA)
        light = 0.72 + 0.28 * np.clip(1.25 * cv2.GaussianBlur(finger, (0, 0), 0.05 * wide) - 0.25, 0, 1)
        out += finger[..., None] * (skin * light[..., None] - out)
    return np.clip(out, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("style", ["render", "inked", "pencil", "flat", "blurred", "turned", "small"])
def test_open_faces_are_open(picture: np.ndarray, style: str) -> None:
    shown = {
        "render": lambda: picture, "inked": lambda: make.inked(picture), "pencil": lambda: make.pencil(picture),
        "flat": make.flat, "blurred": lambda: cv2.GaussianBlur(picture, (0, 0), 2.5),
        "turned": lambda: make.head(4, yaw=0.35), "small": lambda: cv2.resize(picture, None, fx=0.3, fy=0.3),
    }[style]()  # fmt: skip
    assert hidden_features(shown, locate(shown)) == []


def test_faces_that_act_are_open() -> None:
    rng = np.random.default_rng(0)
    renderer = HeadRenderer(320)
    for _ in range(4):
        frame = renderer.frame(rng.uniform(0, 0.7, 52).astype(np.float32) * (rng.random(52) < 0.15))
        assert hidden_features(frame, locate(frame)) == []


def test_dark_glasses_hide_both_eyes(picture: np.ndarray, marks: Landmarks) -> None:
    with pytest.raises(InputError, match="right eye and the left eye cannot be seen") as caught:
        fit_person(dark_glasses(picture, marks), 128, name="ada.jpg")
    assert caught.value.message.startswith("ada.jpg") and "--covered" in caught.value.hint


def test_a_mask_hides_the_mouth(picture: np.ndarray, marks: Landmarks) -> None:
    with pytest.raises(InputError, match=r"mouth.* cannot be seen|hidden"):
        fit_person(mask(picture, marks), 128)


@pytest.mark.parametrize("along", [(1.0, 0.2), (0.1, 1.0)])
def test_a_hand_before_the_mouth(picture: np.ndarray, marks: Landmarks, along: tuple[float, float]) -> None:
    covered = hand(picture, marks, marks.points[[13, 14], :2].mean(0), along)
    assert "mouth" in hidden_features(covered, locate(covered))


def test_a_hand_before_one_eye(picture: np.ndarray, marks: Landmarks) -> None:
    covered = hand(picture, marks, marks.points[[33, 133], :2].mean(0), (0.1, 1.0))
    found = hidden_features(covered, locate(covered))
    assert "right eye" in found and "left eye" not in found
    # Who wants it drawn all the same may have it.
    assert fit_person(covered, 128, covered=True).image.shape == (128, 128, 3)

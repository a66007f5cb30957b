"""What portraits are measured by: sharpness, and judges of where a face's features are."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from talkclip.engine.render.portrait.person import fit_person
from talkclip.engine.render.portrait.renderer import PortraitRenderer
from talkclip_training.portraits import make
from talkclip_training.portraits.judges import FEATURES, features, fitting_judge
from talkclip_training.portraits.measure import acting, agreement, commanded, measure
from talkclip_training.portraits.sharpness import cpbd, edge_widths


def stripes(rise_px: int) -> np.ndarray:
    """Vertical edges that rise or fall over so many pixels."""
    row = np.repeat(np.tile([0.0, 1.0], 8), 32)
    kernel = np.ones(max(1, rise_px)) / max(1, rise_px)
    row = np.convolve(np.pad(row, 16, mode="edge"), kernel, "same")[16:-16]
    return np.repeat(np.round(40 + 160 * row)[None, :, None], 128, 0).repeat(3, 2).astype(np.uint8)


@pytest.mark.parametrize(("rise_px", "expected"), [(1, 1.0), (2, 1.0), (3, 0.0), (8, 0.0)])
def test_edges_are_sharp_up_to_the_just_noticeable_width(rise_px: int, expected: float) -> None:
    assert cpbd(stripes(rise_px)) == expected


def test_widths_are_measured_along_the_row_of_vertical_edges_alone() -> None:
    grey = stripes(4)[..., 0].astype(np.float32)
    found = edge_widths(grey)
    assert set(np.unique(found[found > 0])) == {4.0}
    assert edge_widths(np.ascontiguousarray(grey.T)).max() == 0
    assert cpbd(np.full((128, 128, 3), 90, np.uint8)) == 0.0


def test_a_soft_picture_is_less_sharp() -> None:
    picture = make.flat()
    noisy = np.clip(picture + np.random.default_rng(0).normal(0, 12, picture.shape), 0, 255).astype(np.uint8)
    assert cpbd(cv2.GaussianBlur(noisy, (0, 0), 1.5)) < 0.5 * cpbd(noisy)


@pytest.mark.slow
def test_a_portrait_acts_what_it_is_asked_and_stays_sharp() -> None:
    figures = measure(make.head(11), 256, {"fitting": fitting_judge})
    assert figures["fitting"]["open"] > 0.9 and figures["fitting"]["brows"] > 0.9
    assert figures["skin_ssim"] > 0.95 and figures["flicker"] == 0.0
    assert abs(figures["cpbd_rest"] - 1.0) < 0.1
    # The softest of the heads tried, 0.89: a tenth is wanted, and kept by the seven of docs/portraits.md.
    assert abs(figures["cpbd_ratio"] - 1.0) < 0.12


def test_a_judge_that_sees_nothing_agrees_with_nothing() -> None:
    renderer = PortraitRenderer(fit_person(make.head(11), 128))
    values = acting()[::6]
    asked = np.array([features(commanded(renderer, row)) for row in values])
    guess = np.random.default_rng(1)
    blind = agreement(asked, [renderer.person.image] * len(values), lambda _: guess.normal(100, 9, (468, 3)))
    assert set(blind) == set(FEATURES) and max(blind.values()) < 0.8
    assert asked[:, 0].max() > 3 * asked[:, 0].min()

"""FACS tables: complete, sane, and sided the character's way."""

from __future__ import annotations

import numpy as np
import pytest

from talkclip.coefficients import ARKIT52, arkit_index
from talkclip.errors import InputError
from talkclip_rigs.facs import (
    SIDES,
    AuMove,
    action_units,
    emotion_patterns,
    intensity_letters,
    pattern_sources,
    pose_of,
)


def test_every_unit_moves_a_known_shape_within_range() -> None:
    for number, unit in action_units().items():
        for side in SIDES:
            pose = pose_of([AuMove(number, 1.0, side)])
            assert 0 < pose.max() <= 1.0, unit.name


def test_every_expression_channel_is_reached_by_some_unit() -> None:
    reached = {shape for unit in action_units().values() for shapes in unit.shapes.values() for shape in shapes}
    # A glance turns both eyes; nothing in FACS is only mouthLeft, but AU30 drags the mouth along.
    assert set(ARKIT52) - reached == set()


def test_one_side_moves_that_side_only() -> None:
    left = pose_of([AuMove(2, 0.8, "left")])
    assert left[arkit_index("browOuterUpLeft")] == pytest.approx(0.8)
    assert left[arkit_index("browOuterUpRight")] == 0
    np.testing.assert_array_equal(
        pose_of([AuMove(12, 0.5, "left"), AuMove(12, 0.5, "right")]), pose_of([AuMove(12, 0.5)])
    )


def test_the_same_shape_is_not_added_up() -> None:
    assert pose_of([AuMove(26, 1.0), AuMove(27, 1.0)])[arkit_index("jawOpen")] == 1.0


def test_directions() -> None:
    assert pose_of([AuMove(61, 1.0)])[arkit_index("eyeLookOutLeft")] == 1.0
    assert pose_of([AuMove(30, 1.0, "left")])[arkit_index("jawLeft")] > 0.5
    assert pose_of([AuMove(30, 1.0, "left")])[arkit_index("jawRight")] == 0


def test_letters_rise() -> None:
    levels = [intensity_letters()[letter] for letter in "ABCDE"]
    assert levels == sorted(levels) and levels[-1] == 1.0


def test_patterns_name_known_units_and_sources() -> None:
    heads_and_neck = set(range(51, 59))
    assert len(emotion_patterns()) > 50
    for row in emotion_patterns():
        assert row.source in pattern_sources()
        assert set(row.action_units) <= set(action_units()) | heads_and_neck, row.name


def test_unknown_units_and_sides_are_refused() -> None:
    with pytest.raises(InputError, match="AU99"):
        pose_of([AuMove(99, 1.0)])
    with pytest.raises(InputError, match="side"):
        AuMove(4, 1.0, "middle")

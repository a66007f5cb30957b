"""Conditions: annotations become poses, sides are exchanged, draws repeat and cover every kind."""

from __future__ import annotations

import numpy as np

from talkclip.coefficients import ARKIT52, arkit_index
from talkclip_rigs.facs import AuMove
from talkclip_training.performance.conditions import NEUTRAL, Conditions, Played, mirrored, mixed, played_direction
from talkclip_training.performance.play import CALM, Condition
from tests.support.tiny_training import direction, made_directions, pose

LEFT, RIGHT = arkit_index("mouthSmileLeft"), arkit_index("mouthSmileRight")


def test_a_feeling_shows_and_a_stronger_one_more() -> None:
    weak, strong = (played_direction(direction("glad", "f", intensity=level)) for level in (0.3, 0.9))
    assert strong.condition.pose[LEFT] > weak.condition.pose[LEFT] > 0.1
    assert strong.scalars == (0.6, 0.9)


def test_movements_keep_their_side_and_denied_units_stay_still() -> None:
    wink = direction("closes the left eye", "f", (AuMove(46, 1.0, "left"),), kind="movement", emotion="neutral")
    shown = played_direction(wink)
    assert shown.condition.pose[arkit_index("eyeBlinkLeft")] > 0.5
    assert shown.condition.pose[arkit_index("eyeBlinkRight")] == 0 and not shown.mirrors
    plain, denied = (played_direction(direction("glad", "f", denied_units=units)) for units in ((), (12,)))
    assert plain.condition.pose[LEFT] > 0.1 and denied.condition.pose[LEFT] == 0


def test_regions_feel_for_themselves() -> None:
    both = played_direction(direction("brave grin", "f", regions={"eyes": ("fear", 0.9)}))
    assert both.condition.pose[arkit_index("eyeWideLeft")] > 0.3 and both.condition.pose[LEFT] > 0.1


def test_mirroring_exchanges_left_and_right_and_only_them() -> None:
    rng = np.random.default_rng(0)
    one = Played(Condition(rng.uniform(-1, 1, 52).astype(np.float32), 0.5), 0.7, True)
    other = mirrored(one)
    np.testing.assert_array_equal(mirrored(other).condition.pose, one.condition.pose)
    for k, name in enumerate(ARKIT52):
        swapped = name.replace("Left", "?").replace("Right", "Left").replace("?", "Right")
        assert other.condition.pose[k] == one.condition.pose[arkit_index(swapped)]
    assert (other.condition.arousal, other.intensity, other.mirrors) == (0.5, 0.7, True)


def test_only_texts_without_a_side_mirror() -> None:
    assert played_direction(direction("smirks", "f")).mirrors
    assert not played_direction(direction("smirks on the LEFT", "f")).mirrors
    assert played_direction(direction("he has right on... no, bright eyes", "f")).mirrors is False
    assert played_direction(direction("a bright smile", "f")).mirrors


def test_a_mixture_lies_between() -> None:
    smile = Played(Condition(pose(mouthSmile=1.0), 0.8), 1.0)
    half = mixed(NEUTRAL, smile, 0.5)
    assert half.condition.pose[LEFT] == 0.5 and half.intensity == 0.5
    assert half.condition.arousal == 0.5 * (CALM + 0.8)


def test_draws_repeat_and_other_seeds_differ() -> None:
    def poses(seed: int) -> np.ndarray:
        conditions = Conditions(made_directions(), seed)
        return np.stack([conditions.draw().condition.pose for _ in range(30)])

    np.testing.assert_array_equal(poses(1), poses(1))
    assert np.abs(poses(1) - poses(2)).max() > 0.1


def test_draws_cover_neutral_signed_and_one_sided_faces() -> None:
    conditions = Conditions(made_directions(), 3)
    drawn = [conditions.draw() for _ in range(400)]
    poses = np.stack([played.condition.pose for played in drawn])
    assert np.abs(poses).max() <= 1
    neutral = (np.abs(poses).max(1) == 0).mean()
    assert 0.08 < neutral < 0.25
    assert 0.02 < (poses.min(1) < -0.05).mean() < 0.2
    assert (np.abs(poses[:, LEFT] - poses[:, RIGHT]) > 0.1).any()
    assert all(0 <= played.condition.arousal <= 1 and 0 <= played.intensity <= 1 for played in drawn)

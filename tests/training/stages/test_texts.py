"""Texts: encoded as they are, drawn by weight, sides exchanged only where none is stated."""

from __future__ import annotations

import numpy as np

from talkclip.coefficients import arkit_index
from talkclip_rigs.facs import AuMove
from talkclip_training.stages.run import by_family, directions_for_text
from talkclip_training.stages.texts import read_texts
from tests.support.tiny_training import direction, made_directions
from tests.support.word_encoder import WordEncoder

SMIRK = (AuMove(12, 0.8, "left"),)


def test_texts_are_encoded_with_progress() -> None:
    heard: list[float] = []
    encoder, rows = WordEncoder(), made_directions()
    texts = read_texts(rows, encoder, lambda stage, done, message: heard.append(done))
    np.testing.assert_array_equal(texts.vectors, encoder.encode([row.text for row in rows]))
    assert heard == sorted(heard) and heard[-1] == 1.0 and len(texts.played) == len(rows)


def test_rows_are_drawn_by_their_weight() -> None:
    rows = [direction("often", "a", weight=3.0), direction("seldom", "b", weight=1.0)]
    texts = read_texts(rows, WordEncoder())
    vectors, _ = texts.draw(2000, np.random.default_rng(0))
    assert 0.7 < (vectors == texts.vectors[0]).all(1).mean() < 0.8


def test_an_unstated_side_is_as_often_left_as_right() -> None:
    left, right = arkit_index("mouthSmileLeft"), arkit_index("mouthSmileRight")

    def share_left(text: str) -> float:
        row = direction(text, "f", SMIRK, kind="movement", emotion="neutral")
        _, played = read_texts([row], WordEncoder()).draw(400, np.random.default_rng(0))
        return float(np.mean([p.condition.pose[left] > p.condition.pose[right] for p in played]))

    assert 0.4 < share_left("smirks") < 0.6
    assert share_left("smirks on the left") == 1.0


def test_no_family_is_both_learned_and_kept_out() -> None:
    kept, held = by_family(directions_for_text())
    assert len(held) > 200 and len(kept) > 20 * len(held)
    assert not {row.family for row in kept} & {row.family for row in held}
    assert {row.source for row in held} == {"corpus"}

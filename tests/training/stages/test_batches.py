"""Batches hold what they say: the right context, silence outside, the whole clip beside the crop."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from talkclip.engine.models.inputs import silent_speech
from talkclip.errors import InputError
from talkclip_training.performance.conditions import NEUTRAL, Conditions, Played
from talkclip_training.performance.play import Condition, act
from talkclip_training.stages.batches import make_batch, weighted_lines
from talkclip_training.stages.lines import load_lines, split
from tests.support.tiny_training import made_directions, made_line, made_lines, pose

CONTEXT, FRAMES = 7, 20


def test_crops_hear_their_context() -> None:
    line = made_line(1)
    smiling = Played(Condition(pose(mouthSmile=0.8), 0.9), 0.8)
    batch = make_batch([line] * 6, [smiling] * 6, FRAMES, CONTEXT, 40, np.random.default_rng(0))
    assert batch.heard.shape == (6, FRAMES + 2 * CONTEXT, 244) and batch.face.shape == (6, FRAMES, 52)
    whole = act(line.spoken, smiling.condition)
    sound = line.heard["aligned"]
    firsts = set()
    for heard, face in zip(batch.heard.numpy(), batch.face.numpy(), strict=True):
        (first,) = [k for k in range(len(whole) - FRAMES + 1) if np.allclose(whole[k : k + FRAMES], face, atol=1e-6)][
            :1
        ]
        firsts.add(first)
        for offset in range(-CONTEXT, FRAMES + CONTEXT):
            inside = 0 <= first + offset < len(sound)
            wanted = sound[first + offset] if inside else silent_speech()
            np.testing.assert_array_equal(heard[offset + CONTEXT], wanted)
    assert len(firsts) > 2


def test_a_short_line_is_followed_by_silence_and_a_held_face() -> None:
    line = made_line(1, syllables=2)
    n = len(line.spoken.mouth)
    batch = make_batch([line], [NEUTRAL], n + 10, CONTEXT, 400, np.random.default_rng(0))
    np.testing.assert_array_equal(batch.heard[0, CONTEXT + n :], np.tile(silent_speech(), (10 + CONTEXT, 1)))
    np.testing.assert_array_equal(batch.face[0, n:], batch.face[0, n - 1].expand(10, -1))
    assert batch.clip.shape[1] == n and not batch.padding.any()


def test_clips_are_padded_and_masked() -> None:
    short, long = made_line(1, syllables=2), made_line(2, syllables=12)
    batch = make_batch([short, long], [NEUTRAL] * 2, FRAMES, CONTEXT, 40, np.random.default_rng(0))
    n = len(short.spoken.mouth)
    assert batch.clip.shape == (2, 40, 52) and not batch.padding[1].any()
    assert batch.padding[0].tolist() == [k >= n for k in range(40)] and not batch.clip[0, n:].any()


def test_conditions_travel_along() -> None:
    conditions = Conditions(made_directions(), 0)
    played = [conditions.draw() for _ in range(3)]
    batch = make_batch([made_line(1)] * 3, played, FRAMES, CONTEXT, 40, np.random.default_rng(0))
    np.testing.assert_array_equal(batch.pose, np.stack([p.condition.pose for p in played]))
    np.testing.assert_allclose(batch.scalars, [p.scalars for p in played], rtol=1e-6)
    assert batch.to(torch.device("cpu")).pose.dtype == torch.float32


def test_long_and_real_lines_come_more_often() -> None:
    lines = [made_line(1, syllables=4), made_line(1, syllables=12), made_line(1, "lj", syllables=4)]
    short, long, real = weighted_lines(lines)
    assert long > short and real == pytest.approx(2 * short) and short + long + real == pytest.approx(1)


def test_lines_files_give_back_the_lines(tmp_path) -> None:  # type: ignore[no-untyped-def]
    lines, about = load_lines(made_lines(tmp_path / "lines.npz"))
    assert about == {"made": True} and len(lines) == 8
    made = made_line(0)
    np.testing.assert_allclose(lines[0].heard["recognised"], made.heard["recognised"], atol=1e-3)
    np.testing.assert_allclose(lines[0].spoken.mouth, made.spoken.mouth, atol=1e-3)
    assert lines[0].spoken.phones == made.spoken.phones
    train, held = split(lines)
    assert [line.voice for line in held] == ["af_nova", "am_liam"] and len(train) == 6


def test_files_without_lines_are_refused(tmp_path) -> None:  # type: ignore[no-untyped-def]
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    (tmp_path / "text.npz").write_text("no lines")
    for name in ("other.npz", "text.npz", "nowhere.npz"):
        with pytest.raises(InputError, match=name) as error:
            load_lines(tmp_path / name)
        assert "talkclip train lines" in error.value.hint

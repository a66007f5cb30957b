"""The network of the lips' shapes: what is shipped computes what was trained."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from talkclip.audio import AudioClip  # noqa: E402
from talkclip.engine.models.lip_network import CONTEXT, LipNetwork  # noqa: E402
from talkclip.phones import Phone, PhoneTrack  # noqa: E402
from talkclip_training.mouth import network  # noqa: E402
from talkclip_training.mouth.corpus import Utterance, at_speed, in_noise  # noqa: E402


def test_the_shipped_form_says_what_the_trained_one_does() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.random((80, 122)).astype(np.float32)
    examples = [network.Example("a", inputs, rng.random((80, 15)), 1.0)]
    trained = network.train(examples, seed=0, steps=30)
    shipped = network.exported(trained)
    padded = np.pad(inputs.T, ((0, 0), (CONTEXT, CONTEXT)), mode="edge")
    with torch.no_grad():
        expected = trained(torch.tensor(padded[None]))[0].numpy().T
    expected = expected[:, [network.OUTPUTS.index(name) for name in network.SHIPPED]]
    said = shipped.predict(inputs)
    assert said.shape == expected.shape == (80, len(network.SHIPPED))
    assert np.abs(said - expected).max() < 0.05 * np.abs(expected).max(), "8 bits are enough"
    again = LipNetwork.of(shipped.arrays())
    np.testing.assert_allclose(again.predict(inputs), said, atol=1e-5)


def test_a_frame_depends_on_its_neighbourhood_alone() -> None:
    rng = np.random.default_rng(1)
    examples = [network.Example("a", rng.random((80, 122)).astype(np.float32), rng.random((80, 15)), 1.0)]
    shipped = network.exported(network.train(examples, seed=1, steps=2))
    frames = rng.random((200, 122)).astype(np.float32)
    part = shipped.predict(frames[50:150])
    np.testing.assert_allclose(part[CONTEXT:-CONTEXT], shipped.predict(frames)[50:150][CONTEXT:-CONTEXT], atol=1e-5)


def test_the_same_seed_gives_the_same_weights() -> None:
    rng = np.random.default_rng(2)
    examples = [network.Example("a", rng.random((120, 122)).astype(np.float32), rng.random((120, 15)), 1.0)]
    first, second = (network.exported(network.train(examples, seed=3, steps=5)).arrays() for _ in range(2))
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_variations_keep_what_is_said() -> None:
    rng = np.random.default_rng(0)
    clip = AudioClip(0.1 * rng.standard_normal(32000).astype(np.float32), 16000)
    phones = PhoneTrack((Phone("AA", 0.5, 1.0), Phone("M", 1.0, 1.2)), (), clip.duration_s, "file")
    fast = at_speed(Utterance(clip, phones, "a"), 1.25)
    assert fast.clip.duration_s == pytest.approx(clip.duration_s / 1.25, abs=0.01)
    assert [(p.symbol, round(p.start_s, 3), round(p.end_s, 3)) for p in fast.phones.phones] == [
        ("AA", 0.4, 0.8), ("M", 0.8, 0.96),
    ]  # fmt: skip
    bad = in_noise(clip, rng)
    assert bad.samples.size == clip.samples.size and np.abs(bad.samples).max() <= 0.7
    assert np.isfinite(in_noise(AudioClip(np.zeros(16000, np.float32), 16000), rng).samples).all()

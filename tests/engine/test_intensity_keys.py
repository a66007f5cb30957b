"""Intensity over time: exact at its keys, near in between, the same in stretches, and an edit of it stays local."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from talkclip.audio import AudioClip
from talkclip.engine.models.style_space import StyleSpace
from talkclip.engine.request import AnimateRequest
from talkclip.engine.streaming import Finished, Span, StreamingPipeline, Stretch, joined
from talkclip.engine.style_mix import StyleMixer
from talkclip.engine.text.encoder import MiniLMEncoder
from talkclip.engine.text.pose import PromptStyler
from talkclip.engine.text.style_coder import StyleCoder
from talkclip.gains import LayerGains
from talkclip.timeline import PromptEdit, PromptSegment, PromptTimeline

EDITS = (PromptEdit("wrinkle the nose", 0.4), PromptEdit("less smile", 0.5))
PROMPTS = ("a furious man speaks with brows lowered", "beaming with joy, one brow raised", "terrified, eyes wide")


@pytest.fixture(scope="module")
def coder() -> StyleCoder:
    return StyleCoder(PromptStyler(MiniLMEncoder.load()), StyleSpace.load())


def keyed(prompt: str, *keys: tuple[float, float], edits: tuple[PromptEdit, ...] = ()) -> PromptTimeline:
    return PromptTimeline((PromptSegment(prompt, 0.0, 9.0, 1.3, edits, 0.0, 0.0, "s", keys),))


def codes(timeline: PromptTimeline, times_s: np.ndarray, coder: StyleCoder) -> np.ndarray:
    return StyleMixer(coder, coder.neutral, None).codes(timeline, times_s)


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("edits", [(), EDITS], ids=["plain", "edited"])
def test_codes_are_exact_at_keys_and_near_between(
    coder: StyleCoder, prompt: str, edits: tuple[PromptEdit, ...]
) -> None:
    times_s = np.linspace(0, 8, 161)
    found = codes(keyed(prompt, (0.0, 0.0), (4.0, 2.0), (6.0, 0.731), (8.0, 0.731), edits=edits), times_s, coder)
    for frame, intensity in ((0, 0.0), (80, 2.0), (120, 0.731), (140, 0.731)):
        np.testing.assert_array_equal(found[frame], coder.code(prompt, edits, intensity))
    exact = np.stack([coder.code(prompt, edits, 0.5 * time_s) for time_s in times_s[:80]])
    assert np.abs(found[:80] - exact).max() < 0.02
    assert np.ptp(found[:81], axis=0).max() > 0.3, "the curve is heard"


def test_one_key_is_a_constant(coder: StyleCoder) -> None:
    times_s = np.linspace(0, 9, 50)
    held = PromptTimeline((PromptSegment("sad", 0.0, 9.0, 0.7, (), 0.0, 0.0, "s"),))
    np.testing.assert_allclose(codes(keyed("sad", (3.0, 0.7)), times_s, coder), codes(held, times_s, coder), atol=1e-6)


def test_a_curve_of_many_keys_asks_for_few_codes(coder: StyleCoder, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    code = coder.code
    monkeypatch.setattr(coder, "code", lambda p, e, intensity: asked.append(intensity) or code(p, e, intensity))
    rng = np.random.default_rng(0)
    keys = [
        (float(time_s), float(value))
        for time_s, value in zip(np.arange(3000) / 400, rng.uniform(0, 2, 3000), strict=True)
    ]
    codes(keyed("sad", *keys), np.arange(3000) / 400, coder)
    assert len(asked) == len(set(asked)) <= 2001


def asked(clip: AudioClip, timeline: PromptTimeline) -> AnimateRequest:
    return AnimateRequest(clip, timeline, seed=3, gains=LayerGains(blinks=0.0))


def test_the_face_follows_the_curve_in_stretches_too(working: StreamingPipeline, line: AudioClip) -> None:
    request = asked(line, keyed("a furious man", (1.0, 0.0), (4.0, 1.5), (7.0, 0.5)))
    whole = working.animate(request).track
    *stretches, finished = [item for item in working.stream(request) if not isinstance(item, Span)]
    assert isinstance(finished, Finished)
    streamed = joined([item for item in stretches if isinstance(item, Stretch)], finished).track
    np.testing.assert_allclose(streamed.values, whole.values, atol=1e-5)
    brow = whole.channel("browDownLeft")
    assert brow[:30].max() < 0.05 < 0.3 < brow[110:130].mean() and brow[220:].mean() < 0.75 * brow[110:130].mean()


def test_a_moved_key_changes_its_neighbourhood_only(working: StreamingPipeline, line: AudioClip) -> None:
    before = keyed("a furious man", (1.0, 0.2), (3.0, 1.0), (5.0, 0.6), (8.0, 1.1))
    after = keyed("a furious man", (1.0, 0.2), (3.0, 1.0), (5.0, 0.937), (8.0, 1.1))
    old, new = (working.animate(asked(line, timeline)).track for timeline in (before, after))
    span, *stretches, _ = working.edit(asked(line, after), before)
    assert isinstance(span, Span)
    assert 3.0 - 0.2 < span.first / 30 <= 3.1 and 7.9 <= span.end / 30 < 8.0 + 0.2
    np.testing.assert_array_equal(old.values[: span.first], new.values[: span.first])
    np.testing.assert_array_equal(old.values[span.end :], new.values[span.end :])
    got = np.concatenate([item.track.values for item in stretches if isinstance(item, Stretch)])
    np.testing.assert_allclose(got, new.values[span.first : span.end], atol=1e-5)


def test_keys_instead_of_a_number_that_say_the_same_change_nothing(working: StreamingPipeline, line: AudioClip) -> None:
    constant = PromptTimeline((dataclasses.replace(keyed("sad").segments[0], intensity=0.8),))
    a, b = (working.animate(asked(line, t)).track.values for t in (constant, keyed("sad", (2.0, 0.8))))
    np.testing.assert_allclose(a, b, atol=1e-5)

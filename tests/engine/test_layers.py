"""A track as a sum of layers: exact, each with its own meaning, the same in stretches, and only where asked for."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from talkclip.audio import AudioClip
from talkclip.coefficients import ARKIT52, LAYERS, LayerValues, arkit_index
from talkclip.engine.models.face import FaceModel
from talkclip.engine.models.mouth import MouthModel
from talkclip.engine.models.style_space import StyleSpace
from talkclip.engine.motion import LearnedMotion
from talkclip.engine.request import AnimateRequest, AnimateResult
from talkclip.engine.speech.frontend import SpeechFrontEnd
from talkclip.engine.streaming import Finished, Span, StreamingPipeline, Stretch, joined
from talkclip.engine.text.encoder import MiniLMEncoder
from talkclip.engine.text.pose import PromptStyler
from talkclip.engine.text.style_coder import StyleCoder
from talkclip.gains import LayerGains
from talkclip.timeline import PromptSegment, PromptTimeline
from talkclip_rigs.flame import FlameMap

LIDS = [arkit_index(f"eyeBlink{side}") for side in ("Left", "Right")]
YIELDS = [arkit_index(f"eye{shape}{side}") for shape in ("Wide", "Squint") for side in ("Left", "Right")]
GAZE = [k for k, name in enumerate(ARKIT52) if name.startswith("eyeLook")]


def random_map() -> FlameMap:
    rng = np.random.default_rng(0)
    solved = rng.normal(size=(52, 50)).astype(np.float32), rng.normal(size=(52, 9)).astype(np.float32)
    return FlameMap(*solved, np.zeros(52, np.float32), np.zeros(52, np.float32), 0.0, "0" * 64)


@pytest.fixture(scope="module")
def working() -> StreamingPipeline:
    space = StyleSpace.load()
    styler = StyleCoder(PromptStyler(MiniLMEncoder.load()), space)
    motion = LearnedMotion(MouthModel.load(), FaceModel.load("cpu"), space)
    return StreamingPipeline(SpeechFrontEnd("fast", cache=None), styler, motion, random_map())


def asked(clip: AudioClip, prompt: str = "astonished, eyes wide", **fields: object) -> AnimateRequest:
    request = AnimateRequest(clip, PromptTimeline.single(prompt, clip.duration_s), seed=3, layers=True)
    return dataclasses.replace(request, **fields)


def layers_of(result: AnimateResult | Stretch) -> LayerValues:
    assert result.layers is not None
    return result.layers


def largest(layers: LayerValues) -> dict[str, np.ndarray]:
    """(52,) per layer: how far it moves each channel."""
    return {name: np.abs(getattr(layers, name)).max(axis=0) for name in LAYERS}


@pytest.mark.parametrize("gains", [LayerGains(), LayerGains(2.0, 2.0, 2.0, 2.0), LayerGains(0.0, 1.5, 0.5, 0.0)])
def test_layers_sum_to_the_track(working: StreamingPipeline, line: AudioClip, gains: LayerGains) -> None:
    result = working.animate(asked(line, gains=gains))
    np.testing.assert_allclose(layers_of(result).total(), result.track.values, atol=1e-6)
    plain = working.animate(asked(line, gains=gains, layers=False))
    assert plain.layers is None
    np.testing.assert_array_equal(plain.track.values, result.track.values)


def test_each_layer_moves_what_is_its_own(working: StreamingPipeline, line: AudioClip) -> None:
    moved = largest(layers_of(working.animate(asked(line))))
    assert moved["mouth"][arkit_index("jawOpen")] > 0.2 and not moved["mouth"][LIDS + YIELDS + GAZE].any()
    assert moved["expression"][arkit_index("eyeWideLeft")] > 0.3
    assert moved["blinks"][LIDS].min() > 0.8 and moved["blinks"][YIELDS[:2]].min() > 0.2
    assert not np.delete(moved["blinks"], LIDS + YIELDS).any()
    assert moved["gaze"][GAZE].max() > 0.02 and not np.delete(moved["gaze"], GAZE).any()


def test_the_mouth_is_what_a_neutral_face_says(working: StreamingPipeline, line: AudioClip) -> None:
    furious, joyful = (layers_of(working.animate(asked(line, prompt))) for prompt in ("furious", "beaming with joy"))
    np.testing.assert_array_equal(furious.mouth, joyful.mouth)
    neutral = working.animate(asked(line, "", gains=LayerGains(blinks=0.0, head=0.0)))
    np.testing.assert_allclose(neutral.track.values, furious.mouth, atol=0.02)
    assert np.abs(furious.expression - joyful.expression).max() > 0.3


def test_layers_that_are_off_are_empty(working: StreamingPipeline, line: AudioClip) -> None:
    still = layers_of(working.animate(asked(line, gains=LayerGains(1.0, 0.0, 0.0, 0.0))))
    for name in ("expression", "blinks", "gaze"):
        assert not getattr(still, name).any(), name


def test_streamed_layers_are_those_of_the_whole_line(working: StreamingPipeline, line: AudioClip) -> None:
    whole = layers_of(working.animate(asked(line)))
    *stretches, finished = [item for item in working.stream(asked(line)) if not isinstance(item, Span)]
    assert isinstance(finished, Finished) and len(stretches) > 1
    streamed = layers_of(joined([item for item in stretches if isinstance(item, Stretch)], finished))
    for name in LAYERS:
        np.testing.assert_allclose(getattr(streamed, name), getattr(whole, name), atol=1e-5)


def test_an_edit_brings_the_layers_of_the_frames_it_changes(working: StreamingPipeline, line: AudioClip) -> None:
    before = PromptTimeline((PromptSegment("angry", 0, 4, uid="a"), PromptSegment("sad", 4, 9, uid="b")))
    after = PromptTimeline((PromptSegment("angry", 0, 4, uid="a"), PromptSegment("joyful", 4, 9, uid="b")))
    whole = working.animate(asked(line, timeline=after))
    span, *stretches, _ = working.edit(asked(line, timeline=after), before)
    assert isinstance(span, Span) and span.first > 0
    found = LayerValues.joined([layers_of(item) for item in stretches if isinstance(item, Stretch)])
    for name in LAYERS:
        expected = getattr(layers_of(whole), name)[span.first : span.end]
        np.testing.assert_allclose(getattr(found, name), expected, atol=1e-5)


def test_layers_in_flame_sum_up_too(working: StreamingPipeline, line: AudioClip) -> None:
    result = working.animate(asked(line, space="flame"))
    layers = layers_of(result)
    assert layers.shape == result.track.values.shape == (result.track.n_frames, 59)
    scale = max(1.0, float(np.abs(result.track.values).max()))
    np.testing.assert_allclose(layers.total(), result.track.values, atol=1e-6 * scale)
    arkit = layers_of(working.animate(asked(line)))
    np.testing.assert_allclose(layers.mouth, random_map().mapped(arkit.mouth), atol=1e-5 * scale)


def test_layers_do_not_fit_together_by_chance() -> None:
    values = np.zeros((3, 52), np.float32)
    with pytest.raises(Exception, match="'blinks'"):
        LayerValues(values, values, values[:2], values)
    with pytest.raises(Exception, match="'gaze'"):
        LayerValues(values, values, values, values + np.inf)

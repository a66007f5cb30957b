"""A line spoken as a face in a clip speaks: its code, its share beside the prompt, and what must not come along."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from talkclip.audio import AudioClip
from talkclip.coefficients import ARKIT52, CoefficientTrack, arkit_index
from talkclip.engine.models.face import FaceModel
from talkclip.engine.models.style_encoder import ClipStyler, StyleEncoder
from talkclip.engine.models.style_space import StyleSpace
from talkclip.engine.pipeline import Pipeline
from talkclip.engine.render.video import render_track
from talkclip.engine.request import AnimateRequest, AnimateResult, StyleClip
from talkclip.engine.speech import hama
from talkclip.engine.speech.features import FPS, extract_features
from talkclip.engine.speech.recognise import recognise
from talkclip.engine.streaming import Finished, StreamingPipeline, Stretch, joined
from talkclip.engine.tracking.video import track_video
from talkclip.engine.weights.registry import find_weight
from talkclip.errors import InputError
from talkclip.style import CALM
from talkclip.timeline import PromptTimeline
from talkclip_training.performance.play import Condition, Spoken, act, speak
from tests.support.tiny_training import pose

FURIOUS = pose(browDown=0.9, noseSneer=0.6, eyeSquint=0.4, mouthFrown=0.5, mouthUpperUp=0.3)
AFRAID = pose(eyeWide=0.8, browOuterUp=0.5, mouthStretch=0.6)
MANNER = slice(52, None)


@pytest.fixture(scope="module")
def other_line(line: AudioClip) -> AudioClip:
    """Other words: the second half of the line."""
    return AudioClip(line.samples[line.samples.size // 2 :], line.sample_rate, "other")


@pytest.fixture(scope="module")
def spoken(line: AudioClip) -> Spoken:
    log_probs, tokens = hama.posteriors(line)
    loudness = extract_features(line, log_probs=log_probs).loudness
    return speak(recognise(line, log_probs, tokens), loudness, FPS, 25.0)


@pytest.fixture(scope="module")
def styler() -> ClipStyler:
    return ClipStyler(StyleSpace.load())


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return Pipeline.load("fast", device="cpu")


def played(spoken: Spoken, expression: np.ndarray, arousal: float = 0.7) -> CoefficientTrack:
    return CoefficientTrack("arkit52", ARKIT52, spoken.fps, act(spoken, Condition(expression, arousal)))


def asked(clip: AudioClip, style: StyleClip | None, prompt: str = "", intensity: float = 1.0) -> AnimateRequest:
    timeline = PromptTimeline.single(prompt, clip.duration_s, intensity)
    return AnimateRequest(clip, timeline, seed=3, styles=() if style is None else (style,))


def agreement(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.corrcoef(found, wanted)[0, 1])


@pytest.mark.parametrize("expression", [FURIOUS, AFRAID], ids=["furious", "afraid"])
def test_the_anchor_is_the_expression_that_was_held(spoken: Spoken, styler: ClipStyler, expression: np.ndarray) -> None:
    code = styler.of_clip(played(spoken, expression))
    assert code.shape == (128,) and code.dtype == np.float32
    assert code[:52].min() >= 0 and code[:52].max() <= 1
    assert agreement(code[:52], expression) > 0.9
    assert np.abs(code[:52] - expression).max() < 0.3


def test_ordinary_speech_is_near_neutral(spoken: Spoken, styler: ClipStyler) -> None:
    neutral = StyleSpace.load().neutral
    code = styler.of_clip(played(spoken, np.zeros(52, np.float32), CALM))
    assert code[:52].max() < 0.1
    # V2SS and the condition encoder are drawn together by direction, not by length: near, not equal.
    assert np.linalg.norm((code - neutral)[MANNER]) < 0.5 * np.linalg.norm(neutral[MANNER])


def test_blinks_and_gaze_stay_with_the_clip(spoken: Spoken, styler: ClipStyler) -> None:
    track = played(spoken, FURIOUS)
    values = track.values.copy()
    for side in ("Left", "Right"):
        for first in range(5, len(values) - 9, 30):  # 0.32 s each, one every 1.2 s
            values[first : first + 8, arkit_index(f"eyeBlink{side}")] = 1.0
        values[:, arkit_index(f"eyeLookDown{side}")] = 0.8
    np.testing.assert_array_equal(styler.of_clip(track.with_values(values)), styler.of_clip(track))
    values[:, arkit_index("eyeBlinkLeft")] = np.maximum(values[:, arkit_index("eyeBlinkLeft")], 0.6)
    lids = styler.of_clip(track.with_values(values))[[arkit_index("eyeBlinkLeft"), arkit_index("eyeBlinkRight")]]
    assert lids[0] > 0.4 and lids[1] < 0.1, "a lid that stays low is an expression"


def test_rate_order_and_length_do_not_matter(spoken: Spoken, styler: ClipStyler) -> None:
    track = played(spoken, AFRAID)
    code = styler.of_clip(track)
    backwards = dataclasses.replace(track, names=ARKIT52[::-1], values=track.values[:, ::-1])
    np.testing.assert_array_equal(styler.of_clip(backwards), code)
    np.testing.assert_allclose(styler.of_clip(track.resampled(59.94))[:52], code[:52], atol=0.05)
    twice = track.with_values(np.concatenate([track.values, track.values]))
    np.testing.assert_allclose(styler.of_clip(twice)[:52], code[:52], atol=0.1)
    assert np.isfinite(styler.of_clip(track.with_values(track.values[:1]))).all()


def test_intensity_scales_a_clip(spoken: Spoken, styler: ClipStyler) -> None:
    code = styler.of_clip(played(spoken, FURIOUS))
    none, half, same, twice = styler.scaled(code, np.array([0, 0.5, 1, 2], np.float32))
    np.testing.assert_allclose(none, StyleSpace.load().neutral, atol=1e-6)
    np.testing.assert_allclose(half[:52], 0.5 * code[:52], atol=1e-6)
    np.testing.assert_allclose(same, code, atol=1e-5)
    assert twice[:52].max() == 1.0


def test_a_line_takes_over_the_expression_of_another(pipeline: Pipeline, spoken: Spoken, other_line: AudioClip) -> None:
    def mean(style: StyleClip | None, intensity: float = 1.0) -> np.ndarray:
        return pipeline.animate(asked(other_line, style, "", intensity)).track.values.mean(axis=0)

    plain, furious = mean(None), mean(StyleClip(played(spoken, FURIOUS)))
    afraid = mean(StyleClip(played(spoken, AFRAID)))
    assert agreement(furious - plain, FURIOUS) > 0.85 and agreement(afraid - plain, AFRAID) > 0.85
    brow = arkit_index("browDownLeft")
    assert furious[brow] > plain[brow] + 0.5
    half = mean(StyleClip(played(spoken, FURIOUS)), 0.5)
    assert plain[brow] + 0.2 < half[brow] < furious[brow] - 0.2
    np.testing.assert_allclose(mean(StyleClip(played(spoken, FURIOUS)), 0.0), mean(None, 0.0), atol=1e-4)


def test_prompt_and_clip_share_the_face(pipeline: Pipeline, spoken: Spoken, other_line: AudioClip) -> None:
    clip = played(spoken, AFRAID)
    tracks = {
        weight: pipeline.animate(asked(other_line, StyleClip(clip, weight), "beaming with joy")).track.values
        for weight in (0.0, 0.5, 1.0)
    }
    alone = pipeline.animate(asked(other_line, None, "beaming with joy")).track.values
    np.testing.assert_array_equal(tracks[0.0], alone)
    means = {weight: values.mean(axis=0) for weight, values in tracks.items()}
    for name, order in (("eyeWideLeft", (0.0, 0.5, 1.0)), ("mouthSmileLeft", (1.0, 0.5, 0.0))):
        low, middle, high = (means[weight][arkit_index(name)] for weight in order)
        assert low + 0.1 < middle < high - 0.1


def test_streamed_frames_have_the_style_too(pipeline: Pipeline, spoken: Spoken, other_line: AudioClip) -> None:
    request = asked(other_line, StyleClip(played(spoken, FURIOUS), 0.7), "sad")
    parts = list(StreamingPipeline.load("fast", device="cpu").stream(request))
    assert isinstance(parts[-1], Finished)
    streamed: AnimateResult = joined([part for part in parts if isinstance(part, Stretch)], parts[-1])
    np.testing.assert_allclose(streamed.track.values, pipeline.animate(request).track.values, atol=1e-5)


def test_what_cannot_be_a_style_is_refused(styler: ClipStyler) -> None:
    flame = CoefficientTrack("flame", ("exp0",), 25.0, np.zeros((3, 1), np.float32))
    face = CoefficientTrack("arkit52", ARKIT52, 25.0, np.zeros((3, 52), np.float32))
    for weight in (-0.1, 1.1, float("nan")):
        with pytest.raises(InputError, match="out of range"):
            StyleClip(face, weight)
    with pytest.raises(InputError, match="flame"):
        StyleClip(flame)
    with pytest.raises(InputError, match="flame"):
        styler.of_clip(flame)
    with pytest.raises(InputError, match="no TalkCLIP style encoder"):
        StyleEncoder(find_weight("face"))
    assert StyleEncoder(find_weight("style-encoder")).config == FaceModel.load("cpu").config


@pytest.mark.slow
def test_a_filmed_performance_gives_its_style(tmp_path: Path, spoken: Spoken, styler: ClipStyler) -> None:
    """Less than from the track itself: what a face holds all the time, the tracker partly takes for the person."""
    video = tmp_path / "furious.mp4"
    track = played(spoken, FURIOUS)
    render_track(track.with_values(track.values[:60]), video, size=256)
    code = styler.of_clip(track_video(video))
    assert agreement(code[:52], FURIOUS) > 0.65
    assert code[[arkit_index("browDownLeft"), arkit_index("browDownRight")]].min() > 0.4
    assert code[[arkit_index("mouthSmileLeft"), arkit_index("eyeBlinkLeft")]].max() < 0.15

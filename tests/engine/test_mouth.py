"""What is heard and how a neutral mouth says it, on the bundled line."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from talkclip.audio import AudioClip
from talkclip.coefficients import arkit_index
from talkclip.engine.layers.lips import lip_gap
from talkclip.engine.models.mouth import MouthModel
from talkclip.engine.speech import hama
from talkclip.engine.speech.features import FPS, extract_features
from talkclip.engine.speech.frontend import SpeechAnalysis, SpeechFrontEnd
from talkclip.engine.speech.media import load_audio
from talkclip.phones import BILABIALS, PHONES41, SIL

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


@pytest.fixture(scope="module")
def analysis() -> SpeechAnalysis:
    words = (SAMPLES / "line.txt").read_text(encoding="utf-8")
    return SpeechFrontEnd("align", cache=None).analyse(load_audio(SAMPLES / "line.flac"), words)


def test_posteriors_cover_the_clip_and_are_probabilities(analysis: SpeechAnalysis) -> None:
    log_probs, tokens = hama.posteriors(analysis.clip)
    assert log_probs.shape == (int(np.ceil(analysis.clip.duration_s / hama.FRAME_S)) + 1, len(tokens))
    np.testing.assert_allclose(np.exp(log_probs).sum(axis=1), 1.0, atol=1e-2)
    np.testing.assert_allclose(hama.class_posteriors(log_probs).sum(axis=1), 1.0, atol=1e-2)


def test_long_sound_goes_in_windows_and_hears_the_same_sounds(analysis: SpeechAnalysis) -> None:
    rate = analysis.clip.sample_rate
    line = analysis.clip.samples[: int(8 * rate)]
    long = AudioClip(np.tile(line, 6), rate)
    whole, _ = hama.posteriors(long)
    alone, _ = hama.posteriors(AudioClip(line, rate))
    for take in range(6):
        heard = hama.class_posteriors(whole[take * 400 : take * 400 + 400]).sum(axis=0)
        expected = hama.class_posteriors(alone[:400]).sum(axis=0)
        assert np.corrcoef(heard, expected)[0, 1] > 0.97


def test_features_never_look_ahead_and_do_not_depend_on_gain(analysis: SpeechAnalysis) -> None:
    clip = analysis.clip
    half = AudioClip(clip.samples[: clip.samples.size // 2], clip.sample_rate)
    whole, part = extract_features(clip), extract_features(half)
    inner = len(part.mel) - 8
    np.testing.assert_allclose(part.mel[:inner], whole.mel[:inner], atol=1e-5)
    quiet = extract_features(AudioClip(clip.samples * 0.5, clip.sample_rate))
    assert np.abs(quiet.mel - whole.mel).mean() < 0.03


def test_digital_silence_is_silent() -> None:
    features = extract_features(AudioClip(np.zeros(16000, np.float32), 16000))
    assert features.mel.max() == 0 and features.loudness.max() == 0
    assert (features.posteriors.argmax(axis=1) == PHONES41.index(SIL)).all()


def test_the_mouth_opens_for_vowels_and_rests_in_pauses(analysis: SpeechAnalysis) -> None:
    track = MouthModel.load().predict(analysis, 60.0)
    jaw, times = track.channel("jawOpen"), track.times_s
    phones = analysis.phones

    def during(symbols: set[str]) -> np.ndarray:
        inside = [(times > p.start_s + 0.02) & (times < p.end_s - 0.02) for p in phones.phones if p.symbol in symbols]
        return jaw[np.any(inside, axis=0)]

    long_pauses = [p for p in phones.phones if p.symbol == SIL and p.end_s - p.start_s > 0.4]
    at_rest = np.any([(times > p.start_s + 0.2) & (times < p.end_s - 0.2) for p in long_pauses], axis=0)
    assert during({"AA", "AE", "AO", "AY"}).mean() > 0.25
    assert during({"AA", "AE", "AO", "AY"}).mean() > 2 * during({"S", "Z", "IY", "UW"}).mean()
    assert jaw[at_rest].max() < 0.08


def test_rounded_vowels_round_and_spread_ones_spread(analysis: SpeechAnalysis) -> None:
    track = MouthModel.load().predict(analysis, 60.0)

    def mean(channel: str, symbol: str) -> float:
        spans = analysis.phones.spans(frozenset((symbol,)))
        inside = np.any([(track.times_s > a) & (track.times_s < b) for a, b in spans], axis=0)
        return float(track.channel(channel)[inside].mean())

    assert mean("mouthPucker", "UW") > mean("mouthPucker", "IY") + 0.05
    assert mean("mouthStretchLeft", "IY") > mean("mouthStretchLeft", "UW") + 0.05


@pytest.mark.parametrize("fps", [24.0, 25.0, 30000 / 1001, 60.0])
def test_only_the_mouth_moves_and_any_rate_is_the_same_motion(analysis: SpeechAnalysis, fps: float) -> None:
    model = MouthModel.load()
    track = model.predict(analysis, fps)
    fine, _ = model.predict(analysis, 120.0).sampled(track.times_s)
    assert np.abs(fine - track.values).max() < 0.05
    still = [arkit_index(n) for n in track.names if not n.startswith(("mouth", "jaw", "tongue"))]
    assert not track.values[:, still].any()
    assert track.duration_s > analysis.clip.duration_s - 2 / fps
    assert FPS == 50


def test_a_louder_vowel_opens_the_jaw_further_and_closures_stay(analysis: SpeechAnalysis) -> None:
    """What the table cannot know: the same sounds, spoken up in one half of the line."""
    features, mouth = analysis.features, MouthModel.load()
    raised = np.zeros(len(features.mel), np.float32)
    raised[len(raised) // 2 :] = 0.15  # of 50 dB
    speaks = features.loudness > 0.5
    louder = dataclasses.replace(
        features, mel=features.mel + (raised * speaks)[:, None],
        loudness=features.loudness + raised * speaks,
    )  # fmt: skip
    table = dataclasses.replace(mouth, captured=None)
    jaw = arkit_index("jawOpen")
    gains = []
    for model in (mouth, table):
        normal = model.predict(analysis, FPS).values[:, jaw]
        spoken_up = model.predict(dataclasses.replace(analysis, features=louder), FPS).values[:, jaw]
        half = len(normal) // 2 + 20
        wide = normal[half:] > 0.15
        gains.append(float((spoken_up[half:] - normal[half:])[wide].mean()))
        np.testing.assert_allclose(spoken_up[: half - 40], normal[: half - 40], atol=1e-6)
        assert np.abs(spoken_up[half:] - normal[half:])[normal[half:] < 0.01].mean() < 0.03
    assert gains[0] > 0.02 and gains[0] > 1.5 * gains[1]


@pytest.fixture(scope="module")
def unheard(analysis: SpeechAnalysis) -> SpeechAnalysis:
    """The line as the recogniser hears it, but each p, b and m was taken for a t."""
    heard = SpeechFrontEnd("fast", cache=None).analyse(analysis.clip)
    phones = tuple(dataclasses.replace(p, symbol="T") if p.symbol in BILABIALS else p for p in heard.phones.phones)
    return dataclasses.replace(heard, phones=dataclasses.replace(heard.phones, phones=phones))


def test_lips_shut_where_the_recogniser_was_wrong(analysis: SpeechAnalysis, unheard: SpeechAnalysis) -> None:
    said = analysis.phones.spans(BILABIALS)
    counts = []
    for model in (MouthModel.load(), dataclasses.replace(MouthModel.load(), lips=None)):
        track = model.predict(unheard, 60.0)
        gap, times = lip_gap(track.values), track.times_s
        limit = 0.15 * np.percentile(gap, 90)
        counts.append(sum(gap[(times > a - 0.03) & (times < b + 0.03)].min() < limit for a, b in said))
    assert counts[0] >= 0.6 * len(said) and counts[0] > counts[1], counts


def test_without_words_rounded_vowels_round_too(analysis: SpeechAnalysis) -> None:
    track = MouthModel.load().predict(SpeechFrontEnd("fast", cache=None).analyse(analysis.clip), 60.0)

    def mean(channel: str, symbols: str) -> float:
        spans = analysis.phones.spans(frozenset(symbols.split()))
        inside = np.any([(track.times_s > a) & (track.times_s < b) for a, b in spans], axis=0)
        return float(track.channel(channel)[inside].mean())

    assert mean("mouthPucker", "UW W") > mean("mouthPucker", "IY EY AA AE") + 0.08
    assert mean("mouthStretchLeft", "IY EY") > mean("mouthStretchLeft", "UW W OW") + 0.08

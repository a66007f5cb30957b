"""Readings: feelings, strength, other languages, nonsense, and what is said about it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talkclip.engine.text.encoder import MiniLMEncoder
from talkclip.engine.text.lexicon import EMOTIONS, degrees, feeling_words, movement_words
from talkclip.engine.text.pose import PromptStyler
from talkclip.style import CALM
from talkclip_rigs.facs import action_units


def top(styler: PromptStyler, prompt: str) -> str:
    emotions = styler.read(prompt).emotions
    return max(emotions, key=lambda name: emotions[name])


@pytest.mark.parametrize(
    ("prompt", "emotion"),
    [
        ("A furious man speaks", "angry"), ("she despises them", "contempt"), ("it is revolting", "disgusted"),
        ("petrified", "fear"), ("overjoyed", "happy"), ("heartbroken", "sad"), ("flabbergasted", "surprised"),
        ("calm", "neutral"),
    ],
)  # fmt: skip
def test_each_emotion_is_read(styler: PromptStyler, prompt: str, emotion: str) -> None:
    assert top(styler, prompt) == emotion


def test_weights_sum_to_one_and_strength_follows_word_and_adverb(styler: PromptStyler) -> None:
    prompts = ["barely annoyed", "annoyed", "very annoyed", "angry", "furious", "utterly furious"]
    readings = [styler.read(prompt) for prompt in prompts]
    assert all(abs(sum(r.emotions.values()) - 1) < 1e-5 for r in readings)
    strengths = [r.intensity for r in readings]
    assert strengths == sorted(strengths) and strengths[0] < 0.15 and strengths[-1] == 1.0


@pytest.mark.parametrize("prompt", ["", "   ", "\n", "?!"])
def test_empty_is_neutral_and_says_so(styler: PromptStyler, prompt: str) -> None:
    reading = styler.read(prompt)
    assert reading.emotions["neutral"] == 1.0 and reading.notes
    assert not styler.code(prompt).any()


@pytest.mark.parametrize("prompt", ["sdkjfh qwrtp zzxv", "asdfgh", "blorfx wugh snqz"])
def test_nonsense_is_neutral_and_says_so(styler: PromptStyler, prompt: str) -> None:
    reading = styler.read(prompt)
    assert not styler.code(prompt).any()
    assert any("Not understood" in note or "neutral" in note for note in reading.notes)


@pytest.mark.parametrize(
    ("prompt", "emotion", "language"),
    [
        ("sehr wütend, mit gerunzelter Stirn", "angry", "German"), ("une femme très triste", "sad", "French"),
        ("muy contento con la noticia", "happy", "Spanish"), ("ela está com medo", "fear", "Portuguese"),
        ("とても驚いている", "surprised", "Japanese"), ("他很生气", "angry", "Chinese"),
        ("वह बहुत उदास है", "sad", "Hindi"), ("она очень рада", "happy", "Russian"),
    ],
)  # fmt: skip
def test_main_words_of_other_languages(styler: PromptStyler, prompt: str, emotion: str, language: str) -> None:
    assert top(styler, prompt) == emotion
    assert any(language in note for note in styler.read(prompt).notes)


@pytest.mark.parametrize(
    ("prompt", "au", "side"),
    [
        ("die linke Augenbraue hochgezogen", 2, "left"), ("abre mucho los ojos", 5, "both"),
        ("mâchoire en avant", 29, "both"), ("olhos fechados", 43, "both"), ("口角を上げて", 12, "both"),
        ("皱眉，嘴角下垂", 15, "both"), ("आँखें बंद", 43, "both"), ("guarda a sinistra", 61, "both"),
    ],
)  # fmt: skip
def test_movements_of_other_languages(styler: PromptStyler, prompt: str, au: int, side: str) -> None:
    assert (au, side) in {(move.au, move.side) for move in styler.read(prompt).action_units}


@pytest.mark.parametrize("prompt", ["a brave smile", "46 left, E", "mandible protruded", "brow up"])
def test_short_english_is_english(styler: PromptStyler, prompt: str) -> None:
    assert not any("Read as" in note or "looks like" in note for note in styler.read(prompt).notes)


def test_a_language_that_is_not_understood_says_so(styler: PromptStyler) -> None:
    reading = styler.read("ଏହା ଏକ ପରୀକ୍ଷା")
    assert not styler.code("ଏହା ଏକ ପରୀକ୍ଷା").any()
    assert "English" in reading.notes[0]


def test_description_shows_what_was_understood(styler: PromptStyler) -> None:
    text = styler.read("frightened eyes over a brave grin, no frown, AU4 C").describe()
    for part in ("eyes", "fear", "AU12", "AU4", "without", "intensity"):
        assert part in text


def test_then_belongs_on_the_timeline(styler: PromptStyler) -> None:
    assert any("timeline" in note for note in styler.read("smiles, then frowns").notes)


@given(st.text(max_size=80))
@settings(max_examples=60, deadline=None)
def test_any_text_gives_a_finite_face(prompt: str) -> None:
    code = PromptStyler(MiniLMEncoder.load()).code(prompt)
    assert code.shape == (52,) and np.isfinite(code).all() and code.min() >= 0 and code.max() <= 1


def test_tables_are_complete() -> None:
    for words, feeling in feeling_words().items():
        assert set(feeling.emotion) <= set(EMOTIONS), words
        assert abs(sum(feeling.emotion.values()) - 1) < 1e-6 and 0 <= feeling.strength <= 1, words
    for words, movement in movement_words().items():
        assert all(au in action_units() for au, _ in movement.units), words
    assert all(0 < factor < 2 for _, factor in degrees().items())


def test_arousal_follows_what_is_felt(styler: PromptStyler) -> None:
    calm, raging, mourning = (styler.read(prompt).arousal for prompt in ("", "boiling with rage", "quietly grieving"))
    assert calm == CALM and raging > 0.6 and mourning < raging - 0.2

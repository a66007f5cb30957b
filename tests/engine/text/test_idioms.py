"""Idioms of feeling: in every person and tense, across joining words, and not where the words are meant literally."""

from __future__ import annotations

import pytest

from talkclip.engine.text.idioms import find_idioms, idioms, spelt_out
from talkclip.engine.text.lexicon import EMOTIONS, word_list
from talkclip.engine.text.pose import PromptStyler
from talkclip_training.text.prompt_score import LOOKS


def looks(styler: PromptStyler, prompt: str, emotion: str) -> bool:
    from talkclip.coefficients import ARKIT52

    return LOOKS[emotion](dict(zip(ARKIT52, styler.pose(prompt).tolist(), strict=True)))


@pytest.mark.parametrize(
    ("emotion", "prompts"),
    [
        ("angry", [
            "he bit Sandra's head off", "she went ballistic", "doing her nut", "spitting chips",
            "it really gets my goat", "driving us round the bend", "about to snap", "they hit the roof",
            "got the hump", "eating the head off me"
        ]),
        ("happy", [
            "chuffed to bits", "they were over the moon", "having the time of my life", "pleased as punch",
            "cracking up at his own joke", "on cloud nine", "walks on air", "head over heels",
            "buzzing, woohoo"
        ]),
        ("sad", [
            "crying her heart out", "sick as a parrot", "gutted", "with a lump in her throat",
            "broke my heart", "tail between his legs", "in floods of tears", "down in the dumps",
            "his world has come crashing down"
        ]),
        ("fear", [
            "shaking like a leaf", "scared out of his wits", "bricking it", "her blood ran cold",
            "with her heart in her mouth", "a rabbit caught in the headlights", "it gives me the creeps",
            "jumped out of her skin"
        ]),
        ("surprised", [
            "blow me down", "knocked sideways by the news", "could have knocked me over with a feather",
            "eyes popped out of his head", "lost for words", "well I never", "stone the crows"
        ]),
        ("disgusted", [
            "it turned my stomach", "about to lose his breakfast", "green around the gills",
            "made her want to puke", "it makes my skin crawl", "smells rotten eggs"
        ]),
        ("contempt", [
            "on her high horse", "too good for the likes of us", "looks me up and down", "up himself",
            "treats them like dirt", "wouldn't give you the time of day"
        ]),
        ("neutral", [
            "cool as a cucumber", "water off a duck's back", "without batting an eyelid", "couldn't care less"
        ]),
    ],
)  # fmt: skip
def test_idioms_show_their_feeling(styler: PromptStyler, emotion: str, prompts: list[str]) -> None:
    wrong = [prompt for prompt in prompts if not looks(styler, prompt, emotion)]
    assert not wrong


@pytest.mark.parametrize(
    "prompt",
    ["she sees red lights ahead", "looks down on the city", "throws up his hands", "there is no way out",
     "winds it up", "wind up the clock"],
)  # fmt: skip
def test_literal_wording_is_no_idiom(prompt: str) -> None:
    assert not find_idioms(word_list(prompt))


def test_an_idioms_own_words_are_no_movement_and_no_denial(styler: PromptStyler) -> None:
    assert not styler.read("ready to bite her head off").action_units
    reading = styler.read("he couldn't believe his eyes")
    assert not reading.denied_emotions and max(reading.emotions, key=lambda e: reading.emotions[e]) == "surprised"


def test_what_the_face_does_in_an_idiom_shows_too(styler: PromptStyler) -> None:
    assert any(move.au == 12 for move in styler.read("grinning from ear to ear").action_units)


def test_a_denied_idiom_is_denied(styler: PromptStyler) -> None:
    assert styler.read("not exactly over the moon").denied_emotions == ("happy",)


def test_templates_are_spelt_out() -> None:
    assert spelt_out("~bite (his|)", {"bite": ["bite", "bit"]}) == ["bite his", "bite", "bit his", "bit"]
    with pytest.raises(ValueError, match="brackets"):
        spelt_out("a) b", {})


def test_the_table_is_sound() -> None:
    for words, idiom in idioms():
        assert set(idiom.feeling.emotion) <= set(EMOTIONS) and "~" not in "".join(words), words
        assert sum(idiom.feeling.emotion.values()) == pytest.approx(1), words

"""What people write is turned into what is spoken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkclip.engine.speech.numbers import LARGEST, cardinal, ordinal, year
from talkclip.engine.speech.transcript import spoken_words
from talkclip.errors import InputError


def said(text: str) -> str:
    return " ".join(word for spoken in spoken_words(text) for word in spoken.says)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("In 1984, not 2005 or 1905; 1,250 of 1900.",
         "in nineteen eighty four not two thousand five or nineteen oh five one thousand two hundred fifty of "
         "nineteen hundred"),
        ("It's $20.50, £3.5 million or €1!",
         "it's twenty dollars fifty cents three point five million pounds or one euro"),
        ("15% at 7:30 a.m. and 12:00", "fifteen percent at seven thirty a m and twelve o'clock"),
        ("9:05pm", "nine oh five p m"),
        ("the 21st, 2nd and 12th of May", "the twenty first second and twelfth of may"),
        ("the 1980s and '90s", "the nineteen eighties and nineties"),
        ("2/3 of 5 km, 1/2 of 3.14", "two thirds of five kilometers one half of three point one four"),
        ("agent 007, room 101", "agent zero zero seven room one hundred one"),
        ("Dr. Smith & Mr Jones vs. St. John on Main St.",
         "doctor smith and mister jones versus saint john on main street"),
        ("I said no. Then No. 5", "i said no then number five"),
        ("e.g. the U.S. and AT&T #5", "for example the u s and a t and t number five"),
        ("“Don’t!” — she’d said… well-known", "don't she'd said well known"),
        ("1914–1918", "nineteen fourteen to nineteen eighteen"),
        ("[furious] Get out! <laughs> [breaking] Please…", "get out please"),
        ("café naïve Straße ½", "cafe naive strasse one half"),
        ("runnin' 'cause rock 'n' roll", "runnin' 'cause rock 'n' roll"),
        ("😀 fine 👍", "fine"),
        ("72°F is 5'10\" tall", "seventy two degrees f is five ten tall"),
    ],
)  # fmt: skip
def test_spoken_form(text: str, expected: str) -> None:
    assert said(text) == expected


def test_words_keep_how_they_were_written() -> None:
    words = spoken_words("“Well,” Dr. Who paid $20 in 1984!")
    assert [word.text for word in words] == ["Well", "Dr", "Who", "paid", "$20", "in", "1984"]


@pytest.mark.parametrize("text", ["", "   ", "?!…", "[laughs]", "こんにちは", "Привет"])
def test_nothing_to_say(text: str) -> None:
    with pytest.raises(InputError, match="no word in English letters"):
        spoken_words(text)


@given(st.text(max_size=80))
def test_any_text_gives_speakable_words_or_a_clear_error(text: str) -> None:
    try:
        words = spoken_words(text)
    except InputError:
        return
    assert all(word.says and word.text for word in words)
    assert all(set(said) <= set("abcdefghijklmnopqrstuvwxyz'") for word in words for said in word.says)


@given(st.integers(0, LARGEST))
def test_cardinals_tell_their_number(number: int) -> None:
    ones = dict(zip([cardinal(n)[0] for n in range(20)], range(20), strict=True))
    tens = {cardinal(10 * n)[0]: 10 * n for n in range(2, 10)}
    sizes = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
    total = group = 0
    for word in cardinal(number):
        if word in sizes:
            total, group = total + group * sizes[word], 0
        elif word == "hundred":
            group *= 100
        else:
            group += ones.get(word, tens.get(word, 0))
    assert total + group == number


def test_number_edges() -> None:
    assert " ".join(ordinal(20)) == "twentieth"
    assert " ".join(year(2010)) == "twenty ten"
    assert " ".join(year(2000)) == "two thousand"
    with pytest.raises(ValueError, match="out of range"):
        cardinal(LARGEST + 1)

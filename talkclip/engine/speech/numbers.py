"""English numbers as they are spoken.

Our own few lines: the libraries at hand are LGPL (num2words) or take 1.7 s to import (inflect), which a cold start
feels.
"""

from __future__ import annotations

import re

_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_GROUPS = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"), (1000, "thousand"))
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip
_FRACTIONS = {2: ("half", "halves"), 4: ("quarter", "quarters")}
# Longer runs of digits are read one by one: a telephone or account number.
LARGEST = 10**15 - 1


def cardinal(number: int) -> list[str]:
    """0..10^15-1 -> words, American ("one hundred five").

    Raises:
        ValueError: out of range.
    """
    if not 0 <= number <= LARGEST:
        raise ValueError(f"{number} is out of range")
    if number < 20:
        return [_ONES[number]]
    if number < 100:
        return [_TENS[number // 10], *([_ONES[number % 10]] if number % 10 else [])]
    if number < 1000:
        return [_ONES[number // 100], "hundred", *(cardinal(number % 100) if number % 100 else [])]
    size, name = next((size, name) for size, name in _GROUPS if number >= size)
    return [*cardinal(number // size), name, *(cardinal(number % size) if number % size else [])]


def ordinal(number: int) -> list[str]:
    """21 -> twenty first."""
    *rest, last = cardinal(number)
    if last in _ORDINALS:
        return [*rest, _ORDINALS[last]]
    return [*rest, last[:-1] + "ieth" if last.endswith("y") else last + "th"]


def year(number: int) -> list[str]:
    """1984 -> nineteen eighty four; 1905 -> nineteen oh five; 2005 -> two thousand five; 2024 -> twenty twenty four."""
    high, low = divmod(number, 100)
    if number % 1000 < 10:
        return cardinal(number)
    if low == 0:
        return [*cardinal(high), "hundred"]
    return [*cardinal(high), *(["oh", _ONES[low]] if low < 10 else cardinal(low))]


def plural(words: list[str]) -> list[str]:
    """nineteen eighty -> nineteen eighties; six -> sixes."""
    *rest, last = words
    if last.endswith("y"):
        return [*rest, last[:-1] + "ies"]
    return [*rest, last + ("es" if last.endswith(("x", "s")) else "s")]


def digits(text: str) -> list[str]:
    """Each digit on its own; other characters are skipped."""
    return [_ONES[int(ch)] for ch in text if ch in "0123456789"]


def number_words(text: str) -> list[str]:
    """'1,250' '3.14' '007' '1984' -> words; four plain digits from 1100 to 2099 are read as a year.

    Args:
        text: digits with commas and at most one decimal point.
    """
    whole, _, decimals = text.partition(".")
    plain = whole.replace(",", "")
    if len(plain) > 15 or (len(plain) > 1 and plain[0] == "0"):
        spoken = digits(plain)
    elif re.fullmatch(r"(1[1-9]|20)\d\d", whole) and not decimals:
        spoken = year(int(plain))
    else:
        spoken = cardinal(int(plain or "0"))
    return [*spoken, *(["point", *digits(decimals)] if decimals else [])]


def clock_time(hours: int, minutes: int) -> list[str]:
    """7, 30 -> seven thirty; 7, 5 -> seven oh five; 7, 0 -> seven o'clock."""
    if minutes == 0:
        return [*cardinal(hours), "o'clock"]
    return [*cardinal(hours), *(["oh", _ONES[minutes]] if minutes < 10 else cardinal(minutes))]


def fraction(top: int, bottom: int) -> list[str]:
    """1, 2 -> one half; 2, 3 -> two thirds."""
    if bottom in _FRACTIONS:
        return [*cardinal(top), _FRACTIONS[bottom][top != 1]]
    *rest, last = ordinal(bottom)
    return [*cardinal(top), *rest, last if top == 1 else last + "s"]

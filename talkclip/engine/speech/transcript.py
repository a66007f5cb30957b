"""A transcript as people write it -> the words as they are spoken (English)."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Callable

from talkclip.engine.speech import numbers
from talkclip.errors import InputError


@dataclasses.dataclass(frozen=True)
class SpokenWord:
    """One written word and how it is said.

    Attributes:
        text: as written, without the punctuation around it ("$20", "well", "Dr").
        says: lower-case English words ("twenty", "dollars"); letters a-z and apostrophes only, never empty.
    """

    text: str
    says: tuple[str, ...]


_ABBREVIATIONS = {
    "mr": "mister", "mrs": "missus", "ms": "miz", "dr": "doctor", "prof": "professor", "sr": "senior",
    "jr": "junior", "lt": "lieutenant", "sgt": "sergeant", "capt": "captain", "gen": "general", "col": "colonel",
    "rev": "reverend", "gov": "governor", "sen": "senator", "hon": "honorable", "ave": "avenue", "blvd": "boulevard",
    "rd": "road", "inc": "incorporated", "ltd": "limited", "corp": "corporation", "dept": "department",
    "approx": "approximately", "est": "established", "vs": "versus", "etc": "et cetera", "no": "number",
    "vol": "volume", "fig": "figure", "mt": "mount", "ft": "feet", "jan": "january", "feb": "february", "aug": "august",
    "sept": "september", "oct": "october", "nov": "november", "dec": "december",
}  # fmt: skip
# Also words of their own: abbreviations only with a full stop and before a number, or before a name.
_BEFORE_NUMBER = frozenset({"no", "fig", "vol", "dec", "jan", "feb", "aug", "sept", "oct", "nov", "approx", "est"})
_BEFORE_NAME = frozenset({"gen", "hon", "mt", "col", "rev", "sen", "gov", "rd"})
_NO_STOP_NEEDED = frozenset({"mr", "mrs", "ms", "dr", "prof", "sgt", "capt", "lt", "jr", "vs", "etc"})
_UNITS = {
    "km": "kilometers", "m": "meters", "cm": "centimeters", "mm": "millimeters", "kg": "kilograms", "g": "grams",
    "lb": "pounds", "lbs": "pounds", "oz": "ounces", "ft": "feet", "in": "inches", "mph": "miles per hour",
    "kmh": "kilometers per hour", "hr": "hours", "hrs": "hours", "min": "minutes", "mins": "minutes", "sec": "seconds",
    "secs": "seconds", "hz": "hertz", "khz": "kilohertz", "mb": "megabytes", "gb": "gigabytes", "k": "thousand",
}  # fmt: skip
_CURRENCIES = {"$": ("dollar", "cent"), "£": ("pound", "penny"), "€": ("euro", "cent"), "¥": ("yen", "")}
_SYMBOLS = {"&": "and", "+": "plus", "@": "at", "=": "equals", "%": "percent", "°": "degrees"}
_MAGNITUDE = r"(?:hundred|thousand|million|billion|trillion)"
_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_WORD = r"'?[A-Za-z]+(?:'[A-Za-z]+)*'?"
_TOKEN = re.compile(
    rf"""(?P<money>[$£€¥]\s?(?P<amount>{_NUMBER})(?:\s(?P<magnitude>{_MAGNITUDE})\b)?)
    |(?P<time>\b(?P<hours>\d{{1,2}}):(?P<minutes>[0-5]\d)(?:\s?(?P<half>[ap])\.?m\b)?(?!\d))
    |(?P<ordinal>\b(?P<rank>\d[\d,]*)(?:st|nd|rd|th)\b)
    |(?P<decade>'?\b(?P<years>\d{{2}}|\d{{4}})'?s\b)
    |(?P<fraction>\b(?P<top>\d{{1,2}})/(?P<bottom>[2-9]\d?|1\d)\b)
    |(?P<percent>(?P<share>{_NUMBER})\s?%)
    |(?P<measure>\b(?P<many>{_NUMBER})\s?(?P<unit>{"|".join(sorted(_UNITS, key=len, reverse=True))})\b)
    |(?P<number>\b(?:{_NUMBER})\b)
    |(?P<initials>\b(?:[A-Za-z]\.){{2,}}|\b(?-i:[A-Z]{{1,3}}&[A-Z]{{1,3}})\b)
    |(?P<word>{_WORD})
    |(?P<symbol>[{re.escape("".join(_SYMBOLS))}#])
    |(?P<digits>\d+)
    """,
    re.VERBOSE | re.IGNORECASE,
)


def spoken_words(text: str) -> tuple[SpokenWord, ...]:
    """Numbers, years, money, times, abbreviations and signs become words; [directions] and punctuation are dropped.

    Args:
        text: English, as written.

    Raises:
        InputError: no word is left (empty, or another script).
    """
    plain = _plain(text)
    words: list[SpokenWord] = []
    for match in _TOKEN.finditer(plain):
        says = _READERS[str(match.lastgroup) if match.lastgroup in _READERS else _kind(match)](match, plain)
        says = [word for word in (re.sub(r"[^a-z']", "", word) for word in says) if word.strip("'")]
        if says:
            words.append(SpokenWord(match.group().strip().strip("'") or match.group().strip(), tuple(says)))
    if not words:
        shown = " ".join(text.split())[:40]
        raise InputError(
            f"transcript '{shown}': holds no word in English letters.",
            "Give the English words that are spoken, or leave the transcript out.",
        )
    return tuple(words)


def _plain(text: str) -> str:
    """ASCII letters, straight quotes, no dashes, no [directions] or <tags>."""
    text = unicodedata.normalize("NFKC", text).translate(str.maketrans("’‘ʼ`⁄", "'" * 4 + "/"))
    text = re.sub(r"\[[^\[\]]*\]|<[^<>]*>", " ", text)
    text = "".join(ch for ch in unicodedata.normalize("NFKD", text) if not unicodedata.combining(ch))
    text = text.replace("ß", "ss").replace("æ", "ae").replace("ø", "o").replace("œ", "oe")
    # Between years a dash is read "to" (1914-1918); elsewhere it joins or parts words.
    text = re.sub(r"\b(\d{4})\s?[‐-―-]\s?(\d{2,4})\b", r"\1 to \2", text)
    return re.sub(r"[‐-―_/\\-](?!\d)|(?<!\d)[‐-―_/\\-]", " ", text)


def _kind(match: re.Match[str]) -> str:
    return next(kind for kind in _READERS if match.group(kind) is not None)


def _money(match: re.Match[str], _: str) -> list[str]:
    unit, cent = _CURRENCIES[match.group("money")[0]]
    amount = match.group("amount")
    if match.group("magnitude"):
        return [*numbers.number_words(amount), match.group("magnitude").lower(), _many(unit)]
    whole, _, decimals = amount.partition(".")
    units = int(whole.replace(",", ""))
    said = [*numbers.cardinal(units), unit if units == 1 else _many(unit)] if units or not decimals else []
    cents = int(decimals[:2].ljust(2, "0")) if decimals else 0
    if cents and cent:
        said += [*numbers.cardinal(cents), cent if cents == 1 else {"penny": "pence"}.get(cent, cent + "s")]
    return said


def _many(unit: str) -> str:
    return unit if unit == "yen" else unit + "s"


def _time(match: re.Match[str], _: str) -> list[str]:
    said = numbers.clock_time(int(match.group("hours")), int(match.group("minutes")))
    half = match.group("half")
    return [*(word for word in said if word != "o'clock"), half.lower(), "m"] if half else said


def _ordinal(match: re.Match[str], _: str) -> list[str]:
    return numbers.ordinal(int(match.group("rank").replace(",", "")))


def _decade(match: re.Match[str], _: str) -> list[str]:
    years = match.group("years")
    return numbers.plural(numbers.year(int(years)) if len(years) == 4 else numbers.cardinal(int(years)))


def _fraction(match: re.Match[str], _: str) -> list[str]:
    return numbers.fraction(int(match.group("top")), int(match.group("bottom")))


def _percent(match: re.Match[str], _: str) -> list[str]:
    return [*numbers.number_words(match.group("share")), "percent"]


def _measure(match: re.Match[str], _: str) -> list[str]:
    unit = _UNITS[match.group("unit").lower()].split()
    many = match.group("many")
    if many == "1":
        unit = [{"feet": "foot", "inches": "inch"}.get(unit[0], unit[0].removesuffix("s")), *unit[1:]]
    return [*numbers.number_words(many), *unit]


def _number(match: re.Match[str], _: str) -> list[str]:
    return numbers.number_words(match.group())


def _initials(match: re.Match[str], _: str) -> list[str]:
    letters = match.group().replace(".", "").lower()
    spoken = {"eg": ["for", "example"], "ie": ["that", "is"]}.get(letters)
    return spoken or ["and" if letter == "&" else letter for letter in letters]


def _word(match: re.Match[str], text: str) -> list[str]:
    word = match.group().lower()
    bare = word.strip("'")
    following = text[match.end() :]
    if bare == "st":
        return ["saint"] if re.match(r"\.?\s+[A-Z]", following) and not _follows_name(match, text) else ["street"]
    if bare not in _ABBREVIATIONS:
        return [word]
    if bare in _BEFORE_NUMBER or bare in _BEFORE_NAME:
        expected = r"\.\s*\d" if bare in _BEFORE_NUMBER else r"\.\s+[A-Z]"
        return _ABBREVIATIONS[bare].split() if re.match(expected, following) else [word]
    return _ABBREVIATIONS[bare].split() if following.startswith(".") or bare in _NO_STOP_NEEDED else [word]


def _follows_name(match: re.Match[str], text: str) -> bool:
    """Main St. is a street, St. John a saint."""
    return bool(re.search(r"[a-z,]\s+[A-Z][a-z]+\s+$", text[: match.start()]))


def _symbol(match: re.Match[str], text: str) -> list[str]:
    if match.group() == "#":
        return ["number"] if text[match.end() : match.end() + 1].isdigit() else []
    return [_SYMBOLS[match.group()]]


def _digits(match: re.Match[str], _: str) -> list[str]:
    return numbers.digits(match.group())


_READERS: dict[str, Callable[[re.Match[str], str], list[str]]] = {
    "money": _money, "time": _time, "ordinal": _ordinal, "decade": _decade, "fraction": _fraction, "percent": _percent,
    "measure": _measure, "number": _number, "initials": _initials, "word": _word, "symbol": _symbol, "digits": _digits,
}  # fmt: skip

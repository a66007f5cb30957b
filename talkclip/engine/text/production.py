"""What a prompt holds beside a direction: takes and scenes, lenses and time codes, files, code, blind text.

None of it is a strength ("take 0"), a movement ("pan left") or a feeling ("cut to black"), so it is taken out first.
"""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from importlib import resources
from typing import Any

from talkclip.engine.text import lexicon
from talkclip.engine.text.idioms import find_idioms

_NUMBERS = "zero|one|two|three|four|five|six|seven|eight|nine|ten"
_COUNTED = (
    "take|retake|pickup|scene|sc|line|shot|slate|page|pg|frame|frames|act|episode|ep|version|ver|rev|revision|draft|cam|"
    "camera|reel|chapter|clip|cue|seq|sequence|panel|verse|setup|sheet|layer|keyframe|file|audio file|audio|track|"
    "character|char|actor|speaker|segment|sample"
)
_FILES = (
    "wav|mp3|mov|mp4|blend|fbx|py|json|txt|csv|png|jpe?g|tga|exr|flac|aiff?|ogg|m4a|avi|mkv|pdf|docx?|xlsx?|usd[azc]?|abc|"
    "xml|html?|js|ts|cpp|ya?ml|toml|ini|zip|rar|7z|exe|dll|srt|vtt|bvh|glb|gltf|obj|mb|ma"
)
# Where a clause begins.
_OPENING = r"(?:^|(?<=[,.;:!?(\[/–—-])|(?<=[,.;:!?/–—-] ))"
# Each is taken out wherever it stands; a slug line goes to its end.
_MARKS = re.compile(
    r"(?P<slug>^\s*(?:\d+\s+)?(?:INT|EXT|I/E|INT\.?/EXT)\b\.?(?:[ /.,–—-]+[A-Z0-9'’.]+\b)*)"
    r"|(?P<address>(?:https?|ftp|file)://\S+|\bwww\.\S+)"
    r"|(?P<path>\b[A-Za-z]:\\\S+|(?<!\w)(?:\.{0,2}/)?(?:[\w.-]+/){2,}[\w.-]*)"
    rf"|(?P<file>\b[\w-]+\.(?:{_FILES})\b)"
    r"|(?P<tag></?(?:div|span|p|b|i|br|a|img|html|body|head|script|style|h[1-6]|ul|li|table|speak|prosody|break|voice)\b[^<>]*>)"
    r"|(?P<timecode>(?<![\w:])\d{1,2}:\d{2}:\d{2}(?::\d{2})?(?:[.,;:]\d{1,3})?(?!\w))"
    r"|(?P<arrow>-->)"
    rf"|(?P<counted>\b(?:(?i:{_COUNTED}))(?:\s*(?:(?i:no\.?|number)|\#|:))?\s*\#?\d+[a-z]?\b"
    r"(?:\s*(?:-|–|to|of)\s*\d+\b)?(?!\s*(?:[.,]\d|%|(?i:per ?cent)|/\s*\d|(?i:out of))))"
    rf"|(?P<spelt>{_OPENING}(?i:take|scene|act|slate|version|page|shot|line)\s+(?i:{_NUMBERS})"
    r"(?=\s*(?:$|[,.;:!?)\]–—/-])))"
    rf"|(?P<ordinal>{_OPENING}(?i:first|second|third|fourth|fifth|last|final|next|another)\s+(?i:take)\b)"
    r"|(?P<technical>\b\d+(?:[.,]\d+)?\s*(?i:fps|mm|khz|hz|kbps|mbps|px|db|bit|mb|gb|ms)\b|\b(?:720|1080|1440|2160)[pi]\b|"
    r"\b[248]k\b|\b(?i:iso)\s*\d+|\bf/\d(?:\.\d)?\b|\bf\d\.\d\b|\b\d{3,4}\s?x\s?\d{3,4}\b|\b(?:16:9|4:3|21:9|9:16|2[.]39:1|2[.]35:1|1[.]85:1)(?!\d))"
    r"|(?P<version>\bv\d{1,4}\b)",
    re.MULTILINE,
)
_CODE = re.compile(
    r"\bdef \w+\(|\bfunction\s*\w*\(|=>\s*\{|\bSELECT\b.+\bFROM\b|#include\b|^\s*import \w+|"
    r"console\.log|\bprint\(|\w\([\w, ]*\);"
    r"|\{\s*\"\w+\"\s*:|\breturn\s+\w+;|\b(?:var|let|const|int) \w+\s*=|"
    r"\b(?:if|for|while)\s*\(.*\)\s*\{|&&|\|\||[!=]==?",
    re.MULTILINE,
)
_UNDERSCORED = re.compile(r"\b(?=\w*\d)[A-Za-z0-9]+(?:_[A-Za-z0-9]+)+\b")
_SEGMENT = re.compile(r"([,;.|\n()\[\]/]+|\s[-–—]\s)")
_LATIN_SHARE = 0.7


@dataclass(frozen=True)
class Cleaned:
    """A prompt without what asks for nothing.

    Attributes:
        text: what is left.
        left_out: what was taken out, in order.
    """

    text: str
    left_out: tuple[str, ...] = ()


def clean(text: str) -> Cleaned:
    """Take out marks of production, files, code and blind text."""
    if _CODE.search(text) or _is_latin(text):
        return Cleaned("", (" ".join(text.split()),))
    gone: list[str] = []

    def taken(match: re.Match[str]) -> str:
        gone.append(" ".join(match[0].split()))
        return " "

    rest = _MARKS.sub(taken, text)
    rest = _UNDERSCORED.sub(lambda m: m[0] if _is_a_shape(m[0]) else taken(m), rest)
    parts = _SEGMENT.split(rest)
    for number in range(0, len(parts), 2):
        if _asks_for_nothing(parts[number], bool(gone)):
            gone.append(parts[number].strip())
            parts[number] = ""
    if not gone:
        return Cleaned(text)
    return Cleaned(re.sub(r"\s+", " ", "".join(parts)).strip(" ,;.|-–—/()[]"), tuple(part for part in gone if part))


def says_who_speaks(words: list[str]) -> bool:
    """Whether words only say who speaks and how they look: "a blonde woman in a blue dress"."""
    small = lexicon.words_that("silent") | {"with", "in", "and", "wearing"}
    telling = [word for word in words if word not in small and not word.isdigit()]
    return bool(telling) and all(word in _words("people") for word in telling)


def _asks_for_nothing(segment: str, beside_marks: bool) -> bool:
    """Whether a clause is made of camera wording or placeholders and small words only."""
    words = lexicon.word_list(segment)
    if find_idioms(words):  # "cut to the quick"
        return False
    held = [False] * len(words)
    for start, end, _ in _phrases().find(words):
        held[start:end] = [True] * (end - start)
    if not any(held) and not (beside_marks and words):
        return False
    return all(h or w in _words("fillers") or w.isdigit() for h, w in zip(held, words, strict=True))


def _is_latin(text: str) -> bool:
    words = lexicon.word_list(text)
    return len(words) >= 2 and sum(word in _words("latin") for word in words) >= _LATIN_SHARE * len(words)


def _is_a_shape(name: str) -> bool:
    return bool(re.match(r"(?:brow|eye|cheek|nose|jaw|mouth|tongue)", name, re.IGNORECASE))


@functools.cache
def _phrases() -> lexicon.PhraseTable[bool]:
    phrases = f"{_table()['camera']}, {_table()['placeholders']}"
    return lexicon.PhraseTable((phrase.strip(), True) for phrase in phrases.split(","))


@functools.cache
def _words(key: str) -> frozenset[str]:
    return frozenset(_table()[key].split())


@functools.cache
def _table() -> Any:
    return json.loads(
        (resources.files("talkclip.engine.text") / "data" / "production.json").read_text(encoding="utf-8")
    )

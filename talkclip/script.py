"""Stage directions: `[furious] Get out! [breaking] Please.` -> prompt segments snapped to the spoken words."""

from __future__ import annotations

import dataclasses
import difflib
import re
import unicodedata
from collections.abc import Sequence

from talkclip.errors import InputError
from talkclip.phones import Word
from talkclip.timeline import PromptSegment, PromptTimeline

# A face turns before the voice does: the new expression is half there this long before its first word.
LEAD_S = 0.12
_DIRECTION = re.compile(r"\[([^\[\]]*)\]")


@dataclasses.dataclass(frozen=True)
class ScriptPart:
    """What is said under one stage direction. `prompt` "" means none was given (neutral)."""

    prompt: str
    text: str


def parse_script(script: str) -> tuple[ScriptPart, ...]:
    """Split a line at its [stage directions]; directions that follow each other are joined with a comma.

    Raises:
        InputError: nothing to say, or a bracket that does not close.
    """
    pieces = _DIRECTION.split(script)
    spoken = pieces[0::2]
    if any(mark in text for text in spoken for mark in "[]"):
        raise InputError("script: a [ or ] has no partner.", "Write directions as [furious] in front of the words.")
    prompts = ["", *(p.strip() for p in pieces[1::2])]
    parts: list[ScriptPart] = []
    pending = ""
    for prompt, text in zip(prompts, spoken, strict=True):
        pending = ", ".join(filter(None, (pending, prompt)))
        if plain_words(text):
            parts.append(ScriptPart(pending, " ".join(text.split())))
            pending = ""
    if not parts:
        raise InputError(
            "script: no words to speak between the [directions].", 'Write for example "[furious] Get out!".'
        )
    return tuple(parts)


def spoken_text(parts: Sequence[ScriptPart]) -> str:
    """The transcript: the parts' words without the directions."""
    return " ".join(part.text for part in parts)


def timeline_from_script(parts: Sequence[ScriptPart], words: Sequence[Word], duration_s: float) -> PromptTimeline:
    """One segment a part; borders stand shortly before the first aligned word of a part.

    The script's words are matched to the aligned words in order; words that alignment spelled otherwise
    (numbers, abbreviations) are placed between their matched neighbours.

    Args:
        parts: from `parse_script`.
        words: aligned words, in order.
        duration_s: length of the recording.

    Raises:
        InputError: no aligned words.
    """
    if not words:
        raise InputError(
            "script: the recording's words are not known, so directions cannot be placed.",
            "Give the transcript (--text).",
        )
    starts = _first_words(parts, words)
    borders = [0.0]
    for first in starts[1:]:
        silence_from = words[first - 1].end_s if first > 0 else 0.0
        word_at = words[first].start_s
        # In a long pause lead by LEAD_S; in running speech turn at the border itself.
        borders.append(max(min(silence_from, word_at), word_at - LEAD_S, borders[-1] + 1e-3))
    borders.append(max(duration_s, borders[-1] + 1e-3))
    last = len(parts) - 1
    segments = [
        PromptSegment(
            part.prompt, borders[i], borders[i + 1], uid=f"part{i + 1}",
            blend_in_s=0.0 if i == 0 else _blend_s(borders, i),
            blend_out_s=0.0 if i == last else _blend_s(borders, i + 1),
        )
        for i, part in enumerate(parts)
    ]  # fmt: skip
    return PromptTimeline(tuple(segments))


def _blend_s(borders: Sequence[float], i: int) -> float:
    """A quarter of a second, less where a neighbour is short."""
    return min(0.25, 0.8 * (borders[i] - borders[i - 1]), 0.8 * (borders[i + 1] - borders[i]))


def plain_words(text: str) -> list[str]:
    """The words of a text in lower case, without punctuation ("Don't go!" -> "don't", "go")."""
    return re.findall(r"[^\W_]+(?:['’][^\W_]+)*", text.lower().replace("’", "'"))


def word_key(word: str) -> str:
    """What stays equal however a word is written: letters and digits in lower case, without accents."""
    bare = "".join(ch for ch in unicodedata.normalize("NFKD", word) if not unicodedata.combining(ch))
    return "".join(plain_words(bare)).replace("'", "") or word.strip().casefold()


def _first_words(parts: Sequence[ScriptPart], words: Sequence[Word]) -> list[int]:
    """Index into `words` of each part's first word, strictly increasing where there are words enough."""
    script = [word for part in parts for word in plain_words(part.text)]
    spoken = [word_key(word.text) for word in words]
    matched: dict[int, int] = {}
    for block in difflib.SequenceMatcher(
        None, [word_key(word) for word in script], spoken, autojunk=False
    ).get_matching_blocks():
        matched |= {block.a + k: block.b + k for k in range(block.size)}
    firsts, position = [], 0
    for part in parts:
        firsts.append(_nearest(position, matched, len(script), len(spoken)))
        position += len(plain_words(part.text))
    for i in range(1, len(firsts)):
        firsts[i] = min(max(firsts[i], firsts[i - 1] + 1), len(words) - 1)
    return firsts


def _nearest(position: int, matched: dict[int, int], n_script: int, n_spoken: int) -> int:
    """Where script word `position` stands among the spoken words, between its matched neighbours."""
    if position in matched:
        return matched[position]
    before = max((k for k in matched if k < position), default=None)
    after = min((k for k in matched if k > position), default=None)
    low = (-1, -1) if before is None else (before, matched[before])
    high = (n_script, n_spoken) if after is None else (after, matched[after])
    share = (position - low[0]) / max(high[0] - low[0], 1)
    return min(max(round(low[1] + share * (high[1] - low[1])), 0), n_spoken - 1)

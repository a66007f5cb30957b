"""What a clause denies: from the negation to the clause's end, unless a second negation takes it back.

"not without a smile", "don't forget to smile", "fails to hide a grin" deny nothing; "Upset? She isn't." denies what
stands before; "hardly thrilled" denies a feeling, "hardly smiling" is a degree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from talkclip.engine.text import lexicon

DENYING_LEADS = frozenset({"without", "nor", "except", "unlike", "sans", "minus"})
_COMPARING_LEADS = {"rather": "than", "instead": "of"}
# A second negation takes the first one back when it stands within so many words.
_REACH = 3
# "keeps his own eyes from widening": so many words stand between.
_KEPT_REACH = 3
# A command such as "lose" speaks of what follows within so many words.
_REMOVAL_REACH = 4


@dataclass(frozen=True)
class Negation:
    """What is denied in one clause.

    Attributes:
        start: the first denied word, None where nothing is denied.
        end: behind the last denied word.
        closing: nothing stands behind the negation, so that it denies what stands before.
        words: indices of the words that make the negation.
    """

    start: int | None = None
    end: int = 0
    closing: bool = False
    words: tuple[int, ...] = ()

    def covers(self, index: int) -> bool:
        """Whether what begins at a word is denied."""
        return self.start is not None and (self.closing or self.start <= index < self.end)

    @property
    def denies(self) -> bool:
        """Whether anything is denied."""
        return self.start is not None


def find_negation(words: list[str], lead: str, carried: bool, idioms: frozenset[int] = frozenset()) -> Negation:
    """The negation of a clause.

    Args:
        words: lower-case words of the clause.
        lead: its joining word.
        carried: the clause before denies, and this one goes on ("or", "nor").
        idioms: words whose negation belongs to an idiom ("couldn't care less").
    """
    found = [hit for hit in _negations(words) if not any(i in idioms for i in range(*hit))]
    off = _kept_off(words)
    if off is not None:
        return Negation(0, len(words), closing=True, words=tuple(range(*off)))
    taking_back = sorted([*found, *((s, e) for s, e, _ in lexicon.phrases_that("taken_back_by").find(words))])
    compared = bool(words) and _COMPARING_LEADS.get(lead) == words[0]  # "sad rather than angry"
    if carried or compared or lead in DENYING_LEADS:
        back = next((hit for hit in taking_back if hit[0] < _REACH), None)
        if lead in ("without", "except") and back is not None:
            return Negation(words=tuple(range(*back)))  # "without hiding it", "without ever losing the smile"
        return Negation(0, len(words), words=tuple(i for hit in found for i in range(*hit)))
    behind = 0
    for start, end in list(found):
        if start < behind:
            continue
        back = next((hit for hit in taking_back if end <= hit[0] < end + _REACH), None)
        if back is None:
            return Negation(start, len(words), _closes(words, start, end), tuple(range(start, end)))
        behind = back[1]  # two negations make none
        found = [*found, back]
    return Negation(words=tuple(i for hit in found for i in range(*hit)))


def denies_feeling(words: list[str], start: int) -> bool:
    """'Hardly thrilled', 'not exactly happy', 'less than pleased': what a feeling is said not to be."""
    before = words[max(0, start - 3) : start]
    return any(end == len(before) for _, end, _ in lexicon.phrases_that("litotes").find(before))


def removed_from(words: list[str], named: Sequence[int], regions: Sequence[int]) -> int | None:
    """'Lose the grin', 'wipe off that smirk' -> the command's index; "drop the jaw" removes nothing."""
    for start, end, _ in lexicon.phrases_that("removals").find(words):
        after = [i for i in named if end <= i <= end + _REMOVAL_REACH]
        if after and not any(end <= r < min(after) for r in regions):
            return start
    return None


def _negations(words: list[str]) -> list[tuple[int, int]]:
    """-> [start, end) of negating words and phrases, without the harmless ones."""
    harmless = _harmless(words)
    hits = [(s, e) for s, e, _ in lexicon.phrases_that("negations").find(words)]
    hits += _kept_from(words)
    return [hit for hit in hits if not any(i in harmless for i in range(*hit))]


def _kept_off(words: list[str]) -> tuple[int, int] | None:
    """'Keep the smile off his face': where "off his face" stands."""
    if not words or not any(word in lexicon.words_that("keeping") for word in words):
        return None
    places = [i for i in range(len(words) - 1) if words[i] == "off" and "face" in words[i + 1 : i + 3]]
    return (places[0], words.index("face", places[0]) + 1) if places else None


def _kept_from(words: list[str]) -> list[tuple[int, int]]:
    """ "keeps his eyes from widening": the two words and what stands between them."""
    found = []
    for start in (i for i, word in enumerate(words) if word in lexicon.words_that("keeping")):
        reach = words[start + 1 : start + 2 + _KEPT_REACH]
        if "from" in reach:
            found.append((start, start + 2 + reach.index("from")))
    return found


def _harmless(words: list[str]) -> set[int]:
    text = " ".join(words)
    starts = [sum(len(w) + 1 for w in words[:i]) for i in range(len(words))]
    return {
        i
        for match in lexicon.harmless_negations().finditer(text)
        for i, position in enumerate(starts)
        if match.start() <= position < match.end()
    }


def _closes(words: list[str], start: int, end: int) -> bool:
    rest = words[end:]
    final = " ".join(words[start:end]) in lexicon.words_that("final_negations") or rest[:2] == ["at", "all"]
    return final and start > 0 and all(w in lexicon.words_that("silent") for w in rest)

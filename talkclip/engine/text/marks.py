"""The words of one clause and which of them are already explained."""

from __future__ import annotations

from dataclasses import dataclass

from talkclip.engine.text import lexicon

# "a tiny bit puffed" bites nothing.
_OPENS_A_DEGREE = frozenset({"a", "an", "the", "just", "by", "ever", "very"})


@dataclass(frozen=True)
class Hit:
    """A vocabulary phrase at words [start, end); start is -1 for one carried over from an earlier clause."""

    start: int
    end: int
    name: str

    def distance(self, start: int, end: int) -> int:
        """Words between this and words [start, end)."""
        return max(self.start - end, start - self.end)


class Marks:
    """Words of a clause with a mark on each: explained, or no movement although it looks like one.

    Attributes:
        words: lower-case words.
        used: which are explained.
        deceptive: which belong to wording that only looks like a movement ("raises his voice").
    """

    def __init__(self, words: list[str]) -> None:
        self.words = words
        self.used = [False] * len(words)
        self.deceptive = [False] * len(words)
        tables = (lexicon.movement_words(), lexicon.actions(), lexicon.regions(), lexicon.gaze_directions())
        regions = [(s, e) for s, e, _ in lexicon.regions().find(words) if e - s > 1]
        for start, end, _ in lexicon.no_movements().find(words):
            if any(s < end and start < e for s, e in regions):  # "the inner ends up" end up nowhere
                continue
            if not any(hit is not None and hit[0] > end - start for hit in (t.at(words, start) for t in tables)):
                self.deceptive[start:end] = [True] * (end - start)
        for start, end, _ in lexicon.degrees().find(words):
            if end - start > 1 and words[start] in _OPENS_A_DEGREE:
                self.deceptive[start:end] = [True] * (end - start)

    def take(self, table: lexicon.PhraseTable[lexicon.T]) -> list[tuple[int, int, lexicon.T]]:
        """Matches over unexplained words, deceptive or not; marks them as explained."""
        found = self.peek(table, movement=False)
        for start, end, _ in found:
            self.mark(start, end)
        return found

    def peek(
        self, table: lexicon.PhraseTable[lexicon.T], movement: bool = True, without: frozenset[int] = frozenset()
    ) -> list[tuple[int, int, lexicon.T]]:
        """Matches over unexplained words.

        Args:
            table: phrases.
            movement: leave deceptive words out.
            without: indices of more words to leave out.
        """
        found = []
        start = 0
        while start < len(self.words):
            end = start
            while end < len(self.words) and not self._is_blocked(end, movement, without):
                end += 1
            found += [(start + s, start + e, value) for s, e, value in table.find(self.words[start:end])]
            start = end + 1
        return found

    def _is_blocked(self, index: int, movement: bool, without: frozenset[int]) -> bool:
        return self.used[index] or index in without or (movement and self.deceptive[index])

    def mark(self, start: int, end: int) -> None:
        """Words [start, end) are explained."""
        if start >= 0:
            self.used[start:end] = [True] * (end - start)

    def deceive(self, start: int, end: int) -> None:
        """Words [start, end) look like a movement and are none."""
        self.deceptive[start:end] = [True] * (end - start)

    def unused(self) -> list[str]:
        """The words that nothing explains."""
        return [w for w, used in zip(self.words, self.used, strict=True) if not used]

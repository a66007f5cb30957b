"""Sides in a clause: left and right are the character's own, unless the text says whose view it takes.

"the brow on the left of the screen" is the character's right one; "one", "a single", "an eyebrow" leave the side open;
"the other" is opposite to the side named last; "higher on the left than on the right" moves both, unequally.
"""

from __future__ import annotations

from dataclasses import dataclass

SIDE_WORDS = {
    "left": "left", "l": "left", "lefthand": "left", "leftward": "left", "leftwards": "left", "lefty": "left",
    "right": "right", "r": "right", "righthand": "right", "rightward": "right", "rightwards": "right",
}  # fmt: skip
# The side a movement takes when the text only says that it is one-sided.
UNSTATED_SIDE = "right"
# The weaker side's share where both move and one is said to move more.
WEAKER_SHARE = 0.45
_OPEN = frozenset({
    "one", "single", "lopsided", "crooked", "unilateral", "unilaterally", "asymmetric", "asymmetrical",
    "asymmetrically", "uneven", "unevenly", "sided", "lopsidedly", "crookedly",
})  # fmt: skip
_UNEQUAL = frozenset({"lopsided", "crooked", "uneven", "unevenly", "lopsidedly", "wonky", "asymmetrical"})
_BOTH = frozenset({"both", "bilateral", "bilaterally", "symmetric", "symmetrical", "symmetrically", "evenly"})
_OTHER, _SAME = frozenset({"other", "opposite"}), frozenset({"same"})
_PAIRED = frozenset({"eyebrow", "brow", "eye", "eyelid", "lid", "nostril", "corner", "cheek", "lip"})
_VIEWERS = frozenset({
    "screen", "camera", "viewer", "viewer's", "viewers", "audience", "audience's", "frame", "picture", "image", "our",
    "onlooker's", "observer's", "photo", "shot", "beholder's", "monitor", "house",
})  # fmt: skip
_OWNERS = frozenset({"his", "her", "their", "your", "my", "own", "character's", "actor's", "speaker's", "stage"})
_DETERMINERS = frozenset(
    {"the", "his", "her", "their", "your", "my", "left", "right", "each", "either", "inner", "outer"}
)
# "right down", "right at me": a word of emphasis, not a side.
_AFTER_EMPHASIS = frozenset({
    "down", "up", "at", "through", "into", "past", "in", "away", "back", "over", "ahead", "now", "here", "across",
    "open", "off", "out", "round", "around",
})  # fmt: skip
_BEFORE_A_SIDE = frozenset({"the", "his", "her", "their", "your", "my", "on", "to", "and", "or", "left", "its", "only"})
_COMPARATIVES = frozenset({
    "higher", "lower", "wider", "more", "bigger", "stronger", "further", "farther", "tighter", "deeper", "harder",
    "mostly", "mainly", "heavier", "brighter", "larger",
})  # fmt: skip
_VIEW_REACH = 4


@dataclass(frozen=True)
class Sides:
    """Which sides a clause names, and where.

    Attributes:
        named: (word index, "left", "right" or "both"), the character's own.
        open_at: indices of words that say "one-sided" without saying which.
        unequal: the other side moves too, but less.
    """

    named: tuple[tuple[int, str], ...] = ()
    open_at: tuple[int, ...] = ()
    unequal: bool = False

    def nearest(self, start: int, end: int, used: list[bool], default: str = "both") -> str:
        """The side of what stands at words [start, end)."""
        free = [(i, s) for i, s in self.named if not used[i] or start <= i < end]
        if free:
            return min((max(start - i, i - end + 1, 0), i, s) for i, s in free)[2]
        if self.open_at and default == "both":
            return UNSTATED_SIDE
        return default


def is_side_or_share(word: str) -> bool:
    """Whether a word only says on which side."""
    return word in SIDE_WORDS or word in _BOTH or word in ("unilateral", "unilaterally", "asymmetrical")


def is_side_word(word: str) -> bool:
    """Whether a word has to do with sides."""
    return word in SIDE_WORDS or word in _OPEN or word in _BOTH or word in _OTHER


def read_sides(words: list[str], before: str = "") -> Sides:
    """The sides of a clause.

    Args:
        words: lower-case words of the clause.
        before: the side that earlier clauses named last, "" if none.
    """
    found = [(i, SIDE_WORDS[w], _view_of(words, i)) for i, w in enumerate(words) if _names_side(words, i)]
    if any(view == "own" for _, _, view in found):  # "to camera right, his left"
        found = [row for row in found if row[2] != "viewer"]
    named = [(i, _flipped(side) if view == "viewer" else side) for i, side, view in found]
    than = words.index("than") if "than" in words else len(words)
    unequal = bool(named) and any(w in _COMPARATIVES for w in words) and (than < len(words) or _compares(words, named))
    unequal = unequal or any(w in _UNEQUAL for w in words)
    named = [row for row in named if row[0] < than] or named
    if before:
        named += [(i, _flipped(before)) for i, w in enumerate(words) if w in _OTHER]
        named += [(i, before) for i, w in enumerate(words) if w in _SAME]
    named += [(i, "both") for i, w in enumerate(words) if w in _BOTH]
    return Sides(tuple(named), tuple(i for i in range(len(words)) if _is_open(words, i)), unequal)


def own_direction(words: list[str], index: int) -> str:
    """ "left" or "right" at `index` as the character's own direction, "" if the word is no direction here."""
    if not _names_side(words, index):
        return ""
    side = SIDE_WORDS[words[index]]
    return _flipped(side) if _view_of(words, index) == "viewer" else side


def _names_side(words: list[str], index: int) -> bool:
    word = words[index]
    if word not in SIDE_WORDS:
        return False
    if word != "right" or index + 1 >= len(words) or words[index + 1] not in _AFTER_EMPHASIS:
        return word not in ("l", "r") or len(words) > 1
    return index == 0 or words[index - 1] in _BEFORE_A_SIDE


def _view_of(words: list[str], index: int) -> str:
    """ "own", "viewer", or "" where the text does not say whose left it is."""
    if index and words[index - 1] in _OWNERS:
        return "own"
    around = words[max(0, index - _VIEW_REACH) : index + _VIEW_REACH + 1]
    return "viewer" if any(w in _VIEWERS for w in around) else ""


def _flipped(side: str) -> str:
    return {"left": "right", "right": "left"}.get(side, side)


def _compares(words: list[str], named: list[tuple[int, str]]) -> bool:
    """'higher on the right': a comparative shortly before the side; "lower the left brow" compares nothing."""
    return any(w in _COMPARATIVES for i, _ in named if "on" in words[:i] for w in words[max(0, i - 4) : i])


def _is_open(words: list[str], index: int) -> bool:
    """'one brow', 'a crooked smile', 'an eyebrow'."""
    if words[index] in _OPEN:
        return words[index] != "sided" or index == 0 or words[index - 1] == "one"
    if words[index] == "eyebrow":  # "raises eyebrow"
        return index == 0 or words[index - 1] not in _DETERMINERS
    return words[index] in ("a", "an") and any(w in _PAIRED for w in words[index + 1 : index + 3])

"""What one clause of a prompt says, and what neighbouring clauses say about each other."""

from __future__ import annotations

from dataclasses import dataclass, replace

from talkclip_rigs.facs import AuMove

_UNDER = frozenset({"behind", "beneath", "under", "underneath", "below", "through"})
PART_OF_REGION = {
    "eye": "eyes", "gaze": "eyes", "lid": "eyes", "upper_lid": "eyes", "lower_lid": "eyes", "upper_face": "eyes",
    "brow": "brows", "inner_brow": "brows", "outer_brow": "brows", "forehead": "brows", "mouth": "mouth",
    "lip": "mouth", "upper_lip": "mouth", "lower_lip": "mouth", "corner": "mouth", "jaw": "mouth",
    "lower_face": "mouth",
}  # fmt: skip
_ONLY = frozenset({"only", "just", "alone"})
# Movements this near to a clause's strongest are what it is about.
_MAIN_SHARE = 0.8
# Share of an emotion from which on a word of feeling says little else.
_MAINLY = 0.75
_AT = frozenset({"in", "into", "at", "on", "onto", "from"})
_OVER = frozenset({"over", "above"})


@dataclass(frozen=True)
class Feeling:
    """A word of feeling as it stands in the text.

    Attributes:
        words: as written.
        emotion: emotion -> weight, sums to 1.
        strength: 0..1 after words of degree.
        part: "eyes", "brows", "mouth" when only that part shows it, "" for the whole face.
        moves: what the word adds beside the emotion.
    """

    words: str
    emotion: tuple[tuple[str, float], ...]
    strength: float
    part: str = ""
    moves: tuple[AuMove, ...] = ()


@dataclass(frozen=True)
class Clause:
    """One clause and what the rules found in it.

    Attributes:
        text: as written, without its leading joining word.
        lead: the joining word that opened it, "" for the first or after punctuation.
        moves: movements asked for.
        denied_units: action units that must not show.
        feelings: feelings asked for.
        denied_feelings: emotions that must not show.
        hidden: the clause's feelings are said to be masked.
        open_words: content words that no rule explains.
        negated: the clause denies what it names.
        regions: parts of the face that it names without saying what they do.
        lessened: action units that it lowers ("less brow").
    """

    text: str
    lead: str
    moves: tuple[AuMove, ...] = ()
    denied_units: tuple[int, ...] = ()
    feelings: tuple[Feeling, ...] = ()
    denied_feelings: tuple[str, ...] = ()
    hidden: bool = False
    open_words: tuple[str, ...] = ()
    negated: bool = False
    regions: tuple[str, ...] = ()
    lessened: tuple[int, ...] = ()


def place_feelings(clauses: list[Clause]) -> list[Clause]:
    """'Brows: angry', 'fear, eyes only': a clause that only names a part says where its neighbour's feeling shows."""
    settled = list(clauses)
    for index, clause in enumerate(clauses):
        part = next((PART_OF_REGION[name] for name in clause.regions if name in PART_OF_REGION), "")
        says_more = clause.moves or clause.feelings or clause.denied_units or clause.open_words or clause.negated
        if not part or says_more or clause.hidden or _is_a_place(clause.text):
            continue
        after = clauses[index + 1] if index + 1 < len(clauses) else None
        if after is not None and after.feelings and not after.regions and not after.lead:
            settled[index + 1] = _shown_in(settled[index + 1], part)
        elif index and _ONLY & set(clause.text.lower().split()):
            settled[index - 1] = _shown_in(settled[index - 1], part)
    return settled


def _is_a_place(text: str) -> bool:
    """'She hides in the corner', 'looks into her eyes' say where; "in the eyes", "only in the eyes" say which part."""
    words = [word for word in text.lower().split() if word not in _ONLY]
    return any(word in _AT for word in words[1:])


def narrow_down(clauses: list[Clause]) -> list[Clause]:
    """'Raise the brows, inner ends only': the second clause says which part of the first was meant."""
    settled = list(clauses)
    for index, clause in enumerate(clauses[1:]):
        units = {move.au for move in clause.moves}
        before = settled[index]
        if units and _ONLY & set(clause.text.lower().split()) and units < {move.au for move in before.moves}:
            settled[index] = replace(before, moves=tuple(move for move in before.moves if move.au in units))
    return settled


def yield_to_denials(clauses: list[Clause]) -> list[Clause]:
    """'The mouth smiles, the eyes don't': what goes along with a movement gives way to another clause's denial."""
    settled = list(clauses)
    for index, clause in enumerate(clauses):
        denied = {au for other in clauses if other is not clause for au in other.denied_units}
        main = max((move.level for move in clause.moves), default=0.0)
        kept = tuple(m for m in clause.moves if m.au not in denied or m.level >= _MAIN_SHARE * main)
        settled[index] = replace(clause, moves=kept)
    return settled


def settle_masks(clauses: list[Clause]) -> list[Clause]:
    """'fear behind a smile', 'a grin over grief': the feeling underneath stays in eyes and brows."""
    settled = list(clauses)
    for index, clause in enumerate(settled):
        before = settled[index - 1] if index else None
        if clause.hidden and clause.feelings:
            settled[index] = _to_eyes(clause)
        if before is None:
            continue
        if clause.lead in _UNDER and _shows(clause) and before.feelings and not before.moves:
            settled[index - 1] = _to_eyes(before)
        elif (clause.lead in _OVER or clause.lead in _UNDER) and clause.feelings and before.moves:
            settled[index] = _to_eyes(clause)
    return settled


def laugh_and_cry(clauses: list[Clause]) -> list[Clause]:
    """'Laughing and crying': one mouth cannot do both, so the sorrow shows in eyes and brows."""
    told = [feeling for clause in clauses for feeling in clause.feelings if not feeling.part]
    if not any(_mainly(f, "happy") for f in told) or not any(_mainly(f, "sad") for f in told):
        return clauses
    return [
        replace(
            c, feelings=tuple(replace(f, part="eyes") if _mainly(f, "sad") and not f.part else f for f in c.feelings)
        )
        for c in clauses
    ]


def _mainly(feeling: Feeling, emotion: str) -> bool:
    return dict(feeling.emotion).get(emotion, 0.0) >= _MAINLY


def _shows(clause: Clause) -> bool:
    return bool(clause.moves or clause.feelings)


def _to_eyes(clause: Clause) -> Clause:
    return _shown_in(clause, "eyes")


def _shown_in(clause: Clause, part: str) -> Clause:
    return replace(clause, feelings=tuple(replace(f, part=f.part or part) for f in clause.feelings))

"""What a prompt is understood as: `read` and its answer `reading`, for those who look on while somebody types."""

from __future__ import annotations

import dataclasses
from typing import Annotated, ClassVar

from talkclip.protocol.messages import Message
from talkclip.protocol.parts import Name, ShortText
from talkclip.protocol.values import Between, Longest

Share = Annotated[float, Between(0.0, 1.0)]


@dataclasses.dataclass(frozen=True)
class EmotionWeight:
    """One of the eight emotions and its share, 0..1."""

    emotion: Name
    weight: Share


@dataclasses.dataclass(frozen=True)
class UnderstoodMove:
    """A movement of the face.

    Attributes:
        au: number of the FACS action unit.
        name: what FACS calls it ("brow lowerer").
        level: 0..1, 1 = as strong as it gets.
        side: "both", "left" or "right", the character's own.
    """

    au: int
    name: Name
    level: Share
    side: Name = "both"


@dataclasses.dataclass(frozen=True)
class UnderstoodPart:
    """A part of the face that shows a feeling of its own: "eyes", "brows" or "mouth"."""

    part: Name
    emotions: Annotated[tuple[EmotionWeight, ...], Longest(100)]
    intensity: Share


@dataclasses.dataclass(frozen=True)
class UnderstoodClause:
    """A part of the prompt and what was found in it.

    Attributes:
        text: as written, without the joining word.
        lead: the joining word that opened it ("but"), "" for none.
        kinds: what it holds: "feeling", "movement", "without" (it rules something out), "less", "part" (it names a part
            of the face and no more), "open" (words that no rule explains: the model reads them, unless a note says that
            they were not understood); none where it asks for nothing.
        found: each thing found, in words for people.
    """

    text: str
    lead: Name = ""
    kinds: Annotated[tuple[Name, ...], Longest(16)] = ()
    found: Annotated[tuple[ShortText, ...], Longest(1_000)] = ()


@dataclasses.dataclass(frozen=True)
class UnderstoodPrompt:
    """What a prompt is understood as; the content of `talkclip prompt`.

    Attributes:
        clauses: part by part.
        emotions: the eight emotions with their shares, the largest first; they sum to 1, "neutral" is what is left.
        intensity: strength of the feeling, 0..1.
        moves: movements that the text states.
        implied: movements that go with the feeling; weaker than stated ones.
        denied_units: action units that must not show.
        denied_emotions: emotions that must not show.
        lessened_units: action units that show less than the rest of the prompt would have them.
        parts: parts of the face that show a feeling of their own.
        notes: what the user should know: another language, words that were not understood.
        summary: all of it in one line.
    """

    clauses: Annotated[tuple[UnderstoodClause, ...], Longest(2_000)]
    emotions: Annotated[tuple[EmotionWeight, ...], Longest(100)]
    intensity: Share
    moves: Annotated[tuple[UnderstoodMove, ...], Longest(1_000)] = ()
    implied: Annotated[tuple[UnderstoodMove, ...], Longest(1_000)] = ()
    denied_units: Annotated[tuple[int, ...], Longest(1_000)] = ()
    denied_emotions: Annotated[tuple[Name, ...], Longest(100)] = ()
    lessened_units: Annotated[tuple[int, ...], Longest(1_000)] = ()
    parts: Annotated[tuple[UnderstoodPart, ...], Longest(100)] = ()
    notes: Annotated[tuple[ShortText, ...], Longest(1_000)] = ()
    summary: str = ""


@dataclasses.dataclass(frozen=True)
class Read(Message):
    """What is this prompt understood as? Answered by `reading` or `error`, also while jobs run."""

    op: ClassVar[str] = "read"
    prompt: str


@dataclasses.dataclass(frozen=True)
class Reading(Message):
    """Answer to `read`."""

    op: ClassVar[str] = "reading"
    understood: UnderstoodPrompt

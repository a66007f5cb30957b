"""What the engine understood of a prompt, as the wire says it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from talkclip.protocol import EmotionWeight, UnderstoodClause, UnderstoodMove, UnderstoodPart, UnderstoodPrompt

if TYPE_CHECKING:
    from talkclip.engine.text.clause import Clause
    from talkclip.engine.text.understand import PromptReading
    from talkclip_rigs.facs import AuMove

# A share below this is nothing that anybody would see.
_LEAST_SHARE = 0.005


def understood(reading: PromptReading) -> UnderstoodPrompt:
    """See `UnderstoodPrompt`."""
    return UnderstoodPrompt(
        tuple(map(_clause, reading.clauses)),
        _emotions(reading.emotions),
        min(reading.intensity, 1.0),
        _moves(reading.action_units),
        _moves(reading.implied_units),
        tuple(reading.denied_units),
        tuple(reading.denied_emotions),
        tuple(reading.lessened_units),
        tuple(
            UnderstoodPart(part, _emotions(feeling.emotion), min(feeling.intensity, 1.0))
            for part, feeling in reading.regions.items()
        ),
        tuple(note[:2000] for note in reading.notes),
        reading.summary(),
    )


def _clause(clause: Clause) -> UnderstoodClause:
    from talkclip.engine.text.understand import found_in

    holds = {
        "feeling": clause.feelings,
        "movement": clause.moves,
        "without": clause.denied_units or clause.denied_feelings,
        "less": clause.lessened,
        "part": clause.regions,
        "open": clause.open_words,
    }
    kinds = tuple(kind for kind, found in holds.items() if found)
    return UnderstoodClause(clause.text, clause.lead, kinds, tuple(text[:2000] for text in found_in(clause)))


def _emotions(weights: Mapping[str, float]) -> tuple[EmotionWeight, ...]:
    shown = [(min(weight, 1.0), emotion) for emotion, weight in weights.items() if weight >= _LEAST_SHARE]
    return tuple(EmotionWeight(emotion, weight) for weight, emotion in sorted(shown, key=lambda item: -item[0]))


def _moves(moves: Iterable[AuMove]) -> tuple[UnderstoodMove, ...]:
    from talkclip_rigs.facs import action_units

    return tuple(
        UnderstoodMove(move.au, action_units()[move.au].name.lower(), min(move.level, 1.0), move.side) for move in moves
    )

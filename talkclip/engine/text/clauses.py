"""Clause parser: what a prompt says about the parts of the face, about feelings, and about what must not show.

A prompt is cut into clauses (`split.py`). In each clause, phrases of the vocabulary are matched, longest first
(`reader.py`): where the eyes look, verbs that are movements, movements by region x action, words of feeling, each with
side, degree and negation. What no rule explains stays as free text for the emotion model.
"""

from __future__ import annotations

from talkclip.engine.text.clause import (
    Clause,
    laugh_and_cry,
    narrow_down,
    place_feelings,
    settle_masks,
    yield_to_denials,
)
from talkclip.engine.text.reader import ClauseReader, Context
from talkclip.engine.text.split import split_clauses

__all__ = ["parse", "split_clauses"]


def parse(prompt: str) -> tuple[Clause, ...]:
    """-> the prompt's clauses, in order; empty for a prompt without words."""
    clauses: list[Clause] = []
    context = Context()
    for lead, text in split_clauses(prompt):
        reader = ClauseReader(lead, text, context)
        clauses.append(reader.read())
        context = reader.context()
    return tuple(laugh_and_cry(settle_masks(yield_to_denials(narrow_down(place_feelings(clauses))))))

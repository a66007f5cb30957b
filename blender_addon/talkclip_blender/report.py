# SPDX-License-Identifier: GPL-3.0-or-later
"""How operators talk to the user."""

from __future__ import annotations

from collections.abc import Iterable

import bpy

from talkclip.errors import Cancelled, TalkClipError


def error(operator: bpy.types.Operator, problem: TalkClipError) -> set[str]:
    """Say what is wrong and what to do; -> the operator's return value. Run from a script, this raises RuntimeError."""
    operator.report({"WARNING" if isinstance(problem, Cancelled) else "ERROR"}, str(problem))
    return {"CANCELLED"}


def allowed(operator: type[bpy.types.Operator], reason: str) -> bool:
    """What `poll` answers: whether there is no reason against it; the greyed-out button shows the reason."""
    if reason:
        operator.poll_message_set(reason)
    return not reason


def notes(operator: bpy.types.Operator, texts: Iterable[str]) -> None:
    """One line each in the Info editor; the status bar shows the last one, so the main one comes last."""
    for text in reversed(list(texts)):
        operator.report({"INFO"}, text)

# SPDX-License-Identifier: GPL-3.0-or-later
"""What a prompt is understood as: asked of the server while it is shown, remembered by prompt.

Nothing waits: the panel says what it shows, a timer asks and redraws it. A server is never started for this, and one
that does not answer is left alone for a while.
"""

from __future__ import annotations

import atexit
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import bpy

from talkclip.client import Client, ReadingJob
from talkclip.errors import TalkClipError
from talkclip.protocol import EmotionWeight, UnderstoodMove, UnderstoodPrompt
from talkclip_rigs.facs import action_units

from .. import redraw
from ..chosen import settings_of
from ..service import connection

_TICK_S: Final = 0.05
_DEBOUNCE_S: Final = 0.25  # somebody who steps through the list does not want all of them read
_LEAVE_ALONE_S: Final = 10.0
_PATIENCE_S: Final = 5.0
_BUDGET_MS: Final = 2.0
_REMEMBERED: Final = 300
_LEAST_SHARE: Final = 0.1
_MOST_IMPLIED: Final = 4


@dataclass(frozen=True)
class Said:
    """One line for the panel."""

    text: str
    icon: str = "NONE"


class Reader:
    """Asks for one prompt at a time: the one that is shown."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[Said, ...]] = OrderedDict()
        self._client: Client | None = None
        self._question: ReadingJob | None = None
        self._wanted = self._address = ""
        self._since = self._asked = 0.0
        self._left_alone_until = 0.0

    def of(self, prompt: str, now: float) -> tuple[Said, ...] | None:
        """What is known of a prompt; None: it is wanted now, `step` will ask."""
        if prompt in self._known:
            self._known.move_to_end(prompt)
            return self._known[prompt]
        if prompt != self._wanted:
            self._wanted, self._since = prompt, now
        return None

    def idle(self, now: float) -> bool:
        """Whether there is nothing to ask, or nobody to ask now."""
        done = not self._wanted or self._wanted in self._known
        return (done and self._question is None) or now < self._left_alone_until

    def step(self, now: float, context: bpy.types.Context) -> bool:
        """Move on -> whether something new can be shown."""
        if self.idle(now) or (self._question is None and now - self._since < _DEBOUNCE_S):
            return False
        try:
            if self._question is None:
                self._ask(now, context)
            return self._question is not None and self._listen(now)
        except TalkClipError:  # no line is shown; Speak will say what is wrong
            self.close()
            self._left_alone_until = now + _LEAVE_ALONE_S
            return False

    def close(self) -> None:
        """Let the connection go. A socket that is still open would hold up the end of Blender."""
        self._question = None
        if self._client is not None:
            self._client.close()
            self._client = None

    def _ask(self, now: float, context: bpy.types.Context) -> None:
        address = connection.address_of(settings_of(context))
        if self._client is None or self._client.error is not None or self._client.address != address:
            self.close()
            if address != self._address:  # another server may understand otherwise
                self._known.clear()
            self._address, self._client = address, connection.running_client(context)
        if self._client is None:
            self._left_alone_until = now + _LEAVE_ALONE_S
        else:
            self._question, self._asked = self._client.submit_reading(self._wanted), now

    def _listen(self, now: float) -> bool:
        client, question = self._client, self._question
        assert client is not None and question is not None
        client.pump(_BUDGET_MS)
        if client.error is not None:
            raise client.error
        if not question.finished:
            if now - self._asked > _PATIENCE_S:
                raise TalkClipError("The server did not answer.")
            return False
        self._question = None
        self._known[question.prompt] = described(question.result())
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return True


def described(found: UnderstoodPrompt) -> tuple[Said, ...]:
    """A reading in plain words, one line each."""
    said = [Said(_feeling(found.emotions, found.intensity), "FUND")]
    said += [Said(f"{part.part}: {_feeling(part.emotions, part.intensity)}", "HIDE_OFF") for part in found.parts]
    said += [Said(_move(move), "MOD_SIMPLEDEFORM") for move in found.moves]
    strongest = sorted(found.implied, key=lambda move: -move.level)[:_MOST_IMPLIED]
    if strongest:
        said.append(Said(f"with it: {', '.join(move.name.lower() for move in strongest)}"))
    without = [*found.denied_emotions, *_names(found.denied_units)]
    if without:
        said.append(Said(f"without {', '.join(without)}", "REMOVE"))
    if found.lessened_units:
        said.append(Said(f"less {', '.join(_names(found.lessened_units))}", "TRIA_DOWN"))
    return (*said, *(Said(note, "INFO") for note in found.notes))


def _feeling(emotions: Iterable[EmotionWeight], intensity: float) -> str:
    felt = [e for e in emotions if e.emotion != "neutral" and e.weight >= _LEAST_SHARE]
    if not felt:
        return "neutral"
    shares = ", ".join(f"{e.emotion} {e.weight:.0%}" for e in felt)
    return f"{shares}; strength {intensity:.0%}"


def _move(move: UnderstoodMove) -> str:
    side = "" if move.side == "both" else f"{move.side} "
    return f"{side}{move.name.lower()} (AU{move.au}) {move.level:.0%}"


def _names(units: Iterable[int]) -> list[str]:
    table = action_units()
    return [f"{table[au].name.lower()} (AU{au})" if au in table else f"AU{au}" for au in units]


# --- the one of this Blender ------------------------------------------------------------------------------------------

reader = Reader()


def shown(prompt: str) -> tuple[Said, ...] | None:
    """For panels: what is known of a prompt; asks for it where nothing is."""
    known = reader.of(prompt.strip(), time.monotonic())
    if known is None and not bpy.app.background and not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=_TICK_S)
    return known


def unregister() -> None:
    """The extension is disabled, or Blender ends."""
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    reader.close()


def _tick() -> float | None:
    now = time.monotonic()
    if reader.step(now, bpy.context):
        redraw.lines()
    return None if reader.idle(now) else _TICK_S


atexit.register(reader.close)

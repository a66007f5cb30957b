# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators that take their time: in small steps with a window, blocking without one. One at a time.

Two at once would hinder each other: the second could change the line, or the scene, that the first one is about.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol

import bpy

from talkclip.errors import Cancelled, InputError, TalkClipError

from . import redraw, report

_TICK_S: Final = 0.02
_PAUSE_S: Final = 0.002
_PROGRESS_STEPS: Final = 100


class Work(Protocol):
    """Something that goes on in steps."""

    @property
    def progress(self) -> tuple[float, str]:
        """(0..1, words for people)."""

    def pump(self) -> bool:
        """One short step -> whether it has ended, well or badly."""

    def close(self) -> None:
        """Stop, and let go of everything."""


@dataclass(frozen=True)
class Running:
    """What is going on."""

    operator: type[ModalWork]
    work: Work


_running: Running | None = None


def running(operator: type[ModalWork]) -> Work | None:
    """What an operator of this class is doing, for its panel; None while it does nothing."""
    return _running.work if _running is not None and issubclass(_running.operator, operator) else None


def why_busy() -> str:
    """Why no other work can begin now, or ""."""
    if _running is None:
        return ""
    return f"{_running.operator.bl_label} is at work: wait until it is done, or press ESC to stop it"


def cancel_running() -> None:
    """Stop what is going on, if anything is."""
    global _running
    ended, _running = _running, None
    if ended is not None:
        ended.work.close()


class ModalWork:
    """An operator whose `start` begins some work and whose `finish` uses its result."""

    stopped_text: ClassVar[str] = "Stopped."
    _timer: bpy.types.Timer | None = None

    def start(self, context: bpy.types.Context, in_window: bool) -> Work:
        """Begin.

        Raises:
            TalkClipError: why not.
        """
        raise NotImplementedError

    def finish(self, context: bpy.types.Context, work: Any) -> list[str] | Work:
        """The work has ended -> what to tell the user, or more work that has to be done first.

        Raises:
            TalkClipError: what it ended with.
        """
        raise NotImplementedError

    def blocking(self, context: bpy.types.Context) -> set[str]:
        """All of it now."""
        state = self._begin(context, in_window=False)
        while state == {"RUNNING_MODAL"}:
            state = self._step(context)
            time.sleep(_PAUSE_S)
        return state

    def in_steps(self, context: bpy.types.Context) -> set[str]:
        """Begin now, and go on while the user works; ESC stops it."""
        state = self._begin(context, in_window=True)
        if state == {"RUNNING_MODAL"}:
            manager = context.window_manager
            manager.progress_begin(0, _PROGRESS_STEPS)
            self._timer = manager.event_timer_add(_TICK_S, window=context.window)
            manager.modal_handler_add(self)
        return state

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """One step on every tick of the timer."""
        if _running is None:  # the extension was disabled
            self._leave(context)
            return {"CANCELLED"}
        if event.type == "ESC" and event.value == "PRESS":
            self._leave(context)
            return report.error(self, Cancelled(self.stopped_text))
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        context.window_manager.progress_update(round(_running.work.progress[0] * _PROGRESS_STEPS))
        redraw.sidebars()
        state = self._step(context)
        # The tick may be another operator's: its timer is of the same type.
        return {"PASS_THROUGH"} if state == {"RUNNING_MODAL"} else state

    def cancel(self, context: bpy.types.Context) -> None:
        """Blender closes the window or loads another file."""
        self._leave(context)

    def _begin(self, context: bpy.types.Context, in_window: bool) -> set[str]:
        global _running
        try:
            if reason := why_busy():  # a file browser may have been open since `poll` was asked
                raise InputError(f"{reason}.")
            _running = Running(type(self), self.start(context, in_window))
        except TalkClipError as problem:
            return report.error(self, problem)
        return {"RUNNING_MODAL"}

    def _step(self, context: bpy.types.Context) -> set[str]:
        global _running
        work = _running.work
        try:
            if not work.pump():
                return {"RUNNING_MODAL"}
            outcome = self.finish(context, work)
        except TalkClipError as problem:
            self._leave(context)
            return report.error(self, problem)
        except BaseException:
            self._leave(context)
            raise
        if not isinstance(outcome, list):
            work.close()
            _running = Running(type(self), outcome)
            return {"RUNNING_MODAL"}
        self._leave(context)
        report.notes(self, outcome)
        return {"FINISHED"}

    def _leave(self, context: bpy.types.Context) -> None:
        cancel_running()
        if self._timer is None:  # Blender may call `cancel` after an error; a timer removed twice would crash it
            return
        manager = context.window_manager
        manager.event_timer_remove(self._timer)
        self._timer = None
        manager.progress_end()
        redraw.lines()

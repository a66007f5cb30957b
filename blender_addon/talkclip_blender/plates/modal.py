# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators that take their time: in small steps with a window, blocking without one."""

from __future__ import annotations

import time
from typing import Any, ClassVar, Final, Protocol

import bpy

from talkclip.errors import Cancelled, TalkClipError

from .. import report
from ..line import redraw

_TICK_S: Final = 0.02
_PAUSE_S: Final = 0.005
_PROGRESS_STEPS: Final = 100

# What is going on with a window; None while nothing is. Read by the panel.
_running: Work | None = None


class Work(Protocol):
    """Something that goes on in steps."""

    @property
    def progress(self) -> tuple[float, str]:
        """(0..1, words for people)."""

    def pump(self) -> bool:
        """One short step -> whether it has ended, well or badly."""

    def close(self) -> None:
        """Stop, and let go of everything."""


def running() -> Work | None:
    """What is going on, for the panel."""
    return _running


def cancel_running() -> None:
    """Stop what is going on, if anything is."""
    global _running
    work, _running = _running, None
    if work is not None:
        work.close()


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

    def finish(self, context: bpy.types.Context, work: Any) -> list[str]:
        """The work has ended -> what to tell the user.

        Raises:
            TalkClipError: what it ended with.
        """
        raise NotImplementedError

    def blocking(self, context: bpy.types.Context) -> set[str]:
        """All of it now."""
        try:
            work = self.start(context, in_window=False)
        except TalkClipError as problem:
            return report.error(self, problem)
        try:
            while not work.pump():
                time.sleep(_PAUSE_S)
            return self._end(context, work)
        finally:
            work.close()

    def in_steps(self, context: bpy.types.Context) -> set[str]:
        """Begin now, and go on while the user works; ESC stops it."""
        global _running
        try:
            _running = self.start(context, in_window=True)
        except TalkClipError as problem:
            return report.error(self, problem)
        manager = context.window_manager
        manager.progress_begin(0, _PROGRESS_STEPS)
        self._timer = manager.event_timer_add(_TICK_S, window=context.window)
        manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """One step on every tick of the timer."""
        work = _running
        if work is None:  # the extension was disabled
            self._leave(context)
            return {"CANCELLED"}
        if event.type == "ESC" and event.value == "PRESS":
            self._leave(context)
            return report.error(self, Cancelled(self.stopped_text))
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        ended = work.pump()
        context.window_manager.progress_update(round(work.progress[0] * _PROGRESS_STEPS))
        redraw.all_areas(context)
        if not ended:
            return {"RUNNING_MODAL"}
        try:
            return self._end(context, work)
        finally:
            self._leave(context)

    def cancel(self, context: bpy.types.Context) -> None:
        """Blender closes the window or loads another file."""
        self._leave(context)

    def _end(self, context: bpy.types.Context, work: Work) -> set[str]:
        try:
            texts = self.finish(context, work)
        except TalkClipError as problem:
            return report.error(self, problem)
        report.notes(self, texts)
        return {"FINISHED"}

    def _leave(self, context: bpy.types.Context) -> None:
        cancel_running()
        if self._timer is None:  # Blender may call `cancel` after an error; a timer removed twice would crash it
            return
        manager = context.window_manager
        manager.event_timer_remove(self._timer)
        self._timer = None
        manager.progress_end()
        redraw.all_areas(context)

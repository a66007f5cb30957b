# SPDX-License-Identifier: GPL-3.0-or-later
"""The Speak button."""

from __future__ import annotations

import time
from typing import ClassVar

import bpy
from bpy.props import BoolProperty

from talkclip.errors import Cancelled, TalkClipError

from .. import report
from ..character import face
from ..panel import redraw_sidebars
from . import link, speech

_TICK_S = 0.02
_BLOCKING_BUDGET_MS = 50.0
_BLOCKING_PAUSE_S = 0.002
_PROGRESS_STEPS = 100

# The run of the window system's modal operator; None while nothing runs. Read by the panel.
_running: speech.Run | None = None


def progress() -> tuple[float, str] | None:
    """(0..1, words) of the request that is going on, or None."""
    return None if _running is None else _running.progress


def cancel_running() -> None:
    """Stop the request that is going on, if any."""
    global _running
    if _running is not None:
        _running.close()
        _running = None


class TALKCLIP_OT_speak(bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Make the active character speak its line the way the prompt says. Your own keys are not touched"""

    bl_idname = "talkclip.speak"
    bl_label = "Speak"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    from_script: BoolProperty(
        name="From Script",
        description="Speak the character's script: its words, with a prompt from each stage direction on",
        options={"HIDDEN", "SKIP_SAVE"},
    )

    _timer: bpy.types.Timer | None = None

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Cheap: Blender asks on every redraw."""
        reason = _why_not(context)
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Blocking: scripts and headless Blender, where no timer fires."""
        try:
            texts = _speak(context, self.from_script)
        except TalkClipError as problem:
            return report.error(self, problem)
        report.notes(self, texts)
        return {"FINISHED"}

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """With a window: goes on in small steps while the user works; ESC stops it."""
        global _running
        if bpy.app.background:
            return self.execute(context)
        try:
            _running = _start(context, context.active_object, self.from_script)
        except TalkClipError as problem:
            return report.error(self, problem)
        manager = context.window_manager
        manager.progress_begin(0, _PROGRESS_STEPS)
        self._timer = manager.event_timer_add(_TICK_S, window=context.window)
        manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """One step on every tick of the timer."""
        global _running
        run = _running
        if run is None:  # the extension was disabled
            self._leave(context)
            return {"CANCELLED"}
        if event.type == "ESC" and event.value == "PRESS":
            self._leave(context)
            return report.error(self, Cancelled("Stopped; nothing was changed."))
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        ended = run.pump()
        fraction, _ = run.progress
        context.window_manager.progress_update(round(fraction * _PROGRESS_STEPS))
        redraw_sidebars()
        if not ended:
            return {"RUNNING_MODAL"}
        try:
            texts = speech.apply(run.plan, run.result(), run.engine)
        except speech.Outdated:
            return self._ask_again(context, run)
        except TalkClipError as problem:
            self._leave(context)
            return report.error(self, problem)
        except Exception:
            self._leave(context)
            raise
        self._leave(context)
        report.notes(self, texts)
        return {"FINISHED"}

    def cancel(self, context: bpy.types.Context) -> None:
        """Blender closes the window or loads another file."""
        self._leave(context)

    def _ask_again(self, context: bpy.types.Context, run: speech.Run) -> set[str]:
        """Ask for the whole line in place of what has changed."""
        global _running
        try:
            _running = _start(context, run.plan.mesh_now(), self.from_script, changes_only=False)
        except TalkClipError as problem:
            self._leave(context)
            return report.error(self, problem)
        return {"RUNNING_MODAL"}

    def _leave(self, context: bpy.types.Context) -> None:
        cancel_running()
        if self._timer is None:  # Blender may call `cancel` after an error; a timer removed twice would crash it
            return
        manager = context.window_manager
        manager.event_timer_remove(self._timer)
        self._timer = None
        manager.progress_end()
        redraw_sidebars()


def _start(
    context: bpy.types.Context, character: bpy.types.Object | None, from_script: bool, changes_only: bool = True
) -> speech.Run:
    planned = speech.plan(character, context.scene, changes_only and not from_script, from_script)
    return speech.Run(planned, link.client(context), keep_open=True)


def _speak(context: bpy.types.Context, from_script: bool) -> list[str]:
    """Ask, wait, and key the answer -> notes for the user."""
    changes_only = True
    while True:
        run = _start(context, context.active_object, from_script, changes_only)
        try:
            while not run.pump(_BLOCKING_BUDGET_MS):
                time.sleep(_BLOCKING_PAUSE_S)
            return speech.apply(run.plan, run.result(), run.engine)
        except speech.Outdated:
            changes_only = False
        finally:
            run.close()


def _why_not(context: bpy.types.Context) -> str:
    """Why Speak is greyed out, or ""."""
    mesh = face.face_mesh(context.active_object)
    if _running is not None:
        return "TalkCLIP is at work; press ESC to stop it"
    if mesh is None:
        return "Select a character whose mesh has ARKit or FLAME shape keys, or use Add Default Head"
    character = mesh.talkclip
    if character.sound_source == "FILE" and not character.sound_path:
        return "Choose a sound file first"
    if character.sound_source == "STRIP" and not character.sound_strip:
        return "Choose a sound strip first"
    return ""

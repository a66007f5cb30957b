# SPDX-License-Identifier: GPL-3.0-or-later
"""What the buttons of this room share: they begin something that goes on by itself; see `state.Service`."""

from __future__ import annotations

import time
from typing import ClassVar, Final

import bpy

from talkclip.errors import TalkClipError

from .. import report
from .state import service, wake

_PAUSE_S: Final = 0.02


class ServiceOperator:
    """With a window it returns at once, and the panel shows what goes on; scripts and headless Blender wait."""

    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Cheap: Blender asks on every redraw."""
        reason = cls.why_not(context)
        return report.allowed(cls, reason)

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        """Why the button is greyed out, or ""."""
        return ""

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Begin; without a window, wait too."""
        return self.blocking(context) if bpy.app.background else self.begun(context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Begin, and wait."""
        return self.blocking(context)

    def begun(self, context: bpy.types.Context) -> set[str]:
        """Begin now; a timer sees to the rest."""
        try:
            self.begin(context)
        except TalkClipError as problem:
            return report.error(self, problem)
        wake()
        return {"FINISHED"}

    def blocking(self, context: bpy.types.Context) -> set[str]:
        """All of it now."""
        try:
            self.begin(context)
            while self.goes_on():
                service.move_on()
                time.sleep(_PAUSE_S)
            text = self.outcome(context)
        except TalkClipError as problem:
            return report.error(self, problem)
        wake()
        if text:
            self.report({"INFO"}, text)
        return {"FINISHED"}

    def begin(self, context: bpy.types.Context) -> None:
        """What the button does.

        Raises:
            TalkClipError: why it cannot.
        """
        raise NotImplementedError

    def goes_on(self) -> bool:
        """Whether what was begun has not ended yet."""
        return False

    def outcome(self, context: bpy.types.Context) -> str:
        """It has ended -> what to tell whoever waited, or "".

        Raises:
            TalkClipError: what it ended with.
        """
        return ""

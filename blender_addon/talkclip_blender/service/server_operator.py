# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons of the server: start, stop, ask who it is, show its log."""

from __future__ import annotations

import time
from pathlib import Path
from typing import ClassVar

import bpy
from bpy.props import EnumProperty

from talkclip.errors import TalkClipError

from .. import report
from ..preferences import settings_of
from . import connection
from .engine_place import EnginePlace
from .local_server import RUNNING, ServerState
from .state import service, wake

_PAUSE_S = 0.02


class TALKCLIP_OT_start_server(bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Start the server on this computer. Only this computer can reach it, and it ends with Blender"""

    bl_idname = "talkclip.start_server"
    bl_label = "Start Server"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Cheap: Blender asks on every redraw."""
        reason = ""
        if service.server.poll() in RUNNING:
            reason = "The server runs already"
        elif service.engine(settings_of(context)).python is None:
            reason = "Install the engine first, or choose an existing Python in the preferences"
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """With a window: launch it; the panel shows when it is ready."""
        if bpy.app.background:
            return self.execute(context)
        return self._launch(context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Blocking: scripts and headless Blender. Returns when the server is ready."""
        launched = self._launch(context)
        while launched == {"FINISHED"} and service.server.poll() is ServerState.STARTING:
            time.sleep(_PAUSE_S)
        if service.server.failure is not None:
            return report.error(self, service.server.failure)
        if launched == {"FINISHED"}:
            self.report({"INFO"}, f"The server is ready at {service.server.address}.")
        return launched

    def _launch(self, context: bpy.types.Context) -> set[str]:
        try:
            service.start_server(settings_of(context))
        except TalkClipError as problem:
            return report.error(self, problem)
        wake()
        return {"FINISHED"}


class TALKCLIP_OT_stop_server(bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Stop the server that Blender started. What it is doing ends first, within some seconds"""

    bl_idname = "talkclip.stop_server"
    bl_label = "Stop Server"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """Cheap: Blender asks on every redraw."""
        running = service.server.poll() in RUNNING
        if not running:
            cls.poll_message_set("No server that was started here runs")
        return running

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Stop; headless Blender waits until it has gone."""
        service.server.begin_stop()
        wake()
        while bpy.app.background and service.server.poll() is ServerState.STOPPING:
            time.sleep(_PAUSE_S)
        return {"FINISHED"}


class TALKCLIP_OT_check_server(bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Ask the server who it is and what it can do"""

    bl_idname = "talkclip.check_server"
    bl_label = "Connect"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """Cheap: Blender asks on every redraw."""
        if service.asking:
            cls.poll_message_set("The server is being asked")
        return not service.asking

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """With a window: the answer appears in the panel."""
        if bpy.app.background:
            return self.execute(context)
        return self._ask(context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Blocking: scripts and headless Blender."""
        asked = self._ask(context)
        while asked == {"FINISHED"} and service.asking:
            service.move_on()
            time.sleep(_PAUSE_S)
        if asked == {"FINISHED"} and service.error is not None:
            return report.error(self, service.error)
        if asked == {"FINISHED"} and service.facts is not None:
            self.report({"INFO"}, service.facts.summary())
        return asked

    def _ask(self, context: bpy.types.Context) -> set[str]:
        try:
            service.ask(connection.open_client(context))
        except TalkClipError as problem:
            return report.error(self, problem)
        wake()
        return {"FINISHED"}


class TALKCLIP_OT_show_log(bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Open the log in the program that this computer has for text files"""

    bl_idname = "talkclip.show_log"
    bl_label = "Show Log"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    which: EnumProperty(
        name="Log",
        items=(("INSTALLATION", "Installation", "What pip said"), ("SERVER", "Server", "What the server said")),
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Open it, and say where it is."""
        path: Path | None = service.server.log
        if self.which == "INSTALLATION":
            path = EnginePlace(settings_of(context).place).log
        if path is None or not path.exists():
            self.report({"WARNING"}, "There is no log yet.")
            return {"CANCELLED"}
        self.report({"INFO"}, str(path))
        if not bpy.app.background:
            bpy.ops.wm.path_open(filepath=str(path))
        return {"FINISHED"}


CLASSES = (TALKCLIP_OT_start_server, TALKCLIP_OT_stop_server, TALKCLIP_OT_check_server, TALKCLIP_OT_show_log)

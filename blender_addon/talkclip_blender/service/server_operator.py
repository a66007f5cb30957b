# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons of the server: start, stop, ask who it is, show its log."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import bpy
from bpy.props import EnumProperty

from ..chosen import settings_of
from . import connection
from .button import ServiceOperator
from .engine_place import EnginePlace
from .local_server import RUNNING, ServerState
from .state import service


class TALKCLIP_OT_start_server(ServiceOperator, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Start the server on this computer. Only this computer can reach it, and it ends with Blender"""

    bl_idname = "talkclip.start_server"
    bl_label = "Start Server"

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        """See `ServiceOperator.why_not`."""
        if service.server.poll() in RUNNING:
            return "The server runs already"
        if service.engine(settings_of(context)).python is None:
            return "Install the engine first, or choose an existing Python in the preferences"
        return ""

    def begin(self, context: bpy.types.Context) -> None:
        """See `ServiceOperator.begin`."""
        service.start_server(settings_of(context))

    def goes_on(self) -> bool:
        """See `ServiceOperator.goes_on`: until the server is ready."""
        return service.server.poll() is ServerState.STARTING

    def outcome(self, _context: bpy.types.Context) -> str:
        """See `ServiceOperator.outcome`."""
        if service.server.failure is not None:
            raise service.server.failure
        return f"The server is ready at {service.server.address}."


class TALKCLIP_OT_stop_server(ServiceOperator, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Stop the server that Blender started. What it is doing ends first, within some seconds"""

    bl_idname = "talkclip.stop_server"
    bl_label = "Stop Server"

    @classmethod
    def why_not(cls, _context: bpy.types.Context) -> str:
        """See `ServiceOperator.why_not`."""
        return "" if service.server.poll() in RUNNING else "No server that was started here runs"

    def begin(self, _context: bpy.types.Context) -> None:
        """See `ServiceOperator.begin`."""
        service.server.begin_stop()

    def goes_on(self) -> bool:
        """See `ServiceOperator.goes_on`: until it has gone."""
        return service.server.poll() is ServerState.STOPPING


class TALKCLIP_OT_check_server(ServiceOperator, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Ask the server who it is and what it can do"""

    bl_idname = "talkclip.check_server"
    bl_label = "Connect"

    @classmethod
    def why_not(cls, _context: bpy.types.Context) -> str:
        """See `ServiceOperator.why_not`."""
        return "The server is being asked" if service.asking else ""

    def begin(self, context: bpy.types.Context) -> None:
        """See `ServiceOperator.begin`; the answer appears in the panel."""
        service.ask(connection.open_client(context))

    def goes_on(self) -> bool:
        """See `ServiceOperator.goes_on`."""
        return service.asking

    def outcome(self, _context: bpy.types.Context) -> str:
        """See `ServiceOperator.outcome`."""
        if service.error is not None:
            raise service.error
        return "" if service.facts is None else service.facts.summary()


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

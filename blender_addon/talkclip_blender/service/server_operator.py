# SPDX-License-Identifier: GPL-3.0-or-later
"""The Check Server button."""

from __future__ import annotations

from typing import ClassVar

import bpy

from talkclip.errors import TalkClipError

from .. import report
from . import connection

_PATIENCE_S = 2.0


class TALKCLIP_OT_check_server(bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Ask the server who it is and what it can do. Waits two seconds at most"""

    bl_idname = "talkclip.check_server"
    bl_label = "Check Server"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Connect, report, disconnect."""
        try:
            with connection.open_client(context) as client:
                welcome = client.connect(_PATIENCE_S)
        except TalkClipError as problem:
            return report.error(self, problem)
        engine = welcome.engine
        faces = " and ".join({"arkit52": "ARKit", "flame": "FLAME"}.get(space, space) for space in engine.spaces)
        parts = [engine.motion, f"speech by {engine.speech}" if engine.speech else "", f"on {engine.device}"]
        self.report({"INFO"}, f"{welcome.server}: {faces} faces; {', '.join(filter(None, parts))}.")
        return {"FINISHED"}

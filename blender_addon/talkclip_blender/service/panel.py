# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel with engine and server."""

from __future__ import annotations

import bpy

from ..panel import CharacterPanel
from . import drawing


class TALKCLIP_PT_server(CharacterPanel, bpy.types.Panel):  # noqa: N801 - Blender's naming rule
    """Which server answers, or how to get one."""

    bl_label = "Server"
    bl_order = 9

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Always: a server is needed before a character is."""
        return True

    def draw(self, context: bpy.types.Context) -> None:
        """Blender draws this."""
        drawing.draw_server(self.layout, context)


CLASSES = (TALKCLIP_PT_server,)

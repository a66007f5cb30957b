# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel with the server."""

from __future__ import annotations

import bpy

from ..panel import CharacterPanel
from ..preferences import server_address


class TALKCLIP_PT_server(CharacterPanel, bpy.types.Panel):  # noqa: N801 - Blender's naming rule
    """Which server answers."""

    bl_label = "Server"
    bl_order = 9

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Always: a server is needed before a character is."""
        return True

    def draw(self, context: bpy.types.Context) -> None:
        """Blender draws this."""
        row = self.layout.row()
        row.label(text=server_address(context), icon="NETWORK_DRIVE")
        row.operator("talkclip.check_server", text="Check")

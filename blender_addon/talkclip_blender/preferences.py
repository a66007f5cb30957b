# SPDX-License-Identifier: GPL-3.0-or-later
"""What is set once per installation: where the server is."""

from __future__ import annotations

import bpy
from bpy.props import StringProperty

from talkclip.protocol import DEFAULT_ADDRESS


class TalkClipPreferences(bpy.types.AddonPreferences):
    """The extension's preferences."""

    bl_idname = __package__

    server_address: StringProperty(
        name="Server",
        description="Where `talkclip serve` listens. An address on another computer needs Blender's online access",
        default=DEFAULT_ADDRESS,
    )

    def draw(self, context: bpy.types.Context) -> None:
        """Blender draws this in Preferences > Add-ons > TalkCLIP."""
        row = self.layout.row(align=True)
        row.prop(self, "server_address")
        row.operator("talkclip.check_server", text="", icon="LINKED")


def server_address(context: bpy.types.Context) -> str:
    """The address to connect to."""
    addon = context.preferences.addons.get(__package__)
    return DEFAULT_ADDRESS if addon is None else addon.preferences.server_address.strip() or DEFAULT_ADDRESS

# SPDX-License-Identifier: GPL-3.0-or-later
"""What is set once per installation: where the server is."""

from __future__ import annotations

import bpy
from bpy.props import BoolProperty, StringProperty

from talkclip.protocol import DEFAULT_ADDRESS


class TalkClipPreferences(bpy.types.AddonPreferences):
    """The extension's preferences."""

    bl_idname = __package__

    server_address: StringProperty(
        name="Server",
        description="Where `talkclip serve` listens. An address on another computer needs Blender's online access",
        default=DEFAULT_ADDRESS,
    )

    show_prompts: BoolProperty(
        name="Prompts in the Dope Sheet",
        description="Show the character's prompts, words and intensities as bars in the Dope Sheet and the Timeline",
        default=True,
    )

    def draw(self, context: bpy.types.Context) -> None:
        """Blender draws this in Preferences > Add-ons > TalkCLIP."""
        row = self.layout.row(align=True)
        row.prop(self, "server_address")
        row.operator("talkclip.check_server", text="", icon="LINKED")
        self.layout.prop(self, "show_prompts")


def of(context: bpy.types.Context) -> TalkClipPreferences | None:
    """The preferences; None while the extension is being enabled or disabled."""
    addon = context.preferences.addons.get(__package__)
    return None if addon is None else addon.preferences


def server_address(context: bpy.types.Context) -> str:
    """The address to connect to."""
    settings = of(context)
    return DEFAULT_ADDRESS if settings is None else settings.server_address.strip() or DEFAULT_ADDRESS

# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel that says whom TalkCLIP will move."""

from __future__ import annotations

from typing import Any

import bpy

from talkclip.errors import InputError

from ..panel import CharacterPanel
from . import drivers, face


def draw_add_menu(self: Any, _context: bpy.types.Context) -> None:
    """Add > Mesh > TalkCLIP Head."""
    self.layout.operator("talkclip.add_default_head", text="TalkCLIP Head", icon="USER")


class TALKCLIP_PT_character(CharacterPanel, bpy.types.Panel):  # noqa: N801 - Blender's naming rule
    """Which face was recognised, or why there is none."""

    bl_label = "Character"
    bl_order = 0

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Always: here it is said what to select."""
        return True

    def draw(self, context: bpy.types.Context) -> None:
        """Blender draws this."""
        layout = self.layout
        try:
            found = face.recognise(context.active_object)
        except InputError as problem:
            layout.label(text=problem.message, icon="INFO")
            layout.operator("talkclip.add_default_head", icon="USER")
            return
        layout.label(text=found.label, icon="SHAPEKEY_DATA")
        driven = sum(len(drivers.shape_drivers(keys)) for keys in found.keys)
        if driven:
            layout.label(text=f"{driven} shape keys follow drivers", icon="ERROR")

# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel with the Speak button and the takes."""

from __future__ import annotations

from typing import ClassVar

import bpy

from ..character import face
from ..panel import CharacterPanel, draw_progress
from . import speak_operator


class TALKCLIP_PT_speak(CharacterPanel, bpy.types.Panel):  # noqa: N801 - Blender's naming rule
    """Speak, or how far it is."""

    bl_label = "Speak"
    bl_order = 2

    def draw(self, context: bpy.types.Context) -> None:
        """Blender draws this."""
        layout = self.layout
        going_on = speak_operator.progress()
        if going_on is not None:
            draw_progress(layout, *going_on)
            layout.label(text="ESC stops it", icon="CANCEL")
            return
        row = layout.row()
        row.scale_y = 1.6
        row.operator("talkclip.speak", icon="PLAY")
        takes = face.face_mesh(context.active_object).talkclip.takes
        if takes:
            box = layout.box().column(align=True)
            take = takes[-1]
            box.label(text=f"Take {len(takes)}: frames {take.frame_start} to {take.frame_end}", icon="ACTION")
            for note in take.notes.splitlines():
                box.label(text=note)


class TALKCLIP_PT_details(CharacterPanel, bpy.types.Panel):  # noqa: N801 - Blender's naming rule
    """What is seldom changed."""

    bl_label = "Details"
    bl_parent_id = "TALKCLIP_PT_speak"
    bl_options: ClassVar[set[str]] = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Blender draws this."""
        character = face.face_mesh(context.active_object).talkclip
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(character, "ease_s")
        layout.prop(character, "seed")
        layout.prop(character, "add_sound")

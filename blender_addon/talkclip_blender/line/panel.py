# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel with the sound and the words."""

from __future__ import annotations

import bpy

from ..character import face
from ..panel import CharacterPanel, placeholder


class TALKCLIP_PT_line(CharacterPanel, bpy.types.Panel):  # noqa: N801 - Blender's naming rule
    """What is said."""

    bl_label = "Line"
    bl_order = 1

    def draw(self, context: bpy.types.Context) -> None:
        """Blender draws this."""
        layout = self.layout
        character = face.face_mesh(context.active_object).talkclip
        column = layout.column(align=True)
        column.row(align=True).prop(character, "sound_source", expand=True)
        if character.sound_source == "STRIP":
            column.prop(character, "sound_strip", text="", icon="SEQUENCE")
        else:
            column.prop(character, "sound_path", text="", **placeholder("Sound or video file"))
            row = column.row(align=True)
            row.prop(character, "use_scene_start", toggle=True)
            if not character.use_scene_start:
                row.prop(character, "start_frame", text="")
        layout.prop(character, "transcript", text="", icon="TEXT", **placeholder("What is said (optional)"))

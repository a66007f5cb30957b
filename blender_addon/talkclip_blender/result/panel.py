# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel with the Speak button and the takes."""

from __future__ import annotations

from typing import Any, ClassVar

import bpy

from .. import modal
from ..character import face
from ..panel import CharacterPanel, draw_progress, is_wide
from . import live, takes
from .speak_operator import TALKCLIP_OT_speak, why_not


class TALKCLIP_PT_speak(CharacterPanel, bpy.types.Panel):  # noqa: N801 - Blender's naming rule
    """Speak, or how far it is."""

    bl_label = "Speak"
    bl_order = 2

    def draw(self, context: bpy.types.Context) -> None:
        """Blender draws this."""
        layout = self.layout
        work = modal.running(TALKCLIP_OT_speak)
        if work is not None:
            draw_progress(layout, *work.progress)
            layout.label(text="ESC stops it", icon="CANCEL")
            return
        row = layout.row()
        row.scale_y = 1.6
        row.operator("talkclip.speak", icon="PLAY")
        row.prop(context.window_manager, "talkclip_live", toggle=True, icon="REC")
        if reason := why_not(context):
            layout.label(text=reason, icon="INFO")
        elif context.window_manager.talkclip_live and live.preview.state:
            layout.label(text=live.preview.state, icon="INFO")


class TALKCLIP_UL_takes(bpy.types.UIList):  # noqa: N801 - Blender's naming rule
    """The takes of a character: mark, name, prompt; the one that plays has a symbol."""

    def draw_item(
        self,
        context: bpy.types.Context,
        layout: bpy.types.UILayout,
        _data: Any,
        take: Any,
        _icon: int,
        _active_data: Any,
        _active_property: str,
        _index: int = 0,
    ) -> None:
        """Blender draws one row."""
        row = layout.row(align=True)
        row.prop(take, "star", text="", icon="SOLO_ON" if take.star else "SOLO_OFF", emboss=False)
        playing = "PLAY" if takes.is_shown(take) else "BLANK1"
        columns = row.split(factor=0.45, align=True) if is_wide(context) else row
        columns.prop(take, "label", text="", icon="REC" if take.live else playing, emboss=False)
        if is_wide(context):
            columns.label(text=take.prompt)


class TALKCLIP_PT_takes(CharacterPanel, bpy.types.Panel):  # noqa: N801 - Blender's naming rule
    """What was spoken, to be compared."""

    bl_label = "Takes"
    bl_parent_id = "TALKCLIP_PT_speak"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """As soon as there is one."""
        mesh = face.face_mesh(context.active_object)
        return mesh is not None and bool(mesh.talkclip.takes)

    def draw(self, context: bpy.types.Context) -> None:
        """Blender draws this."""
        character = face.face_mesh(context.active_object).talkclip
        row = self.layout.row()
        row.template_list("TALKCLIP_UL_takes", "", character, "takes", character, "active_take", rows=3)
        column = row.column(align=True)
        column.operator("talkclip.duplicate_take", text="", icon="DUPLICATE")
        column.operator("talkclip.delete_take", text="", icon="TRASH")
        column.operator("talkclip.keep_take", text="", icon="CHECKMARK")
        beside = character.side_by_side is not None
        self.layout.operator(
            "talkclip.compare_takes", text="Remove the Copy beside It" if beside else "Side by Side",
            icon="X" if beside else "MOD_MIRROR", depress=beside,
        )  # fmt: skip
        if character.active_take < len(character.takes):
            take = character.takes[character.active_take]
            box = self.layout.box().column(align=True)
            box.label(text=take.prompt, icon="OUTLINER_DATA_SPEAKER")
            box.label(text=f"Frames {take.frame_start} to {take.frame_end}", icon="ACTION")
            for note in take.notes.splitlines():
                box.label(text=note)


class TALKCLIP_PT_layers(CharacterPanel, bpy.types.Panel):  # noqa: N801 - Blender's naming rule
    """How much of each layer plays."""

    bl_label = "Layers"
    bl_parent_id = "TALKCLIP_PT_speak"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """As soon as there are any."""
        return TALKCLIP_PT_takes.poll(context)

    def draw(self, context: bpy.types.Context) -> None:
        """Blender draws this."""
        character = face.face_mesh(context.active_object).talkclip
        column = self.layout.column(align=True)
        for name in ("head", "blinks", "expression", "mouth"):  # the uppermost first, as the NLA editor has them
            row = column.row(align=True)
            muted = getattr(character, f"mute_{name}")
            row.prop(character, f"mute_{name}", text="", icon="HIDE_ON" if muted else "HIDE_OFF", emboss=False)
            gain = row.row(align=True)
            gain.active = not muted
            gain.prop(character, f"gain_{name}", slider=True)


class TALKCLIP_PT_bake(CharacterPanel, bpy.types.Panel):  # noqa: N801 - Blender's naming rule
    """Ordinary Actions, for other tools."""

    bl_label = "Bake"
    bl_parent_id = "TALKCLIP_PT_speak"
    bl_options: ClassVar[set[str]] = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """As soon as there is something to bake."""
        return TALKCLIP_PT_takes.poll(context)

    def draw(self, context: bpy.types.Context) -> None:
        """Blender draws this."""
        column = self.layout.column(align=True)
        column.operator("talkclip.bake", icon="NLA_PUSHDOWN")
        column.operator("talkclip.clean_take", icon="KEYFRAME")


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
        layout.use_property_split = False
        layout.prop(character, "add_sound", text="Sound into Sequencer")

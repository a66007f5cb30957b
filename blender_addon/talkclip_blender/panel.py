# SPDX-License-Identifier: GPL-3.0-or-later
"""The TalkCLIP tab of the 3D Viewport's sidebar."""

from __future__ import annotations

from typing import Any, ClassVar

import bpy

from talkclip.errors import InputError

from . import compat, face, speak_operator
from .preferences import server_address
from .properties import TalkClipCharacter

_CATEGORY = "TalkCLIP"


def draw_add_menu(self: Any, _context: bpy.types.Context) -> None:
    """Add > Mesh > TalkCLIP Head."""
    self.layout.operator("talkclip.add_default_head", text="TalkCLIP Head", icon="USER")


class TALKCLIP_PT_main(bpy.types.Panel):  # noqa: N801 - Blender's naming rule
    """Character, sound, prompt, Speak."""

    bl_label = "TalkCLIP"
    bl_category = _CATEGORY
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"

    def draw(self, context: bpy.types.Context) -> None:
        """Blender draws this."""
        layout = self.layout
        found = _draw_face(layout, context.active_object)
        if found is None:
            layout.operator("talkclip.add_default_head", icon="USER")
            return
        character = found.mesh.talkclip
        _draw_sound(layout, character)
        column = layout.column(align=True)
        column.prop(character, "prompt", text="", icon="OUTLINER_DATA_SPEAKER", **_placeholder("How is it spoken?"))
        column.prop(character, "intensity", slider=True)
        layout.prop(character, "transcript", text="", icon="TEXT", **_placeholder("What is said (optional)"))
        _draw_button(layout)


class TALKCLIP_PT_details(bpy.types.Panel):  # noqa: N801 - Blender's naming rule
    """What is seldom changed, and what the last take understood."""

    bl_label = "Details"
    bl_parent_id = "TALKCLIP_PT_main"
    bl_category = _CATEGORY
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_options: ClassVar[set[str]] = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only where there is a character."""
        return face.face_mesh(context.active_object) is not None

    def draw(self, context: bpy.types.Context) -> None:
        """Blender draws this."""
        character = face.face_mesh(context.active_object).talkclip
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(character, "ease_s")
        layout.prop(character, "seed")
        layout.prop(character, "add_sound")
        row = layout.row()
        row.label(text=server_address(context), icon="NETWORK_DRIVE")
        row.operator("talkclip.check_server", text="Check")
        if character.takes:
            box = layout.box().column(align=True)
            take = character.takes[-1]
            box.label(text=f"Take {len(character.takes)}: frames {take.frame_start} to {take.frame_end}", icon="ACTION")
            for note in take.notes.splitlines():
                box.label(text=note)


def _draw_face(layout: Any, active: bpy.types.Object | None) -> face.Face | None:
    """Say which face was recognised, or why there is none."""
    try:
        found = face.recognise(active)
    except InputError as problem:
        column = layout.column(align=True)
        column.label(text=problem.message, icon="INFO")
        return None
    layout.label(text=found.label, icon="SHAPEKEY_DATA")
    driven = face.driven_shapes(found.keys)
    if driven:
        layout.label(text=f"{len(driven)} shape keys follow drivers and get no keys", icon="ERROR")
    return found


def _draw_sound(layout: Any, character: TalkClipCharacter) -> None:
    column = layout.column(align=True)
    column.row(align=True).prop(character, "sound_source", expand=True)
    if character.sound_source == "STRIP":
        column.prop(character, "sound_strip", text="", icon="SEQUENCE")
        return
    column.prop(character, "sound_path", text="")
    row = column.row(align=True)
    row.prop(character, "use_scene_start", toggle=True)
    if not character.use_scene_start:
        row.prop(character, "start_frame", text="")


def _draw_button(layout: Any) -> None:
    going_on = speak_operator.progress()
    if going_on is None:
        row = layout.row()
        row.scale_y = 1.6
        row.operator("talkclip.speak", icon="PLAY")
        return
    fraction, text = going_on
    if compat.HAS_PROGRESS_BAR:
        layout.progress(factor=fraction, text=text)
    else:
        layout.label(text=f"{fraction:.0%} {text}")
    layout.label(text="ESC stops it", icon="CANCEL")


def _placeholder(text: str) -> dict[str, str]:
    """Grey text in an empty field, where Blender can show it."""
    return {"placeholder": text} if compat.HAS_PLACEHOLDER else {}

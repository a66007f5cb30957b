# SPDX-License-Identifier: GPL-3.0-or-later
"""The panels that say whom TalkCLIP will move, and how."""

from __future__ import annotations

from typing import Any, ClassVar

import bpy

from talkclip.errors import InputError

from ..panel import CharacterPanel
from . import drivers, face, linked, presets, sliders, table
from .properties import TalkClipRig

_SHOWN = 6


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
        active = context.active_object
        try:
            found = face.recognise(active)
        except InputError as problem:
            layout.label(text=problem.message, icon="INFO")
            if face.face_mesh(active) is not None:
                layout.label(text=problem.hint)
                if linked.with_linked_shapes(face.bodies_of(face.face_mesh(active))):
                    layout.operator("talkclip.override_shapes", icon="LIBRARY_DATA_OVERRIDE")
                return
            if active is not None and active.type == "MESH" and active.data.shape_keys is not None:
                row = layout.row(align=True)
                row.operator("talkclip.map_by_hand", icon="GREASEPENCIL")
                row.menu("TALKCLIP_MT_rig_presets", text="", icon="PRESET")
            layout.operator("talkclip.add_default_head", icon="USER")
            return
        layout.label(text=found.label, icon="SHAPEKEY_DATA")
        if len(found.objects) > 1:
            layout.label(text=f"with {', '.join(body.name for body in found.objects[1:])}", icon="OBJECT_DATA")
        row = layout.row(align=True)
        known = bool(found.mesh.talkclip.rig.rows)
        row.operator("talkclip.recognise", text="Recognise Again" if known else "Recognise", icon="VIEWZOOM")
        row.menu("TALKCLIP_MT_rig_presets", text="", icon="PRESET")
        driven = sum(len(drivers.shape_drivers(keys)) for keys in found.keys)
        if driven:
            layout.label(text=f"{driven} shape keys follow drivers", icon="DRIVER")


class TALKCLIP_MT_rig_presets(bpy.types.Menu):  # noqa: N801 - Blender's naming rule
    """Saved mapping tables."""

    bl_label = "Rig Presets"

    def draw(self, _context: bpy.types.Context) -> None:
        """Blender draws this."""
        layout = self.layout
        for name in presets.names():
            layout.operator("talkclip.load_rig_preset", text=name).name = name
        layout.separator()
        layout.operator("talkclip.save_rig_preset", icon="ADD")
        layout.operator("talkclip.delete_rig_preset", icon="REMOVE")
        layout.separator()
        layout.operator("talkclip.import_mapping", icon="IMPORT")
        layout.operator("talkclip.export_mapping", icon="EXPORT")
        layout.separator()
        layout.operator("talkclip.forget_mapping", icon="X")


class _RigPanel(CharacterPanel):
    """A sub-panel of the character's."""

    bl_parent_id: ClassVar[str] = "TALKCLIP_PT_character"
    bl_options: ClassVar[set[str]] = {"DEFAULT_CLOSED"}


def _table(layout: Any, context: bpy.types.Context) -> TalkClipRig | None:
    """The character's table; without one, how to get it is drawn."""
    settings = face.face_mesh(context.active_object).talkclip.rig
    if settings.rows:
        return settings
    layout.label(text="Recognised anew each time", icon="INFO")
    layout.operator("talkclip.recognise", icon="VIEWZOOM")
    return None


def _draw_row(layout: Any, row: Any, limits: list[sliders.Limit]) -> None:
    column = layout.column(align=True)
    column.use_property_split = True
    column.use_property_decorate = False
    column.prop(row, "channel")
    column.prop(row, "shape", icon="SHAPEKEY_DATA")
    column.prop(row, "object")
    column.prop(row, "gain")
    for limit in limits:
        if limit.shape == row.shape:
            line = layout.row()
            line.label(text=limit.text, icon="ERROR")
            line.operator("talkclip.widen_sliders", text="Widen").shape = row.shape


def _draw_left_over(layout: Any, title: str, names: list[str], option: str) -> None:
    if not names:
        return
    box = layout.box().column(align=True)
    box.label(text=f"{title}: {len(names)}")
    for name in names[:_SHOWN]:
        line = box.row(align=True)
        line.label(text=name)
        setattr(line.operator("talkclip.add_mapping", text="", icon="ADD", emboss=False), option, name)
    if len(names) > _SHOWN:
        box.label(text=f"and {len(names) - _SHOWN} more: {', '.join(names[_SHOWN:])}")


class TALKCLIP_PT_mapping(_RigPanel, bpy.types.Panel):  # noqa: N801 - Blender's naming rule
    """Which channel moves which shape key."""

    bl_label = "Mapping"
    bl_order = 0

    def draw(self, context: bpy.types.Context) -> None:
        """The table, its active row, and what is left over."""
        layout = self.layout
        settings = _table(layout, context)
        if settings is None:
            return
        row = layout.row()
        row.template_list("TALKCLIP_UL_mapping", "", settings, "rows", settings, "active_row", rows=6)
        side = row.column(align=True)
        side.operator("talkclip.add_mapping", text="", icon="ADD")
        side.operator("talkclip.remove_mapping", text="", icon="REMOVE")
        limits = sliders.limits_of(settings)
        if 0 <= settings.active_row < len(settings.rows):
            _draw_row(layout, settings.rows[settings.active_row], limits)
        if limits:
            line = layout.row()
            line.label(text=f"{len(limits)} limited by their sliders", icon="ERROR")
            line.operator("talkclip.widen_sliders", text="Widen All").shape = ""
        _draw_left_over(layout, "Channels that move nothing", table.unused_channels(settings), "channel")
        _draw_left_over(layout, "Shape keys nothing moves", table.unused_shapes(settings), "shape")


class TALKCLIP_PT_drivers(_RigPanel, bpy.types.Panel):  # noqa: N801 - Blender's naming rule
    """Shape keys that follow drivers, and what is done about them."""

    bl_label = "Drivers"
    bl_order = 1

    def draw(self, context: bpy.types.Context) -> None:
        """The character's choice, then each shape key."""
        layout = self.layout
        settings = _table(layout, context)
        if settings is None:
            return
        if not settings.drivers:
            layout.label(text="No shape key follows a driver", icon="CHECKMARK")
            layout.operator("talkclip.find_drivers", icon="VIEWZOOM")
            return
        layout.prop(settings, "driver_way", text="")
        layout.template_list("TALKCLIP_UL_drivers", "", settings, "drivers", settings, "active_driver", rows=4)
        if 0 <= settings.active_driver < len(settings.drivers):
            row = settings.drivers[settings.active_driver]
            column = layout.column(align=True)
            column.label(text=f"Follows {row.follows}" if row.can_key else f"Not to be keyed: {row.follows}")
            if row.muted:
                column.label(text="Its driver is switched off", icon="CANCEL")
            column.prop(row, "way", text="")
        line = layout.row(align=True)
        line.operator("talkclip.find_drivers", icon="VIEWZOOM")
        line.operator("talkclip.restore_drivers", icon="LOOP_BACK")


class TALKCLIP_PT_parts(_RigPanel, bpy.types.Panel):  # noqa: N801 - Blender's naming rule
    """The objects of the character."""

    bl_label = "Objects"
    bl_order = 2

    def draw(self, context: bpy.types.Context) -> None:
        """The list."""
        settings = _table(self.layout, context)
        if settings is None:
            return
        row = self.layout.row()
        row.template_list("TALKCLIP_UL_parts", "", settings, "parts", settings, "active_part", rows=3)
        side = row.column(align=True)
        side.operator("talkclip.add_parts", text="", icon="ADD")
        side.operator("talkclip.remove_part", text="", icon="REMOVE")

# SPDX-License-Identifier: GPL-3.0-or-later
"""Presets of mapping tables: save, load, delete, export, import."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import bpy
from bpy.props import StringProperty

from talkclip.errors import InputError

from .. import report
from . import face, presets, table
from .mapping_operators import OnCharacter, settings_of


def _preset_names(_self: object, _context: bpy.types.Context, _text: str) -> list[str]:
    return presets.names()


class _OnAnyFace(OnCharacter):
    """Also for a mesh that a mapping is to make a character."""

    needs_table: ClassVar[bool] = False

    @classmethod
    def mesh_of(cls, context: bpy.types.Context) -> bpy.types.Object | None:
        """The active character, or the active mesh with shape keys."""
        active = context.active_object
        mesh = face.face_mesh(active)
        if mesh is None and active is not None and active.type == "MESH" and active.data.shape_keys:
            return active
        return mesh


class TALKCLIP_OT_save_rig_preset(OnCharacter, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Save the mapping table for all characters of this kind"""

    bl_idname = "talkclip.save_rig_preset"
    bl_label = "Save Rig Preset"
    bl_options: ClassVar[set[str]] = {"REGISTER"}

    name: StringProperty(name="Name", description="Name of the rig; an old preset of that name is replaced")

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Ask for the name."""
        self.name = settings_of(context).label
        return context.window_manager.invoke_props_dialog(self)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Write the file."""
        try:
            path = presets.path_of(self.name)
            presets.write(path, settings_of(context), self.name.strip())
        except InputError as problem:
            return report.error(self, problem)
        self.report({"INFO"}, f"Saved as {path}")
        return {"FINISHED"}


class TALKCLIP_OT_load_rig_preset(_OnAnyFace, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Load a saved mapping table"""

    bl_idname = "talkclip.load_rig_preset"
    bl_label = "Load Rig Preset"

    name: StringProperty(name="Name", options={"SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Replace the table."""
        try:
            return load(self, context, presets.path_of(self.name))
        except InputError as problem:
            return report.error(self, problem)


class TALKCLIP_OT_delete_rig_preset(bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Delete a saved mapping table"""

    bl_idname = "talkclip.delete_rig_preset"
    bl_label = "Delete Rig Preset"
    bl_options: ClassVar[set[str]] = {"REGISTER"}

    name: StringProperty(name="Name", description="The preset to delete", search=_preset_names)

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """Cheap: Blender asks on every redraw."""
        if not presets.names():
            cls.poll_message_set("There are no presets")
            return False
        return True

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Ask which."""
        return context.window_manager.invoke_props_dialog(self)

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Delete the file."""
        try:
            path = presets.path_of(self.name)
            path.unlink()
        except InputError as problem:
            return report.error(self, problem)
        except OSError:
            return report.error(self, InputError(f"There is no preset '{self.name}'.", "Choose one of the list."))
        return {"FINISHED"}


class TALKCLIP_OT_export_mapping(OnCharacter, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Save the mapping table as a file, to pass on"""

    bl_idname = "talkclip.export_mapping"
    bl_label = "Export Mapping"
    bl_options: ClassVar[set[str]] = {"REGISTER"}

    filepath: StringProperty(name="File", subtype="FILE_PATH")
    filter_glob: StringProperty(default="*" + presets.ENDING, options={"HIDDEN"})

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Ask where."""
        self.filepath = bpy.path.clean_name(settings_of(context).label) + presets.ENDING
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Write the file."""
        settings = settings_of(context)
        path = Path(bpy.path.ensure_ext(bpy.path.abspath(self.filepath), presets.ENDING))
        try:
            presets.write(path, settings, settings.label)
        except InputError as problem:
            return report.error(self, problem)
        return {"FINISHED"}


class TALKCLIP_OT_import_mapping(_OnAnyFace, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Read a mapping table from a file"""

    bl_idname = "talkclip.import_mapping"
    bl_label = "Import Mapping"

    filepath: StringProperty(name="File", subtype="FILE_PATH")
    filter_glob: StringProperty(default="*" + presets.ENDING, options={"HIDDEN"})

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Ask which."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Replace the table."""
        try:
            return load(self, context, Path(bpy.path.abspath(self.filepath)))
        except InputError as problem:
            return report.error(self, problem)


def load(operator: _OnAnyFace, context: bpy.types.Context, path: Path) -> set[str]:
    """Replace the active character's table by a file's.

    Raises:
        InputError: no such file, or it is not a mapping.
    """
    report.notes(operator, load_onto(operator.mesh_of(context), path))
    return {"FINISHED"}


def load_onto(mesh: bpy.types.Object, path: Path) -> list[str]:
    """Replace a mesh's table by a file's -> notes.

    Raises:
        InputError: no such file, or it is not a mapping.
    """
    settings = mesh.talkclip.rig
    if not settings.parts:
        for body in (mesh, *face.companions(mesh)):
            settings.parts.add().object = body
    absent = presets.read(path, settings)
    table.refresh_drivers(settings, table.objects_of(settings))
    notes = [f"{settings.label}: {len(settings.rows)} rows."]
    there = {name for body in table.objects_of(settings) for name in table.shape_names(body)}
    if missing := [row.shape for row in settings.rows if row.shape not in there]:
        notes.append(f"{len(missing)} shape keys of the table are not on this character, {missing[0]} for one.")
    if absent:
        notes.append(f"No object '{absent[0]}' here: its rows now hold for all objects.")
    return notes

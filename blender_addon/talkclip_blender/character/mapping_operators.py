# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons of the mapping table, its objects and sliders."""

from __future__ import annotations

from typing import Any, ClassVar

import bpy
from bpy.props import StringProperty

from talkclip.errors import InputError
from talkclip_rigs.profiles import MappedShape

from .. import compat, report
from . import face, sliders, table, ways


def settings_of(context: bpy.types.Context) -> Any:
    """The active character's `TalkClipRig`, or None."""
    mesh = face.face_mesh(context.active_object)
    return None if mesh is None else mesh.talkclip.rig


class OnCharacter:
    """Greyed out without a character that can be changed, or, where `needs_table`, without a table."""

    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}
    needs_table: ClassVar[bool] = True

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Cheap: Blender asks on every redraw."""
        mesh = cls.mesh_of(context)
        if mesh is None:
            reason = "Select a character first"
        elif not compat.is_editable(mesh):
            reason = "The character is linked from another file: make a library override of it first"
        else:
            reason = "Press Recognise first" if cls.needs_table and not mesh.talkclip.rig.rows else cls.why_not(mesh)
        return report.allowed(cls, reason)

    @classmethod
    def mesh_of(cls, context: bpy.types.Context) -> bpy.types.Object | None:
        """The mesh that carries the table."""
        return face.face_mesh(context.active_object)

    @classmethod
    def why_not(cls, _mesh: bpy.types.Object) -> str:
        """A further reason, or ""."""
        return ""


class TALKCLIP_OT_recognise(OnCharacter, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Write down which channel moves which shape key, so that you can change it. What you made by hand stays"""

    bl_idname = "talkclip.recognise"
    bl_label = "Recognise"
    needs_table: ClassVar[bool] = False

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Fill the table."""
        mesh = face.face_mesh(context.active_object)
        settings = mesh.talkclip.rig
        try:
            found = face.automatic(mesh)
        except InputError as problem:
            return report.error(self, problem)
        table.fill(settings, found.rig, {body: found.rows[body.name] for body in found.objects})
        table.refresh_drivers(settings, table.objects_of(settings))
        by_hand = sum(row.by_hand for row in settings.rows)
        kept = f", {by_hand} of them made by hand" if by_hand else ""
        self.report({"INFO"}, f"{found.rig.name}: {len(settings.rows)} rows{kept}, {len(settings.parts)} objects.")
        return {"FINISHED"}


class TALKCLIP_OT_map_by_hand(bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Make this mesh a character whose shape keys you map yourself: its names are no rig's that TalkCLIP knows"""

    bl_idname = "talkclip.map_by_hand"
    bl_label = "Map by Hand"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Cheap: Blender asks on every redraw."""
        body = context.active_object
        if body is None or body.type != "MESH" or body.data.shape_keys is None:
            cls.poll_message_set("Select a mesh with shape keys first")
            return False
        if not compat.is_editable(body) or not compat.is_editable(body.data.shape_keys):
            cls.poll_message_set("The mesh is linked from another file: make a library override of it first")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        """An empty row to begin with."""
        settings = context.active_object.talkclip.rig
        if context.active_object not in [part.object for part in settings.parts]:
            settings.parts.add().object = context.active_object
        if not settings.rows:
            settings.label = table.OWN_MAPPING
            table.add_row(settings, MappedShape("jawOpen", "")).by_hand = True
        return {"FINISHED"}


class TALKCLIP_OT_forget_mapping(OnCharacter, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Delete the table: the rig is recognised by its names again, each time. Drivers are switched on again"""

    bl_idname = "talkclip.forget_mapping"
    bl_label = "Forget the Table"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Restore drivers first: without the table nobody would know of them."""
        mesh = face.face_mesh(context.active_object)
        ways.restore_drivers(mesh)
        for rows in (mesh.talkclip.rig.rows, mesh.talkclip.rig.parts, mesh.talkclip.rig.drivers):
            rows.clear()
        return {"FINISHED"}


class TALKCLIP_OT_add_mapping(OnCharacter, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Add a row to the mapping table"""

    bl_idname = "talkclip.add_mapping"
    bl_label = "Add Row"

    channel: StringProperty(name="Channel", options={"SKIP_SAVE"})
    shape: StringProperty(name="Shape Key", options={"SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Add it and show it."""
        settings = settings_of(context)
        row = table.add_row(settings, MappedShape(self.channel, self.shape))
        row.by_hand = True
        settings.active_row = len(settings.rows) - 1
        return {"FINISHED"}


class TALKCLIP_OT_remove_mapping(OnCharacter, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Remove the row. Recognise Again may bring it back; to keep a shape key still, switch the row off"""

    bl_idname = "talkclip.remove_mapping"
    bl_label = "Remove Row"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Remove the active one."""
        settings = settings_of(context)
        settings.rows.remove(settings.active_row)
        settings.active_row = max(min(settings.active_row, len(settings.rows) - 1), 0)
        return {"FINISHED"}


class TALKCLIP_OT_add_parts(OnCharacter, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Add the selected meshes with shape keys to the character: teeth, tongue, brows"""

    bl_idname = "talkclip.add_parts"
    bl_label = "Add Selected Objects"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Add those that are not there yet."""
        settings = settings_of(context)
        there = {part.object for part in settings.parts}
        new = [body for body in context.selected_objects if body not in there and body.type == "MESH"]
        new = [body for body in new if body.data.shape_keys]
        if not new:
            problem = InputError("No other mesh with shape keys is selected.", "Select it together with the character.")
            return report.error(self, problem)
        for body in new:
            part = settings.parts.add()
            part.object = body
        table.refresh_drivers(settings, table.objects_of(settings))
        return {"FINISHED"}


class TALKCLIP_OT_remove_part(OnCharacter, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Take the object out of the list. Recognise Again may bring it back; to leave it still, switch it off"""

    bl_idname = "talkclip.remove_part"
    bl_label = "Remove Object"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Remove the active one."""
        settings = settings_of(context)
        settings.parts.remove(settings.active_part)
        settings.active_part = max(min(settings.active_part, len(settings.parts) - 1), 0)
        return {"FINISHED"}


class TALKCLIP_OT_widen_sliders(OnCharacter, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Widen the slider ranges that would cut the movement off"""

    bl_idname = "talkclip.widen_sliders"
    bl_label = "Widen Sliders"

    shape: StringProperty(name="Shape Key", description="Empty: all of them", options={"SKIP_SAVE"})

    @classmethod
    def why_not(cls, mesh: bpy.types.Object) -> str:
        """A further reason, or ""."""
        return "" if sliders.limits_of(mesh.talkclip.rig) else "No slider cuts the movement off"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Widen them to the rig's range."""
        settings = settings_of(context)
        limits = [limit for limit in sliders.limits_of(settings) if self.shape in ("", limit.shape)]
        for limit in limits:
            sliders.widen(limit, settings.low, settings.high)
        self.report({"INFO"}, f"{len(limits)} sliders widened to {settings.low:g} .. {settings.high:g}.")
        return {"FINISHED"}

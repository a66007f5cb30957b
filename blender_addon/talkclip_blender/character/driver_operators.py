# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons of driven shape keys."""

from __future__ import annotations

from typing import ClassVar

import bpy

from . import face, table, ways
from .mapping_operators import OnCharacter


class TALKCLIP_OT_find_drivers(OnCharacter, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Look anew which shape keys follow drivers, and what they follow"""

    bl_idname = "talkclip.find_drivers"
    bl_label = "Look Again"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Refresh the list."""
        settings = face.face_mesh(context.active_object).talkclip.rig
        table.refresh_drivers(settings, table.objects_of(settings))
        return {"FINISHED"}


class TALKCLIP_OT_restore_drivers(OnCharacter, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Switch the drivers on again that TalkCLIP switched off. Keys on these shape keys then move nothing"""

    bl_idname = "talkclip.restore_drivers"
    bl_label = "Restore Drivers"
    needs_table: ClassVar[bool] = False

    @classmethod
    def why_not(cls, mesh: bpy.types.Object) -> str:
        """A further reason, or ""."""
        return "" if any(row.muted for row in mesh.talkclip.rig.drivers) else "TalkCLIP has switched no driver off"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """All of them."""
        restored = ways.restore_drivers(face.face_mesh(context.active_object))
        self.report({"INFO"}, f"{restored} drivers work again.")
        return {"FINISHED"}

# SPDX-License-Identifier: GPL-3.0-or-later
"""The Add Default Head button."""

from __future__ import annotations

from typing import ClassVar

import bpy

from . import default_head


class TALKCLIP_OT_add_default_head(bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Add a head with the 52 ARKit shape keys at the 3D cursor, ready to speak"""

    bl_idname = "talkclip.add_default_head"
    bl_label = "Add Default Head"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Cheap: Blender asks on every redraw."""
        if context.mode != "OBJECT":
            cls.poll_message_set("Leave the present mode for Object Mode first")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Build it and make it the active object."""
        for other in context.selected_objects:
            other.select_set(False)
        body = default_head.build(context.collection, context.scene.cursor.location)
        body.select_set(True)
        context.view_layer.objects.active = body
        self.report({"INFO"}, f"'{body.name}' has {len(body.data.shape_keys.key_blocks) - 1} ARKit shape keys.")
        return {"FINISHED"}

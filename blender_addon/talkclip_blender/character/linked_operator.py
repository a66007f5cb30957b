# SPDX-License-Identifier: GPL-3.0-or-later
"""The button that makes library overrides of a character's meshes."""

from __future__ import annotations

from typing import ClassVar

import bpy

from talkclip.errors import InputError

from .. import compat, report
from . import face, linked


class TALKCLIP_OT_override_shapes(bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Make library overrides of the character's meshes, so that their shape keys can be keyed in this file"""

    bl_idname = "talkclip.override_shapes"
    bl_label = "Override Shape Keys"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Cheap: Blender asks on every redraw."""
        mesh = face.face_mesh(context.active_object)
        if mesh is None:
            reason = "Select a character first"
        elif not compat.is_editable(mesh):
            reason = f"The object itself is linked. {linked.HOW_TO_OVERRIDE}"
        elif not linked.with_linked_shapes(face.bodies_of(mesh)):
            reason = "The shape keys can be keyed already"
        else:
            return True
        cls.poll_message_set(reason)
        return False

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Every object of the character."""
        bodies = linked.with_linked_shapes(face.bodies_of(face.face_mesh(context.active_object)))
        for body in bodies:
            if body.data.library is not None and body.data.override_create(remap_local_usages=True) is None:
                problem = InputError(f"Blender cannot override the mesh of '{body.name}'.", "Append it instead.")
                return report.error(self, problem)
        return {"FINISHED"}

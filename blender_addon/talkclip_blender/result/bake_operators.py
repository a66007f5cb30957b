# SPDX-License-Identifier: GPL-3.0-or-later
"""Buttons that make ordinary Actions of takes, and keys fewer."""

from __future__ import annotations

from typing import ClassVar

import bpy
from bpy.props import BoolProperty, FloatProperty

from talkclip.errors import TalkClipError

from .. import report
from ..character import face
from . import bake, parts, strips, takes

_BOUND = 0.005


class CleanUp:
    """The settings of a clean-up."""

    max_error: FloatProperty(
        name="Largest Error",
        description="How far a value may be off at any frame: of a shape key, 0.005 is half a percent; of a turn, a "
        "quarter of a degree",
        default=_BOUND, min=1e-5, soft_max=0.05, max=1.0, precision=4, step=0.1,
    )  # fmt: skip


class TALKCLIP_OT_bake(CleanUp, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Layers become one ordinary Action."""

    bl_idname = "talkclip.bake"
    bl_label = "Bake"
    bl_description = (
        "Make one ordinary Action of what TalkCLIP plays on this character, with the pose as it is, and take its NLA "
        "tracks away. The takes stay in the list"
    )
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    with_own: BoolProperty(
        name="With Your Own Animation",
        description="Bake what you have animated on the same datablocks into the Action too; your tracks stay, muted",
    )
    clean: BoolProperty(
        name="Clean Up", description="Fewer keys, with Bezier curves between them, as far as the error allows"
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Cheap: Blender asks on every redraw."""
        return _poll(cls, context)

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Ask for the settings."""
        return context.window_manager.invoke_props_dialog(self)

    def draw(self, _context: bpy.types.Context) -> None:
        """Blender draws the dialog."""
        layout = self.layout
        layout.use_property_split = True
        layout.prop(self, "with_own")
        layout.prop(self, "clean")
        row = layout.row()
        row.active = self.clean
        row.prop(self, "max_error")

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Bake, and clean up."""
        character = face.face_mesh(context.active_object).talkclip
        try:
            baked = bake.bake(character, context.scene, self.with_own)
        except TalkClipError as problem:
            return report.error(self, problem)
        texts = [f"'{baked.written[0].action.name}': frames {baked.first} to {baked.last}, {baked.n_curves} channels."]
        if self.clean:
            counts = [bake.thin(one.action, one.slot, self.max_error) for one in baked.written]
            texts.append(_counted(*(sum(count[i] for count in counts) for i in (0, 1)), max(c[2] for c in counts)))
        report.notes(self, texts)
        return {"FINISHED"}


class TALKCLIP_OT_clean_take(CleanUp, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Fewer keys for the same movement."""

    bl_idname = "talkclip.clean_take"
    bl_label = "Clean Up Take"
    bl_description = (
        "Give the chosen take fewer keys, with Bezier curves between them, as far as the error allows. To be able to "
        "compare, duplicate the take first"
    )
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Cheap: Blender asks on every redraw."""
        return _poll(cls, context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Clean up, and say how far off it is."""
        character = face.face_mesh(context.active_object).talkclip
        take = character.takes[min(character.active_take, len(character.takes) - 1)]
        try:
            for part in parts.of(take):
                strips.require_free(part.owner)
        except TalkClipError as problem:
            return report.error(self, problem)
        report.notes(self, [f"{take.label}: {_counted(*bake.thin_take(take, self.max_error))}"])
        return {"FINISHED"}


def _poll(cls: type[bpy.types.Operator], context: bpy.types.Context) -> bool:
    mesh = face.face_mesh(context.active_object)
    if mesh is None:
        cls.poll_message_set("Select a character")
    elif not takes.shown(mesh.talkclip):
        cls.poll_message_set("The character plays no take; speak a line, or choose a take in the list")
    else:
        return True
    return False


def _counted(before: int, now: int, worst: float) -> str:
    return f"{now} of {before} keys are left; the largest error is {worst:.2g}."

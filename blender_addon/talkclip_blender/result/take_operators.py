# SPDX-License-Identifier: GPL-3.0-or-later
"""Buttons for takes: show, duplicate, delete, keep only one."""

from __future__ import annotations

from typing import Any, ClassVar

import bpy
from bpy.props import IntProperty

from talkclip.errors import TalkClipError

from .. import report
from ..character import face
from . import comparing, parts, strips, takes


class TakeOperator:
    """What the buttons share: they work on one take of the selected character."""

    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    index: IntProperty(name="Take", description="Its place in the list; -1 is the chosen one", default=-1, min=-1)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Cheap: Blender asks on every redraw."""
        mesh = face.face_mesh(context.active_object)
        if mesh is None:
            cls.poll_message_set("Select a character")
        elif not mesh.talkclip.takes:
            cls.poll_message_set("There is no take yet; press Speak")
        else:
            return True
        return False

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Find the take, and see whether its strips may be changed."""
        character = face.face_mesh(context.active_object).talkclip
        index = character.active_take if self.index < 0 else self.index
        if index >= len(character.takes):
            self.report({"ERROR"}, f"There is no take {index}.")
            return {"CANCELLED"}
        try:
            for owner in parts.owners(character):
                strips.require_free(owner)
        except TalkClipError as problem:
            return report.error(self, problem)
        self.work(character, index, context.scene)
        return {"FINISHED"}

    def work(self, character: Any, index: int, scene: bpy.types.Scene) -> None:
        """What the button does with `character.takes[index]`."""
        raise NotImplementedError


class TALKCLIP_OT_show_take(TakeOperator, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Play this take, in place of the one that plays now. No request is needed"""

    bl_idname = "talkclip.show_take"
    bl_label = "Show Take"

    def work(self, character: Any, index: int, scene: bpy.types.Scene) -> None:
        """See `TakeOperator.work`."""
        takes.show(character, character.takes[index], scene)


class TALKCLIP_OT_duplicate_take(TakeOperator, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Copy this take with its keys and play the copy, so that you can change it and still have the original"""

    bl_idname = "talkclip.duplicate_take"
    bl_label = "Duplicate Take"

    def work(self, character: Any, index: int, scene: bpy.types.Scene) -> None:
        """See `TakeOperator.work`."""
        takes.show(character, takes.duplicate(character, index), scene)


class TALKCLIP_OT_compare_takes(TakeOperator, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Put a copy of the character beside it that goes on playing this take; then choose another one and look at both.
    Move the copy by the empty above it. It is not rendered. Press again to take it away"""

    bl_idname = "talkclip.compare_takes"
    bl_label = "Side by Side"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Take the copy away, or see whether there can be one."""
        character = face.face_mesh(context.active_object).talkclip
        if character.side_by_side is None:
            return super().execute(context)
        comparing.end(character)
        return {"FINISHED"}

    def work(self, character: Any, index: int, scene: bpy.types.Scene) -> None:
        """See `TakeOperator.work`."""
        take = character.takes[index]
        if not takes.is_shown(take):
            takes.show(character, take, scene)
        comparing.begin(face.recognise(character.id_data), take.label, bpy.context)


class TALKCLIP_OT_delete_take(TakeOperator, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Throw this take away, with its keys. If it plays now, the one before it over the same frames plays then"""

    bl_idname = "talkclip.delete_take"
    bl_label = "Delete Take"

    def work(self, character: Any, index: int, scene: bpy.types.Scene) -> None:
        """See `TakeOperator.work`."""
        others = takes.rivals(character, index)
        nearest = min(others, key=lambda other: (other > index, abs(other - index)), default=None)
        chosen_uid = character.takes[character.active_take].uid
        if takes.is_shown(character.takes[index]) and nearest is not None:
            takes.show(character, character.takes[nearest], scene)
            chosen_uid = character.takes[nearest].uid
        takes.delete(character, index)
        character.active_take = takes.index_of(character, chosen_uid) or 0


class TALKCLIP_OT_keep_take(TakeOperator, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Play this take, and throw all others away that lie over the same frames"""

    bl_idname = "talkclip.keep_take"
    bl_label = "Keep Only This"

    def work(self, character: Any, index: int, scene: bpy.types.Scene) -> None:
        """See `TakeOperator.work`."""
        take = character.takes[index]
        uid = take.uid
        takes.show(character, take, scene)
        for other in reversed(takes.rivals(character, index)):
            takes.delete(character, other)
        character.active_take = takes.index_of(character, uid)

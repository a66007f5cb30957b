# SPDX-License-Identifier: GPL-3.0-or-later
"""The Speak button."""

from __future__ import annotations

from typing import ClassVar

import bpy
from bpy.props import BoolProperty

from .. import modal, report
from ..character import face
from . import link, speech


class TALKCLIP_OT_speak(modal.ModalWork, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Make the active character speak its line the way the prompt says. Your own keys are not touched"""

    bl_idname = "talkclip.speak"
    bl_label = "Speak"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}
    stopped_text = "Stopped; nothing was changed."

    from_script: BoolProperty(
        name="From Script",
        description="Speak the character's script: its words, with a prompt from each stage direction on",
        options={"HIDDEN", "SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Cheap: Blender asks on every redraw."""
        reason = modal.why_busy() or why_not(context)
        return report.allowed(cls, reason)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Blocking: scripts and headless Blender, where no timer fires."""
        return self.blocking(context)

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """With a window: goes on in small steps while the user works."""
        return self.execute(context) if bpy.app.background else self.in_steps(context)

    def start(self, context: bpy.types.Context, in_window: bool) -> speech.Run:
        """See `ModalWork.start`."""
        return self._ask(context, context.active_object, changes_only=not self.from_script)

    def finish(self, context: bpy.types.Context, work: speech.Run) -> list[str] | speech.Run:
        """See `ModalWork.finish`; asks for the whole line where what has changed does not fit any more."""
        try:
            return speech.apply(work.plan, work.result(), work.engine)
        except speech.Outdated:
            return self._ask(context, work.plan.mesh_now(), changes_only=False)

    def _ask(self, context: bpy.types.Context, character: bpy.types.Object | None, changes_only: bool) -> speech.Run:
        planned = speech.plan(character, context.scene, changes_only, self.from_script)
        return speech.Run(planned, link.client(context), keep_open=True)


def why_not(context: bpy.types.Context) -> str:
    """Why there is nothing to speak, or ""."""
    mesh = face.face_mesh(context.active_object)
    if mesh is None:
        return "Select a character whose mesh has ARKit or FLAME shape keys, or use Add Default Head"
    character = mesh.talkclip
    if character.sound_source == "FILE" and not character.sound_path:
        return "Choose a sound file first"
    if character.sound_source == "STRIP" and not character.sound_strip:
        return "Choose a sound strip first"
    return ""

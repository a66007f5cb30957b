# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel with the script line."""

from __future__ import annotations

from typing import Any, ClassVar

import bpy

from talkclip.errors import InputError

from ..character import face
from ..panel import CharacterPanel, placeholder
from . import scripts

_SHOWN = 6
_WORDS_LENGTH = 40


class TALKCLIP_PT_script(CharacterPanel, bpy.types.Panel):  # noqa: N801 - Blender's naming rule
    """A line with stage directions, cut into prompts where its words are heard."""

    bl_label = "From Script"
    bl_parent_id = "TALKCLIP_PT_prompts"
    bl_options: ClassVar[set[str]] = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Blender draws this."""
        layout = self.layout
        line = face.face_mesh(context.active_object).talkclip
        column = layout.column(align=True)
        if line.script_text is None:
            column.prop(line, "script", text="", **placeholder("[furious] Get out! [breaking] Please."))
        column.prop(line, "script_text", text="", icon="TEXT")
        if scripts.script_of(line):
            _draw_parts(layout, line)
        button = layout.operator("talkclip.speak", text="Cut and Speak", icon="PLAY")
        button.from_script = True


def _draw_parts(layout: Any, line: Any) -> None:
    """How the script is read, so that a wrong bracket is seen before anything is sent."""
    try:
        parts = scripts.parts_of(line)
    except InputError as problem:
        layout.label(text=str(problem), icon="ERROR")
        return
    column = layout.column(align=True)
    for part in parts[:_SHOWN]:
        split = column.split(factor=0.4)
        split.label(text=part.prompt or "neutral", icon="OUTLINER_DATA_SPEAKER")
        split.label(text=part.text if len(part.text) <= _WORDS_LENGTH else f"{part.text[:_WORDS_LENGTH]}...")
    if len(parts) > _SHOWN:
        column.label(text=f"and {len(parts) - _SHOWN} more")

# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel with the words that were heard."""

from __future__ import annotations

from typing import Any, ClassVar

import bpy
from bpy.props import IntProperty

from ..character import face
from ..panel import CharacterPanel
from . import words
from .segment_operators import LineOperator
from .sound import Extent

_ROWS = 5


class TALKCLIP_OT_words_forget(LineOperator, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Forget the words and their corrections: the next Speak listens to all of the sound again"""

    bl_idname = "talkclip.words_forget"
    bl_label = "Listen Anew"

    @classmethod
    def why_not(cls, line: Any, context: bpy.types.Context) -> str:
        """See `LineOperator`."""
        return "" if line.words else "No words are known yet: press Speak"

    def change(self, line: Any, extent: Extent, context: bpy.types.Context) -> None:
        """See `LineOperator`."""
        words.forget(line)


class TALKCLIP_OT_word_jump(LineOperator, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Move the playhead to where this word begins"""

    bl_idname = "talkclip.word_jump"
    bl_label = "Playhead to Word"

    index: IntProperty(name="Word", description="Its place in the list; -1 is the active one", default=-1, min=-1)

    @classmethod
    def why_not(cls, line: Any, context: bpy.types.Context) -> str:
        """See `LineOperator`."""
        return "" if line.words else "No words are known yet: press Speak"

    def change(self, line: Any, extent: Extent, context: bpy.types.Context) -> None:
        """See `LineOperator`."""
        index = min(line.active_word if self.index < 0 else self.index, len(line.words) - 1)
        line.active_word = index
        context.scene.frame_set(extent.first + round(line.words[index].start_s * extent.fps))


class TALKCLIP_UL_words(bpy.types.UIList):  # noqa: N801 - Blender's naming rule
    """The words in order; Blender draws the visible ones only."""

    def draw_item(
        self, context: bpy.types.Context, layout: Any, data: Any, item: Any, icon: int, active_data: Any,
        active_property: str, index: int = 0, flt_flag: int = 0,
    ) -> None:  # fmt: skip
        """Blender draws each visible row with this."""
        row = layout.split(factor=0.45, align=True)
        if item.spelled:
            changed = item.spelled != item.heard
            row.prop(item, "text", text="", emboss=False, icon="GREASEPENCIL" if changed else "NONE")
        else:
            row.label(text="(no word)")
        row = row.split(factor=0.75, align=True)
        row.label(text=item.phones)
        row.label(text=f"{item.start_s:.2f}")

    def filter_items(self, context: bpy.types.Context, data: Any, property: str) -> tuple[list[int], list[int]]:
        """Words with the text that is searched for."""
        wanted = self.filter_name.lower()
        if not wanted:
            return [], []
        return [self.bitflag_filter_item if wanted in row.spelled.lower() else 0 for row in getattr(data, property)], []


class TALKCLIP_PT_words(CharacterPanel, bpy.types.Panel):  # noqa: N801 - Blender's naming rule
    """What was heard, to be corrected."""

    bl_label = "Words"
    bl_parent_id = "TALKCLIP_PT_line"
    bl_options: ClassVar[set[str]] = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Blender draws this."""
        layout = self.layout
        line = face.face_mesh(context.active_object).talkclip
        if not line.words:
            layout.label(text="Speak once, and the words are listed here", icon="INFO")
            return
        if not words.belong(line, context.scene):
            layout.label(text="These are the words of another sound", icon="ERROR")
        layout.template_list("TALKCLIP_UL_words", "", line, "words", line, "active_word", rows=_ROWS)
        if not any(word.spelled for word in line.words):
            layout.label(text="Type what is said to get words", icon="INFO")
        if line.words_problem:
            layout.label(text=line.words_problem, icon="ERROR")
        if line.active_word < len(line.words):
            _draw_word(layout, line.words[line.active_word])
        row = layout.row(align=True)
        row.operator("talkclip.word_jump", text="", icon="PLAY")
        row.operator("talkclip.words_forget", icon="FILE_REFRESH")


def _draw_word(layout: Any, word: Any) -> None:
    column = layout.column(align=True)
    if word.spelled:
        column.prop(word, "text", text="")
    column.prop(word, "phones_text", text="", icon="SPEAKER")
    column.prop(word, "begin_s")
    column.prop(word, "finish_s")


CLASSES = (TALKCLIP_OT_words_forget, TALKCLIP_OT_word_jump, TALKCLIP_UL_words, TALKCLIP_PT_words)

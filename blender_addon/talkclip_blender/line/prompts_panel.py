# SPDX-License-Identifier: GPL-3.0-or-later
"""The panels with the prompts: one field for one prompt, a list where the line is cut into segments."""

from __future__ import annotations

from typing import Any, ClassVar

import bpy

from ..character import face
from ..frame_rate import scene_fps
from ..panel import CharacterPanel, is_wide, placeholder
from . import cutting, intensity, reading

_ROWS = 4


class TALKCLIP_UL_segments(bpy.types.UIList):  # noqa: N801 - Blender's naming rule
    """The prompt segments in order of time."""

    def draw_item(
        self, context: bpy.types.Context, layout: Any, data: Any, item: Any, icon: int, active_data: Any,
        active_property: str, index: int = 0, flt_flag: int = 0,
    ) -> None:  # fmt: skip
        """Blender draws each visible row with this."""
        empty = not item.whole_line and item.frame_end <= item.frame_start
        text = {} if empty else placeholder("neutral")
        row = layout.split(factor=0.62, align=True)
        row.prop(item, "row_text", text="", emboss=False, icon="ERROR" if empty else "NONE", **text)
        wide = is_wide(context)
        if wide:
            row = row.split(factor=0.6, align=True)
        row.label(text="whole line" if item.whole_line else f"{item.frame_start}-{item.frame_end}")
        if wide:
            draw_intensity(row, data.id_data, item, text="", emboss=False)

    def filter_items(self, context: bpy.types.Context, data: Any, property: str) -> tuple[list[int], list[int]]:
        """Rows whose prompt has the text that is searched for, in order of time; the file's order stays."""
        segments = getattr(data, property)
        wanted = self.filter_name.lower()
        shown = [self.bitflag_filter_item if wanted in s.prompt.lower() else 0 for s in segments]
        in_time = sorted(range(len(segments)), key=lambda i: segments[i].frame_start)
        order = [0] * len(segments)
        for place, index in enumerate(in_time):
            order[index] = place
        return shown, order


class TALKCLIP_MT_segments(bpy.types.Menu):  # noqa: N801 - Blender's naming rule
    """What is done to prompts less often."""

    bl_label = "Prompts"

    def draw(self, context: bpy.types.Context) -> None:
        """Blender draws this."""
        layout = self.layout
        layout.operator("talkclip.segment_pick", icon="EYEDROPPER")
        for text, to in (("Playhead to Start", "START"), ("Playhead to End", "END"),
                         ("Previous Prompt", "PREVIOUS"), ("Next Prompt", "NEXT")):  # fmt: skip
            layout.operator("talkclip.segment_jump", text=text).to = to
        layout.separator()
        for text, side in (("Start to Playhead", "START"), ("End to Playhead", "END")):
            layout.operator("talkclip.segment_border", text=text).side = side
        layout.operator("talkclip.segment_move")
        layout.operator("talkclip.segment_move", text="Move with All Later Ones").ripple = True
        layout.separator()
        layout.menu("TALKCLIP_MT_exchange")
        layout.separator()
        for text, gap in (("Delete, Leave Neutral", "KEEP"), ("Delete, Close the Gap", "RIPPLE")):
            layout.operator("talkclip.segment_delete", text=text).gap = gap
        layout.operator("talkclip.segments_clean")
        layout.operator("talkclip.segments_clear", icon="TRASH")


class TALKCLIP_PT_prompts(CharacterPanel, bpy.types.Panel):  # noqa: N801 - Blender's naming rule
    """How it is said, and when."""

    bl_label = "Prompts"
    bl_order = 1

    def draw(self, context: bpy.types.Context) -> None:
        """Blender draws this."""
        layout = self.layout
        line = face.face_mesh(context.active_object).talkclip
        fps = scene_fps(context.scene)
        if cutting.rate_changed(line, fps):
            _draw_rate(layout, line, fps)
        if is_simple(line):
            _draw_one_prompt(layout, line)
        else:
            _draw_list(layout, line)


class _OfActivePrompt(CharacterPanel):
    """A part of the prompts' panel on the active segment."""

    bl_parent_id: ClassVar[str] = "TALKCLIP_PT_prompts"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Cheap: Blender asks on every redraw."""
        mesh = face.face_mesh(context.active_object)
        return mesh is not None and cutting.active(mesh.talkclip) is not None


class TALKCLIP_PT_reading(_OfActivePrompt, bpy.types.Panel):  # noqa: N801 - Blender's naming rule
    """What the active prompt is understood as. Nothing is asked while it is closed."""

    bl_label = "Understood As"

    def draw(self, context: bpy.types.Context) -> None:
        """Blender draws this."""
        segment = cutting.active(face.face_mesh(context.active_object).talkclip)
        column = self.layout.column(align=True)
        column.scale_y = 0.8
        if not segment.prompt.strip():
            column.label(text="neutral")
            return
        said = reading.shown(segment.prompt)
        if said is None:
            column.label(text="known while a server runs", icon="TIME")
        for line in said or ():
            column.label(text=line.text, icon=line.icon)


class TALKCLIP_PT_prompt_time(_OfActivePrompt, bpy.types.Panel):  # noqa: N801 - Blender's naming rule
    """When the active prompt plays."""

    bl_label = "Time"
    bl_options: ClassVar[set[str]] = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Blender draws this."""
        segment = cutting.active(face.face_mesh(context.active_object).talkclip)
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(segment, "whole_line")
        if segment.whole_line:
            return
        column = layout.column(align=True)
        for name, side, to in (("frame_start", "START", "START"), ("frame_end", "END", "END")):
            row = column.row(align=True)
            row.prop(segment, name)
            row.operator("talkclip.segment_border", text="", icon="TRIA_DOWN_BAR").side = side
            row.operator("talkclip.segment_jump", text="", icon="PLAY").to = to
        if segment.frame_end <= segment.frame_start:
            column.label(text="It ends before it begins", icon="ERROR")
        column = layout.column(align=True)
        column.prop(segment, "blend_in_s")
        column.prop(segment, "blend_out_s")


class TALKCLIP_PT_prompt_edits(_OfActivePrompt, bpy.types.Panel):  # noqa: N801 - Blender's naming rule
    """Weighted changes on top of the active prompt."""

    bl_label = "Changes"
    bl_options: ClassVar[set[str]] = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Blender draws this."""
        segment = cutting.active(face.face_mesh(context.active_object).talkclip)
        column = self.layout.column(align=True)
        for index, edit in enumerate(segment.edits):
            row = column.row(align=True)
            split = row.split(factor=0.65, align=True)
            split.prop(edit, "text", text="", **placeholder("wrinkle the nose"))
            split.prop(edit, "weight", text="")
            row.operator("talkclip.edit_remove", text="", icon="X").index = index
        column.operator("talkclip.edit_add", icon="ADD")


class TALKCLIP_PT_prompt_style(_OfActivePrompt, bpy.types.Panel):  # noqa: N801 - Blender's naming rule
    """A video whose way of speaking is mixed into the active prompt."""

    bl_label = "Style Video"
    bl_options: ClassVar[set[str]] = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Blender draws this."""
        segment = cutting.active(face.face_mesh(context.active_object).talkclip)
        column = self.layout.column(align=True)
        column.prop(segment, "style_video", text="")
        row = column.row(align=True)
        row.active = bool(segment.style_video)
        row.prop(segment, "style_weight", slider=True)


def is_simple(line: Any) -> bool:
    """Whether one field is enough: no prompt yet, or one for the whole line."""
    return len(line.segments) < 2 and all(segment.whole_line for segment in line.segments)


def draw_intensity(layout: Any, owner: bpy.types.Object, segment: Any, **options: Any) -> None:
    """The slider that is keyed; a plain one where the custom property is not there yet."""
    if intensity.exists(owner, segment.uid):
        layout.prop(owner, intensity.data_path(segment.uid), slider=True, **options)
    else:
        layout.prop(segment, "intensity", slider=True, **options)


def draw_active(layout: Any, line: Any) -> None:
    """The prompt and the intensity of the active segment."""
    segment = cutting.active(line)
    if segment is not None:
        layout.prop(segment, "prompt", text="", icon="OUTLINER_DATA_SPEAKER", **placeholder("neutral"))
        _draw_keyable_intensity(layout, line.id_data, segment)


def _draw_one_prompt(layout: Any, line: Any) -> None:
    column = layout.column(align=True)
    column.prop(line, "prompt", text="", icon="OUTLINER_DATA_SPEAKER", **placeholder("How is it spoken?"))
    if line.segments:
        _draw_keyable_intensity(layout, line.id_data, line.segments[0])
    row = layout.row(align=True)
    row.operator("talkclip.segment_add", text="Add at Playhead", icon="ADD")
    row.menu("TALKCLIP_MT_segments", text="", icon="DOWNARROW_HLT")


def _draw_list(layout: Any, line: Any) -> None:
    row = layout.row()
    row.template_list("TALKCLIP_UL_segments", "", line, "segments", line, "active_segment", rows=_ROWS, sort_lock=True)
    column = row.column(align=True)
    column.operator("talkclip.segment_add", text="", icon="ADD")
    column.operator("talkclip.segment_delete", text="", icon="REMOVE")
    column.menu("TALKCLIP_MT_segments", text="", icon="DOWNARROW_HLT")
    column.separator()
    column.operator("talkclip.segment_swap", text="", icon="TRIA_UP").step = "EARLIER"
    column.operator("talkclip.segment_swap", text="", icon="TRIA_DOWN").step = "LATER"
    column = layout.column(align=True)
    row = column.row(align=True)
    row.operator("talkclip.segment_split", text="Split")
    row.operator("talkclip.segment_merge", text="Merge")
    row = column.row(align=True)
    row.operator("talkclip.segment_duplicate")
    for text, frames in (("-1", -1), ("+1", 1)):
        row.operator("talkclip.segment_move", text=text).frames = frames
    draw_active(layout, line)


def _draw_keyable_intensity(layout: Any, owner: bpy.types.Object, segment: Any) -> None:
    row = layout.row()
    row.use_property_split = True
    row.use_property_decorate = True
    draw_intensity(row, owner, segment, text="Intensity")


def _draw_rate(layout: Any, line: Any, fps: float) -> None:
    box = layout.box().column(align=True)
    box.label(text=f"Made at {line.segments_fps:.6g} fps, the scene has {fps:.6g}", icon="ERROR")
    row = box.row(align=True)
    row.operator("talkclip.segments_rate", text="Keep Times").keep = "TIMES"
    row.operator("talkclip.segments_rate", text="Keep Frames").keep = "FRAMES"


CLASSES = (
    TALKCLIP_UL_segments,
    TALKCLIP_MT_segments,
    TALKCLIP_PT_prompts,
    TALKCLIP_PT_reading,
    TALKCLIP_PT_prompt_time,
    TALKCLIP_PT_prompt_edits,
    TALKCLIP_PT_prompt_style,
)

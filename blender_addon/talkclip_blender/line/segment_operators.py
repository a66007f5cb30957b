# SPDX-License-Identifier: GPL-3.0-or-later
"""Buttons that cut the line into prompt segments and change them."""

from __future__ import annotations

from typing import Any, ClassVar

import bpy
from bpy.props import BoolProperty, EnumProperty, IntProperty, StringProperty

from talkclip.errors import InputError, TalkClipError

from .. import redraw, report
from ..character import face
from ..frame_rate import scene_fps
from . import cutting, sound
from .properties import add_edit
from .sound import Extent


def character_of(context: bpy.types.Context) -> Any | None:
    """The settings of the active character, or None."""
    mesh = face.face_mesh(context.active_object)
    return None if mesh is None else mesh.talkclip


def why_not_editable(context: bpy.types.Context) -> str:
    """Why the line of the active object cannot be changed, or ""."""
    mesh = face.face_mesh(context.active_object)
    if mesh is None:
        return "Select a character: a mesh with face shape keys, or its rig"
    if not getattr(mesh, "is_editable", mesh.library is None):
        return f"'{mesh.name}' is linked from another file: make a library override of it first"
    return ""


class LineOperator:
    """An operator that changes the active character's line in `change`."""

    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Cheap: Blender asks on every redraw."""
        reason = why_not_editable(context) or cls.why_not(character_of(context), context)
        return report.allowed(cls, reason)

    @classmethod
    def why_not(cls, line: Any, context: bpy.types.Context) -> str:
        """Why the button is greyed out, or ""."""
        return ""

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Change the line; nothing is changed where that fails."""
        line = character_of(context)
        extent = sound.extent_of(line, context.scene)
        try:
            self.change(line, extent, context)
        except TalkClipError as problem:
            cutting.relax(line, extent)
            return report.error(self, problem)
        redraw.lines()
        return {"FINISHED"}

    def change(self, line: Any, extent: Extent, context: bpy.types.Context) -> None:
        """Do it. Raises TalkClipError for the user."""
        raise NotImplementedError


class SegmentOperator(LineOperator):
    """An operator on one segment: the active one, or that with the uid given."""

    uid: StringProperty(
        name="Segment", description="Identity of the segment; empty is the active one", options={"SKIP_SAVE", "HIDDEN"}
    )

    @classmethod
    def why_not(cls, line: Any, context: bpy.types.Context) -> str:
        """See `LineOperator`."""
        return "" if cutting.active(line) is not None else "There is no prompt yet: type or add one"

    def chosen(self, line: Any) -> str:
        """uid of the segment."""
        segment = cutting.by_uid(line, self.uid) if self.uid else cutting.active(line)
        if segment is None:
            raise InputError("No prompt segment is chosen.", "Choose one in the list.")
        return segment.uid


class TALKCLIP_OT_segment_add(LineOperator, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Add a prompt from the playhead on; what plays there ends at it"""

    bl_idname = "talkclip.segment_add"
    bl_label = "Add Prompt"

    prompt: StringProperty(name="Prompt", description="How it is spoken from there on", options={"SKIP_SAVE"})

    def change(self, line: Any, extent: Extent, context: bpy.types.Context) -> None:
        """See `LineOperator`."""
        cutting.add(line, extent, context.scene.frame_current, self.prompt)


class TALKCLIP_OT_segment_split(SegmentOperator, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Cut the prompt segment at the playhead; both parts play as before until you change one"""

    bl_idname = "talkclip.segment_split"
    bl_label = "Split at Playhead"

    def change(self, line: Any, extent: Extent, context: bpy.types.Context) -> None:
        """Cut the segment that plays at the playhead, whichever is active."""
        frame = context.scene.frame_current
        under = cutting.at_frame(line, frame)
        uid = self.uid or (under.uid if under is not None else self.chosen(line))
        cutting.split(line, extent, uid, frame)


class TALKCLIP_OT_segment_duplicate(SegmentOperator, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Copy the segment with its intensity and keys: to the playhead, or behind itself where the playhead is inside"""

    bl_idname = "talkclip.segment_duplicate"
    bl_label = "Duplicate"

    def change(self, line: Any, extent: Extent, context: bpy.types.Context) -> None:
        """See `LineOperator`."""
        cutting.duplicate(line, extent, self.chosen(line), context.scene.frame_current)


class TALKCLIP_OT_segment_merge(SegmentOperator, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Join the segment with the next one; both prompts are kept"""

    bl_idname = "talkclip.segment_merge"
    bl_label = "Merge with Next"

    def change(self, line: Any, extent: Extent, context: bpy.types.Context) -> None:
        """See `LineOperator`."""
        cutting.merge(line, extent, self.chosen(line))


class TALKCLIP_OT_segment_delete(SegmentOperator, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Remove the segment with its intensity and keys"""

    bl_idname = "talkclip.segment_delete"
    bl_label = "Delete Prompt"

    gap: EnumProperty(
        name="Gap",
        description="What happens to its time",
        items=(
            ("FILL", "Give to Neighbour", "The segment that touches it, the earlier one first, takes its time"),
            ("KEEP", "Leave Neutral", "The face is neutral there"),
            ("RIPPLE", "Close", "All later segments move up"),
        ),
        default="FILL",
        options={"SKIP_SAVE"},
    )

    def change(self, line: Any, extent: Extent, context: bpy.types.Context) -> None:
        """See `LineOperator`."""
        cutting.delete(line, extent, self.chosen(line), self.gap)


class TALKCLIP_OT_segment_swap(SegmentOperator, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Let the segment change places with its neighbour; both keep their lengths and keys"""

    bl_idname = "talkclip.segment_swap"
    bl_label = "Change Places"

    step: EnumProperty(
        name="With",
        description="Which neighbour",
        items=(("EARLIER", "Earlier", "The one before"), ("LATER", "Later", "The one after")),
        options={"SKIP_SAVE"},
    )

    def change(self, line: Any, extent: Extent, context: bpy.types.Context) -> None:
        """See `LineOperator`."""
        cutting.swap(line, extent, self.chosen(line), -1 if self.step == "EARLIER" else 1)


class TALKCLIP_OT_segment_move(SegmentOperator, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Move the segment in time, with its intensity's keys"""

    bl_idname = "talkclip.segment_move"
    bl_label = "Move"

    frames: IntProperty(name="Frames", description="How far; below 0 is earlier", default=1)
    ripple: BoolProperty(name="Later Ones Too", description="All segments that start after it move along")

    def change(self, line: Any, extent: Extent, context: bpy.types.Context) -> None:
        """See `LineOperator`."""
        uid = self.chosen(line)
        cutting.settle(line, extent)
        if self.ripple:
            cutting.ripple(line, extent, uid, self.frames)
        else:
            cutting.move(line, uid, self.frames)


class TALKCLIP_OT_segment_border(SegmentOperator, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Set a border of the segment to the playhead; a neighbour that shares it goes along"""

    bl_idname = "talkclip.segment_border"
    bl_label = "Border to Playhead"

    side: EnumProperty(
        name="Border",
        description="Which border",
        items=(("START", "Start", "Where it begins"), ("END", "End", "Where it ends")),
        options={"SKIP_SAVE"},
    )
    roll: BoolProperty(name="With Neighbour", description="A neighbour that shares the border goes along", default=True)

    def change(self, line: Any, extent: Extent, context: bpy.types.Context) -> None:
        """See `LineOperator`."""
        uid, frame = self.chosen(line), context.scene.frame_current
        cutting.settle(line, extent)
        borders = {"start": frame} if self.side == "START" else {"end": frame}
        cutting.trim(line, uid, **borders, roll=self.roll)


class TALKCLIP_OT_segments_rate(LineOperator, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """The scene's frame rate is not the one the prompt segments were made in: say what is to stay"""

    bl_idname = "talkclip.segments_rate"
    bl_label = "Fit Prompts to the Frame Rate"

    keep: EnumProperty(
        name="Keep",
        description="What stays",
        items=(
            ("TIMES", "Keep Times", "Segments and intensity keys stay at their seconds and get other frames"),
            ("FRAMES", "Keep Frames", "Segments and intensity keys stay at their frames and play at other seconds"),
        ),
    )

    @classmethod
    def why_not(cls, line: Any, context: bpy.types.Context) -> str:
        """See `LineOperator`."""
        changed = cutting.rate_changed(line, scene_fps(context.scene))
        return "" if changed else "The prompts were made in this frame rate"

    def change(self, line: Any, extent: Extent, context: bpy.types.Context) -> None:
        """See `LineOperator`."""
        if self.keep == "TIMES":
            cutting.keep_times(line, extent)
        else:
            line.segments_fps = extent.fps


class TALKCLIP_OT_segments_clean(LineOperator, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Remove prompt segments that end before they begin"""

    bl_idname = "talkclip.segments_clean"
    bl_label = "Remove Empty Prompts"

    @classmethod
    def why_not(cls, line: Any, context: bpy.types.Context) -> str:
        """See `LineOperator`."""
        return "" if cutting.empty_segments(line) else "No prompt segment is empty"

    def change(self, line: Any, extent: Extent, context: bpy.types.Context) -> None:
        """See `LineOperator`."""
        empty = cutting.empty_segments(line)
        for uid in empty:
            cutting.delete(line, extent, uid, "KEEP")
        report.notes(self, [f"{len(empty)} prompt segment{'s' * (len(empty) > 1)} without a length removed."])


class TALKCLIP_OT_segments_clear(LineOperator, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Remove all prompt segments of the line, with their intensities and keys"""

    bl_idname = "talkclip.segments_clear"
    bl_label = "Remove All Prompts"

    @classmethod
    def why_not(cls, line: Any, context: bpy.types.Context) -> str:
        """See `LineOperator`."""
        return "" if line.segments else "There is no prompt"

    def change(self, line: Any, extent: Extent, context: bpy.types.Context) -> None:
        """See `LineOperator`."""
        cutting.clear(line)


class TALKCLIP_OT_segment_pick(LineOperator, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Show the prompt segment that plays at the playhead"""

    bl_idname = "talkclip.segment_pick"
    bl_label = "Prompt at Playhead"

    def change(self, line: Any, extent: Extent, context: bpy.types.Context) -> None:
        """See `LineOperator`."""
        segment = cutting.at_frame(line, context.scene.frame_current)
        if segment is None:
            raise InputError("No prompt plays at the playhead.", "Move it into a segment, or add one there.")
        cutting.activate(line, segment.uid)


class TALKCLIP_OT_segment_jump(SegmentOperator, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Move the playhead to a segment's border"""

    bl_idname = "talkclip.segment_jump"
    bl_label = "Playhead to Segment"

    to: EnumProperty(
        name="To",
        description="Where to",
        items=(
            ("START", "Start", "First frame of the active segment"),
            ("END", "End", "Last frame of the active segment"),
            ("PREVIOUS", "Previous", "First frame of the segment before"),
            ("NEXT", "Next", "First frame of the segment after"),
        ),
        options={"SKIP_SAVE"},
    )

    def change(self, line: Any, extent: Extent, context: bpy.types.Context) -> None:
        """See `LineOperator`."""
        uid = self.chosen(line)
        ordered = sorted(line.segments, key=lambda s: s.frame_start)
        place = next(index for index, segment in enumerate(ordered) if segment.uid == uid)
        step = {"PREVIOUS": -1, "NEXT": 1}.get(self.to, 0)
        if not 0 <= place + step < len(ordered):
            raise InputError(f"There is no segment {'after' if step > 0 else 'before'} this one.")
        segment = ordered[place + step]
        first, end = (extent.first, extent.end) if segment.whole_line else (segment.frame_start, segment.frame_end)
        cutting.activate(line, segment.uid)
        context.scene.frame_set(end - 1 if self.to == "END" else first)


class TALKCLIP_OT_edit_add(SegmentOperator, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Add a change on top of the prompt: "wrinkle the nose", with a weight"""

    bl_idname = "talkclip.edit_add"
    bl_label = "Add Change"

    def change(self, line: Any, extent: Extent, context: bpy.types.Context) -> None:
        """See `LineOperator`."""
        add_edit(cutting.by_uid(line, self.chosen(line)))


class TALKCLIP_OT_edit_remove(SegmentOperator, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Remove this change"""

    bl_idname = "talkclip.edit_remove"
    bl_label = "Remove Change"

    index: IntProperty(name="Change", description="Its place in the list", min=0, options={"SKIP_SAVE"})

    def change(self, line: Any, extent: Extent, context: bpy.types.Context) -> None:
        """See `LineOperator`."""
        edits = cutting.by_uid(line, self.chosen(line)).edits
        if self.index >= len(edits):
            raise InputError("That change is gone.", "Choose another one.")
        edits.remove(self.index)


CLASSES = (
    TALKCLIP_OT_segment_add,
    TALKCLIP_OT_segment_split,
    TALKCLIP_OT_segment_duplicate,
    TALKCLIP_OT_segment_merge,
    TALKCLIP_OT_segment_delete,
    TALKCLIP_OT_segment_swap,
    TALKCLIP_OT_segment_move,
    TALKCLIP_OT_segment_border,
    TALKCLIP_OT_segments_rate,
    TALKCLIP_OT_segments_clean,
    TALKCLIP_OT_segments_clear,
    TALKCLIP_OT_segment_pick,
    TALKCLIP_OT_segment_jump,
    TALKCLIP_OT_edit_add,
    TALKCLIP_OT_edit_remove,
)

# SPDX-License-Identifier: GPL-3.0-or-later
"""What is saved of a line: its sound, its words, and the prompt segments over it.

The collection of prompt segments is the truth; actions and NLA strips are made from it. Whatever refers to a segment
uses its `uid`, never its place in the list.
"""

from __future__ import annotations

import uuid
from typing import Any

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from talkclip.timeline import BLEND_S, INTENSITY_MAX

from .. import compat
from ..frame_rate import scene_fps
from . import intensity, intensity_groups, sound
from .word_properties import TalkClipWord

_PROMPT_NAME = "Prompt"
_PROMPT_HELP = 'How the line is spoken: "a furious man speaks with brows lowered"'
EDIT_WEIGHT = 0.5
# What is edited on a library override is kept with the file.
_OVERRIDE = {"LIBRARY_OVERRIDABLE"}
_OVERRIDE_LIST = {"LIBRARY_OVERRIDABLE", "USE_INSERTION"}
# The live preview follows each letter, not only what was confirmed.
_WHILE_TYPING = {"TEXTEDIT_UPDATE"}


class TalkClipEdit(bpy.types.PropertyGroup):
    """A weighted change on top of a segment's prompt."""

    text: StringProperty(
        name="Change", description='What to add: "wrinkle the nose"', override=_OVERRIDE, options=_WHILE_TYPING
    )
    weight: FloatProperty(
        name="Weight", description="How much of it; below 0 takes away", default=EDIT_WEIGHT, min=-INTENSITY_MAX,
        max=INTENSITY_MAX, override=_OVERRIDE,
    )  # fmt: skip


def _get_intensity(self: TalkClipSegment) -> float:
    return intensity.value_of(self.id_data, self.uid)


def _set_intensity(self: TalkClipSegment, value: float) -> None:
    intensity.set_value(self.id_data, self.uid, value)


def _whole_line_changed(self: TalkClipSegment, context: bpy.types.Context) -> None:
    """A segment that no longer lasts as long as the sound needs frames of its own."""
    if not self.whole_line and self.frame_end <= self.frame_start:
        extent = sound.extent_of(self.id_data.talkclip, context.scene)
        self.frame_start, self.frame_end = extent.first, extent.end


def _prompt_changed(self: TalkClipSegment, _context: bpy.types.Context) -> None:
    intensity_groups.name_groups(self.id_data)


class TalkClipSegment(bpy.types.PropertyGroup):
    """One prompt over a span of the line."""

    uid: StringProperty(name="Identity", description="Never changes; what keys and takes refer to", override=_OVERRIDE)
    prompt: StringProperty(
        name=_PROMPT_NAME, description=_PROMPT_HELP, override=_OVERRIDE, options=_WHILE_TYPING, update=_prompt_changed
    )
    # The same for the rows of lists: Blender takes a field that changes with each letter for a search, and gives half
    # of a row to the cross that empties it.
    row_text: StringProperty(
        name=_PROMPT_NAME, description=_PROMPT_HELP, get=lambda self: self.prompt,
        set=lambda self, value: setattr(self, "prompt", value),
    )  # fmt: skip
    # For scripts. What is shown and keyed is the object's custom property behind it.
    intensity: FloatProperty(
        name="Intensity", description=intensity.HELP, min=0.0, max=INTENSITY_MAX, default=intensity.DEFAULT,
        get=_get_intensity, set=_set_intensity, options=set(),
    )  # fmt: skip
    saved_intensity: FloatProperty(
        description="As it was when the file was saved: overrides lose custom properties", default=intensity.DEFAULT,
        override=_OVERRIDE, options={"HIDDEN"},
    )  # fmt: skip
    whole_line: BoolProperty(
        name="Whole Line", description="Lasts as long as the sound does", default=True, override=_OVERRIDE,
        update=_whole_line_changed, options=set(),
    )  # fmt: skip
    frame_start: IntProperty(
        name="Start", description="First scene frame of the segment", override=_OVERRIDE, options=set()
    )
    frame_end: IntProperty(
        name="End", description="Scene frame at which the segment ends", override=_OVERRIDE, options=set()
    )
    blend_in_s: FloatProperty(
        name="Blend In", description="Seconds over which it takes over, half of them before its start",
        default=BLEND_S, min=0.0, soft_max=2.0, override=_OVERRIDE, options=set(), unit="TIME_ABSOLUTE",
    )  # fmt: skip
    blend_out_s: FloatProperty(
        name="Blend Out", description="Seconds over which it hands over, half of them after its end",
        default=BLEND_S, min=0.0, soft_max=2.0, override=_OVERRIDE, options=set(), unit="TIME_ABSOLUTE",
    )  # fmt: skip
    edits: CollectionProperty(type=TalkClipEdit, override=_OVERRIDE_LIST)
    active_edit: IntProperty(override=_OVERRIDE)
    style_video: StringProperty(
        name="Style Video", description="A video of a face whose way of speaking is taken over; may stay empty",
        subtype="FILE_PATH", options=compat.FILE_OPTIONS, override=_OVERRIDE,
    )  # fmt: skip
    style_weight: FloatProperty(
        name="Share", description="0 is the prompt alone, 1 the style video alone", default=0.5, min=0.0, max=1.0,
        override=_OVERRIDE, options=set(),
    )  # fmt: skip


def _get_prompt(self: LineSettings) -> str:
    return self.segments[0].prompt if self.segments else ""


def _set_prompt(self: LineSettings, value: str) -> None:
    first_segment(self).prompt = value


def _get_first_intensity(self: LineSettings) -> float:
    return self.segments[0].intensity if self.segments else intensity.DEFAULT


def _set_first_intensity(self: LineSettings, value: float) -> None:
    first_segment(self).intensity = value


def _strip_names(self: LineSettings, context: bpy.types.Context, _text: str) -> list[str]:
    return [strip.name for strip in compat.sound_strips(context.scene)]


class LineSettings:
    """The part of a character's properties that says what is spoken, and how."""

    segments: CollectionProperty(type=TalkClipSegment, override=_OVERRIDE_LIST)
    active_segment: IntProperty(name="Prompt", description="The prompt whose fields are shown", override=_OVERRIDE)
    segments_fps: FloatProperty(
        description="Frames per second of the scene in which the segments got their frames", override=_OVERRIDE,
        options={"HIDDEN"},
    )  # fmt: skip

    # The first segment, for the panel's one line and for scripts; typing into an empty one makes the segment.
    prompt: StringProperty(
        name=_PROMPT_NAME, description=_PROMPT_HELP, get=_get_prompt, set=_set_prompt, options=_WHILE_TYPING
    )
    intensity: FloatProperty(
        name="Intensity", description=intensity.HELP, min=0.0, max=INTENSITY_MAX, default=intensity.DEFAULT,
        get=_get_first_intensity, set=_set_first_intensity, options=set(),
    )  # fmt: skip

    sound_source: EnumProperty(
        name="Sound",
        description="Where the line is",
        items=(
            ("FILE", "File", "A sound or video file; speech starts at the frame below"),
            ("STRIP", "Strip", "A sound strip of the Video Sequencer; speech starts where the strip is heard"),
        ),
        default="FILE",
        override=_OVERRIDE,
    )
    sound_path: StringProperty(
        name="File", description="A sound or video file with one person speaking", subtype="FILE_PATH",
        options=compat.FILE_OPTIONS, override=_OVERRIDE,
    )  # fmt: skip
    sound_strip: StringProperty(
        name="Strip", description="A sound strip of this scene", search=_strip_names, override=_OVERRIDE
    )
    use_scene_start: BoolProperty(
        name="At the Scene's Start", description="The sound starts at the scene's first frame", default=True,
        override=_OVERRIDE,
    )  # fmt: skip
    start_frame: IntProperty(
        name="Start Frame", description="Scene frame at which the sound starts", default=1, override=_OVERRIDE
    )
    transcript: StringProperty(
        name="Words", description="What is said, if you have it: the lips follow better. May stay empty",
        override=_OVERRIDE,
    )  # fmt: skip

    script: StringProperty(
        name="Script", override=_OVERRIDE,
        description='The line with its stage directions: "[furious] Get out! [breaking] Please."',
    )  # fmt: skip
    script_text: PointerProperty(
        name="Text", description="A Text with the script, in place of the field", type=bpy.types.Text,
        override=_OVERRIDE,
    )  # fmt: skip
    markers_made: StringProperty(description="Timeline markers that were made of the prompts", override=_OVERRIDE)

    # The words of the last answer; see `words`.
    words: CollectionProperty(type=TalkClipWord, override=_OVERRIDE_LIST)
    active_word: IntProperty(name="Word", description="The word whose fields are shown", override=_OVERRIDE)
    words_text: StringProperty(description="The transcript they were found with", override=_OVERRIDE)
    words_sound: StringProperty(description="The sound they were heard in", override=_OVERRIDE)
    words_mended: BoolProperty(description="Whether one was corrected, so that they are sent back", override=_OVERRIDE)
    words_s: FloatProperty(description="Length of that sound, seconds", override=_OVERRIDE)
    words_by: StringProperty(description="What found them", override=_OVERRIDE)
    words_problem: StringProperty(description="Why the last correction was not taken")

    add_sound: BoolProperty(
        name="Put the Sound in the Sequencer",
        description="So that it is heard on playback; a strip that is already there is left alone",
        default=True,
        override=_OVERRIDE,
    )


def add_edit(segment: Any, text: str = "", weight: float = EDIT_WEIGHT) -> Any:
    """Append a change to a segment."""
    edit = segment.edits.add()
    edit.name, edit.text, edit.weight = uuid.uuid4().hex[:12], text, weight
    return edit


def first_segment(line: LineSettings) -> Any:
    """The line's first segment; made when there is none."""
    return line.segments[0] if line.segments else add_segment(line)


def add_segment(line: LineSettings, prompt: str = "") -> Any:
    """Append a segment with a uid of its own. References to other segments are void afterwards."""
    segment = line.segments.add()
    segment.uid = segment.name = uuid.uuid4().hex[:12]  # library overrides tell rows apart by their names
    segment.prompt = prompt
    intensity.set_value(line.id_data, segment.uid, intensity.DEFAULT)
    if not line.segments_fps:
        line.segments_fps = scene_fps(bpy.context.scene)
    return segment

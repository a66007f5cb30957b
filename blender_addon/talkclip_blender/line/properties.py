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
    StringProperty,
)

from talkclip.timeline import BLEND_S, INTENSITY_MAX

from .. import compat

_PROMPT_NAME = "Prompt"
_PROMPT_HELP = 'How the line is spoken: "a furious man speaks with brows lowered"'
_INTENSITY_HELP = "0 is neutral, 1 as the prompt says, 2 twice as much"


class TalkClipEdit(bpy.types.PropertyGroup):
    """A weighted change on top of a segment's prompt."""

    text: StringProperty(name="Change", description='What to add: "wrinkle the nose"')
    weight: FloatProperty(
        name="Weight", description="How much of it; below 0 takes away", default=0.5, min=-INTENSITY_MAX,
        max=INTENSITY_MAX,
    )  # fmt: skip


class TalkClipSegment(bpy.types.PropertyGroup):
    """One prompt over a span of the line."""

    uid: StringProperty(name="Identity", description="Never changes; what keys and takes refer to")
    prompt: StringProperty(name=_PROMPT_NAME, description=_PROMPT_HELP)
    intensity: FloatProperty(name="Intensity", description=_INTENSITY_HELP, default=1.0, min=0.0, max=INTENSITY_MAX)
    whole_line: BoolProperty(name="Whole Line", description="Lasts as long as the sound does", default=True)
    frame_start: IntProperty(name="Start", description="First scene frame of the segment")
    frame_end: IntProperty(name="End", description="Scene frame at which the segment ends")
    blend_in_s: FloatProperty(
        name="Blend In", description="Seconds over which it takes over", default=BLEND_S, min=0.0, soft_max=2.0
    )
    blend_out_s: FloatProperty(
        name="Blend Out", description="Seconds over which it hands over", default=BLEND_S, min=0.0, soft_max=2.0
    )
    edits: CollectionProperty(type=TalkClipEdit)
    active_edit: IntProperty()
    style_video: StringProperty(
        name="Style Video", description="A video of a face whose way of speaking is taken over; may stay empty",
        subtype="FILE_PATH", options=compat.FILE_OPTIONS,
    )  # fmt: skip
    style_weight: FloatProperty(
        name="Share", description="0 is the prompt alone, 1 the style video alone", default=0.5, min=0.0, max=1.0
    )


def _get_prompt(self: LineSettings) -> str:
    return self.segments[0].prompt if self.segments else ""


def _set_prompt(self: LineSettings, value: str) -> None:
    first_segment(self).prompt = value


def _get_intensity(self: LineSettings) -> float:
    return self.segments[0].intensity if self.segments else 1.0


def _set_intensity(self: LineSettings, value: float) -> None:
    first_segment(self).intensity = value


def _strip_names(self: LineSettings, context: bpy.types.Context, _text: str) -> list[str]:
    return [strip.name for strip in compat.sound_strips(context.scene)]


class LineSettings:
    """The part of a character's properties that says what is spoken, and how."""

    segments: CollectionProperty(type=TalkClipSegment)
    active_segment: IntProperty()

    # The first segment, for the panel's one line and for scripts; typing into an empty one makes the segment.
    prompt: StringProperty(name=_PROMPT_NAME, description=_PROMPT_HELP, get=_get_prompt, set=_set_prompt)
    intensity: FloatProperty(
        name="Intensity", description=_INTENSITY_HELP, min=0.0, max=INTENSITY_MAX, default=1.0,
        get=_get_intensity, set=_set_intensity,
    )  # fmt: skip

    sound_source: EnumProperty(
        name="Sound",
        description="Where the line is",
        items=(
            ("FILE", "File", "A sound or video file; speech starts at the frame below"),
            ("STRIP", "Strip", "A sound strip of the Video Sequencer; speech starts where the strip is heard"),
        ),
        default="FILE",
    )
    sound_path: StringProperty(
        name="File", description="A sound or video file with one person speaking", subtype="FILE_PATH",
        options=compat.FILE_OPTIONS,
    )  # fmt: skip
    sound_strip: StringProperty(name="Strip", description="A sound strip of this scene", search=_strip_names)
    use_scene_start: BoolProperty(
        name="At the Scene's Start", description="The sound starts at the scene's first frame", default=True
    )
    start_frame: IntProperty(name="Start Frame", description="Scene frame at which the sound starts", default=1)
    transcript: StringProperty(
        name="Words", description="What is said, if you have it: the lips follow better. May stay empty"
    )
    add_sound: BoolProperty(
        name="Put the Sound in the Sequencer",
        description="So that it is heard on playback; a strip that is already there is left alone",
        default=True,
    )


def first_segment(line: LineSettings) -> Any:
    """The line's first segment; made when there is none."""
    return line.segments[0] if line.segments else add_segment(line)


def add_segment(line: LineSettings, prompt: str = "") -> Any:
    """Append a segment with a uid of its own."""
    segment = line.segments.add()
    segment.uid = uuid.uuid4().hex[:12]
    segment.prompt = prompt
    return segment

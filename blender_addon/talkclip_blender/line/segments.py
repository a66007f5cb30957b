# SPDX-License-Identifier: GPL-3.0-or-later
"""The character's prompt segments as the library sees them: seconds on the line's clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import bpy

from talkclip.client import SegmentStyle
from talkclip.errors import InputError
from talkclip.timeline import PromptEdit, PromptSegment, PromptTimeline

from ..properties import TalkClipCharacter
from . import intensity, sound
from .sound import Line

# A segment of "the whole line" ends here; no line is longer, and the server cuts it to the sound.
_WHOLE_LINE_S: Final = 86_400.0
_LABEL_LENGTH: Final = 40


def timeline_of(character: TalkClipCharacter, line: Line, fps: float) -> PromptTimeline:
    """What is to be spoken how. Where segments overlap they cross-fade; outside all of them the face is neutral.

    Args:
        character: whose segments.
        line: where its clock starts.
        fps: of the scene; segments stand in scene frames.

    Raises:
        InputError: a segment ends before it begins or has no uid, or an edit is out of range.
    """
    if not character.segments:
        return PromptTimeline.single("", _WHOLE_LINE_S)
    curves = intensity.curves_of(character.id_data)
    return PromptTimeline(tuple(_segment(s, line, fps, curves.get(s.uid)) for s in character.segments))


def styles_of(character: TalkClipCharacter) -> tuple[SegmentStyle, ...]:
    """The style clips of segments that have one, and a share above 0.

    Raises:
        InputError: a clip does not exist; names the segment.
    """
    library = character.id_data.library
    styles = []
    for segment in character.segments:
        if not segment.style_video.strip() or segment.style_weight <= 0:
            continue
        clip = Path(bpy.path.abspath(segment.style_video, library=library))
        if not clip.is_file():
            raise InputError(f"The style video of {label_of(segment)}, {clip}, does not exist.", "Choose another one.")
        styles.append(SegmentStyle(segment.uid, clip, segment.style_weight))
    return tuple(styles)


def label_of(segment: Any) -> str:
    """How messages name a segment."""
    return f"prompt segment '{segment.prompt[:_LABEL_LENGTH] or 'neutral'}'"


def _segment(segment: Any, line: Line, fps: float, curve: bpy.types.FCurve | None) -> PromptSegment:
    if not segment.uid:
        raise InputError(
            f"The {label_of(segment)} has no identity.", "In scripts, add segments by bpy.ops.talkclip.segment_add()."
        )
    if segment.whole_line:
        span, blends = (0.0, _WHOLE_LINE_S), (0.0, 0.0)
    else:
        first, end = segment.frame_start, segment.frame_end
        if end <= first:
            raise InputError(
                f"The {label_of(segment)} spans frames {first} to {end}.", "Let it end after its start, or delete it."
            )
        span = ((first - line.start_frame) / fps, (end - line.start_frame) / fps)
        blends = (segment.blend_in_s, segment.blend_out_s)
    edits = tuple(PromptEdit(edit.text.strip(), edit.weight) for edit in segment.edits if edit.text.strip())
    keys = () if curve is None else _intensity_keys(segment, line, fps, curve)
    # A keyed value depends on the current frame, and a request must not.
    constant = intensity.DEFAULT if keys else segment.intensity
    return PromptSegment(segment.prompt.strip(), *span, constant, edits, *blends, uid=segment.uid, intensity_keys=keys)


def _intensity_keys(segment: Any, line: Line, fps: float, curve: bpy.types.FCurve) -> tuple[tuple[float, float], ...]:
    """(seconds, intensity). A curve is sampled wherever the segment plays, its blends included."""
    if segment.whole_line:
        length_s = sound.length_s(line)
        known = (line.start_frame, line.start_frame + (length_s or 0.0) * fps)
        reach = known if length_s else tuple(curve.range())
    else:
        first, end = segment.frame_start, segment.frame_end
        reach = (first - segment.blend_in_s * fps / 2, end + segment.blend_out_s * fps / 2)
    keys = intensity.keys_over(segment.id_data, segment.uid, curve, *reach)
    return tuple(((frame - line.start_frame) / fps, value) for frame, value in keys)

# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of the server: planned from the scene.

Between planning and applying, the user may do anything, so a plan holds names, never Blender objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import bpy

from talkclip.client import SpeakRequest
from talkclip.timebase import FPS_MAX, FPS_MIN
from talkclip.timeline import PromptSegment, PromptTimeline

from ..character import face
from ..character.face import Face
from ..line import sound
from ..properties import TalkClipCharacter
from . import layers

# A segment of "the whole line" ends here; no line is longer, and the server cuts it to the sound.
_WHOLE_LINE_S: Final = 86_400.0
_LABEL_LENGTH: Final = 60  # a datablock's name has 63 bytes before Blender 5.0


@dataclass(frozen=True)
class Plan:
    """What is asked for, and where its answer goes."""

    request: SpeakRequest
    line: sound.Line
    mesh: str
    """Name of the object with the face."""
    scene: str
    fps: float
    """Of the scene; the request's is the same wherever the server can do it."""
    label: str
    """For the Action and the strip."""


def plan(active: bpy.types.Object | None, scene: bpy.types.Scene) -> Plan:
    """Collect a request from the scene.

    Raises:
        InputError: no face, no sound, or something that keeps the answer from being keyed.
    """
    found = face.recognise(active)
    for owner in _owners(found):
        layers.require_free(owner)
    character: TalkClipCharacter = found.mesh.talkclip
    line, fps = sound.line_of(character, scene), sound.scene_fps(scene)
    prompt = " | ".join(segment.prompt for segment in character.segments if segment.prompt)
    request = SpeakRequest(
        line.audio,
        _timeline(character, line, fps),
        space=found.space,
        fps=min(max(fps, FPS_MIN), FPS_MAX),
        seed=character.seed,
        text=character.transcript.strip() or None,
        start_s=line.start_s,
        end_s=line.end_s,
    )
    label = f"TalkCLIP {found.mesh.name.removeprefix('TalkCLIP ')}: {prompt or 'neutral'}"[:_LABEL_LENGTH]
    return Plan(request, line, found.mesh.name, scene.name, fps, label)


def _owners(found: Face) -> list[bpy.types.ID]:
    """Datablocks that may be keyed."""
    turned = [found.head.owner] if found.head else []
    if found.space == "flame" and found.armature is not None:
        turned.append(found.armature)
    return [found.keys, *turned]


def _timeline(character: TalkClipCharacter, line: sound.Line, fps: float) -> PromptTimeline:
    if not character.segments:
        return PromptTimeline.single("", _WHOLE_LINE_S)
    return PromptTimeline(tuple(_segment(segment, line, fps) for segment in character.segments))


def _segment(segment: bpy.types.PropertyGroup, line: sound.Line, fps: float) -> PromptSegment:
    if segment.whole_line:
        span, blends = (0.0, _WHOLE_LINE_S), (0.0, 0.0)
    else:
        span = ((segment.frame_start - line.start_frame) / fps, (segment.frame_end - line.start_frame) / fps)
        blends = (segment.blend_in_s, segment.blend_out_s)
    return PromptSegment(segment.prompt.strip(), *span, segment.intensity, (), *blends, uid=segment.uid)

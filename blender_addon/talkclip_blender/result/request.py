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

from ..character import face
from ..line import segments, sound, words
from ..properties import TalkClipCharacter
from . import strips
from .channels import owners

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
    prompt: str
    """For the list of takes."""
    label: str
    """For the Action."""


def plan(active: bpy.types.Object | None, scene: bpy.types.Scene) -> Plan:
    """Collect a request from the scene.

    Raises:
        InputError: no face, no sound, or something that keeps the answer from being keyed.
    """
    found = face.recognise(active)
    for owner in owners(found):
        strips.require_free(owner)
    character: TalkClipCharacter = found.mesh.talkclip
    line, fps = sound.line_of(character, scene), sound.scene_fps(scene)
    prompt = " | ".join(segment.prompt for segment in character.segments if segment.prompt) or "neutral"
    text, phones = words.for_request(character, line)
    request = SpeakRequest(
        line.audio,
        segments.timeline_of(character, line, fps),
        space=found.space,
        fps=min(max(fps, FPS_MIN), FPS_MAX),
        seed=character.seed,
        layers=True,
        text=text,
        phones=phones,
        start_s=line.start_s,
        end_s=line.end_s,
    )
    label = f"TalkCLIP {found.mesh.name.removeprefix('TalkCLIP ')}: {prompt}"[:_LABEL_LENGTH]
    return Plan(request, line, found.mesh.name, scene.name, fps, prompt, label)

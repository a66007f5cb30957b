# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of the server: planned from the scene.

Between planning and applying, the user may do anything, so a plan holds names, never Blender objects.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Final

import bpy

from talkclip.client import SpeakRequest
from talkclip.script import ScriptPart
from talkclip.timebase import FPS_MAX, FPS_MIN
from talkclip.timeline import PromptTimeline

from .. import compat
from ..character import face
from ..frame_rate import scene_fps
from ..line import scripts, segments, sound, words
from ..properties import TalkClipCharacter
from . import strips
from .asked import description, styles_said
from .channels import owners
from .edits import Base, NoBase, base_for

_LABEL_LENGTH: Final = 60  # a datablock's name has 63 bytes before Blender 5.0


@dataclass(frozen=True)
class Plan:
    """What is asked for, and where its answer goes."""

    request: SpeakRequest
    line: sound.Line
    mesh: str
    """Name of the object with the face, when it was planned."""
    mesh_id: int
    """It stays when the object is renamed."""
    scene: str
    scene_id: int
    fps: float
    """Of the scene; the request's is the same wherever the server can do it."""
    prompt: str
    """For the list of takes."""
    label: str
    """For the Action."""
    styles: str
    """The request's style clips; see `asked.styles_said`."""
    base: Base | NoBase
    """The take to change, where only prompts have changed; without one, all frames are asked for."""

    def asked_next_time(self, character: TalkClipCharacter) -> str:
        """What will be asked when nothing but prompts changes, for `edits.base_for`.

        Call it after the answer's words were kept: once they were mended, they go along as the answer has them.
        """
        text, phones = words.for_request(character, self.line)
        return description(dataclasses.replace(self.request, text=text, phones=phones, script=()))

    def mesh_now(self) -> bpy.types.Object | None:
        """The object with the face, unless it is gone."""
        return compat.with_session_id(bpy.data.objects, self.mesh_id, self.mesh)

    def scene_now(self) -> bpy.types.Scene | None:
        """The scene, unless it is gone."""
        return compat.with_session_id(bpy.data.scenes, self.scene_id, self.scene)


def plan(
    active: bpy.types.Object | None, scene: bpy.types.Scene, changes_only: bool = False, from_script: bool = False
) -> Plan:
    """Collect a request from the scene.

    Args:
        active: the character, or something that belongs to it.
        scene: where it stands.
        changes_only: ask for the frames only that differ from the take that is shown, if that is possible.
        from_script: the prompts and the words are those of the character's script, to be placed by the server.

    Raises:
        InputError: no face, no sound, no script, or something that keeps the answer from being keyed.
    """
    found = face.recognise(active)
    for owner in owners(found):
        strips.require_free(owner)
    character: TalkClipCharacter = found.mesh.talkclip
    line, fps = sound.line_of(character, scene), scene_fps(scene)
    script = scripts.parts_of(character) if from_script else ()
    prompts = [part.prompt for part in script or character.segments]
    prompt = " | ".join(filter(None, prompts)) or "neutral"
    request = request_of(character, line, fps, found.space, script)
    styles, base = styles_said(request.styles), NoBase("")
    if changes_only:
        base = base_for(found, description(request), styles, line.start_frame, fps)
    return Plan(
        request=request,
        line=line,
        mesh=found.mesh.name,
        mesh_id=compat.session_id(found.mesh),
        scene=scene.name,
        scene_id=compat.session_id(scene),
        fps=fps,
        prompt=prompt,
        label=f"TalkCLIP {found.mesh.name.removeprefix('TalkCLIP ')}: {prompt}"[:_LABEL_LENGTH],
        styles=styles,
        base=base,
    )


def request_of(
    character: TalkClipCharacter, line: sound.Line, fps: float, space: str, script: tuple[ScriptPart, ...] = ()
) -> SpeakRequest:
    """What the character's settings ask for.

    Args:
        character: who speaks.
        line: what it speaks.
        fps: of the scene.
        space: of the answer.
        script: takes the place of prompts and words.

    Raises:
        InputError: a segment, an edit or a style video cannot be used.
    """
    text, phones = words.for_request(character, line)
    return SpeakRequest(
        line.audio,
        PromptTimeline(()) if script else segments.timeline_of(character, line, fps),
        space=space,
        fps=min(max(fps, FPS_MIN), FPS_MAX),
        seed=character.seed,
        layers=True,
        text=None if script else text,
        phones=None if script else phones,
        script=script,
        start_s=line.start_s,
        end_s=line.end_s,
        styles=() if script else segments.styles_of(character),
    )

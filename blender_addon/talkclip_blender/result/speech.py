# SPDX-License-Identifier: GPL-3.0-or-later
"""One request: planned from the scene, carried by the client in small steps, applied as keys.

Between planning and applying, the user may do anything, so a plan holds names, never Blender objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import bpy
import numpy as np

from talkclip.client import Client, Job, JobState, SpeakReply, SpeakRequest
from talkclip.errors import Cancelled, InputError, TalkClipError
from talkclip.timebase import FPS_MAX, FPS_MIN, seconds_to_frame
from talkclip.timeline import PromptSegment, PromptTimeline

from ..character import face
from ..line import sound
from ..line.properties import first_segment
from ..properties import TalkClipCharacter
from . import channels, keying, layers

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
    for owner in channels.owners(found):
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


class Run:
    """A planned request on its way. Call `pump` until it says True, then `result`."""

    def __init__(self, planned: Plan, client: Client) -> None:
        self.plan = planned
        self.client = client
        self.job: Job | None = None
        self.error: TalkClipError | None = None
        client.start()

    @property
    def progress(self) -> tuple[float, str]:
        """(0..1, words for people)."""
        if self.job is None:
            return 0.0, "Connecting"
        # Sending is a sliver of the whole; a bar that fills and starts again would look like a fault.
        waiting = self.job.state in (JobState.UPLOADING, JobState.WAITING)
        return 0.0 if waiting else self.job.fraction, self.job.text

    def pump(self, budget_ms: float = 4.0) -> bool:
        """Move on for about `budget_ms` -> whether the run has ended, well or badly. Never waits."""
        try:
            self.client.pump(budget_ms)
            if self.job is None and self.client.welcome is not None:
                self._require_space()
                self.job = self.client.submit(self.plan.request)
        except TalkClipError as error:
            self.error = error
        self.error = self.error or self.client.error
        return self.error is not None or (self.job is not None and self.job.finished)

    def result(self) -> SpeakReply:
        """The answer of an ended run.

        Raises:
            TalkClipError: why there is none.
        """
        if self.error is not None or self.job is None:
            raise self.error or Cancelled()
        return self.job.result()

    def close(self) -> None:
        """Stop, if it is still going on, and close the connection."""
        self.client.close()

    def _require_space(self) -> None:
        spaces, space = self.client.welcome.engine.spaces, self.plan.request.space
        if space in spaces:
            return
        where = f"The server at {self.client.address}"
        if space == "flame":
            remedy = "Start it with your own copy of the model: talkclip serve --flame MODEL.pkl"
            raise TalkClipError(
                f"{where} has no FLAME model, and '{self.plan.mesh}' is a FLAME head.", remedy, "no_space"
            )
        raise TalkClipError(f"{where} does not speak '{space}'.", "Use a server of the same version.", "no_space")


def apply(planned: Plan, reply: SpeakReply) -> list[str]:
    """Key the answer -> what the user should know, most important first.

    Raises:
        InputError: the character or scene is gone, or none of it can be keyed.
    """
    scene, mesh = bpy.data.scenes.get(planned.scene), bpy.data.objects.get(planned.mesh)
    if scene is None or mesh is None:
        raise InputError(f"'{planned.mesh}' is gone.", "Undo its removal, or speak with another character.")
    found = face.recognise(mesh)
    track = reply.track if reply.track.fps == planned.fps else reply.track.resampled(planned.fps)
    frames = planned.line.start_frame + np.round(seconds_to_frame(track.times_s, planned.fps), 4)
    keyed, notes = channels.channels_of(found, track)
    for owner in dict.fromkeys(channel.owner for channel in keyed):
        layers.require_free(owner)
    action = None
    for written in keying.write(planned.label, frames, keyed):
        action = action or written.action
        notes += layers.place(written, planned.label, mesh.talkclip.ease_s * planned.fps)
    notes += channels.make_way(found, keyed)
    if mesh.talkclip.add_sound and sound.put_in_sequencer(planned.line, scene):
        notes.append("The sound is now in the Sequencer.")
    last = int(frames[-1])
    if last > scene.frame_end:
        notes.append(f"The line ends at frame {last}, the scene at {scene.frame_end}.")
    _keep_take(mesh.talkclip, planned, reply, action, last)
    shapes = sum(isinstance(channel.owner, bpy.types.Key) for channel in keyed)
    return [f"{len(frames)} frames on {shapes} shape keys of '{found.mesh.name}'.", *notes]


# --- planning ---------------------------------------------------------------------------------------------------------


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


# --- applying ---------------------------------------------------------------------------------------------------------


def _keep_take(
    character: TalkClipCharacter, planned: Plan, reply: SpeakReply, action: bpy.types.Action | None, last: int
) -> None:
    take = character.takes.add()
    take.uid = first_segment(character).uid
    take.prompt = planned.label
    take.action = action
    take.frame_start, take.frame_end = planned.line.start_frame, last
    take.notes = "\n".join(reply.notes)

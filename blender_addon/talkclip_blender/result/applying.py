# SPDX-License-Identifier: GPL-3.0-or-later
"""An answer becomes keys."""

from __future__ import annotations

import bpy
import numpy as np

from talkclip.client import SpeakReply
from talkclip.errors import InputError
from talkclip.timebase import seconds_to_frame

from ..character import face
from ..line import sound
from ..line.properties import first_segment
from ..properties import TalkClipCharacter
from . import keying, layers
from .channels import channels_of, make_way
from .request import Plan


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
    channels, notes = channels_of(found, track)
    for owner in dict.fromkeys(channel.owner for channel in channels):
        layers.require_free(owner)
    action = None
    for written in keying.write(planned.label, frames, channels):
        action = action or written.action
        notes += layers.place(written, planned.label, mesh.talkclip.ease_s * planned.fps)
    notes += make_way(found, channels)
    if mesh.talkclip.add_sound and sound.put_in_sequencer(planned.line, scene):
        notes.append("The sound is now in the Sequencer.")
    last = int(frames[-1])
    if last > scene.frame_end:
        notes.append(f"The line ends at frame {last}, the scene at {scene.frame_end}.")
    _keep_take(mesh.talkclip, planned, reply, action, last)
    keyed = sum(isinstance(channel.owner, bpy.types.Key) for channel in channels)
    return [f"{len(frames)} frames on {keyed} shape keys of '{found.mesh.name}'.", *notes]


def _keep_take(
    character: TalkClipCharacter, planned: Plan, reply: SpeakReply, action: bpy.types.Action | None, last: int
) -> None:
    take = character.takes.add()
    take.uid = first_segment(character).uid
    take.prompt = planned.label
    take.action = action
    take.frame_start, take.frame_end = planned.line.start_frame, last
    take.notes = "\n".join(reply.notes)

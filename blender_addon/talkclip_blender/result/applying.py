# SPDX-License-Identifier: GPL-3.0-or-later
"""An answer becomes keys."""

from __future__ import annotations

import bpy
import numpy as np

from talkclip.client import SpeakReply
from talkclip.errors import InputError
from talkclip.timebase import seconds_to_frame

from ..character import face
from ..line import sound, words
from . import keying, rest, strips, takes
from .channels import make_way
from .layering import layered
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
    track, values = reply.track, reply.layers
    if track.fps != planned.fps:
        track, values = track.resampled(planned.fps), None
    frames = planned.line.start_frame + np.round(seconds_to_frame(track.times_s, planned.fps), 4)
    made = layered(found, track, values)
    notes = made.notes
    moved: dict[bpy.types.ID, set[keying.Address]] = {}
    for channel in made.everything:
        moved.setdefault(channel.owner, set()).add(channel.address)
    for owner in moved:
        strips.require_free(owner)
    for owner, addresses in moved.items():
        notes += rest.make_room(owner, frozenset(addresses))
    written = keying.write(planned.label, frames, made.layers)
    take = takes.add(mesh.talkclip, planned.prompt)
    takes.fill(take, written, found.objects, (int(frames[0]), int(frames[-1])), planned.fps)
    take.notes = "\n".join(reply.notes)
    takes.show(mesh.talkclip, take, scene)
    notes += make_way(found, made.everything)
    if mesh.talkclip.add_sound and sound.put_in_sequencer(planned.line, scene):
        notes.append("The sound is now in the Sequencer.")
    words.keep(mesh.talkclip, reply.phones, planned.request, planned.line)
    if take.frame_end > scene.frame_end:
        notes.append(f"The line ends at frame {take.frame_end}, the scene at {scene.frame_end}.")
    keyed = sum(isinstance(channel.owner, bpy.types.Key) for channel in made.everything)
    return [f"{len(frames)} frames on {keyed} shape keys of '{found.mesh.name}'.", *notes]

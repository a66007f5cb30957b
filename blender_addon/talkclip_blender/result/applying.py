# SPDX-License-Identifier: GPL-3.0-or-later
"""An answer becomes keys."""

from __future__ import annotations

import dataclasses
from typing import Any

import bpy
import numpy as np

from talkclip.client import EditReply, SpeakReply
from talkclip.errors import InputError, TalkClipError
from talkclip.timebase import seconds_to_frame

from .. import compat
from ..character import face
from ..character.face import Face
from ..line import scripts, segments, sound, words
from . import keying, parts, rekeying, strips, takes
from .channels import make_way
from .edits import Base, NoBase
from .layering import Layered, layered
from .request import Plan


class Outdated(TalkClipError):  # noqa: N818 - reads as what happened
    """The take that an answer was made for is not what it was: ask for the whole line."""

    code = "outdated"


def apply(planned: Plan, reply: SpeakReply | EditReply, engine: str = "", live: bool = False) -> list[str]:
    """Key the answer -> what the user should know, most important first.

    Args:
        planned: what was asked for.
        reply: all frames, or those that changed since the take `planned.base`.
        engine: what computed it; see `asked.engine_of`.
        live: whether the user is still typing: the take goes on changing, instead of being kept.

    Raises:
        InputError: the character or scene is gone, or none of it can be keyed.
        Outdated: only frames that changed, and the take has changed too.
    """
    scene, mesh = planned.scene_now(), planned.mesh_now()
    if scene is None or mesh is None:
        raise InputError(f"'{planned.mesh}' is gone.", "Undo its removal, or speak with another character.")
    found = face.recognise(mesh)
    if isinstance(reply, EditReply):
        return _apply_changes(planned, reply, found, scene, live)
    return _apply_whole(planned, reply, found, scene, engine)


def _apply_whole(planned: Plan, reply: SpeakReply, found: Face, scene: bpy.types.Scene, engine: str) -> list[str]:
    track, values, character = reply.track, reply.layers, found.mesh.talkclip
    if track.fps != planned.fps:
        track, values = track.resampled(planned.fps), None
    frames = planned.line.start_frame + np.round(seconds_to_frame(track.times_s, planned.fps), 4)
    made = layered(found, track, values)
    _require_free(made)
    written = keying.write(planned.label, frames, made.moving())
    take = takes.add(character, planned.prompt)
    parts.remember(take, written, found.objects)
    take.frame_start, take.frame_end = int(frames[0]), int(frames[-1])
    take.fps, take.channels, take.has_head = planned.fps, " ".join(track.names), track.head is not None
    notes = [*made.notes, *takes.show(character, take, scene, in_old_strips=False), *make_way(found, made.everything)]
    words.keep(character, reply.phones, planned.request, planned.line)
    if planned.request.script:
        notes += scripts.take_over(character, planned.request.script, reply.timeline, planned.line, planned.fps)
    take.request, take.engine = planned.asked_next_time(character), engine
    _sign(take, planned, reply, rekeying.read(parts.of(take)))
    if planned.request.script:  # what it became is what the segments ask for from now on
        take.asked = segments.timeline_of(character, planned.line, planned.fps).to_json()
    if character.add_sound and sound.put_in_sequencer(planned.line, scene):
        notes.append("The sound is now in the Sequencer.")
    if sound.is_muted(character, scene):
        notes.append(f"The sound strip '{character.sound_strip}' is muted: it was spoken, but is not heard.")
    if take.frame_end > scene.frame_end:
        notes.append(f"The line ends at frame {take.frame_end}, the scene at {scene.frame_end}.")
    if isinstance(planned.base, NoBase) and planned.base.is_news:
        notes.append(planned.base.reason)
    keyed = sum(isinstance(channel.owner, bpy.types.Key) for channel in made.everything)
    return [f"{take.label}: {len(frames)} frames on {keyed} shape keys of '{found.mesh.name}'.", *notes]


def _apply_changes(planned: Plan, reply: EditReply, found: Face, scene: bpy.types.Scene, live: bool) -> list[str]:
    character = found.mesh.talkclip
    base = planned.base
    number = takes.index_of(character, base.take) if isinstance(base, Base) else None
    if number is None:
        raise Outdated("The take was deleted meanwhile.")
    take = character.takes[number]
    if reply.track is None:
        take.live &= live
        take.timeline, take.asked = reply.timeline.to_json(), planned.request.timeline.to_json()
        take.styles = planned.styles
        return [f"Nothing has changed since {take.label}."]
    if reply.n_frames != take.frame_end - take.frame_start + 1 or reply.track.fps != planned.fps:
        raise Outdated("The line has another length now.")
    keys = rekeying.read(parts.of(take))
    if rekeying.digest_of(keys) != take.digest:
        raise Outdated(f"Keys of {take.label} were changed meanwhile.")
    made = layered(found, reply.track, reply.layers)
    _require_free(made)
    if not take.live:
        take = takes.duplicate(character, number)
        keys = [rekeying.Keys(part.curves, old) for part, old in zip(parts.of(take), keys, strict=True)]
    _overwrite(take, keys, made, reply.first_frame, found)
    take.live = live
    _sign(take, planned, reply, keys)
    takes.show(character, take, scene)
    first = take.frame_start + reply.first_frame
    text = f"{take.label}: frames {first} to {first + reply.track.n_frames - 1} of '{found.mesh.name}' changed."
    return [text, *make_way(found, made.everything)]


def _require_free(made: Layered) -> None:
    for owner in dict.fromkeys(channel.owner for channel in made.everything):
        strips.require_free(owner)


def _overwrite(take: Any, keys: list[rekeying.Keys], made: Layered, first: int, found: Face) -> None:
    """Key a stretch of a take anew, from the line's frame `first` on.

    Args:
        take: where.
        keys: of each of its parts; those of parts that begin to move are added.
        made: the stretch.
        first: index of its first frame in the line.
        found: the character.
    """
    frames = np.arange(take.frame_start, take.frame_end + 1, dtype=np.float64)
    here = {(part.layer.name, part.owner): own for part, own in zip(parts.of(take), keys, strict=True)}
    negated: set[tuple[bpy.types.ID, str]] = set()
    for layer, channels in made.layers.items():
        for owner in dict.fromkeys(channel.owner for channel in channels):
            own = [channel for channel in channels if channel.owner == owner]
            if (layer, owner) not in here:
                if not any(channel.moves for channel in own):
                    continue
                here[layer, owner] = _new_part(take, layer, owner, found)
                keys.append(here[layer, owner])
            if strips.layer_named(layer).blend == "REPLACE":  # these come first, and hold rotations as they are
                paths = here[layer, owner].turned_over(len(frames), first, own)
                negated |= {(owner, path) for path in paths}
            own = [
                dataclasses.replace(channel, values=-channel.values)
                if (owner, channel.data_path) in negated
                else channel
                for channel in own
            ]
            here[layer, owner].overwrite(frames, first, own)


def _new_part(take: Any, layer: str, owner: bpy.types.ID, found: Face) -> rekeying.Keys:
    """Something begins to move in a layer in which it did not."""
    curves, slot = compat.open_action(take.action, owner, f"{owner.name} {layer}")
    parts.remember(take, [keying.Written(layer, owner, take.action, slot, frozenset())], found.objects)
    return rekeying.Keys(curves)


def _sign(take: Any, planned: Plan, reply: SpeakReply | EditReply, keys: list[rekeying.Keys]) -> None:
    """What the take's keys, as they are now, were made of."""
    take.prompt = planned.prompt
    take.timeline = reply.timeline.to_json()
    take.asked, take.styles = planned.request.timeline.to_json(), planned.styles
    take.notes = "\n".join(reply.notes)
    take.digest = rekeying.digest_of(keys)

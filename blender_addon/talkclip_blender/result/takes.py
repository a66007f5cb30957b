# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes: results that are kept, shown on the character one at a time, and thrown away."""

from __future__ import annotations

import itertools
import uuid
from typing import Any

import bpy

from talkclip.errors import TalkClipError

from ..frame_rate import scene_fps
from . import gains, keying, parts, rest, strips

_SAME_FRAME = 1e-3
_COPIED = (
    "frame_start", "frame_end", "fps", "channels", "has_head", "request", "engine", "timeline", "asked", "styles",
    "digest", "notes",
)  # fmt: skip


def add(character: Any, prompt: str) -> Any:
    """A new take at the list's end, without anything in it."""
    labels = {take.label for take in character.takes}
    number = next(number for number in itertools.count(len(character.takes) + 1) if f"Take {number}" not in labels)
    take = character.takes.add()
    take.uid = take.name = uuid.uuid4().hex[:12]  # the name is what library overrides tell rows apart by
    take.label, take.prompt = f"Take {number}", prompt
    return take


def index_of(character: Any, uid: str) -> int | None:
    """Where a take stands in the list, or None when it is gone."""
    return next((number for number, take in enumerate(character.takes) if take.uid == uid), None)


def is_shown(take: Any) -> bool:
    """Whether the character plays this take."""
    return any(
        strip.action == part.action
        for part in parts.of(take)
        for strip in strips.on_track(part.owner, part.layer.track)
    )


def shown(character: Any) -> list[Any]:
    """The takes that the character plays; several where several lines follow each other."""
    return [take for take in character.takes if is_shown(take)]


def show(character: Any, take: Any, scene: bpy.types.Scene, in_old_strips: bool = True) -> list[str]:
    """Play a take, in place of all others over the same frames. One of another frame rate is stretched to the scene's.

    Args:
        character, take: whose take, and which.
        scene: where it plays.
        in_old_strips: a strip that plays another take of the same frames stays, with the place and the fades that the
            animator may have given it, and gets this take's action.

    Returns:
        Notes for the user.
    """
    notes = []
    fps = scene_fps(scene)
    scale = fps / take.fps if take.fps else 1.0
    first, last = take.frame_start, take.frame_end
    here = parts.of(take)
    for owner in parts.owners(character):
        own = [part for part in here if part.owner == owner]
        strips_now = {part.layer.name: _strip_with_frames(part, first, last) for part in own if in_old_strips}
        staying = {layer: strip for layer, strip in strips_now.items() if strip is not None}
        if len(staying) < len(own):
            moved = {address for part in own for address in keying.addresses(part.curves)}
            notes += rest.make_room(owner, frozenset(moved))
        strips.clear(owner, first, first + (last - first) * scale, staying.values())
        for part in own:
            if strip := staying.get(part.layer.name):
                strips.exchange(strip, take.label, part.action, part.slot)
            else:
                strip = strips.lay(owner, part.layer, take.label, (first, last), part.action, part.slot, scale)
                strips.set_ease(strip, character.ease_s * fps)
        gains.follow(character, owner)
    character.active_take = index_of(character, take.uid)
    return notes


def chosen(character: Any, context: bpy.types.Context) -> None:
    """A row of the list was clicked: play that take, unless it cannot be changed now."""
    if not 0 <= character.active_take < len(character.takes):
        return
    take = character.takes[character.active_take]
    if is_shown(take) or not take.parts:
        return
    try:
        for owner in parts.owners(character):
            strips.require_free(owner)
    except TalkClipError:
        return  # the list shows which take plays
    show(character, take, context.scene)


def hide(take: Any) -> None:
    """Do not play a take any more."""
    here = parts.of(take)
    for part in here:
        strips.remove_playing(part.owner, part.action)
    for part in here:
        rest.restore(part.owner, keying.addresses(part.curves))


def duplicate(character: Any, index: int) -> Any:
    """Copy a take with its keys, to be changed or compared -> the copy; `takes[index]` stays as it is."""
    take = add(character, character.takes[index].prompt)
    source = character.takes[index]  # only now: adding moves what a collection holds
    for field in _COPIED:
        setattr(take, field, getattr(source, field))
    copies: dict[bpy.types.Action, bpy.types.Action] = {}
    for old in source.parts:
        if old.action is not None and old.action not in copies:
            copies[old.action] = old.action.copy()
        part = take.parts.add()
        part.layer, part.kind, part.owner, part.slot = old.layer, old.kind, old.owner, old.slot
        part.action = copies.get(old.action)
    take.action = copies.get(source.action)
    return take


def delete(character: Any, index: int) -> None:
    """Throw a take away, with its strips and its Actions, unless something else uses them."""
    take = character.takes[index]
    hide(take)
    actions = {part.action for part in take.parts if part.action is not None}
    character.takes.remove(index)
    for action in actions:
        if action.users == 0:
            bpy.data.actions.remove(action)


def rivals(character: Any, index: int) -> list[int]:
    """Where in the list the other takes of the same frames are."""
    mine = character.takes[index]
    return [
        number
        for number, take in enumerate(character.takes)
        if number != index and take.frame_start <= mine.frame_end and take.frame_end >= mine.frame_start
    ]


def _strip_with_frames(part: parts.Part, first: int, last: int) -> Any:
    """The strip in a part's place that plays just these frames of an action, or None."""
    for strip in strips.on_track(part.owner, part.layer.track):
        if max(abs(strip.action_frame_start - first), abs(strip.action_frame_end - last)) < _SAME_FRAME:
            return strip
    return None

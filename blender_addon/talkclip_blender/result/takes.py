# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes: results that are kept, shown on the character one at a time, and thrown away."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Sequence
from typing import Any

import bpy

from ..line import sound
from . import gains, parts, strips
from .keying import Written

_SAME_FRAME = 1e-3


def add(character: Any, prompt: str) -> Any:
    """A new take at the list's end, chosen in it, without anything in it."""
    names = {take.name for take in character.takes}
    number = next(number for number in itertools.count(len(names) + 1) if f"Take {number}" not in names)
    take = character.takes.add()
    take.uid = uuid.uuid4().hex[:12]
    take.name, take.prompt = f"Take {number}", prompt
    character.active_take = len(character.takes) - 1
    return take


def fill(
    take: Any, written: list[Written], bodies: Sequence[bpy.types.Object], span: tuple[int, int], fps: float
) -> None:
    """Save what was written for a take.

    Args:
        take: a new one.
        written: from the lowest layer up.
        bodies: objects whose shape keys may be among it.
        span: first and last scene frame.
        fps: of the scene.
    """
    parts.remember(take, written, bodies)
    take.frame_start, take.frame_end = span
    take.fps = fps


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


def show(character: Any, take: Any, scene: bpy.types.Scene) -> None:
    """Play a take, in place of all others over the same frames.

    A strip that plays another take of the same frames stays, with its place and fades, and gets this take's action. A
    take of another frame rate is stretched to the scene's.
    """
    fps = sound.scene_fps(scene)
    scale = fps / take.fps if take.fps else 1.0
    first, last = take.frame_start, take.frame_end
    here = parts.of(take)
    for owner in parts.owners(character):
        own = [part for part in here if part.owner == owner]
        staying = {part.layer.name: strip for part in own if (strip := _strip_with_frames(part, first, last))}
        strips.clear(owner, first, first + (last - first) * scale, staying.values())
        for part in own:
            if strip := staying.get(part.layer.name):
                strips.exchange(strip, take.name, part.action, part.slot)
            else:
                strip = strips.lay(owner, part.layer, take.name, (first, last), part.action, part.slot, scale)
                strips.set_ease(strip, character.ease_s * fps)
        gains.follow(character, owner)


def hide(take: Any) -> None:
    """Do not play a take any more."""
    for part in parts.of(take):
        strips.remove_playing(part.owner, part.action)


def duplicate(character: Any, index: int) -> Any:
    """Copy a take with its keys, to be changed or compared -> the copy; `takes[index]` stays as it is."""
    take = add(character, character.takes[index].prompt)
    source = character.takes[index]  # only now: adding moves what a collection holds
    for field in ("frame_start", "frame_end", "fps", "request", "timeline", "digest", "notes"):
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
    character.active_take = min(character.active_take, max(len(character.takes) - 1, 0))
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

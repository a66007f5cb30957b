# SPDX-License-Identifier: GPL-3.0-or-later
"""Gains, mutes and fades of a character's layers: how much of each NLA track plays. No request is needed for that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bpy

from ..frame_rate import scene_fps
from . import parts, strips


def update(character: Any, _context: bpy.types.Context) -> None:
    """A gain was changed in the panel or by a script: let all strips of the character follow."""
    for owner in parts.owners(character):
        follow(character, owner)


def update_ease(character: Any, context: bpy.types.Context) -> None:
    """The ease was changed: let all strips of the character follow."""
    for owner in parts.owners(character):
        for layer in strips.LAYERS:
            for strip in strips.on_track(owner, layer.track):
                strips.set_ease(strip, character.ease_s * scene_fps(context.scene))
        follow(character, owner)


def follow(character: Any, owner: bpy.types.ID) -> None:
    """Give the layers on one datablock the gains of its character."""
    for layer in strips.LAYERS:
        for strip in strips.on_track(owner, layer.track):
            strips.set_gain(strip, getattr(character, layer.gain))
    owner.update_tag()


def mute_access(layer: str) -> tuple[Callable[[Any], bool], Callable[[Any, bool], None]]:
    """(getter, setter) of a property that is nothing but the state of a layer's tracks, also as the NLA editor sets it.

    A property of a character without any takes is False and stays so.
    """
    names = {each.track for each in strips.LAYERS if each.mute == f"mute_{layer}"}

    def tracks(character: Any) -> list[tuple[bpy.types.ID, Any]]:
        owners = [owner for owner in parts.owners(character) if owner.animation_data]
        return [(owner, track) for owner in owners for track in owner.animation_data.nla_tracks if track.name in names]

    def get(character: Any) -> bool:
        found = tracks(character)
        return bool(found) and all(track.mute for _, track in found)

    def put(character: Any, value: bool) -> None:
        for owner, track in tracks(character):
            track.mute = value
            owner.update_tag()

    return get, put

# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a take: which slot of which Action moves which datablock in which layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import bpy

from .. import compat
from . import strips
from .keying import Written


@dataclass(frozen=True)
class Part:
    """A saved part whose datablocks are there."""

    layer: strips.Layer
    owner: bpy.types.ID
    action: bpy.types.Action
    slot: Any

    @property
    def curves(self) -> Any:
        """Its F-curves; new ones can be made in it."""
        return compat.curves_in(self.action, self.slot)


def remember(take: Any, written: list[Written], bodies: Sequence[bpy.types.Object]) -> None:
    """Save what was written as the parts of a take.

    Args:
        take: a new `TalkClipTake`.
        written: what was written for it, from the lowest layer up.
        bodies: the objects whose shape keys may be keyed.
    """
    objects = {body.data.shape_keys: body for body in bodies}
    for one in written:
        part = take.parts.add()
        part.layer = one.layer
        body = objects.get(one.owner)
        part.kind = "ITSELF" if body is None else "OWN" if body == take.id_data else "SHAPES"
        part.owner = None if part.kind == "OWN" else body or one.owner
        part.action = one.action
        part.slot = compat.slot_handle(one.slot)
    take.action = take.parts[0].action


def of(take: Any) -> list[Part]:
    """The parts of a take that are still there, from the lowest layer up."""
    found = []
    for part in take.parts:
        owner, slot = _owner(take, part), compat.slot_with_handle(part.action, part.slot)
        if owner is not None and part.action is not None and (slot is not None or not compat.HAS_SLOTS):
            found.append(Part(strips.layer_named(part.layer), owner, part.action, slot))
    return found


def owners(character: Any) -> list[bpy.types.ID]:
    """What any take of the character moves."""
    found = [_owner(take, part) for take in character.takes for part in take.parts]
    return [owner for owner in dict.fromkeys(found) if owner is not None]


def _owner(take: Any, part: Any) -> bpy.types.ID | None:
    """The datablock that a saved part moves, or None when it is gone."""
    if part.kind == "ITSELF":
        return part.owner
    body = take.id_data if part.kind == "OWN" else part.owner
    return getattr(getattr(body, "data", None), "shape_keys", None)

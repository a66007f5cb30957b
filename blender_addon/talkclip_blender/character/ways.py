# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done about each driven shape: its control is keyed, its driver is replaced, or it is left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import bpy

from . import drivers, face, table
from .drivers import Driven
from .face import Face
from .places import Place

Way = Literal["along", "control", "replace", "leave"]


@dataclass(frozen=True)
class DrivenShape:
    """One shape that has a driver and should move."""

    body: bpy.types.Object
    driven: Driven
    way: Way
    """`along`: it follows another shape of the face, or what turns the head, which is keyed: it moves by itself."""
    curve: bpy.types.FCurve
    """Its driver."""


def driven_of(found: Face) -> list[DrivenShape]:
    """Every driven shape that the mapping moves. A driver the animator has switched off counts as none."""
    settings = found.mesh.talkclip.rig
    chosen = {(row.object, row.shape): row.way for row in settings.drivers}
    ours = {(row.object, row.shape) for row in settings.drivers if row.muted}
    shapes = [
        (body, shape, curve)
        for body in found.objects
        for shape, curve in drivers.shape_drivers(body.data.shape_keys).items()
        if shape in {row.shape for row in found.rows[body.name]} and (not curve.mute or (body, shape) in ours)
    ]
    ways = {(body, shape): chosen.get((body, shape), "DEFAULT") for body, shape, _ in shapes}
    cut = {
        Place(body.data.shape_keys, curve.data_path)
        for body, shape, curve in shapes
        if ways[body, shape] == "REPLACE" or (ways[body, shape] == "DEFAULT" and settings.driver_way == "REPLACE")
    }
    keyed = _keyed_shapes(found, {Place(body.data.shape_keys, curve.data_path) for body, _, curve in shapes} - cut)
    result = []
    for body, shape, curve in shapes:
        driven = drivers.read(shape, curve, (found.rig.low, found.rig.high), frozenset(cut))
        along = driven.control is not None and (driven.control.place in keyed or _turns(found, driven.control.place))
        result.append(DrivenShape(body, driven, _way(driven, ways[body, shape], settings.driver_way, along), curve))
    return result


def switch_drivers(found: Face, shapes: list[DrivenShape]) -> int:
    """Switch off the drivers that are replaced, and on again those that no longer are -> how many are off."""
    settings = found.mesh.talkclip.rig
    for shape in shapes:
        off = shape.way == "replace"
        if shape.curve.mute != off:
            shape.curve.mute = off
            table.driver_row(settings, shape.body, shape.driven.shape).muted = off
            shape.body.data.shape_keys.update_tag()
    return sum(shape.way == "replace" for shape in shapes)


def restore_drivers(mesh: bpy.types.Object) -> int:
    """Switch all drivers on again that TalkCLIP switched off -> how many."""
    restored = 0
    for row in mesh.talkclip.rig.drivers:
        keys = row.object.data.shape_keys if row.muted and row.object else None
        curve = drivers.shape_drivers(keys).get(row.shape) if keys else None
        if curve is not None and curve.mute:
            curve.mute = False
            keys.update_tag()
            restored += 1
        row.muted = False
    return restored


def _keyed_shapes(found: Face, driven: set[Place]) -> set[Place]:
    """Shapes of the face that get keys of their own."""
    mapped = {
        Place(body.data.shape_keys, f'key_blocks["{bpy.utils.escape_identifier(row.shape)}"].value')
        for body in found.objects
        for row in found.rows[body.name]
    }
    return mapped - driven


def _turns(found: Face, place: Place) -> bool:
    """Whether it is the rotation of the head, or of a jaw or eye bone that the rig's own table turns."""
    turners = [found.head, *(face.turner(found.armature, bone) for bone in found.rig.turns)]
    return any(
        each is not None and each.owner == place.owner and place.data_path.startswith(each.path + "rotation")
        for each in turners
    )


def _way(driven: Driven, chosen: str, default: str, along: bool) -> Way:
    way = default if chosen == "DEFAULT" else chosen
    if along and (chosen == "DEFAULT" or way == "CONTROL"):
        return "along"
    if way == "CONTROL":
        return "leave" if driven.control is None else "control"
    return "replace" if way == "REPLACE" else "leave"

# SPDX-License-Identifier: GPL-3.0-or-later
"""The mapping table: filled by what was recognised, changed by the animator, read by whoever keys."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Final

import bpy

from talkclip.coefficients import ARKIT52
from talkclip_rigs.profiles import MappedShape, Rig, rig_by_id

from . import drivers
from .properties import TalkClipDriver, TalkClipMapping, TalkClipRig, filling

OWN_MAPPING: Final = "Own mapping"


def rig_of(table: TalkClipRig) -> Rig:
    """The rig that a table speaks for: what was recognised, with the table's name and range."""
    known = rig_by_id(table.rig_id)
    base = dataclasses.replace(rig_by_id("arkit"), id="", drives={}) if known is None else known
    return dataclasses.replace(base, name=table.label or base.name, low=table.low, high=table.high)


def objects_of(table: TalkClipRig) -> list[bpy.types.Object]:
    """The objects that are switched on and have shape keys; of those that share a mesh, the first."""
    bodies = [part.object for part in table.parts if part.use and part.object]
    bodies = [body for body in bodies if body.type == "MESH" and body.data.shape_keys]
    return list({body.data.shape_keys: body for body in reversed(bodies)}.values())[::-1]


def shape_names(body: bpy.types.Object) -> tuple[str, ...]:
    """The names of an object's shape keys, the basis too; fast, for what is asked on every redraw."""
    return tuple(body.data.shape_keys.key_blocks.keys())


def rows_of(table: TalkClipRig, bodies: Iterable[bpy.types.Object]) -> dict[bpy.types.Object, tuple[MappedShape, ...]]:
    """What moves the shapes of each object."""
    used = [
        (row.object, MappedShape(row.channel, row.shape, row.gain, row.confidence))
        for row in table.rows
        if row.use and row.channel
    ]
    result = {}
    for body in bodies:
        names = set(shape_names(body))
        result[body] = tuple(row for only, row in used if row.shape in names and (only is None or only == body))
    return result


def unused_channels(table: TalkClipRig) -> list[str]:
    """Channels that move nothing, in their order; [] for a space without a fixed list."""
    if rig_of(table).space != "arkit52":
        return []
    used = {row.channel for row in table.rows if row.use and row.shape}
    return [channel for channel in ARKIT52 if channel not in used]


def unused_shapes(table: TalkClipRig) -> list[str]:
    """Shape keys of the character's objects that no row moves."""
    used = {row.shape for row in table.rows if row.use}
    names = dict.fromkeys(name for body in objects_of(table) for name in shape_names(body)[1:])
    return [name for name in names if name not in used]


def fill(
    table: TalkClipRig, rig: Rig, found: dict[bpy.types.Object, tuple[MappedShape, ...]], label: str | None = None
) -> None:
    """Write what was recognised into the table; rows and objects made by hand stay.

    A channel or shape that a row made by hand speaks of gets no other row.
    """
    with filling():
        table.rig_id, table.low, table.high = rig.id, rig.low, rig.high
        table.label = label or rig.name
        _keep(table.rows, lambda row: row.by_hand)
        channels, shapes = {row.channel for row in table.rows}, {row.shape for row in table.rows}
        seen = dict.fromkeys(row for rows in found.values() for row in rows)
        for row in seen:
            if row.channel not in channels and row.shape not in shapes:
                add_row(table, row)
        _keep(table.parts, lambda part: part.by_hand and part.object is not None)
        listed = {part.object for part in table.parts}
        for body in found:
            if body not in listed:
                table.parts.add().object = body
        table.active_row = min(table.active_row, max(len(table.rows) - 1, 0))
        table.active_part = min(table.active_part, max(len(table.parts) - 1, 0))


def add_row(table: TalkClipRig, row: MappedShape) -> TalkClipMapping:
    """Append one row."""
    added = table.rows.add()
    added.channel, added.shape, added.gain, added.confidence = row.channel, row.shape, row.gain, row.confidence
    return added


def refresh_drivers(table: TalkClipRig, bodies: Iterable[bpy.types.Object]) -> None:
    """List the driven shapes that the table moves; choices made, and what is switched off, stay."""
    rig = rig_of(table)
    wanted: dict[tuple[bpy.types.Object, str], drivers.Driven] = {}
    for body, rows in rows_of(table, bodies).items():
        mapped = {row.shape for row in rows}
        for shape, curve in drivers.shape_drivers(body.data.shape_keys).items():
            if shape in mapped:
                wanted[body, shape] = drivers.read(shape, curve, (rig.low, rig.high))
    _keep(table.drivers, lambda row: row.muted or (row.object, row.shape) in wanted)
    known = {(row.object, row.shape): row for row in table.drivers}
    for (body, shape), driven in wanted.items():
        row = known.get((body, shape)) or driver_row(table, body, shape)
        row.follows, row.can_key = driven.why, driven.control is not None


def driver_row(table: TalkClipRig, body: bpy.types.Object, shape: str) -> TalkClipDriver:
    """The row of a driven shape; made when there is none."""
    for row in table.drivers:
        if row.object == body and row.shape == shape:
            return row
    row = table.drivers.add()
    row.object, row.shape = body, shape
    return row


def _keep(rows: bpy.types.bpy_prop_collection, wanted: callable) -> None:
    for index in reversed(range(len(rows))):
        if not wanted(rows[index]):
            rows.remove(index)

# SPDX-License-Identifier: GPL-3.0-or-later
"""What is set on a library override of a character is kept with the file.

Blender keeps it only under two conditions, which are met before each save (seen in 4.5 and 5.2):

- Rows added to a list are told apart by their names; of rows without a name, all but the first two are lost.
- Since 5.0 the settings are lost altogether where the character's own file has none at all, as when it was made without
  this extension. It is enough that the linked object has empty ones in memory; its file is not changed.
"""

from __future__ import annotations

import itertools
import uuid

import bpy
from bpy.app.handlers import persistent


def register() -> None:
    """Watch files being saved."""
    bpy.app.handlers.save_pre.append(_before_saving)


def unregister() -> None:
    """Undo `register`."""
    bpy.app.handlers.save_pre.remove(_before_saving)


@persistent
def _before_saving(*_: object) -> None:
    for body in bpy.data.objects:
        if body.library is None and body.type == "MESH" and body.data.shape_keys is not None:
            linked = body.override_library.reference if body.override_library else None
            if linked is not None:
                for group in _groups(linked.talkclip):
                    group.name = group.name
            _name_rows(body.talkclip, linked.talkclip if linked else None)


def _groups(group: bpy.types.PropertyGroup) -> list[bpy.types.PropertyGroup]:
    """The group and all groups in it, but for rows of lists."""
    inner = [
        getattr(group, prop.identifier)
        for prop in group.bl_rna.properties
        if prop.type == "POINTER" and issubclass(type(prop.fixed_type), bpy.types.PropertyGroup)
    ]
    return [group, *(each for one in inner for each in _groups(one))]


def _name_rows(group: bpy.types.PropertyGroup, linked: bpy.types.PropertyGroup | None) -> None:
    """Give every row of every list in the group a name of its own, unless it has one.

    Rows that came from the linked object keep the names they have there, also if that is none.
    """
    pairs = zip(_groups(group), _groups(linked) if linked else itertools.repeat(None), strict=False)
    for each, source in pairs:
        for prop in each.bl_rna.properties:
            if prop.type == "COLLECTION":
                sources = list(getattr(source, prop.identifier)) if source else []
                for row, row_source in itertools.zip_longest(getattr(each, prop.identifier), sources):
                    if row is not None:
                        if row_source is None:
                            row.name = row.name or uuid.uuid4().hex[:12]
                        _name_rows(row, row_source)

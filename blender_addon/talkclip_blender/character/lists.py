# SPDX-License-Identifier: GPL-3.0-or-later
"""The lists of the character's panels: mapping rows, objects, driven shape keys."""

from __future__ import annotations

from typing import Any

import bpy

from .properties import TalkClipBody, TalkClipDriver, TalkClipMapping

_SURE, _LIKELY = 0.95, 0.75
_SHORT = {"DEFAULT": "", "CONTROL": "control", "REPLACE": "replaced", "LEAVE": "left"}


def confidence_icon(row: TalkClipMapping) -> str:
    """How sure a row is."""
    if row.by_hand:
        return "USER"
    if row.confidence >= _SURE:
        return "CHECKMARK"
    return "QUESTION" if row.confidence >= _LIKELY else "ERROR"


class TALKCLIP_UL_mapping(bpy.types.UIList):  # noqa: N801 - Blender's naming rule
    """Channel, shape key, gain, and how sure it is."""

    def draw_item(
        self, _context: bpy.types.Context, layout: Any, _data: Any, row: TalkClipMapping, _icon: int, _active: Any,
        _active_name: str,
    ) -> None:  # fmt: skip
        """Blender draws this."""
        line = layout.row(align=True)
        line.prop(row, "use", text="")
        part = line.row(align=True)
        part.active = row.use
        split = part.split(factor=0.4)
        split.label(text=row.channel or "(no channel)")
        split = split.split(factor=0.66)
        split.label(text=row.shape or "(no shape key)", icon="NONE" if row.object is None else "OBJECT_DATA")
        split.label(text=f"{row.gain:.3g}")
        part.label(text="", icon=confidence_icon(row))

    def filter_items(self, _context: bpy.types.Context, data: Any, name: str) -> tuple[list[int], list[int]]:
        """The search field of the list looks into both names."""
        rows = getattr(data, name)
        wanted = self.filter_name.lower()
        if not wanted:
            return [], []
        shown = [self.bitflag_filter_item if wanted in f"{row.channel} {row.shape}".lower() else 0 for row in rows]
        return shown, []


class TALKCLIP_UL_parts(bpy.types.UIList):  # noqa: N801 - Blender's naming rule
    """The objects that move."""

    def draw_item(
        self, _context: bpy.types.Context, layout: Any, _data: Any, part: TalkClipBody, _icon: int, _active: Any,
        _active_name: str,
    ) -> None:  # fmt: skip
        """Blender draws this."""
        line = layout.row(align=True)
        line.prop(part, "use", text="")
        name = part.object.name if part.object else "(deleted)"
        line.label(text=name, icon="OBJECT_DATA" if part.object else "ERROR")


class TALKCLIP_UL_drivers(bpy.types.UIList):  # noqa: N801 - Blender's naming rule
    """Driven shape keys, and what is done about each."""

    def draw_item(
        self, _context: bpy.types.Context, layout: Any, _data: Any, row: TalkClipDriver, _icon: int, _active: Any,
        _active_name: str,
    ) -> None:  # fmt: skip
        """Blender draws this."""
        split = layout.split(factor=0.6)
        icon = "CANCEL" if row.muted else "LINKED" if row.can_key else "ERROR"
        split.label(text=row.shape, icon=icon)
        split.label(text=_SHORT[row.way])

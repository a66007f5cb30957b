# SPDX-License-Identifier: GPL-3.0-or-later
"""What all panels of the TalkCLIP tab share."""

from __future__ import annotations

from typing import Any, ClassVar, Final

import bpy

from . import compat
from .character import face

_WIDE_PX: Final = 300


class CharacterPanel:
    """A panel of the 3D Viewport's TalkCLIP tab that is shown where a character is selected."""

    bl_category: ClassVar[str] = "TalkCLIP"
    bl_space_type: ClassVar[str] = "VIEW_3D"
    bl_region_type: ClassVar[str] = "UI"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Cheap: Blender asks on every redraw."""
        return face.face_mesh(context.active_object) is not None


def placeholder(text: str) -> dict[str, str]:
    """Grey text in an empty field, where Blender can show it."""
    return {"placeholder": text} if compat.HAS_PLACEHOLDER else {}


def is_wide(context: bpy.types.Context) -> bool:
    """Whether the sidebar was made wider, so that a row has room for one thing more."""
    return context.region is not None and context.region.width > _WIDE_PX * context.preferences.system.ui_scale


def draw_progress(layout: Any, fraction: float, text: str) -> None:
    """A bar, where Blender has one."""
    text = text[:1].upper() + text[1:]
    if compat.HAS_PROGRESS_BAR:
        layout.progress(factor=fraction, text=text)
    else:
        layout.label(text=f"{fraction:.0%} {text}")

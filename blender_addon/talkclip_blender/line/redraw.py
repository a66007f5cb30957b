# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender redraws what its own buttons change; the rest has to be told."""

from __future__ import annotations

import bpy

_SHOWS_LINES = frozenset({"VIEW_3D", "DOPESHEET_EDITOR"})


def all_areas(context: bpy.types.Context) -> None:
    """Redraw the panels and the overlay."""
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in _SHOWS_LINES:
                area.tag_redraw()

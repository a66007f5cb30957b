# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender redraws what its own buttons change; the rest has to be told."""

from __future__ import annotations

from typing import Final

import bpy

_SIDEBAR: Final = frozenset({("VIEW_3D", "UI")})
_PREFERENCES: Final = frozenset({("PREFERENCES", "WINDOW")})
_LINES: Final = frozenset({"VIEW_3D", "DOPESHEET_EDITOR"})


def sidebars(preferences: bool = False) -> None:
    """Show what has changed in the panels, without drawing the scene again: that may take a second.

    Args:
        preferences: and in the extension's preferences.
    """
    wanted = _SIDEBAR | _PREFERENCES if preferences else _SIDEBAR
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            for region in area.regions:
                if (area.type, region.type) in wanted:
                    region.tag_redraw()


def lines() -> None:
    """Show what has changed in the line: in the panels, the overlay, and the scene."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in _LINES:
                area.tag_redraw()

# SPDX-License-Identifier: GPL-3.0-or-later
"""Small pictures of plates for the panel. They are no part of the .blend file."""

from __future__ import annotations

from pathlib import Path

import bpy.utils.previews

_MOST = 64
_previews: bpy.utils.previews.ImagePreviewCollection | None = None


def icon_of(path: Path) -> int:
    """Number of the icon that shows a picture or a video's first frame. Blender loads it when it is drawn."""
    global _previews
    if _previews is None:
        _previews = bpy.utils.previews.new()
    try:
        name = f"{path} {path.stat().st_mtime_ns}"
    except OSError:
        return 0
    if name not in _previews:
        if len(_previews) >= _MOST:
            _previews.clear()
        _previews.load(name, str(path), "MOVIE" if path.suffix == ".mp4" else "IMAGE")
    return int(_previews[name].icon_id)


def forget() -> None:
    """Let go of all of them, when the extension is disabled."""
    global _previews
    if _previews is not None:
        bpy.utils.previews.remove(_previews)
        _previews = None

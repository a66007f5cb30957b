# SPDX-License-Identifier: GPL-3.0-or-later
"""Small pictures of plates for the panel. They are no part of the .blend file."""

from __future__ import annotations

import time
from pathlib import Path

import bpy.utils.previews

_MOST = 64
_EVERY_S = 0.7
_previews: bpy.utils.previews.ImagePreviewCollection | None = None
# The picture that is shown of those that arrive, and since when.
_latest: tuple[Path, float] | None = None


def icon_of(path: Path) -> int:
    """Number of the icon that shows a picture or a video's first frame."""
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
        made = _previews.load(name, str(path), "MOVIE" if path.suffix == ".mp4" else "IMAGE")
        made.image_size[0]  # loads it now; else the panel would show nothing at first
    return int(_previews[name].icon_id)


def icon_of_latest(path: Path) -> int:
    """As `icon_of` of a picture that is followed by others: it changes once in a while only."""
    global _latest
    now_s = time.monotonic()
    if _latest is None or now_s - _latest[1] > _EVERY_S or not _latest[0].is_file():
        _latest = path, now_s
    return icon_of(_latest[0])


def forget() -> None:
    """Let go of all of them, when the extension is disabled."""
    global _previews
    if _previews is not None:
        bpy.utils.previews.remove(_previews)
        _previews = None

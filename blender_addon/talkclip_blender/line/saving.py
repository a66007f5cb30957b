# SPDX-License-Identifier: GPL-3.0-or-later
"""Intensities survive the file: a library override loses custom properties that its source does not have.

So the values are also kept with the segments, which overrides do keep, and given back after loading.
"""

from __future__ import annotations

import bpy
from bpy.app.handlers import persistent

from . import intensity, intensity_groups


def register() -> None:
    """Watch files being saved and opened."""
    bpy.app.handlers.save_pre.append(_before_saving)
    bpy.app.handlers.load_post.append(_after_loading)


def unregister() -> None:
    """Undo `register`."""
    bpy.app.handlers.save_pre.remove(_before_saving)
    bpy.app.handlers.load_post.remove(_after_loading)


@persistent
def _before_saving(*_: object) -> None:
    for owner in _local_characters():
        intensity_groups.name_groups(owner)
        for segment in owner.talkclip.segments:
            segment.saved_intensity = segment.intensity


@persistent
def _after_loading(*_: object) -> None:
    for owner in _local_characters():
        for segment in owner.talkclip.segments:
            if segment.uid and not intensity.exists(owner, segment.uid):
                segment.intensity = segment.saved_intensity


def _local_characters() -> list[bpy.types.Object]:
    return [owner for owner in bpy.data.objects if owner.library is None and owner.talkclip.segments]

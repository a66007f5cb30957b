# SPDX-License-Identifier: GPL-3.0-or-later
"""The prompts as bars in the Dope Sheet and the Timeline: what is drawn there, and when."""

from __future__ import annotations

from typing import Any, Final

import bpy

from .. import chosen
from ..character import face
from . import intensity, overlay_draw, sound, words
from .overlay_layout import Bar, Picture, View, lanes_of
from .sound import Extent

# Not for grease pencil, masks and caches: there a face's prompts mean nothing.
MODES: Final = frozenset({"DOPESHEET", "ACTION", "SHAPEKEY", "TIMELINE"})

_handler: Any = None


def register() -> None:
    """Draw in every Dope Sheet; a switch goes into its header."""
    global _handler
    _handler = bpy.types.SpaceDopeSheetEditor.draw_handler_add(_draw, (), "WINDOW", "POST_PIXEL")
    bpy.types.DOPESHEET_HT_header.append(_draw_switch)


def unregister() -> None:
    """Undo `register`."""
    bpy.types.DOPESHEET_HT_header.remove(_draw_switch)
    bpy.types.SpaceDopeSheetEditor.draw_handler_remove(_handler, "WINDOW")


def shown_line(context: bpy.types.Context) -> Any | None:
    """The line whose bars this editor shows, or None."""
    space = context.space_data
    if space is None or space.type != "DOPESHEET_EDITOR" or space.mode not in MODES:
        return None
    settings = chosen.preferences_of(context)
    if settings is None or not settings.show_prompts:
        return None
    mesh = face.face_mesh(context.active_object)
    return None if mesh is None or not mesh.talkclip.segments else mesh.talkclip


def view_of(context: bpy.types.Context) -> View:
    """What the editor's region shows."""
    region = context.region
    left, right = (region.view2d.region_to_view(x, 0)[0] for x in (0, region.width))
    return View(left, right, region.width, region.height, context.preferences.system.ui_scale)


def picture_of(line: Any, extent: Extent, view: View, with_words: bool) -> Picture:
    """The line's bars, words and phones that the view shows."""
    owner = line.id_data
    shown_uid = line.segments[line.active_segment].uid if line.active_segment < len(line.segments) else ""
    curves = intensity.curves_of(owner)
    spans = sorted((*_span(segment, extent), index) for index, segment in enumerate(line.segments))
    lanes = lanes_of([(first, end) for first, end, _ in spans])
    bars = []
    for (first, end, index), lane in zip(spans, lanes, strict=True):
        segment = line.segments[index]
        blends = (0.0, 0.0) if segment.whole_line else (segment.blend_in_s, segment.blend_out_s)
        blend_in, blend_out = (seconds * extent.fps for seconds in blends)
        if end + blend_out < view.left or first - blend_in > view.right:
            continue
        uid = segment.uid
        hint = intensity.hint(owner, uid, curves.get(uid), first, end)
        bars.append(Bar(uid, segment.prompt, first, end, blend_in, blend_out, uid == shown_uid, lane, hint))
    heard, phones = words.marks(line, extent, view.left, view.right) if with_words else ((), ())
    return Picture(tuple(bars), max(lanes, default=0) + 1, heard, phones)


def _span(segment: Any, extent: Extent) -> tuple[int, int]:
    """Frames of the bar; one that ends before it begins is still one frame wide, to be grabbed."""
    if segment.whole_line:
        return extent.first, extent.end
    return segment.frame_start, max(segment.frame_end, segment.frame_start + 1)


def _draw() -> None:
    context = bpy.context
    line = shown_line(context)
    if line is None:
        return
    view, scene = view_of(context), context.scene
    picture = picture_of(line, sound.extent_of(line, scene), view, words.belong(line, scene))
    overlay_draw.draw(picture, view, overlay_draw.palette())


def _draw_switch(self: Any, context: bpy.types.Context) -> None:
    settings = chosen.preferences_of(context)
    if settings is not None and context.space_data.mode in MODES and face.face_mesh(context.active_object) is not None:
        self.layout.prop(settings, "show_prompts", text="", icon="OUTLINER_DATA_SPEAKER")

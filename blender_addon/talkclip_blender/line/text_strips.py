# SPDX-License-Identifier: GPL-3.0-or-later
"""Prompts from text strips of the Video Sequencer, and back.

A strip that was made of a segment remembers which, so that the segment keeps its intensity and keys on the way back.
"""

from __future__ import annotations

from typing import Any, Final

import bpy

from talkclip.errors import InputError

from .. import compat
from .properties import LineSettings
from .replacing import Span, replace
from .sound import Extent

_UID: Final = "talkclip_uid"
_OWNER: Final = "talkclip_character"
_NAME: Final = "TalkCLIP"


def from_strips(line: LineSettings, extent: Extent, scene: bpy.types.Scene) -> list[str]:
    """Make the line's segments of the selected text strips, or of all where none is selected -> notes.

    Strips that were made of another character's prompts, and muted ones, are not looked at.

    Raises:
        InputError: there are none over the line.
    """
    name = line.id_data.name
    strips = [s for s in compat.text_strips(scene) if not s.mute and s.get(_OWNER, name) == name]
    strips = [strip for strip in strips if strip.select] or strips
    spans, outside = [], 0
    for strip in strips:
        timing = compat.strip_timing(strip)
        first, end = max(timing.first, extent.first), min(timing.end, extent.end)
        if end > first:
            spans.append(Span(" ".join(strip.text.split()), first, end, uid=strip.get(_UID, "")))
        else:
            outside += 1
    if not spans:
        raise InputError(
            f"No text strip lies over the line (frames {extent.first} to {extent.end}).",
            "Add one in the Video Sequencer (Add > Text): its text is the prompt.",
        )
    notes = replace(line, extent, spans)
    return notes + ([f"{outside} text strips outside the line were left out."] if outside else [])


def to_strips(line: LineSettings, extent: Extent, scene: bpy.types.Scene) -> int:
    """Show each prompt as a text strip -> how many. Strips of an earlier call are replaced."""
    editor = scene.sequence_editor or scene.sequence_editor_create()
    strips, owner = compat.top_strips(editor), line.id_data.name
    for strip in [s for s in strips if s.type == "TEXT" and s.get(_OWNER) == owner]:
        strips.remove(strip)
    lowest = 1 + max((strip.channel for strip in strips), default=0)
    busy: list[int] = []
    for segment in sorted(line.segments, key=lambda s: s.frame_start):
        first, end = (extent.first, extent.end) if segment.whole_line else (segment.frame_start, segment.frame_end)
        if end <= first:
            continue
        lane = next((lane for lane, until in enumerate(busy) if until <= first), len(busy))
        busy[lane : lane + 1] = [end]
        _add(strips, segment, lowest + lane, first, end, owner)
    return len(line.segments)


def _add(strips: Any, segment: Any, channel: int, first: int, end: int, owner: str) -> None:
    strip = compat.new_text_strip(strips, f"{_NAME} {segment.prompt[:40] or 'neutral'}", channel, first, end)
    strip.text = segment.prompt
    strip[_UID], strip[_OWNER] = segment.uid, owner

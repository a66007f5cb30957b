# SPDX-License-Identifier: GPL-3.0-or-later
"""Prompts from timeline markers, and back: a marker's name is the prompt from there to the next marker.

A marker named "neutral", or one that was never named (`F_24`), ends a prompt.
"""

from __future__ import annotations

import json
import re
from typing import Final

import bpy

from talkclip.errors import InputError

from .properties import LineSettings
from .replacing import Span, replace
from .sound import Extent

NEUTRAL: Final = "neutral"
_UNNAMED: Final = re.compile(r"(F_-?\d+)?")
_NAME_BYTES: Final = 63


def from_markers(line: LineSettings, extent: Extent, scene: bpy.types.Scene) -> list[str]:
    """Make the line's segments of the scene's markers -> notes.

    Raises:
        InputError: no marker with a name stands over the line.
    """
    markers = sorted(scene.timeline_markers, key=lambda marker: marker.frame)
    ends = [*(marker.frame for marker in markers), max(extent.end, scene.frame_end + 1)][1:]
    whole = {_short(segment.prompt): segment.prompt for segment in line.segments}
    spans, outside = [], 0
    for marker, end in zip(markers, ends, strict=True):
        if _UNNAMED.fullmatch(marker.name.strip()) or marker.name.strip().lower() == NEUTRAL:
            continue
        first, last = max(marker.frame, extent.first), min(end, extent.end)
        if marker.frame < end and last <= first:
            outside += 1
        else:
            spans.append(Span(whole.get(marker.name, marker.name.strip()), first, last))
    if not any(span.end > span.first for span in spans):
        raise InputError(
            f"No named marker stands over the line (frames {extent.first} to {extent.end}).",
            "Add markers with M and name them with F2: the name is the prompt.",
        )
    notes = replace(line, extent, spans)
    return notes + ([f"{outside} markers outside the line were left out."] if outside else [])


def to_markers(line: LineSettings, extent: Extent, scene: bpy.types.Scene) -> int:
    """Put a marker at the start of each prompt, and a neutral one where none follows -> how many.

    Markers that an earlier call made are replaced, unless they were moved or renamed since.
    """
    made = {tuple(each) for each in json.loads(line.markers_made or "[]")}
    for marker in list(scene.timeline_markers):
        if (marker.name, marker.frame) in made:
            scene.timeline_markers.remove(marker)
    wanted: list[tuple[str, int]] = []
    segments = sorted(line.segments, key=lambda s: s.frame_start)
    for index, segment in enumerate(segments):
        first, end = (extent.first, extent.end) if segment.whole_line else (segment.frame_start, segment.frame_end)
        following = segments[index + 1].frame_start if index + 1 < len(segments) else extent.end
        wanted.append((_short(segment.prompt) or NEUTRAL, first))
        if end < following:
            wanted.append((NEUTRAL, end))
    present = {(marker.name, marker.frame) for marker in scene.timeline_markers}
    for name, frame in wanted:
        if (name, frame) not in present:
            scene.timeline_markers.new(name, frame=frame)
    line.markers_made = json.dumps(wanted)
    return len(wanted)


def _short(prompt: str) -> str:
    """As much of a prompt as a marker's name can hold."""
    return prompt.encode()[:_NAME_BYTES].decode(errors="ignore")

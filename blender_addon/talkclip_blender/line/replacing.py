# SPDX-License-Identifier: GPL-3.0-or-later
"""All prompt segments at once, from a script, from markers or from text strips.

A segment whose prompt (or uid) comes again stays itself: its intensity, its keys and its changes are kept.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from . import cutting, intensity
from .properties import LineSettings, add_segment
from .sound import Extent


@dataclass(frozen=True)
class Span:
    """A prompt and its place.

    Attributes:
        prompt: "" is neutral.
        first, end: scene frames.
        blend_in_s, blend_out_s: None: the usual ones; none at the line's ends.
        uid: of the segment it comes from, if that is known.
    """

    prompt: str
    first: int
    end: int
    blend_in_s: float | None = None
    blend_out_s: float | None = None
    uid: str = ""


def replace(line: LineSettings, extent: Extent, spans: Sequence[Span]) -> list[str]:
    """Let the line have these segments only -> notes about spans that were left out.

    Raises:
        InputError: keys of a segment that goes lie in a linked action; nothing was changed.
    """
    long_enough = sorted((s for s in spans if s.end > s.first), key=lambda s: (s.first, s.end))
    left_out = [s.prompt or "neutral" for s in spans if s.end <= s.first]
    cutting.settle(line, extent)
    cutting.sort(line)
    known = _known(line, long_enough)
    gone = [s.uid for s in line.segments if s.uid not in known]
    for uid in gone:
        intensity.require_editable(line.id_data, uid)
    for uid in gone:
        intensity.remove(line.id_data, uid)
        line.segments.remove(cutting.index_of(line, uid))
    for span, uid in zip(long_enough, known, strict=True):
        _place(line, extent, span, uid)
    if line.segments:
        line.segments_fps = extent.fps
        line.active_segment = 0
        cutting.sort(line)
    cutting.relax(line, extent)
    if not left_out:
        return []
    return [f"Left out, because nothing is between {_quoted(left_out)} and what follows."]


def _known(line: LineSettings, spans: Sequence[Span]) -> list[str]:
    """For each span the uid of the segment that it is, or ""."""
    uids = [s.uid for s in line.segments]
    known = [span.uid if span.uid in uids else "" for span in spans]
    free = [s for s in line.segments if s.uid not in known]
    open_spans = [index for index, uid in enumerate(known) if not uid]
    matcher = difflib.SequenceMatcher(
        None, [s.prompt for s in free], [spans[index].prompt for index in open_spans], autojunk=False
    )
    for block in matcher.get_matching_blocks():
        for k in range(block.size):
            known[open_spans[block.b + k]] = free[block.a + k].uid
    return known


def _place(line: LineSettings, extent: Extent, span: Span, uid: str) -> None:
    if uid:
        intensity.shift(line.id_data, uid, span.first - cutting.by_uid(line, uid).frame_start)
        segment = cutting.by_uid(line, uid)
    else:
        segment = add_segment(line)
    usual = cutting.blend_s(extent.fps, span.end - span.first)
    segment.whole_line = False
    segment.prompt, segment.frame_start, segment.frame_end = span.prompt, span.first, span.end
    segment.blend_in_s = (0.0 if span.first <= extent.first else usual) if span.blend_in_s is None else span.blend_in_s
    segment.blend_out_s = (0.0 if span.end >= extent.end else usual) if span.blend_out_s is None else span.blend_out_s


def _quoted(prompts: Sequence[str]) -> str:
    return ", ".join(f"'{prompt[:30]}'" for prompt in prompts[:3]) + (" ..." if len(prompts) > 3 else "")

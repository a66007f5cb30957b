# SPDX-License-Identifier: GPL-3.0-or-later
"""Cutting a line into prompt segments: plain functions over the character's list.

Rules, for all of them:

- Segments are named by uid. Adding or sorting makes references to other segments void, so each step looks up anew.
- The list stays in order of time.
- Segments may overlap: they cross-fade there. None is left shorter than one frame: what would do that is refused.
- The intensity's keys go where their segment goes.
- A segment that is alone and covers the line becomes "whole line" again, which follows the sound's length.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

from talkclip.errors import InputError
from talkclip.timeline import BLEND_S

from . import intensity
from .properties import LineSettings, add_edit, add_segment
from .sound import Extent

Gap = Literal["KEEP", "FILL", "RIPPLE"]
# A hand-over takes at most this share of the shorter neighbour.
_BLEND_SHARE: Final = 0.8
_COPIED: Final = ("prompt", "whole_line", "frame_start", "frame_end", "blend_in_s", "blend_out_s", "style_video",
                  "style_weight")  # fmt: skip


def index_of(line: LineSettings, uid: str) -> int:
    """Place in the list, or -1."""
    return next((index for index, segment in enumerate(line.segments) if segment.uid == uid), -1)


def by_uid(line: LineSettings, uid: str) -> Any:
    """The segment.

    Raises:
        InputError: there is none.
    """
    index = index_of(line, uid)
    if index < 0:
        raise InputError("That prompt segment is gone.", "Choose another one.")
    return line.segments[index]


def active(line: LineSettings) -> Any | None:
    """The segment whose fields are shown, or None."""
    return line.segments[line.active_segment] if 0 <= line.active_segment < len(line.segments) else None


def activate(line: LineSettings, uid: str) -> None:
    """Show a segment's fields."""
    line.active_segment = max(index_of(line, uid), 0)


def at_frame(line: LineSettings, frame: int) -> Any | None:
    """The segment that plays at a frame; of several the one that starts last."""
    playing = [s for s in line.segments if s.whole_line or s.frame_start <= frame < s.frame_end]
    return max(playing, key=lambda s: (not s.whole_line, s.frame_start), default=None)


def settle(line: LineSettings, extent: Extent) -> None:
    """Give whole-line segments the frames they have."""
    if all(segment.whole_line for segment in line.segments):
        line.segments_fps = extent.fps
    for segment in line.segments:
        if segment.whole_line:
            segment.whole_line = False
            segment.frame_start, segment.frame_end = extent.first, max(extent.end, extent.first + 1)
            segment.blend_in_s = segment.blend_out_s = 0.0


def add(line: LineSettings, extent: Extent, frame: int, prompt: str = "") -> str:
    """A new segment from `frame` on -> its uid.

    It takes the rest of the segment that plays there (the second half of one that starts there), or the free room up
    to the next one. The first one of a line takes all of it.

    Raises:
        InputError: the segment that plays there has one frame only.
    """
    if not line.segments:
        line.active_segment = 0
        return add_segment(line, prompt).uid
    settle(line, extent)
    under = at_frame(line, frame)
    if under is None:
        return _add_in_free_room(line, extent, frame, prompt)
    at = frame if frame > under.frame_start else (under.frame_start + under.frame_end) // 2
    uid = split(line, extent, under.uid, at)
    new = by_uid(line, uid)
    _clear(line, new)
    new.prompt = prompt
    return uid


def split(line: LineSettings, extent: Extent, uid: str, frame: int) -> str:
    """Cut a segment in two that play as it did -> uid of the second half.

    Raises:
        InputError: the frame is not inside it.
    """
    settle(line, extent)
    segment = by_uid(line, uid)
    if not segment.frame_start < frame < segment.frame_end:
        raise InputError(
            f"Frame {frame} is not inside the segment ({segment.frame_start} to {segment.frame_end}).",
            "Move the playhead to where the segment is to be cut.",
        )
    second = _copy(line, uid)
    first, new = by_uid(line, uid), by_uid(line, second)
    blend = blend_s(extent.fps, frame - first.frame_start, first.frame_end - frame)
    first.frame_end = new.frame_start = frame
    first.blend_out_s = new.blend_in_s = blend
    sort(line)
    activate(line, second)
    return second


def duplicate(line: LineSettings, extent: Extent, uid: str, frame: int) -> str:
    """A copy that starts at `frame`, or behind the segment where `frame` is inside it -> its uid."""
    settle(line, extent)
    segment = by_uid(line, uid)
    first, end = segment.frame_start, segment.frame_end
    copied = _copy(line, uid)
    move(line, copied, (end if first <= frame < end else frame) - first)
    activate(line, copied)
    return copied


def merge(line: LineSettings, extent: Extent, uid: str) -> None:
    """Join a segment with the next one; differing prompts and their edits are both kept.

    Raises:
        InputError: it is the last one.
    """
    settle(line, extent)
    sort(line)
    index = index_of(line, uid)
    if not 0 <= index < len(line.segments) - 1:
        raise InputError("There is no segment after this one.", "Choose the first of the two to merge.")
    first, later = line.segments[index], line.segments[index + 1]
    for each in (first, later):
        intensity.require_editable(line.id_data, each.uid)
    intensity.join(line.id_data, first.uid, later.uid, later.frame_start)
    first.prompt = ", ".join(dict.fromkeys(filter(None, (first.prompt.strip(), later.prompt.strip()))))
    if later.frame_end >= first.frame_end:
        first.frame_end, first.blend_out_s = later.frame_end, later.blend_out_s
    if not first.style_video:
        first.style_video, first.style_weight = later.style_video, later.style_weight
    known = {edit.text for edit in first.edits}
    for edit in [edit for edit in later.edits if edit.text not in known]:
        add_edit(first, edit.text, edit.weight)
    _drop(line, later.uid)
    activate(line, uid)
    relax(line, extent)


def delete(line: LineSettings, extent: Extent, uid: str, gap: Gap = "FILL") -> None:
    """Remove a segment with its intensity and keys; nothing of another one.

    Args:
        line: of the character.
        extent: the line in the scene.
        uid: which.
        gap: FILL: the segment that touched it (the earlier one first) takes its frames; KEEP: the face is neutral
            there; RIPPLE: all later segments move up.
    """
    settle(line, extent)
    sort(line)
    intensity.require_editable(line.id_data, uid)
    index, segment = index_of(line, uid), by_uid(line, uid)
    first, end, outer = segment.frame_start, segment.frame_end, (segment.blend_in_s, segment.blend_out_s)
    _drop(line, uid)
    before = next((s for s in line.segments if s.frame_end == first), None)
    after = next((s for s in line.segments if s.frame_start == end), None)
    if gap == "FILL" and before is not None:
        before.frame_end = end
        before.blend_out_s = outer[1] if after is None else before.blend_out_s
    elif gap == "FILL" and after is not None:
        after.frame_start, after.blend_in_s = first, outer[0]
    elif gap == "RIPPLE":
        move_all(line, [s.uid for s in line.segments if s.frame_start >= end], first - end)
    line.active_segment = min(max(index - 1, 0) if before is not None else index, max(len(line.segments) - 1, 0))
    relax(line, extent)


def move(line: LineSettings, uid: str, frames: int) -> None:
    """Move a segment with its intensity's keys."""
    move_all(line, [uid], frames)


def move_all(line: LineSettings, uids: Sequence[str], frames: int) -> None:
    """Move segments with their intensities' keys.

    Raises:
        InputError: keys lie in a linked action; nothing was moved.
    """
    for uid in uids:
        intensity.require_editable(line.id_data, uid)
    for segment in line.segments:
        if segment.uid in uids:
            intensity.shift(line.id_data, segment.uid, frames)
            segment.frame_start, segment.frame_end = segment.frame_start + frames, segment.frame_end + frames
    sort(line)


def ripple(line: LineSettings, extent: Extent, uid: str, frames: int) -> None:
    """Move a segment and all that start after it."""
    settle(line, extent)
    start = by_uid(line, uid).frame_start
    move_all(line, [s.uid for s in line.segments if s.uid == uid or s.frame_start > start], frames)


def swap(line: LineSettings, extent: Extent, uid: str, step: Literal[-1, 1]) -> None:
    """Let a segment change places with the one before (-1) or after it (1); both keep their lengths.

    Raises:
        InputError: there is none.
    """
    settle(line, extent)
    sort(line)
    index = index_of(line, uid)
    if not 0 <= index + step < len(line.segments):
        raise InputError(f"There is no segment {'after' if step > 0 else 'before'} this one.")
    first, later = (line.segments[i] for i in sorted((index, index + step)))
    by_earlier = later.frame_end - first.frame_end, first.frame_start - later.frame_start
    first.blend_in_s, later.blend_in_s = later.blend_in_s, first.blend_in_s
    first.blend_out_s, later.blend_out_s = later.blend_out_s, first.blend_out_s
    uids = first.uid, later.uid
    for each, frames in zip(uids, by_earlier, strict=True):
        move(line, each, frames)
    activate(line, uid)


def trim(line: LineSettings, uid: str, start: int | None = None, end: int | None = None, roll: bool = True) -> None:
    """Set a segment's borders; a neighbour that shares the border goes along where `roll` says so.

    Raises:
        InputError: a segment would be shorter than one frame.
    """
    segment = by_uid(line, uid)
    old = segment.frame_start, segment.frame_end
    new = old[0] if start is None else start, old[1] if end is None else end
    changes = [(segment, *new)]
    for other in line.segments:
        if roll and other.uid != uid and new[0] != old[0] and other.frame_end == old[0]:
            changes.append((other, other.frame_start, new[0]))
        if roll and other.uid != uid and new[1] != old[1] and other.frame_start == old[1]:
            changes.append((other, new[1], other.frame_end))
    for changed, first, last in changes:
        if last <= first:
            raise InputError(
                f"'{changed.prompt or 'neutral'}' would span frames {first} to {last}.",
                "Leave it one frame at least, or delete it.",
            )
    for changed, first, last in changes:
        changed.frame_start, changed.frame_end = first, last
    sort(line)
    activate(line, uid)


def keep_times(line: LineSettings, extent: Extent) -> None:
    """The scene has another rate: put segments and keys where they were in seconds.

    The sound's start stays at its frame.
    """
    factor = extent.fps / line.segments_fps
    for segment in line.segments:
        intensity.retime(line.id_data, segment.uid, factor, extent.first)
        if not segment.whole_line:
            first, end = (round((f - extent.first) * factor) for f in (segment.frame_start, segment.frame_end))
            segment.frame_start, segment.frame_end = extent.first + first, extent.first + max(end, first + 1)
    line.segments_fps = extent.fps


def rate_changed(line: LineSettings, fps: float) -> bool:
    """Whether the scene has another rate than when the segments, or their keys, got their frames."""
    if not line.segments_fps or abs(line.segments_fps - fps) < 1e-4 * fps:
        return False
    return any(not s.whole_line or intensity.curve_of(line.id_data, s.uid) is not None for s in line.segments)


def clear(line: LineSettings) -> None:
    """Remove all segments with their intensities and keys.

    Raises:
        InputError: keys lie in a linked action; nothing was removed.
    """
    for segment in line.segments:
        intensity.require_editable(line.id_data, segment.uid)
    for segment in line.segments:
        intensity.remove(line.id_data, segment.uid)
    line.segments.clear()
    line.active_segment, line.segments_fps = 0, 0.0


def empty_segments(line: LineSettings) -> list[str]:
    """uids of segments without a length, as typed numbers can make them."""
    return [s.uid for s in line.segments if not s.whole_line and s.frame_end <= s.frame_start]


def blend_s(fps: float, *lengths: int) -> float:
    """The usual hand-over in seconds, less where a neighbour (frames) is short."""
    return min(BLEND_S, _BLEND_SHARE * min(lengths) / fps)


def sort(line: LineSettings) -> None:
    """Bring the list into order of time; the active segment stays active."""
    shown = active(line)
    uid = shown.uid if shown is not None else ""
    starts = [(s.frame_start, s.frame_end) for s in line.segments]
    if starts == sorted(starts):
        return
    wanted = [s.uid for s in sorted(line.segments, key=lambda s: (s.frame_start, s.frame_end))]
    for place, each in enumerate(wanted):
        index = index_of(line, each)
        if index != place:
            line.segments.move(index, place)
    if uid:
        activate(line, uid)


def relax(line: LineSettings, extent: Extent) -> None:
    """A segment that is alone and covers the line follows the sound's length again."""
    if len(line.segments) == 1:
        (segment,) = line.segments
        segment.whole_line = segment.frame_start <= extent.first and segment.frame_end >= extent.end


def _add_in_free_room(line: LineSettings, extent: Extent, frame: int, prompt: str) -> str:
    """A segment up to the next one, or to the line's end, or of one second."""
    borders = [s.frame_start for s in line.segments] + [extent.end]
    following = [border for border in borders if border > frame]
    segment = add_segment(line, prompt)
    segment.whole_line = False
    segment.frame_start, segment.frame_end = frame, min(following, default=frame + max(round(extent.fps), 1))
    length = segment.frame_end - segment.frame_start
    segment.blend_in_s = segment.blend_out_s = blend_s(extent.fps, length)
    uid = segment.uid
    sort(line)
    activate(line, uid)
    return uid


def _copy(line: LineSettings, uid: str) -> str:
    new = add_segment(line)
    source, copied = by_uid(line, uid), new.uid
    for name in _COPIED:
        setattr(new, name, getattr(source, name))
    for edit in source.edits:
        add_edit(new, edit.text, edit.weight)
    intensity.copy(line.id_data, uid, copied)
    return copied


def _clear(line: LineSettings, segment: Any) -> None:
    """A fresh segment where a copy was."""
    segment.edits.clear()
    segment.style_video = ""
    intensity.remove(line.id_data, segment.uid)
    intensity.set_value(line.id_data, segment.uid, intensity.DEFAULT)


def _drop(line: LineSettings, uid: str) -> None:
    intensity.remove(line.id_data, uid)
    line.segments.remove(index_of(line, uid))

# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the overlay's bars lie, in pixels: prompts at the bottom of the editor, words and phones above them.

Plain arithmetic: what is drawn, and what the mouse is over, come from the same numbers.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

Part = Literal["BODY", "START", "END"]

_LANE_PX: Final = 20.0
_LANES_AT_MOST: Final = 3
_ROW_PX: Final = 14.0
_GAP_PX: Final = 2.0
_MARGIN_PX: Final = 18.0  # above the editor's scroll bar
_SCRUB_PX: Final = 24.0  # the row with frame numbers
_GRIP_PX: Final = 7.0
_PHONES_FROM_PX: Final = 11.0  # narrower phones are not shown


@dataclass(frozen=True)
class Bar:
    """One prompt segment."""

    uid: str
    text: str
    first: float
    """Scene frame."""
    end: float
    blend_in: float
    """Frames, centred on `first`."""
    blend_out: float
    active: bool
    lane: int = 0
    """0 is the lowest."""
    intensity: tuple[tuple[float, float], ...] = ()
    """(scene frame, 0..2), to be joined by lines."""


@dataclass(frozen=True)
class Mark:
    """A word or a phone."""

    text: str
    first: float
    """Scene frame."""
    end: float


@dataclass(frozen=True)
class Picture:
    """All there is to draw, in order of time."""

    bars: tuple[Bar, ...]
    n_lanes: int = 1
    words: tuple[Mark, ...] = ()
    phones: tuple[Mark, ...] = ()


@dataclass(frozen=True)
class View:
    """What the editor's region shows."""

    left: float
    """Scene frame at its left edge."""
    right: float
    width: int
    """Pixels."""
    height: int
    scale: float = 1.0
    """Pixels per unit of Blender's interface."""

    @property
    def px_per_frame(self) -> float:
        """Horizontal zoom."""
        return self.width / max(self.right - self.left, 1e-6)

    def x(self, frame: float) -> float:
        """Pixels from the left edge."""
        return (frame - self.left) * self.px_per_frame

    def frame(self, x: float) -> float:
        """Inverse of `x`."""
        return self.left + x / self.px_per_frame


@dataclass(frozen=True)
class Placed:
    """A bar on its lane, in pixels."""

    bar: Bar
    left: float
    right: float
    bottom: float
    top: float


@dataclass(frozen=True)
class Row:
    """A row of marks, in pixels."""

    marks: tuple[Mark, ...]
    bottom: float
    top: float


@dataclass(frozen=True)
class Hit:
    """What the mouse is over."""

    uid: str
    part: Part


def lanes_of(spans: Sequence[tuple[float, float]]) -> list[int]:
    """Where bars overlap they lie above each other: the lane of each of (first, end), in order of time.

    The lowest lane that is free; where three bars play already, the uppermost one hides another.
    """
    ends: list[float] = []
    lanes = []
    for first, end in spans:
        lane = min(next((i for i, busy in enumerate(ends) if busy <= first), len(ends)), _LANES_AT_MOST - 1)
        if lane == len(ends):
            ends.append(end)
        ends[lane] = max(ends[lane], end)
        lanes.append(lane)
    return lanes


def placed(picture: Picture, view: View) -> list[Placed]:
    """The bars that are seen; none in an editor that has no room between its scroll bar and its frame numbers."""
    bottom, height = _MARGIN_PX * view.scale, _LANE_PX * view.scale
    if bottom + height > view.height - _SCRUB_PX * view.scale:
        return []
    found = []
    for bar in picture.bars:
        left, right = view.x(bar.first - bar.blend_in / 2), view.x(bar.end + bar.blend_out / 2)
        if right >= 0 and left <= view.width:
            low = bottom + bar.lane * (height + _GAP_PX)
            found.append(Placed(bar, view.x(bar.first), view.x(bar.end), low, low + height))
    return found


def rows(picture: Picture, view: View) -> list[Row]:
    """Words, and phones where there is room for them, above the bars; only what is seen."""
    low = _MARGIN_PX * view.scale + picture.n_lanes * (_LANE_PX * view.scale + _GAP_PX)
    height = _ROW_PX * view.scale
    found = []
    for marks, narrowest in ((picture.phones, _PHONES_FROM_PX * view.scale), (picture.words, 0.0)):
        seen = _seen(marks, view)
        if not seen or low + height > view.height - _SCRUB_PX * view.scale:
            continue
        mean = sum(mark.end - mark.first for mark in seen) / len(seen) * view.px_per_frame
        if mean >= narrowest:
            found.append(Row(seen, low, low + height))
            low += height + _GAP_PX
    return found


def hit(picture: Picture, view: View, x: float, y: float) -> Hit | None:
    """The bar, and which part of it, at a point; the active one first. Narrow bars have no borders to grab."""
    grip = _GRIP_PX * view.scale
    over = [p for p in placed(picture, view) if p.bottom <= y <= p.top and p.left - grip / 2 <= x <= p.right + grip / 2]
    if not over:
        return None
    best = max(over, key=lambda p: (p.left <= x < p.right, p.bar.active, p.bar.first))
    if best.right - best.left < 3 * grip:
        return Hit(best.bar.uid, "BODY")
    part: Part = "START" if x < best.left + grip else "END" if x > best.right - grip else "BODY"
    return Hit(best.bar.uid, part)


def _seen(marks: Sequence[Mark], view: View) -> tuple[Mark, ...]:
    first = bisect.bisect_right(marks, view.left, key=lambda mark: mark.end)
    end = bisect.bisect_left(marks, view.right, key=lambda mark: mark.first)
    return tuple(marks[first:end])

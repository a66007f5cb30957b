# SPDX-License-Identifier: GPL-3.0-or-later
"""Moving and trimming a bar with the mouse, without the mouse: what a drag does to the segments."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from . import cutting
from .overlay_layout import Hit
from .sound import Extent


class Drag:
    """From the press of the button to its release. Segments show the way at once; keys move when it is done.

    Args:
        line: of the character.
        extent: the line in the scene.
        hit: what was grabbed.
        frame: scene frame under the mouse.
    """

    def __init__(self, line: Any, extent: Extent, hit: Hit, frame: float) -> None:
        self.line, self.extent, self.hit, self.frame = line, extent, hit, frame
        cutting.settle(line, extent)
        self.before = {s.uid: (s.frame_start, s.frame_end) for s in line.segments}
        self.moved = 0
        cutting.activate(line, hit.uid)

    @property
    def grabbed(self) -> int:
        """The border that is dragged; of a whole bar its start."""
        return self.before[self.hit.uid][1 if self.hit.part == "END" else 0]

    def to(self, frame: float, alone: bool = False, ripple: bool = False, snaps: Iterable[float] = ()) -> None:
        """Follow the mouse.

        Args:
            frame: scene frame under the mouse.
            alone: a neighbour that shares the border stays.
            ripple: moving a bar, all that start after it move along.
            snaps: frames that the border, or the bar's start, goes to where it is near; the nearest one.
        """
        self.cancel()
        target = self.grabbed + frame - self.frame
        target = min(snaps, key=lambda at: abs(at - target), default=target)
        self.moved = round(target) - self.grabbed
        if self.hit.part == "BODY":
            for uid in self._moving(ripple):
                first, end = self.before[uid]
                self._show(uid, first + self.moved, end + self.moved)
        else:
            self._trim(alone)

    def finish(self, ripple: bool = False) -> bool:
        """Keep it -> whether anything changed."""
        spans = {s.uid: (s.frame_start, s.frame_end) for s in self.line.segments}
        changed = spans != self.before
        if self.hit.part == "BODY" and changed:
            self.cancel()
            cutting.move_all(self.line, self._moving(ripple), self.moved)
        cutting.sort(self.line)
        cutting.relax(self.line, self.extent)
        return changed

    def cancel(self) -> None:
        """Everything as it was."""
        for uid, span in self.before.items():
            self._show(uid, *span)

    def _moving(self, ripple: bool) -> list[str]:
        start = self.before[self.hit.uid][0]
        return [uid for uid, span in self.before.items() if uid == self.hit.uid or (ripple and span[0] > start)]

    def _trim(self, alone: bool) -> None:
        """Move a border, and the neighbours' that share it, as far as all keep a frame."""
        side, border = (1, self.grabbed) if self.hit.part == "END" else (0, self.grabbed)
        touched = {self.hit.uid: side}
        if not alone:
            touched |= {uid: 1 - side for uid, span in self.before.items() if span[1 - side] == border}
            touched[self.hit.uid] = side
        low = max((self.before[uid][0] + 1 for uid, edge in touched.items() if edge == 1), default=-(10**6))
        high = min((self.before[uid][1] - 1 for uid, edge in touched.items() if edge == 0), default=10**6)
        at = min(max(border + self.moved, low), high)
        for uid, edge in touched.items():
            first, end = self.before[uid]
            self._show(uid, at if edge == 0 else first, at if edge == 1 else end)

    def _show(self, uid: str, first: int, end: int) -> None:
        segment = cutting.by_uid(self.line, uid)
        segment.frame_start, segment.frame_end = first, end

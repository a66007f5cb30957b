"""FrameSource: the pictures of a line, drawn when somebody asks for them."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

MAX_WORKERS = 8
_Picture = TypeVar("_Picture")


@dataclasses.dataclass(frozen=True)
class Together:
    """Drawing several pictures at once, where that is faster.

    Attributes:
        draw: the pictures of these frames. May be called by several threads at once.
        count: how many at once, at least 1.
    """

    draw: Callable[[Sequence[int]], Sequence[np.ndarray]]
    count: int


@dataclasses.dataclass(frozen=True)
class FrameSource:
    """The pictures of a line.

    Attributes:
        n_frames: of the line.
        draw: picture of frame k, 0 <= k < `n_frames`: uint8 (H, W, 3) sRGB or (H, W, 4) with straight alpha, all of
            one shape. May be called by several threads at once.
        together: draws the same pictures, several at once.
    """

    n_frames: int
    draw: Callable[[int], np.ndarray]
    together: Together | None = None

    def frames(self, workers: int | None = None) -> Generator[np.ndarray, None, None]:
        """All pictures in order, drawn a few ahead; close it to stop early."""
        return self.each(range(self.n_frames), lambda picture: picture, workers)

    def each(
        self, numbers: Sequence[int], then: Callable[[np.ndarray], _Picture], workers: int | None = None
    ) -> Generator[_Picture, None, None]:
        """What `then` makes of some of the pictures, in the order of `numbers`; it runs where they are drawn."""
        together = self.together or Together(lambda chosen: [self.draw(k) for k in chosen], 1)
        groups = [numbers[first : first + together.count] for first in range(0, len(numbers), together.count)]

        def work(group: int) -> list[_Picture]:
            return [then(picture) for picture in together.draw(groups[group])]

        with contextlib.closing(in_order(work, len(groups), workers)) as drawn:
            for pictures in drawn:
                yield from pictures


def in_order(
    work: Callable[[int], _Picture], n_frames: int, workers: int | None = None
) -> Generator[_Picture, None, None]:
    """work(0), work(1), ... computed by threads a few frames ahead; stops early when closed.

    Args:
        workers: threads; default: one per processor, at most `MAX_WORKERS`. Drawing runs outside Python's lock.
    """
    threads = workers or min(os.cpu_count() or 1, MAX_WORKERS)
    ahead = threads + 2
    with ThreadPoolExecutor(threads, thread_name_prefix="talkclip-render") as pool:
        waiting = [pool.submit(work, number) for number in range(min(ahead, n_frames))]
        try:
            for number in range(n_frames):
                frame = waiting.pop(0).result()
                if number + ahead < n_frames:
                    waiting.append(pool.submit(work, number + ahead))
                yield frame
        finally:
            for future in waiting:
                future.cancel()

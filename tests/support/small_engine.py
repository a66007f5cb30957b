"""A small engine for server and client tests: real messages, real arithmetic, no models.

What it computes is a function of the uploaded bytes and the order alone, so that tests can tell jobs apart.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from talkclip.coefficients import ARKIT52
from talkclip.phones import Phone, PhoneTrack
from talkclip.progress import CancelCheck, ProgressCallback, stop_if
from talkclip.protocol import (
    Animate,
    Chunk,
    Done,
    EmotionWeight,
    EngineInfo,
    Message,
    TrackHeader,
    UnderstoodPrompt,
    WeightInfo,
)
from talkclip_server.engine import Files

WAIT_S = 10.0


def expected_values(sound: bytes, prompt: str, seed: int, n_frames: int) -> np.ndarray:
    """What `SmallEngine` answers: (n_frames, 52) float32 in 0..1."""
    digest = hashlib.sha256(sound + prompt.encode() + seed.to_bytes(4, "little")).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8], "little"))
    return rng.random((n_frames, len(ARKIT52)), np.float32)


class SmallEngine:
    """Answers orders whose first prompt may be a command: `raise`, `hold`, `no end`, `nan`, `crash`, `crash once FILE`.

    Attributes:
        n_frames: length of every answer.
        holding: set while a `hold` order is being carried out; it lasts until `let_go` or a cancel.
        cancels_seen: orders that noticed that they were cancelled.
    """

    def __init__(self, n_frames: int = 120, fault: Callable[[], BaseException] = lambda: ValueError("a bug")) -> None:
        self.n_frames = n_frames
        self.holding = threading.Event()
        self.let_go = threading.Event()
        self.cancels_seen = 0
        self.orders: list[Animate] = []
        self._fault = fault

    def info(self) -> EngineInfo:
        """One space, one weight file."""
        return EngineInfo("small-text", "small-motion", (WeightInfo("small", "0" * 64),), ("arkit52",), "none", "cpu")

    def animate(
        self, order: Animate, files: Files, chunk_frames: int, progress: ProgressCallback, cancel: CancelCheck
    ) -> Iterator[Message]:
        """See `talkclip_server.engine.Engine`."""
        self.orders.append(order)
        sound = files[order.audio.sha256].read_bytes()
        prompt = order.timeline.segments[0].prompt if order.timeline.segments else ""
        progress("speech", 0.5, "Listening")
        if prompt == "raise":
            raise self._fault()
        if prompt == "crash":
            os._exit(9)
        if prompt.startswith("crash once "):
            mark = Path(prompt.removeprefix("crash once "))
            if not mark.exists():
                mark.touch()
                os._exit(9)
        values = expected_values(sound, prompt, order.seed, self.n_frames)
        if prompt == "nan":
            values = np.full_like(values, np.nan)
        yield TrackHeader(order.id, "arkit52", ARKIT52, order.fps, 0.0, self.n_frames, True)
        for first in range(0, self.n_frames, chunk_frames):
            if prompt == "hold" and first > 0:
                self._hold(cancel)
            rows = values[first : first + chunk_frames]
            yield Chunk(order.id, first, rows, rows[:, :6] - 0.5)
        progress("motion", 1.0, "Done")
        if prompt != "no end":
            phones = PhoneTrack((Phone("AA", 0.0, 0.5),), (), 1.0, "small")
            yield Done(order.id, self.n_frames, 0.01, "small", (f"understood '{prompt}'",), phones, order.timeline)

    def read(self, prompt: str) -> UnderstoodPrompt:
        """See `talkclip_server.engine.ReadingEngine`; the prompt may be `raise`, `crash` or `think`, which waits."""
        if prompt == "raise":
            raise self._fault()
        if prompt == "crash":
            os._exit(9)
        if prompt == "think":
            self.let_go.wait(WAIT_S)
        return UnderstoodPrompt((), (EmotionWeight("neutral", 1.0),), 0.0, summary=prompt)

    def _hold(self, cancel: CancelCheck) -> None:
        self.holding.set()
        deadline = time.monotonic() + WAIT_S
        while not self.let_go.wait(0.005):
            if cancel():
                self.cancels_seen += 1
            stop_if(cancel)
            if time.monotonic() > deadline:
                raise TimeoutError("the test never let go")

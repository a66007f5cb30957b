"""A client whose server is the test: a wire of our own, a clock of our own, no network and no waiting."""

from __future__ import annotations

import collections
from pathlib import Path
from typing import Any

import numpy as np

from talkclip import protocol as p
from talkclip.client import Client, SpeakRequest, Timeouts
from talkclip.coefficients import ARKIT52
from talkclip.timeline import PromptTimeline

SOUND = b"not really a sound" * 50_000  # four upload chunks
TIMES = Timeouts(connect_s=3.0, ping_after_s=2.0, silence_s=10.0)


class Clock:
    """Time that passes when we say so."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Wire:
    """A `Transport` whose other end is the test."""

    def __init__(self) -> None:
        self.arriving: collections.deque[bytes] = collections.deque()
        self.sent: list[p.Message] = []
        self.is_open = self.is_broken = self.is_refused = False
        self.room = 10**9

    def open(self) -> None:
        self.is_open, self.is_broken = True, False

    def send(self, frame: bytes) -> bool:
        if self.room <= 0:
            return False
        self.room -= 1
        self.sent.append(p.decode(frame, p.FROM_CLIENT))
        return True

    def receive(self) -> bytes | None:
        return self.arriving.popleft() if self.arriving else None

    def wait(self, timeout_s: float) -> None:
        raise AssertionError("pump never waits")

    def broken(self) -> bool:
        return self.is_broken

    def refused(self) -> bool:
        return self.is_refused

    def close(self) -> None:
        self.is_open = False

    def say(self, *messages: p.Message) -> None:
        self.arriving.extend(p.encode(message) for message in messages)

    def take(self, cls: type[p.Message]) -> list[Any]:
        """Messages of one kind that were sent; they are forgotten."""
        found = [message for message in self.sent if isinstance(message, cls)]
        self.sent = [message for message in self.sent if not isinstance(message, cls)]
        return found


class Scene:
    """A client on a wire, at some point of a job."""

    def __init__(self, tmp_path: Path) -> None:
        self.wire, self.clock = Wire(), Clock()
        self.client = Client("tcp://127.0.0.1:1", transport=self.wire, timeouts=TIMES, clock=self.clock)
        self.file = tmp_path / "ein Satz äöü.wav"
        self.file.write_bytes(SOUND)
        self.request = SpeakRequest(self.file, PromptTimeline.single("a furious man", 2.0), 25.0)

    def pump(self, *messages: p.Message) -> None:
        self.wire.say(*messages)
        while self.client.pump(budget_ms=1e9) and self.wire.is_open:
            pass

    def welcome(self, engine: p.EngineInfo | None = None) -> None:
        self.client.start()
        for hello in self.wire.take(p.Hello):
            self.pump(p.Welcome(hello.id, 1, "server", engine or p.EngineInfo(), p.ServerLimits()))

    def waiting_job(self) -> Any:
        """A job whose sound the server had already."""
        self.welcome()
        job = self.client.submit(self.request)
        self.pump()
        (put,) = self.wire.take(p.Put)
        self.pump(p.PutState(put.id, put.sha256, put.size, True), p.Accepted(job.id, 0))
        return job


def header(job: Any, n_frames: int, has_head: bool = False) -> p.TrackHeader:
    return p.TrackHeader(job.id, "arkit52", ARKIT52, 25.0, 0.0, n_frames, has_head)


def chunk(job: Any, first: int, n_frames: int) -> p.Chunk:
    return p.Chunk(job.id, first, np.full((n_frames, 52), first / 1000, np.float32))

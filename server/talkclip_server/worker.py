"""Worker: runs orders one after the other, away from the loop.

The loop knows a worker only by `Worker`, and what comes back are encoded protocol messages: a worker in a process of
its own says the same over a pipe.
"""

from __future__ import annotations

import dataclasses
import logging
import queue
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from talkclip.errors import Cancelled, TalkClipError
from talkclip.protocol import Animate, Done, EngineInfo, Failure, Message, Progress, ProtocolError, encode
from talkclip_server.engine import Engine

_MAX_TEXT = 2_000
_PROGRESS_EVERY_S = 0.05
_MAX_TRACEBACK = 20_000
_log = logging.getLogger("talkclip.server")


@dataclasses.dataclass(frozen=True)
class Order:
    """One job for a worker.

    Attributes:
        key: the loop's number of the job.
        animate: what to do.
        audio: the sound's file.
    """

    key: int
    animate: Animate
    audio: Path


@dataclasses.dataclass(frozen=True)
class Output:
    """What a worker says about an order: an encoded `progress`, `track`, `chunk`, `done` or `error`."""

    key: int
    op: str
    frame: bytes

    @property
    def last(self) -> bool:
        """True for the message that ends the order."""
        return self.op in (Done.op, Failure.op)


Deliver = Callable[[Output], None]


class Worker(Protocol):
    """Takes one order at a time; every order ends in exactly one output that is its last."""

    @property
    def info(self) -> EngineInfo:
        """What its engine can do."""

    def start(self, order: Order) -> None:
        """Begin. Only when the worker is idle."""

    def cancel(self, key: int) -> None:
        """Nobody wants the result of order `key` any more; nothing happens when that is not the one being done."""

    def close(self) -> None:
        """Take no more orders."""


class ThreadWorker:
    """A worker in a thread of this process."""

    def __init__(self, engine: Engine, chunk_frames: int, deliver: Deliver, send_tracebacks: bool = False) -> None:
        self.info = engine.info()
        self._engine = engine
        self._chunk_frames = chunk_frames
        self._deliver = deliver
        self._send_tracebacks = send_tracebacks
        self._orders: queue.SimpleQueue[Order | None] = queue.SimpleQueue()
        self._cancelled: dict[int, threading.Event] = {}
        # A daemon: an engine that hangs in native code must not keep the process from stopping.
        threading.Thread(target=self._run, name="talkclip-worker", daemon=True).start()

    def start(self, order: Order) -> None:
        """Begin."""
        self._cancelled[order.key] = threading.Event()
        self._orders.put(order)

    def cancel(self, key: int) -> None:
        """Tell the engine at its next check."""
        if event := self._cancelled.get(key):
            event.set()

    def close(self) -> None:
        """Take no more orders."""
        self._orders.put(None)

    def _run(self) -> None:
        while (order := self._orders.get()) is not None:
            try:
                self._carry_out(order, self._cancelled[order.key])
            except BaseException as error:  # whatever a native library throws: the worker lives on, the client is told
                self._say(order, failure_of(order.animate.id, error, self._send_tracebacks))
            del self._cancelled[order.key]

    def _carry_out(self, order: Order, cancelled: threading.Event) -> None:
        said_s, said_stage = float("-inf"), ""

        def progress(stage: str, fraction: float, text: str) -> None:
            nonlocal said_s, said_stage
            now_s = time.monotonic()
            if stage != said_stage or now_s - said_s >= _PROGRESS_EVERY_S:
                said_s, said_stage = now_s, stage
                bounded = min(max(float(fraction), 0.0), 1.0)
                self._say(order, Progress(order.animate.id, sendable(stage, 255), bounded, sendable(text)))

        ended = False
        for message in self._engine.animate(order.animate, order.audio, self._chunk_frames, progress, cancelled.is_set):
            if cancelled.is_set():
                raise Cancelled()
            self._say(order, message)
            ended = isinstance(message, Done)
        if not ended:
            raise RuntimeError("it ended without a result")

    def _say(self, order: Order, message: Message) -> None:
        try:
            frame = encode(message)
        except ProtocolError as error:  # not a number, too large: the engine's fault, not the client's
            text = f"The engine's answer cannot be sent: {error.message}"
            raise TalkClipError(
                text, error.hint or "Please report it, with the sound and the prompt.", "engine"
            ) from None
        self._deliver(Output(order.key, message.op, frame))


def failure_of(request_id: str, error: BaseException, send_traceback: bool = False) -> Failure:
    """Exception -> what the client is told. What is no `TalkClipError` is a fault of ours and is logged whole."""
    if isinstance(error, TalkClipError):
        return Failure(request_id, error.code, sendable(error.message), sendable(error.hint))
    trace = sendable("".join(traceback.format_exception(error))[-_MAX_TRACEBACK:], _MAX_TRACEBACK)
    _log.error("event=fault job=%s error=%s\n%s", request_id, type(error).__name__, trace)
    if isinstance(error, MemoryError):
        return Failure(request_id, "memory", "The server ran out of memory.", "Send a shorter part of the recording.")
    return Failure(
        request_id,
        "engine",
        sendable(f"The engine failed: {type(error).__name__}: {error}"),
        "The server's log has the details; please report them.",
        trace if send_traceback else None,
    )


def sendable(text: str, length: int = _MAX_TEXT) -> str:
    """Text as it can travel: no broken characters (file names may hold some), not longer than a message allows."""
    return text.encode("utf-8", "replace").decode("utf-8")[:length]

"""Worker: carries out orders, away from the loop.

One thread, one order at a time. Whatever the engine does, it asks now and then whether it should stop; a long order
gives way there: orders that came meanwhile and are short are carried out first, whole, and then it goes on.

The loop knows a worker only by `Worker`, and what comes back are encoded protocol messages: a worker in a process of
its own says the same over a pipe.
"""

from __future__ import annotations

import collections
import dataclasses
import logging
import queue
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Protocol

from talkclip.errors import Cancelled, InputError, TalkClipError
from talkclip.progress import CancelCheck, ProgressCallback
from talkclip.protocol import (
    Animate,
    Done,
    EngineInfo,
    Failure,
    Message,
    Progress,
    ProtocolError,
    Read,
    Reading,
    Render,
    UnderstoodPrompt,
    encode,
)
from talkclip_server.engine import Engine, Files, ReadingEngine, VideoEngine

_MAX_TEXT = 2_000
_PROGRESS_EVERY_S = 0.05
_MAX_TRACEBACK = 20_000
# An order that was thought short gives way after so long; who gives way does so for about a pause.
_LONG_AFTER_S, _PAUSE_S = 1.0, 1.0
_MOST_NESTED = 2
# How soon a held order notices that it may go on.
_HELD_S = 0.02
_log = logging.getLogger("talkclip.server")


@dataclasses.dataclass(frozen=True)
class Order:
    """One job for a worker.

    Attributes:
        key: the loop's number of the job.
        animate: what to do; an `Edit` and a `Render` are kinds of it.
        files: the uploaded files that it names.
        long: whether it gives way to others from the start.
    """

    key: int
    animate: Animate
    files: Files
    long: bool = False


@dataclasses.dataclass(frozen=True)
class Output:
    """What a worker says about an order: an encoded `progress`, `track`, `chunk`, `done` or `error`.

    Attributes:
        key: of the order.
        op: what the frame holds.
        frame: the message.
        died: the worker did not say so itself: its process died, and the order with it.
    """

    key: int
    op: str
    frame: bytes
    died: bool = False

    @property
    def last(self) -> bool:
        """True for the message that ends the order."""
        return self.op in (Done.op, Failure.op)


Deliver = Callable[[Output], None]


class Worker(Protocol):
    """Takes orders; every order ends in exactly one output that is its last."""

    @property
    def info(self) -> EngineInfo:
        """What its engine can do."""

    @property
    def pid(self) -> int:
        """Its process, 0 when it has none of its own."""

    def start(self, order: Order) -> None:
        """Begin as soon as the orders it has allow."""

    def ask(self, key: int, question: Read) -> None:
        """Answer beside the orders, by one output with this key."""

    def cancel(self, key: int) -> None:
        """Nobody wants the result of order `key` any more; nothing happens when that is not the one being done."""

    def hold(self, key: int, held: bool) -> None:
        """Wait with order `key`, while `held`: nobody takes what was made of it so far."""

    def close(self) -> None:
        """Take no more orders."""


class ThreadWorker:
    """A worker in a thread of this process."""

    pid = 0

    def __init__(self, engine: Engine, chunk_frames: int, deliver: Deliver, send_tracebacks: bool = False) -> None:
        self.info = engine.info()
        self._engine = engine
        self._chunk_frames = chunk_frames
        self._deliver = deliver
        self._send_tracebacks = send_tracebacks
        self._orders: collections.deque[Order] = collections.deque()
        self._arrived = threading.Condition()
        self._closed = False
        self._depth = 0
        self._cancelled: dict[int, threading.Event] = {}
        self._held: set[int] = set()
        # A daemon: an engine that hangs in native code must not keep the process from stopping.
        threading.Thread(target=self._run, name="talkclip-worker", daemon=True).start()
        self._questions: queue.SimpleQueue[tuple[int, Read] | None] = queue.SimpleQueue()
        threading.Thread(target=self._answer, name="talkclip-reader", daemon=True).start()

    def start(self, order: Order) -> None:
        """Begin."""
        with self._arrived:
            self._cancelled[order.key] = threading.Event()
            self._orders.append(order)
            self._arrived.notify()

    def ask(self, key: int, question: Read) -> None:
        """Answer in a thread of its own."""
        self._questions.put((key, question))

    def cancel(self, key: int) -> None:
        """Tell the engine at its next check."""
        if event := self._cancelled.get(key):
            event.set()

    def hold(self, key: int, held: bool) -> None:
        """Wait at the engine's next check, as long as it is held."""
        if held and key in self._cancelled:
            self._held.add(key)
        else:
            self._held.discard(key)

    def close(self) -> None:
        """Take no more orders."""
        with self._arrived:
            self._closed = True
            self._arrived.notify()
        self._questions.put(None)

    def _run(self) -> None:
        while True:
            with self._arrived:
                self._arrived.wait_for(lambda: self._orders or self._closed)
                if self._closed:
                    return
                order = min(self._orders, key=lambda order: order.long)  # the first short one, else the first
                self._orders.remove(order)
            self._finish(order)

    def _answer(self) -> None:
        """Questions, one after the other, until `close`."""
        while (asked := self._questions.get()) is not None:
            key, question = asked
            try:
                answer: Message = Reading(question.id, self._read(question.prompt))
                frame = encode(answer)
            except BaseException as error:  # as for orders: the worker lives on, the client is told
                answer = failure_of(question.id, error, self._send_tracebacks)
                frame = encode(answer)
            self._deliver(Output(key, answer.op, frame))

    def _read(self, prompt: str) -> UnderstoodPrompt:
        if not isinstance(self._engine, ReadingEngine):
            raise InputError("This server does not tell what it understands of a prompt.", "Update it.")
        return self._engine.read(prompt)

    def _finish(self, order: Order) -> None:
        """Carry an order out, whatever becomes of it."""
        self._depth += 1
        try:
            self._carry_out(order, self._cancelled[order.key])
        except BaseException as error:  # whatever a native library throws: the worker lives on, the client is told
            self._say(order, failure_of(order.animate.id, error, self._send_tracebacks))
        finally:
            self._depth -= 1
            del self._cancelled[order.key]
            self._held.discard(order.key)

    def _give_way(self, order: Order, begun_s: float) -> None:
        """In a pause of `order`: carry out short orders that came meanwhile, for about a second."""
        now_s = time.monotonic()
        if self._depth > _MOST_NESTED or not (order.long or now_s - begun_s > _LONG_AFTER_S):
            return
        while time.monotonic() - now_s < _PAUSE_S:
            with self._arrived:
                short = next((other for other in self._orders if not other.long), None)
                if short is None or self._closed:
                    return
                self._orders.remove(short)
            self._finish(short)

    def _carry_out(self, order: Order, cancelled: threading.Event) -> None:
        said_s, said_stage = float("-inf"), ""
        begun_s = time.monotonic()

        def should_stop() -> bool:
            while not cancelled.is_set():
                self._give_way(order, begun_s)
                if order.key not in self._held:
                    break
                cancelled.wait(_HELD_S)
            return cancelled.is_set()

        def progress(stage: str, fraction: float, text: str) -> None:
            nonlocal said_s, said_stage
            now_s = time.monotonic()
            if stage != said_stage or now_s - said_s >= _PROGRESS_EVERY_S:
                said_s, said_stage = now_s, stage
                bounded = min(max(float(fraction), 0.0), 1.0)
                self._say(order, Progress(order.animate.id, sendable(stage, 255), bounded, sendable(text)))

        ended = False
        for message in self._messages(order, progress, should_stop):
            if should_stop():
                raise Cancelled()
            self._say(order, message)
            ended = isinstance(message, Done)
        if not ended:
            raise RuntimeError("it ended without a result")

    def _messages(self, order: Order, progress: ProgressCallback, cancel: CancelCheck) -> Iterator[Message]:
        if isinstance(order.animate, Render):
            if not isinstance(self._engine, VideoEngine):
                raise InputError("This server draws no videos.", "Ask for coefficients, and render them yourself.")
            return self._engine.render(order.animate, order.files, progress, cancel)
        return self._engine.animate(order.animate, order.files, self._chunk_frames, progress, cancel)

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

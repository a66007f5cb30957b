"""ProcessWorker: a worker in a process of its own.

The engine's native parts keep Python's lock for up to a second (forced alignment does), and may crash: in another
process neither is felt by the loop. Between the two go the messages of the wire protocol, as bytes over a pipe.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgpack

from talkclip.client.failures import error_of
from talkclip.errors import TalkClipError
from talkclip.protocol import (
    FROM_CLIENT,
    FROM_SERVER,
    NO_ID,
    PROTOCOL_VERSION,
    Animate,
    EngineInfo,
    Failure,
    Read,
    ServerLimits,
    Welcome,
    decode,
    encode,
)
from talkclip_server.engine import Engine
from talkclip_server.log import LOGGER, log_to_stderr, shown_level
from talkclip_server.worker import Deliver, Order, Output, ThreadWorker, failure_of

_LOADING = 0  # key of what is said before any order; orders count from 1
_GOODBYE_S = 2.0
_MAX_PAUSE_S = 10.0
_log = logging.getLogger(LOGGER)


class ProcessWorker:
    """Keeps one process with one engine; a process that dies fails its order and is replaced.

    Attributes:
        info: what the engine can do.
    """

    def __init__(
        self, make_engine: Callable[[], Engine], chunk_frames: int, deliver: Deliver, send_tracebacks: bool = False
    ) -> None:
        """Start the process and wait until its engine is loaded.

        Args:
            make_engine: makes the engine, in the process; must be picklable.
            chunk_frames: most frames in one chunk.
            deliver: takes outputs; called from a thread of the worker.
            send_tracebacks: put them into failures.

        Raises:
            TalkClipError: what `make_engine` raised, or that the process died.
        """
        self._arguments = (make_engine, chunk_frames, send_tracebacks, shown_level())
        self._deliver = deliver
        self._orders: dict[int, Order] = {}
        self._questions: dict[int, Read] = {}
        self._closing = threading.Event()
        self._lock = threading.Lock()  # of `_orders` and `_questions`, and of writing to the pipe
        self._reader: threading.Thread | None = None
        self._spawn()
        self.info = self._wait_until_ready()
        self._reader = threading.Thread(target=self._read, name="talkclip-worker-reader", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Of the process that works at the moment."""
        return self._pid

    def start(self, order: Order) -> None:
        """Begin."""
        files = {sha256: str(path) for sha256, path in order.files.items()}
        with self._lock:
            self._orders[order.key] = order
            self._write(["order", order.key, files, order.long, encode(order.animate)])

    def ask(self, key: int, question: Read) -> None:
        """Answer in the process, beside its orders."""
        with self._lock:
            self._questions[key] = question
            self._write(["ask", key, encode(question)])

    def cancel(self, key: int) -> None:
        """Tell the engine at its next check."""
        with self._lock:
            self._write(["cancel", key])

    def hold(self, key: int, held: bool) -> None:
        """Wait at the engine's next check, as long as it is held."""
        with self._lock:
            self._write(["hold", key, held])

    def close(self) -> None:
        """End the process, whatever it is doing."""
        with self._lock:
            self._closing.set()
            self._process.kill()
        self._process.join()
        if self._reader is not None:
            self._reader.join()
        self._pipe.close()
        self._process.close()

    def _spawn(self) -> None:
        # Not fork: threads and native libraries do not survive it. Spawn is also the only way on Windows.
        spawning = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawning.Pipe()
        self._process = spawning.Process(
            target=_process_main, args=(theirs, *self._arguments), name="talkclip-worker", daemon=True
        )
        self._process.start()
        self._pid = self._process.pid or 0
        theirs.close()  # so that the end of the process is the end of the pipe

    def _wait_until_ready(self) -> EngineInfo:
        try:
            message = decode(msgpack.unpackb(self._pipe.recv_bytes())[2], FROM_SERVER)
        except (EOFError, OSError):
            message = Failure(NO_ID, "engine", "The worker process died while it loaded the engine.", "See the log.")
        if isinstance(message, Welcome):
            return message.engine
        self.close()
        raise error_of(message) if isinstance(message, Failure) else TalkClipError("The worker process is confused.")

    def _write(self, item: list[Any]) -> None:
        # A pipe without a reader: the reading thread notices the same and fails the order.
        with contextlib.suppress(OSError):
            self._pipe.send_bytes(msgpack.packb(item))

    def _read(self) -> None:
        """Hand on what the process says, until `close`."""
        failed_starts = 0
        while not self._closing.is_set():
            try:
                key, op, frame = msgpack.unpackb(self._pipe.recv_bytes())
            except (EOFError, OSError):
                failed_starts += 1
                self._replace(failed_starts)
                continue
            if op == Failure.op and key == _LOADING:
                _log.error("event=worker_cannot_load answer=%r", decode(frame, FROM_SERVER))
                continue
            failed_starts = 0
            if key != _LOADING:
                self._pass_on(Output(key, op, frame))

    def _pass_on(self, output: Output) -> None:
        if output.last or output.key in self._questions:
            with self._lock:
                self._orders.pop(output.key, None)
                self._questions.pop(output.key, None)
        self._deliver(output)

    def _replace(self, failed_starts: int) -> None:
        """The process died: another one, and a word for each of the orders it had."""
        with self._lock:
            if self._closing.is_set():
                return
            self._process.join(_GOODBYE_S)
            _log.error("event=worker_died exit=%s failed_starts=%d", self._process.exitcode, failed_starts)
            orders, self._orders = self._orders, {}
            questions, self._questions = self._questions, {}
            self._pipe.close()
            self._process.close()
            self._spawn()
        for order in orders.values():
            text = "The worker process died while it did this job; another one has taken its place."
            failure = Failure(
                order.animate.id, "worker_died", text, "Ask again. If it repeats, report it with the sound."
            )
            self._deliver(Output(order.key, Failure.op, encode(failure), died=True))
        for key, question in questions.items():
            text = "The worker process died before it could answer; another one has taken its place."
            self._deliver(Output(key, Failure.op, encode(Failure(question.id, "worker_died", text, "Ask again."))))
        if failed_starts > 1:  # it dies while it loads: do not spin
            self._closing.wait(min(failed_starts, _MAX_PAUSE_S))


def _process_main(
    pipe: Connection, make_engine: Callable[[], Engine], chunk_frames: int, send_tracebacks: bool, log_level: int | None
) -> None:
    """The process: load the engine, say so, then do what comes through the pipe until it closes."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # they go to the whole group; when to stop is the server's decision
    if log_level is not None:
        log_to_stderr(log_level)

    talking = threading.Lock()  # orders and questions are answered by two threads

    def say(output: Output) -> None:
        with talking:
            pipe.send_bytes(msgpack.packb([output.key, output.op, output.frame]))

    try:
        worker = ThreadWorker(make_engine(), chunk_frames, say, send_tracebacks)
    except Exception as error:
        say(Output(_LOADING, Failure.op, encode(failure_of(NO_ID, error))))
        return
    ready = Welcome(NO_ID, PROTOCOL_VERSION, "worker", worker.info, ServerLimits())
    say(Output(_LOADING, Welcome.op, encode(ready)))
    while True:
        try:
            what, key, *rest = msgpack.unpackb(pipe.recv_bytes())
        except (EOFError, OSError):
            os._exit(0)  # the server is gone; the engine may be anywhere
        if what == "cancel":
            worker.cancel(key)
        elif what == "ask":
            question = decode(rest[0], FROM_CLIENT)
            assert isinstance(question, Read)
            worker.ask(key, question)
        elif what == "hold":
            worker.hold(key, *rest)
        else:
            files, long, frame = rest
            animate = decode(frame, FROM_CLIENT)
            assert isinstance(animate, Animate)
            worker.start(Order(key, animate, {sha256: Path(path) for sha256, path in files.items()}, long))

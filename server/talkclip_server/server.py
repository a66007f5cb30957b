"""Server: one thread that owns the socket, the clients, the jobs and the store; workers compute elsewhere.

Rules that hold here
    - a job ends in exactly one `done` or `error`: both go through `_end`, after which the job is unknown;
    - nothing waits: what a client does not take stays in its outbox or in its job, and both are bounded;
    - whatever arrives, the loop goes on.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import socket
import time
from collections.abc import Callable, Sequence

import zmq

from talkclip import __version__
from talkclip.errors import Cancelled, InputError, TalkClipError
from talkclip.protocol import (
    FROM_CLIENT,
    MAX_CREDIT,
    NO_ID,
    SUPPORTED_VERSIONS,
    Accepted,
    Animate,
    Bye,
    Cancel,
    Chunk,
    Credit,
    Done,
    Failure,
    Hello,
    Message,
    Ping,
    Pong,
    Progress,
    Put,
    PutChunk,
    PutState,
    ServerLimits,
    Status,
    StatusReport,
    Welcome,
    decode,
    encode,
    version_error,
)
from talkclip_server.front import Front
from talkclip_server.jobs import Job, JobTable, Session
from talkclip_server.store import AudioStore
from talkclip_server.worker import Deliver, Order, Output, Worker, failure_of

MAX_CLIENTS = 256
_MAX_PENDING_BYTES = 512 << 20
_MESSAGES_A_TURN = 64
_PROGRESS_UNTIL = 50  # frames in the outbox: a client so far behind wants results, not news
_RETRY_MS, _IDLE_MS = 10, 500
_HOUSEKEEPING_S = 1.0
_GRACE_S = 5.0
_NAME = f"talkclip-server {__version__}"
_log = logging.getLogger("talkclip.server")


class Server:
    """Serves its workers. `run` blocks until `request_stop`, which may be called from anywhere, signal handlers too.

    Attributes:
        address: where it listens; clients may connect from the moment the constructor returns.
    """

    def __init__(
        self,
        make_workers: Sequence[Callable[[Deliver], Worker]],
        address: str,
        store: AudioStore,
        limits: ServerLimits,
        *,
        exit_when_idle_s: float | None = None,
    ) -> None:
        """Start the workers (of one engine each, all alike), then listen.

        Raises:
            InputError: the address is in use or cannot be bound.
            TalkClipError: a worker cannot start.
        """
        self._store = store
        self._limits = limits
        self._exit_when_idle_s = exit_when_idle_s
        self._table = JobTable()
        self._outputs: collections.deque[Output] = collections.deque()
        self._woken, self._wake = socket.socketpair()
        for end in (self._woken, self._wake):
            end.setblocking(False)
        self._workers: list[Worker] = []
        self._stop_requests = 0
        self._stop_by_s: float | None = None
        try:
            for make_worker in make_workers:
                self._workers.append(make_worker(self._deliver))
            self._front = Front(address, limits.message_bytes)
        except BaseException:
            self._close()
            raise
        self.address = self._front.address
        self._info = self._workers[0].info
        self._idle = list(self._workers)
        self._busy: dict[int, tuple[Worker, str]] = {}  # job key -> its worker, and the sound it reads
        self._started_s = self._active_s = self._kept_house_s = time.monotonic()

    def request_stop(self) -> None:
        """Stop when running jobs are done, at the latest after some seconds; a second call stops at once."""
        self._stop_requests += 1
        self._ring()

    def run(self) -> None:
        """Serve until asked to stop. Afterwards everything is closed."""
        poller = zmq.Poller()
        poller.register(self._front.socket, zmq.POLLIN)
        poller.register(self._woken, zmq.POLLIN)
        _log.info("event=start address=%s spaces=%s", self.address, ",".join(self._info.spaces))
        try:
            while not self._stopped():
                poller.poll(_RETRY_MS if self._front.blocked else _IDLE_MS)
                self._turn()
        finally:
            # A farewell may still lie unread in the socket: the log accounts for every client all the same.
            for session in list(self._front.sessions.values()):
                self._drop(session, "stop")
            self._front.close()
            self._close()
            _log.info("event=stop jobs_done=%d jobs_failed=%d", self._table.done, self._table.failed)

    def _close(self) -> None:
        for worker in self._workers:
            worker.close()
        self._store.close()
        self._woken.close()
        self._wake.close()

    # --- one turn of the loop -------------------------------------------------------------------------------------

    def _turn(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._woken.recv(4096)
        for _ in range(_MESSAGES_A_TURN):
            arrived = self._front.receive()
            if arrived is None:
                break
            self._handle_frame(*arrived)
        while self._outputs:
            self._take_output(self._outputs.popleft())
        self._start_jobs()
        for job in list(self._table.jobs.values()):
            self._push(job)
        for session in self._front.flush():
            self._drop(session, "gone")
        if time.monotonic() - self._kept_house_s > _HOUSEKEEPING_S:
            self._keep_house()

    def _deliver(self, output: Output) -> None:
        """Called by workers, from their threads."""
        self._outputs.append(output)
        self._ring()

    def _ring(self) -> None:
        with contextlib.suppress(OSError):  # full: it is ringing already; closed: nobody needs waking
            self._wake.send(b"\0")

    def _handle_frame(self, identity: bytes, frame: bytes) -> None:
        session = self._front.sessions.get(identity)
        message: Message | None = None
        try:
            message = decode(frame, FROM_CLIENT, self._limits.message_bytes)
            if session is not None:
                session.heard_s = time.monotonic()
            self._handle(identity, session, message)
        except Exception as error:  # also a fault of ours must not stop the loop; `failure_of` logs it whole
            request_id = message.id if message is not None else getattr(error, "request_id", "")
            self._refuse(identity, session, failure_of(request_id or NO_ID, error))
            if session is not None and isinstance(message, Animate):
                session.remember_ended(message.id)

    def _handle(self, identity: bytes, session: Session | None, message: Message) -> None:
        if isinstance(message, Hello):
            self._welcome(identity, message)
            return
        if session is None:
            text = "This server does not know this connection: it was restarted, or the client was silent for too long."
            raise TalkClipError(text, "Say 'hello' first.", "hello_first")
        job = session.jobs.get(message.id)
        match message:
            case Put() | PutChunk():
                self._send(session, self._store_bytes(message))
            case Animate():
                self._accept(session, message)
            case Credit() if job is not None:
                job.credit = min(job.credit + message.chunks, MAX_CREDIT)
                job.credited_s = time.monotonic()
            case Cancel() if job is not None:
                self._end(job, failure_of(job.id, Cancelled()))
            case Ping():
                self._send(session, Pong(message.id))
            case Status():
                self._send(session, self._report(message.id))
            case Bye():
                self._drop(session, "bye")

    def _refuse(self, identity: bytes, session: Session | None, failure: Failure) -> None:
        """Say why a message was not followed. One that names a job ends the job: its sender is confused about it."""
        if failure.code != "hello_first":
            _log.warning("event=refused request=%s code=%s message=%r", failure.id, failure.code, failure.message[:200])
        if session is None:
            self._front.send_stranger(identity, failure)
        elif failure.id in session.jobs:
            self._end(session.jobs[failure.id], failure)
        elif failure.id not in session.ended:
            self._send(session, failure)

    # --- operations -----------------------------------------------------------------------------------------------

    def _welcome(self, identity: bytes, hello: Hello) -> None:
        common = set(hello.versions) & set(SUPPORTED_VERSIONS)
        if not common:
            raise version_error(hello.versions)
        if identity not in self._front.sessions and len(self._front.sessions) >= MAX_CLIENTS:
            raise TalkClipError(f"The server has {MAX_CLIENTS} clients already.", "Try again later.", "busy")
        session = self._front.open_session(identity, hello.client)
        _log.info("event=hello client=%r clients=%d", hello.client, len(self._front.sessions))
        self._send(session, Welcome(hello.id, max(common), _NAME, self._info, self._limits))

    def _store_bytes(self, message: Put | PutChunk) -> PutState:
        if isinstance(message, PutChunk):
            so_far = self._store.append(message.sha256, message.offset, message.data)
        else:
            most = self._limits.upload_bytes
            if message.size > most:
                text = f"A file of {message.size >> 20} MB is more than this server takes ({most >> 20} MB)."
                raise TalkClipError(text, "Cut it, or compress it.", "too_large")
            so_far = self._store.begin(message.sha256, message.size)
        return PutState(message.id, message.sha256, so_far.received, so_far.complete)

    def _accept(self, session: Session, order: Animate) -> None:
        if order.id in session.jobs:  # sent again, by a client that missed the answer
            self._send(session, Accepted(order.id, self._ahead(session.jobs[order.id])))
            return
        if order.id in session.ended:
            _log.warning("event=replayed job=%s", order.id)
            return
        self._check(session, order)
        job = self._table.add(session, order, time.monotonic())
        self._send(session, Accepted(order.id, self._ahead(job)))
        _log.info("event=accepted job=%s client=%r space=%s", job.id, session.name, order.space)

    def _check(self, session: Session, order: Animate) -> None:
        """Refuse what cannot be carried out; otherwise the sound is held for the job."""
        limits = self._limits
        if self._stop_requests:
            raise _stopping()
        if order.space not in self._info.spaces:
            hint = (
                "Start it with `--flame MODEL`." if order.space == "flame" else f"Use {', '.join(self._info.spaces)}."
            )
            raise InputError(f"This server has no coefficients in the space '{order.space}'.", hint)
        if len(session.jobs) >= limits.jobs_per_client:
            text = f"This client has {limits.jobs_per_client} jobs already, the most allowed."
            raise TalkClipError(text, "Wait for one of them, or cancel it.", "busy")
        if len(self._table.waiting) >= limits.waiting_jobs or self._table.pending_bytes > _MAX_PENDING_BYTES:
            raise TalkClipError("The server has more work than it can queue.", "Try again in a moment.", "busy")
        if not self._store.hold(order.audio.sha256):
            text = f"The server does not have the sound '{order.audio.name}' (any more)."
            raise TalkClipError(text, "Upload it with 'put', then ask again.", "unknown_audio")

    def _ahead(self, job: Job) -> int:
        waiting = self._table.waiting
        return 0 if job.running else self._table.running + (waiting.index(job) if job in waiting else 0)

    def _report(self, request_id: str) -> StatusReport:
        table = self._table
        return StatusReport(
            request_id,
            _NAME,
            time.monotonic() - self._started_s,
            len(self._front.sessions),
            table.running,
            len(table.waiting),
            table.done,
            table.failed,
            self._store.n_files,
            self._store.n_bytes,
        )

    # --- jobs -----------------------------------------------------------------------------------------------------

    def _start_jobs(self) -> None:
        moved = False
        while self._idle and (job := self._table.next_waiting()):
            path = self._store.path(job.order.audio.sha256)
            job.running = moved = True
            worker = self._idle.pop()
            self._busy[job.key] = worker, job.order.audio.sha256
            worker.start(Order(job.key, job.order, path))
        if moved:
            for job in self._table.waiting:
                self._send(job.session, Accepted(job.id, self._ahead(job)))

    def _take_output(self, output: Output) -> None:
        if output.last:
            worker, sha256 = self._busy.pop(output.key)
            self._idle.append(worker)
            self._store.release(sha256)
        job = self._table.jobs.get(output.key)
        if job is None:
            return  # cancelled meanwhile
        if output.last:
            job.running = False
        if output.op == Progress.op:
            if len(job.session.outbox) < _PROGRESS_UNTIL:
                self._front.send(job.session, output.frame)
        elif output.op == Failure.op:
            self._end_with(job, output.frame, well=False)
        else:
            job.pending.append(output)
            job.pending_bytes += len(output.frame)

    def _push(self, job: Job) -> None:
        """Send what the client's credit allows; the end of a job needs none."""
        while job.pending and (job.credit > 0 or job.pending[0].op != Chunk.op):
            output = job.pending.popleft()
            job.pending_bytes -= len(output.frame)
            if output.op == Done.op:
                self._end_with(job, output.frame, well=True)
                return
            self._front.send(job.session, output.frame)
            if output.op == Chunk.op:
                job.credit -= 1
                job.credited_s = time.monotonic()

    def _end(self, job: Job, failure: Failure) -> None:
        self._end_with(job, encode(failure), well=False)

    def _end_with(self, job: Job, frame: bytes, well: bool) -> None:
        """The one place where a job ends: its last message goes out, and the job is forgotten."""
        self._front.send(job.session, frame)
        self._forget(job, well)

    def _forget(self, job: Job, well: bool) -> None:
        if job in self._table.waiting:
            self._store.release(job.order.audio.sha256)
        elif job.key in self._busy:  # the sound is released when the worker has let go of it
            self._busy[job.key][0].cancel(job.key)
        self._table.end(job, well)
        elapsed_s = time.monotonic() - job.begun_s
        _log.info("event=ended job=%s client=%r well=%s elapsed_s=%.3f", job.id, job.session.name, well, elapsed_s)

    def _drop(self, session: Session, why: str) -> None:
        """A client left: its jobs are nobody's any more."""
        self._front.sessions.pop(session.identity, None)
        for job in list(session.jobs.values()):
            self._forget(job, well=False)
        session.outbox.clear()
        self._active_s = time.monotonic()
        _log.info("event=left client=%r why=%s clients=%d", session.name, why, len(self._front.sessions))

    def _send(self, session: Session, message: Message) -> None:
        self._front.send(session, encode(message))

    # --- time -----------------------------------------------------------------------------------------------------

    def _keep_house(self) -> None:
        """Once a second: clients that fell silent, jobs nobody collects."""
        self._kept_house_s = now = time.monotonic()
        for job in list(self._table.jobs.values()):
            if job.pending and now - job.credited_s > self._limits.stalled_job_s:
                text = f"The client took no frames for {self._limits.stalled_job_s:g} s."
                self._end(job, failure_of(job.id, TalkClipError(text, "Ask again.", "stalled")))
        for session in list(self._front.sessions.values()):
            if not session.jobs and now - session.heard_s > self._limits.idle_client_s:
                self._drop(session, "silent")
        if self._front.sessions:
            self._active_s = now
        elif self._exit_when_idle_s is not None and now - self._active_s > self._exit_when_idle_s:
            _log.info("event=idle seconds=%.0f", now - self._active_s)
            self.request_stop()

    def _stopped(self) -> bool:
        """Whether to leave the loop; ends what must not go on once a stop was asked for."""
        if not self._stop_requests:
            return False
        now = time.monotonic()
        if self._stop_by_s is None:
            self._stop_by_s = now + _GRACE_S
        late = now > self._stop_by_s or self._stop_requests > 1
        for job in list(self._table.jobs.values()) if late else list(self._table.waiting):
            self._end(job, failure_of(job.id, _stopping()))
        if late:
            self._front.flush()
            return True
        return not self._table.jobs and not self._front.blocked


def _stopping() -> TalkClipError:
    return TalkClipError("The server is stopping.", "Start it again, then try again.", "stopping")

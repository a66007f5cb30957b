"""Server: one thread that owns the socket, the clients, the jobs and the store; workers compute elsewhere.

Rules that hold here
    - a job ends in exactly one `done` or `error`: both go through `_end_with`, after which the job is unknown;
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

from talkclip.errors import TalkClipError
from talkclip.protocol import (
    FROM_CLIENT,
    FROM_SERVER,
    NO_ID,
    Accepted,
    Animate,
    Chunk,
    Done,
    Failure,
    Message,
    PictureChunk,
    Progress,
    ServerLimits,
    TrackHeader,
    VideoChunk,
    decode,
    encode,
)
from talkclip_server.desk import Desk, stopping_error
from talkclip_server.front import Front
from talkclip_server.jobs import Job, JobTable, Session
from talkclip_server.questions import Questions
from talkclip_server.scheduler import Scheduler
from talkclip_server.security import Keyring
from talkclip_server.store import AudioStore
from talkclip_server.worker import Deliver, Output, Worker, failure_of

_MESSAGES_A_TURN = 64
_PROGRESS_UNTIL = 50  # frames in the outbox: a client so far behind wants results, not news
_RETRY_MS, _IDLE_MS = 10, 500
_HOUSEKEEPING_S, _PROBE_AFTER_S = 1.0, 2.0
_GRACE_S = 5.0
# Of a client that says nothing but nonsense, so many refusals are logged one by one, then every thousandth.
_REFUSALS_LOGGED = 20
# A job waits while so much of its result is not taken.
_HOLD_BYTES = 64 << 20
_CREDITED = (Chunk.op, VideoChunk.op, PictureChunk.op)
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
        keyring: Keyring | None = None,
        exit_when_idle_s: float | None = None,
        exit_when: Callable[[], bool] | None = None,
    ) -> None:
        """Start the workers (of one engine each, all alike), then listen.

        Raises:
            InputError: the address is in use or cannot be bound.
            TalkClipError: a worker cannot start.
        """
        self._store = store
        self._limits = limits
        self._exit_when_idle_s = exit_when_idle_s
        self._exit_when = exit_when
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
            self._front = Front(address, limits.message_bytes, keyring)
        except BaseException:
            self._close()
            raise
        self.address = self._front.address
        self._scheduler = Scheduler(self._workers, store.path)
        info = self._workers[0].info
        self._questions = Questions(self._scheduler.least_busy)
        self._desk = Desk(self, self._front, self._table, self._scheduler, self._questions, store, limits, info)
        self._spaces = info.spaces
        self._active_s = self._kept_house_s = time.monotonic()

    def request_stop(self) -> None:
        """Stop when running jobs are done, at the latest after some seconds; a second call stops at once."""
        self._stop_requests += 1
        self._ring()

    def run(self) -> None:
        """Serve until asked to stop. Afterwards everything is closed."""
        poller = zmq.Poller()
        poller.register(self._front.socket, zmq.POLLIN)
        poller.register(self._woken, zmq.POLLIN)
        if self._front.gate is not None:
            poller.register(self._front.gate.socket, zmq.POLLIN)
        _log.info("event=start address=%s spaces=%s", self.address, ",".join(self._spaces))
        try:
            while not self._stopped():
                poller.poll(_RETRY_MS if self._front.blocked else _IDLE_MS)
                self._turn()
        finally:
            # A farewell may still lie unread in the socket: the log accounts for every client all the same.
            for session in list(self._front.sessions.values()):
                self.drop(session, "stop")
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
        if self._front.gate is not None:
            self._front.gate.answer()
        for _ in range(_MESSAGES_A_TURN):
            arrived = self._front.receive()
            if arrived is None:
                break
            self._handle_frame(*arrived)
        while self._outputs:
            self._take_output(self._outputs.popleft())
        if self._scheduler.begin_jobs():
            for job in self._scheduler.waiting:
                self.send(job.session, Accepted(job.id, self._scheduler.ahead_of(job)))
        for job in list(self._table.jobs.values()):
            self._push(job)
        for session in self._front.flush():
            self.drop(session, "gone")
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
            self._desk.handle(identity, session, message)
        except Exception as error:  # also a fault of ours must not stop the loop; `failure_of` logs it whole
            request_id = message.id if message is not None else getattr(error, "request_id", "")
            self._refuse(identity, session, failure_of(request_id or NO_ID, error))
            if session is not None and isinstance(message, Animate):
                session.remember_ended(message.id)

    def _refuse(self, identity: bytes, session: Session | None, failure: Failure) -> None:
        """Say why a message was not followed. One that names a job ends the job: its sender is confused about it."""
        refusals = 0 if session is None else session.refusals
        if failure.code != "hello_first" and (refusals < _REFUSALS_LOGGED or refusals % 1000 == 0):
            text = failure.message[:200]
            _log.warning("event=refused request=%s code=%s message=%r n=%d", failure.id, failure.code, text, refusals)
        if session is None:
            self._front.send_stranger(identity, failure)
            return
        session.refusals += 1
        if failure.id in session.jobs:
            self.end(session.jobs[failure.id], failure)
        elif failure.id not in session.ended:
            self.send(session, failure)

    # --- jobs -----------------------------------------------------------------------------------------------------

    def _take_output(self, output: Output) -> None:
        if output.key < 0:
            if asker := self._questions.answered(output):
                self._front.send(asker, output.frame)
            return
        if output.died:
            self._scheduler.worker_died(output.key)
        finished = self._scheduler.finished(output.key) if output.last else None
        job = self._table.jobs.get(output.key)
        if job is None:  # cancelled meanwhile
            self._release_files(finished)
        elif output.died and self._scheduler.try_again(job):
            pass
        elif output.op == Progress.op:
            if len(job.session.outbox) < _PROGRESS_UNTIL:
                self._front.send(job.session, output.frame)
        elif output.op == Failure.op:
            self._release_files(finished)
            self._end_with(job, output.frame, well=False)
        else:
            self._release_files(finished)
            if output.op == TrackHeader.op:
                self._learn_length(output)
            job.sent = True
            job.pending.append(output)
            job.pending_bytes += len(output.frame)
            if job.pending_bytes > _HOLD_BYTES and not job.held:
                job.held = True
                self._scheduler.hold(job, True)

    def _learn_length(self, output: Output) -> None:
        header = decode(output.frame, FROM_SERVER)
        assert isinstance(header, TrackHeader)
        self._scheduler.learn_length(output.key, header.n_frames / header.fps)

    def _push(self, job: Job) -> None:
        """Send what the client's credit allows; the end of a job needs none."""
        while job.pending and (job.credit > 0 or job.pending[0].op not in _CREDITED):
            output = job.pending.popleft()
            job.pending_bytes -= len(output.frame)
            if output.op == Done.op:
                self._end_with(job, output.frame, well=True)
                return
            self._front.send(job.session, output.frame)
            if output.op in _CREDITED:
                job.credit -= 1
                job.credited_s = time.monotonic()
        if job.held and job.pending_bytes < _HOLD_BYTES // 2:
            job.held = False
            self._scheduler.hold(job, False)

    def end(self, job: Job, failure: Failure) -> None:
        """End a job before its time."""
        self._end_with(job, encode(failure), well=False)

    def _end_with(self, job: Job, frame: bytes, well: bool) -> None:
        """The one place where a job ends: its last message goes out, and the job is forgotten."""
        self._front.send(job.session, frame)
        self._forget(job, well)

    def _forget(self, job: Job, well: bool) -> None:
        if self._scheduler.discard(job):
            self._release_files(job)  # otherwise when the worker has let go of them
        self._table.end(job, well)
        elapsed_s = time.monotonic() - job.begun_s
        _log.info(
            "event=ended op=%s job=%s client=%r well=%s elapsed_s=%.3f tries=%d",
            job.order.op, job.id, job.session.name, well, elapsed_s, job.tries,
        )  # fmt: skip

    def _release_files(self, job: Job | None) -> None:
        for sha256 in () if job is None else job.files:
            self._store.release(sha256)

    def drop(self, session: Session, why: str) -> None:
        """A client left: its jobs are nobody's any more."""
        self._front.sessions.pop(session.identity, None)
        for job in list(session.jobs.values()):
            self._forget(job, well=False)
        self._questions.drop(session)
        session.outbox.clear()
        self._active_s = time.monotonic()
        _log.info("event=left client=%r why=%s clients=%d", session.name, why, len(self._front.sessions))

    def send(self, session: Session, message: Message) -> None:
        """Say something to a client, when it takes it."""
        self._front.send(session, encode(message))

    # --- time -----------------------------------------------------------------------------------------------------

    def _keep_house(self) -> None:
        """Once a second: clients that fell silent, jobs nobody collects."""
        self._kept_house_s = now = time.monotonic()
        for job in list(self._table.jobs.values()):
            if job.pending and now - job.credited_s > self._limits.stalled_job_s:
                text = f"The client took no frames for {self._limits.stalled_job_s:g} s."
                self.end(job, failure_of(job.id, TalkClipError(text, "Ask again.", "stalled")))
        for session in list(self._front.sessions.values()):
            silent_s = now - session.heard_s
            if not session.jobs and silent_s > self._limits.idle_client_s:
                self.drop(session, "silent")
            elif session.jobs and silent_s > _PROBE_AFTER_S and not session.outbox:
                # Only what is sent to a client that vanished tells that it did: its jobs must not wait for their turn.
                job = next(iter(session.jobs.values()))
                self.send(session, Accepted(job.id, self._scheduler.ahead_of(job)))
        if self._front.sessions:
            self._active_s = now
        elif self._exit_when_idle_s is not None and now - self._active_s > self._exit_when_idle_s:
            _log.info("event=idle seconds=%.0f", now - self._active_s)
            self.request_stop()
        if self._exit_when is not None and not self._stop_requests and self._exit_when():
            _log.info("event=parent_gone")
            self.request_stop()

    @property
    def stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._stop_requests > 0

    def _stopped(self) -> bool:
        """Whether to leave the loop; ends what must not go on once a stop was asked for."""
        if not self._stop_requests:
            return False
        now = time.monotonic()
        if self._stop_by_s is None:
            self._stop_by_s = now + _GRACE_S
        late = now > self._stop_by_s or self._stop_requests > 1
        for job in list(self._table.jobs.values()) if late else list(self._scheduler.waiting):
            self.end(job, failure_of(job.id, stopping_error()))
        if late:
            self._front.flush()
            return True
        return not self._table.jobs and not self._front.blocked

"""Desk: what clients say, and what they are answered. It knows neither sockets nor time; the server sends and ends."""

from __future__ import annotations

import logging
import time
from typing import Protocol

from talkclip import __version__
from talkclip.errors import Cancelled, InputError, TalkClipError
from talkclip.protocol import (
    MAX_CREDIT,
    SUPPORTED_VERSIONS,
    Accepted,
    Animate,
    Bye,
    Cancel,
    Credit,
    EngineInfo,
    Failure,
    Hello,
    Message,
    Ping,
    Pong,
    Put,
    PutChunk,
    PutState,
    Read,
    Render,
    ServerLimits,
    Status,
    StatusReport,
    Welcome,
    version_error,
)
from talkclip_server.front import Front
from talkclip_server.jobs import Job, JobTable, Session
from talkclip_server.questions import Questions
from talkclip_server.scheduler import Scheduler
from talkclip_server.store import AudioStore
from talkclip_server.worker import failure_of

MAX_CLIENTS = 256
_MAX_PENDING_BYTES = 512 << 20
SERVER_NAME = f"talkclip-server {__version__}"
_log = logging.getLogger("talkclip.server")


class Backstage(Protocol):
    """What the desk asks of the server."""

    @property
    def stopping(self) -> bool:
        """Whether new jobs are refused."""

    def send(self, session: Session, message: Message) -> None:
        """Say something to a client."""

    def end(self, job: Job, failure: Failure) -> None:
        """End a job that has not ended."""

    def drop(self, session: Session, why: str) -> None:
        """Forget a client."""


class Desk:
    """Answers messages.

    Attributes:
        started_s: when it opened, on the monotonic clock.
    """

    def __init__(
        self,
        backstage: Backstage,
        front: Front,
        table: JobTable,
        scheduler: Scheduler,
        questions: Questions,
        store: AudioStore,
        limits: ServerLimits,
        info: EngineInfo,
    ) -> None:
        self._backstage = backstage
        self._front = front
        self._table = table
        self._scheduler = scheduler
        self._questions = questions
        self._store = store
        self._limits = limits
        self._info = info
        self.started_s = time.monotonic()

    def handle(self, identity: bytes, session: Session | None, message: Message) -> None:
        """Do what a client asks.

        Raises:
            TalkClipError: why it is refused.
        """
        if isinstance(message, Hello):
            self._welcome(identity, message)
            return
        if session is None:
            text = "This server does not know this connection: it was restarted, or the client was silent for too long."
            raise TalkClipError(text, "Say 'hello' first.", "hello_first")
        job = session.jobs.get(message.id)
        match message:
            case Put() | PutChunk():
                self._backstage.send(session, self._store_bytes(session, message))
            case Animate():
                self._accept(session, message)
            case Credit() if job is not None:
                job.credit = min(job.credit + message.chunks, MAX_CREDIT)
                job.credited_s = time.monotonic()
            case Cancel() if job is not None:
                self._backstage.end(job, failure_of(job.id, Cancelled()))
            case Read():
                self._questions.ask(session, message)
            case Ping():
                self._backstage.send(session, Pong(message.id))
            case Status():
                self._backstage.send(session, self._report(message.id))
            case Bye():
                self._backstage.drop(session, "bye")

    def _welcome(self, identity: bytes, hello: Hello) -> None:
        common = set(hello.versions) & set(SUPPORTED_VERSIONS)
        if not common:
            raise version_error(hello.versions)
        if identity not in self._front.sessions and len(self._front.sessions) >= MAX_CLIENTS:
            raise TalkClipError(f"The server has {MAX_CLIENTS} clients already.", "Try again later.", "busy")
        session = self._front.open_session(identity, hello.client)
        _log.info("event=hello client=%r clients=%d", hello.client, len(self._front.sessions))
        self._backstage.send(session, Welcome(hello.id, max(common), SERVER_NAME, self._info, self._limits))

    def _store_bytes(self, session: Session, message: Put | PutChunk) -> PutState:
        if isinstance(message, PutChunk):
            so_far = self._store.append(message.sha256, message.offset, message.data)
        else:
            self._check_upload(session, message)
            so_far = self._store.begin(message.sha256, message.size)
            session.uploads[message.sha256] = message.size
        if so_far.complete:
            session.uploads.pop(message.sha256, None)
        return PutState(message.id, message.sha256, so_far.received, so_far.complete)

    def _check_upload(self, session: Session, put: Put) -> None:
        limits = self._limits
        if put.size > limits.upload_bytes:
            text = f"A file of {put.size >> 20} MB is more than this server takes ({limits.upload_bytes >> 20} MB)."
            raise TalkClipError(text, "Cut it, or compress it.", "too_large")
        others = {sha256: size for sha256, size in session.uploads.items() if sha256 != put.sha256}
        if len(others) >= limits.uploads_per_client or sum(others.values()) + put.size > limits.upload_bytes:
            text = f"This client has {len(others)} files on their way already ({sum(others.values()) >> 20} MB)."
            raise TalkClipError(text, "Finish one of them first.", "busy")

    def _accept(self, session: Session, order: Animate) -> None:
        if order.id in session.jobs:  # sent again, by a client that missed the answer
            ahead = self._scheduler.ahead_of(session.jobs[order.id])
            self._backstage.send(session, Accepted(order.id, ahead))
            return
        if order.id in session.ended:
            _log.warning("event=replayed job=%s", order.id)
            return
        self._check(session, order)
        job = self._table.add(session, order, time.monotonic())
        self._hold_files(job)
        self._scheduler.add(job)
        self._backstage.send(session, Accepted(order.id, self._scheduler.ahead_of(job)))
        _log.info("event=accepted op=%s job=%s client=%r space=%s", order.op, job.id, session.name, order.space)

    def _check(self, session: Session, order: Animate) -> None:
        """Refuse what cannot be carried out."""
        limits = self._limits
        if self._backstage.stopping:
            raise stopping_error()
        if order.space not in self._info.spaces:
            hint = (
                "Start it with `--flame MODEL`." if order.space == "flame" else f"Use {', '.join(self._info.spaces)}."
            )
            raise InputError(f"This server has no coefficients in the space '{order.space}'.", hint)
        if isinstance(order, Render) and order.renderer not in self._info.renderers:
            hint = f"It has: {', '.join(self._info.renderers) or 'none'}."
            raise InputError(f"This server has no renderer '{order.renderer}'.", hint)
        if order.styles and not self._info.style_clips:
            raise InputError("This server takes no style from clips.", "Direct the line by prompts, or update it.")
        if len(session.jobs) >= limits.jobs_per_client:
            text = f"This client has {limits.jobs_per_client} jobs already, the most allowed."
            raise TalkClipError(text, "Wait for one of them, or cancel it.", "busy")
        if session.pending_bytes > limits.result_bytes_per_client:
            text = f"This client has {session.pending_bytes >> 20} MB of results to take, more than is kept for it."
            raise TalkClipError(text, "Take them, or cancel their jobs.", "busy")
        if len(self._scheduler.waiting) >= limits.waiting_jobs or self._table.pending_bytes > _MAX_PENDING_BYTES:
            raise TalkClipError("The server has more work than it can queue.", "Try again in a moment.", "busy")
        self._check_files(order)

    def _check_files(self, order: Animate) -> None:
        """Refuse what names files that are not here."""
        named = {f"the sound '{order.audio.name}'": order.audio.sha256}
        named |= {f"the style clip '{style.name}'": style.sha256 for style in order.styles}
        if isinstance(order, Render) and order.portrait is not None:
            named["the portrait"] = order.portrait
        for what, sha256 in named.items():
            if not self._store.has(sha256):
                text = f"The server does not have {what} (any more)."
                raise TalkClipError(text, "Upload it with 'put', then ask again.", "unknown_audio")

    def _hold_files(self, job: Job) -> None:
        for sha256 in job.files:
            self._store.hold(sha256)

    def _report(self, request_id: str) -> StatusReport:
        table = self._table
        return StatusReport(
            request_id,
            SERVER_NAME,
            time.monotonic() - self.started_s,
            len(self._front.sessions),
            table.running,
            len(self._scheduler.waiting),
            table.done,
            table.failed,
            self._store.n_files,
            self._store.n_bytes,
            self._scheduler.reports(),
        )


def stopping_error() -> TalkClipError:
    """Why jobs end when the server stops."""
    return TalkClipError("The server is stopping.", "Start it again, then try again.", "stopping")

"""The part of the client that never blocks: connection, uploads and jobs move on by calls of `pump`."""

from __future__ import annotations

import dataclasses
import time
import uuid
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeVar

from talkclip import __version__
from talkclip.client.failures import ConnectionFailed, error_of, nobody_at
from talkclip.client.job import EditJob, Job, JobState
from talkclip.client.keys import ClientKeys
from talkclip.client.reading import ReadingJob
from talkclip.client.request import SpeakRequest
from talkclip.client.request_files import RequestFiles
from talkclip.client.sequence_job import SequenceJob, SequencePlace
from talkclip.client.transport import Transport, ZmqTransport
from talkclip.client.upload import FileState
from talkclip.client.video_job import Drawing, VideoJob
from talkclip.errors import Cancelled, InputError, TalkClipError
from talkclip.protocol import (
    DEFAULT_ADDRESS,
    FROM_SERVER,
    NO_ID,
    Bye,
    Cancel,
    Credit,
    Failure,
    Hello,
    Message,
    Ping,
    Pong,
    ProtocolError,
    Reading,
    StatusReport,
    Welcome,
    decode,
    encode,
)
from talkclip.timeline import PromptTimeline

_AnyJob = TypeVar("_AnyJob", bound=Job)

CREDIT_CHUNKS = 16
_PUT = ".put"
_HELLO_AGAIN_S = 0.25


@dataclasses.dataclass(frozen=True)
class Timeouts:
    """How long to wait, in seconds.

    Attributes:
        connect_s: for the welcome.
        ping_after_s: silence after which the server is asked whether it is there.
        silence_s: silence after that question until the server counts as gone.
    """

    connect_s: float = 3.0
    ping_after_s: float = 2.0
    silence_s: float = 10.0


class PumpedClient:
    """One connection to one server, driven by calls of `pump`; see `Client` for the whole story.

    Attributes:
        address: where the server is.
        welcome: who the server is and what it can do; None while not connected.
        error: why the connection was lost or never came up; None otherwise.
    """

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        *,
        keys: ClientKeys | str | Path | None = None,
        transport: Transport | None = None,
        timeouts: Timeouts = Timeouts(),
        clock: Callable[[], float] = time.monotonic,
        why_silent: Callable[[], TalkClipError | None] = lambda: None,
    ) -> None:
        """A client of the server at `address`; nothing is connected yet.

        Args:
            address: tcp://HOST:PORT.
            keys: what a server with keys asks for: the file of `talkclip keys new`, or its content.
            transport: in place of ZeroMQ.
            timeouts: how long to wait.
            clock: seconds.
            why_silent: asked while nobody answers and when the connection is lost; whoever started the server may know
                why it is not there and never will be. None = nothing is known: go on waiting.

        Raises:
            InputError: the file of keys cannot be used.
        """
        self.address = address
        if isinstance(keys, (str, Path)):
            keys = ClientKeys.read(keys)
        self.welcome: Welcome | None = None
        self.error: TalkClipError | None = None
        self._transport = transport or ZmqTransport(address, keys)
        self._timeouts = timeouts
        self._clock = clock
        self._why_silent = why_silent
        self._open = False
        self._jobs: dict[str, Job] = {}
        self._readings: dict[str, ReadingJob] = {}
        self._outbox: list[bytes] = []
        self._answers: dict[str, Message] = {}
        self._known_files: dict[FileState, str] = {}
        self._prefix = uuid.uuid4().hex[:8]
        self._count = 0
        self._hello_id = ""
        self._connect_by = self._hello_at = self._heard_at = self._pumped_at = 0.0
        self._asked_at: float | None = None

    @property
    def connected(self) -> bool:
        """True between the server's welcome and the loss of the connection."""
        return self.welcome is not None

    @property
    def busy(self) -> bool:
        """True while `pump` has something to wait for: a welcome, a job or an answer."""
        return bool(self._jobs or self._readings) or (self._open and self.welcome is None)

    def start(self) -> None:
        """Begin to connect; `pump` goes on with it. Does nothing when that has been done.

        Raises:
            TalkClipError: the address cannot be used.
        """
        if self._open:
            return
        self._transport.open()
        self._open, self.error, self._asked_at = True, None, None
        self._heard_at = self._pumped_at = self._clock()
        self._connect_by = self._heard_at + self._timeouts.connect_s
        self._hello_id = self._new_id()
        self._say_hello()

    def submit(self, request: SpeakRequest) -> Job:
        """Take a request; `pump` carries it out. Connects if need be.

        Raises:
            InputError: the sound cannot be read.
            TalkClipError: the address cannot be used.
        """
        self.start()
        return self._take(Job(self._new_id(), request, RequestFiles.open(request, self._known_files)))

    def submit_edit(self, request: SpeakRequest, before: PromptTimeline, restyled: Collection[str] = ()) -> EditJob:
        """Take a request of which only the frames are wanted that differ from those of the timeline `before`.

        `restyled` are the uids of segments whose style clip (or its weight) is another one than for those frames, or
        new, or gone. Everything else in the request is as it was. Raises as `submit`.
        """
        if request.script:
            raise InputError("An edit changes prompts, not words: it has no script.", "Give the timeline as played.")
        self.start()
        files = RequestFiles.open(request, self._known_files, before)
        return self._take(EditJob(self._new_id(), request, files, before, restyled))

    def submit_video(self, request: SpeakRequest, drawing: Drawing, target: Path) -> VideoJob:
        """Take a request for a video, to be written to `target` (.mp4). Raises as `submit`."""
        self.start()
        files = RequestFiles.open(request, self._known_files, portrait=drawing.portrait)
        return self._take(VideoJob(self._new_id(), request, files, drawing, target))

    def submit_sequence(self, request: SpeakRequest, drawing: Drawing, place: SequencePlace) -> SequenceJob:
        """Take a request for pictures, written to `place` as they are drawn. Raises as `submit`."""
        self.start()
        files = RequestFiles.open(request, self._known_files, portrait=drawing.portrait)
        return self._take(SequenceJob(self._new_id(), request, files, drawing, place))

    def submit_reading(self, prompt: str) -> ReadingJob:
        """Ask what a prompt is understood as; `pump` brings the answer, also while jobs run.

        Raises:
            TalkClipError: the address cannot be used.
        """
        self.start()
        reading = ReadingJob(self._new_id(), prompt)
        self._readings[reading.id] = reading
        return reading

    def cancel(self, job: Job) -> None:
        """Stop a job. It is `CANCELLED` at once; whatever of it is still on its way is ignored."""
        if job.finished:
            return
        if job.state is not JobState.UPLOADING:
            self._send(Cancel(job.id))
        self._end(job, Cancelled())

    def pump(self, budget_ms: float = 4.0) -> bool:
        """Receive, upload, and watch the connection, for about `budget_ms` milliseconds at most.

        -> True when something moved: look at the jobs, and pump again without waiting.
        """
        if not self._open:
            return False
        now = self._clock()
        if self._asked_at is not None and now - self._pumped_at > 1.0:
            self._asked_at += now - self._pumped_at  # the host slept, not the server
        self._pumped_at = now
        deadline = now + budget_ms / 1000
        moved, more = False, True
        while more and self._open:
            more = self._receive_one()
            if not more:
                self._watch()
                more = self._work()
            moved |= more
            if self._clock() >= deadline:
                break
        return moved or not self._open

    def close(self) -> None:
        """Say good-bye and close. Jobs that are going on end as cancelled. The client may be started again."""
        if self._open:
            self._send(Bye(self._new_id()))
            self._shut(Cancelled("The connection was closed."))

    # --- inside -------------------------------------------------------------------------------------------------

    def _say_hello(self) -> None:
        self._hello_at = self._clock()
        self._send(Hello(self._hello_id, client=f"talkclip {__version__}"))

    def _take(self, job: _AnyJob) -> _AnyJob:
        self._jobs[job.id] = job
        return job

    def _new_id(self) -> str:
        self._count += 1
        return f"{self._prefix}-{self._count}"

    def _send(self, message: Message) -> None:
        self._outbox.append(encode(message))
        self._flush()

    def _flush(self) -> bool:
        """-> True when everything went to the socket."""
        while self._outbox and self._transport.send(self._outbox[0]):
            del self._outbox[0]
        return not self._outbox

    def _receive_one(self) -> bool:
        frame = self._transport.receive()
        if frame is None:
            return False
        self._heard_at, self._asked_at = self._clock(), None
        try:
            self._handle(decode(frame, FROM_SERVER))
        except ProtocolError as error:
            self._not_understood(error)
        return True

    def _not_understood(self, error: ProtocolError) -> None:
        """A frame we cannot read ends the job it belongs to; one that belongs to none is no reason to stop."""
        if self.welcome is None and error.code == "version":
            self._shut(error)
        elif job := self._jobs.get(error.request_id):
            self._send(Cancel(job.id))
            self._end(job, error)
        elif reading := self._readings.pop(error.request_id, None):
            reading.error = error

    def _handle(self, message: Message) -> None:
        job = self._jobs.get(message.id.partition(_PUT)[0])
        match message:
            case Welcome():
                self.welcome = message if message.id == self._hello_id else self.welcome
            case Failure():
                self._handle_failure(message, job)
            case Reading() if message.id in self._readings:
                self._readings.pop(message.id).reading = message.understood
            case Pong() | StatusReport():
                self._answers = {message.id: message}
            case _ if job is not None:
                try:
                    job.take(message)
                except TalkClipError as error:
                    self._send(Cancel(job.id))
                    self._end(job, error)
                    return
                if job.finished:
                    self._forget(job)
                else:
                    self._give_credit(job)

    def _handle_failure(self, message: Failure, job: Job | None) -> None:
        if message.id == self._hello_id:
            self._shut(error_of(message))
        elif message.code == "hello_first":
            hint = "Try again."
            self._shut(ConnectionFailed(f"The TalkCLIP server at {self.address} was restarted.", hint, "restarted"))
        elif job is not None:
            self._end(job, error_of(message))
        elif message.id in self._readings:
            self._readings.pop(message.id).error = error_of(message)
        elif message.id != NO_ID:
            self._answers = {message.id: message}

    def _give_credit(self, job: Job) -> None:
        if job.chunks_to_credit >= CREDIT_CHUNKS // 2:
            self._send(Credit(job.id, job.chunks_to_credit))
            job.chunks_to_credit = 0

    def _work(self) -> bool:
        """Push uploads on by one step each. -> True when more can be done at once."""
        if not self._flush() or self.welcome is None:
            return False
        for reading in [reading for reading in self._readings.values() if not reading.sent]:
            self._ask_for(reading)
        more = False
        for job in list(self._jobs.values()):
            if job.state is JobState.UPLOADING:
                try:
                    more |= self._upload(job)
                except TalkClipError as error:
                    self._end(job, error)
        return more

    def _ask_for(self, reading: ReadingJob) -> None:
        try:
            self._send(reading.question())
        except ProtocolError as error:  # longer than a message may hold, or no text
            reading.error = error
            del self._readings[reading.id]

    def _upload(self, job: Job) -> bool:
        """One step of sending its files; when the server has all of them, the order. -> as `_work`."""
        assert self.welcome is not None
        upload = job.files.waiting()
        if upload is None:
            job.prepare(self.welcome)
            self._send(job.order(CREDIT_CHUNKS))
            job.sent()
            return False
        job.text = f"Sending {upload.name}"
        message, more = job.files.step(job.id + _PUT, self.welcome)
        if message is not None:
            self._send(message)
        return more and not self._outbox

    def _watch(self) -> None:
        """Everything that arrived was handled: is the server still there?"""
        now, times = self._clock(), self._timeouts
        if self.welcome is None:
            reason = self._why_silent()
            if reason is not None or now > self._connect_by or self._transport.refused():
                self._shut(reason or nobody_at(self.address, self._transport.refused()))
            elif now - self._hello_at > _HELLO_AGAIN_S and self._transport.broken():
                self._outbox.clear()  # the server went away before it answered; it may be on its way up again
                self._transport.open()
                self._say_hello()
        elif self._transport.broken():
            text = f"The TalkCLIP server at {self.address} closed the connection: it was stopped, or it crashed."
            hint = "Start it again with `talkclip serve`, then try again."
            self._shut(self._why_silent() or ConnectionFailed(text, hint, "server_gone"))
        elif self._asked_at is not None:
            if now - self._asked_at > times.silence_s:
                text = f"The TalkCLIP server at {self.address} has not answered for {times.silence_s:g} s."
                hint = "Look at its window or log; restart it if it hangs."
                self._shut(ConnectionFailed(text, hint, "server_silent"))
        elif now - self._heard_at > times.ping_after_s:
            self._asked_at = now
            self._send(Ping(self._new_id()))

    def _end(self, job: Job, error: TalkClipError) -> None:
        job.fail(error)
        self._forget(job)

    def _forget(self, job: Job) -> None:
        job.close()
        self._jobs.pop(job.id, None)

    def _shut(self, error: TalkClipError) -> None:
        """End the connection and with it all jobs."""
        self._open, self.welcome, self.error = False, None, error
        self._outbox.clear()
        self._answers.clear()
        self._transport.close()
        for job in list(self._jobs.values()):
            self._end(job, error)
        for reading in self._readings.values():
            reading.error = error
        self._readings.clear()

"""Client: asks a server to speak, without ever freezing the program it runs in."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from talkclip.client.failures import ConnectionFailed, error_of, nobody_at
from talkclip.client.job import Job, JobState
from talkclip.client.pumped import PumpedClient
from talkclip.client.request import EditReply, Frames, SpeakReply, SpeakRequest
from talkclip.client.sequence_job import SequencePlace, SequenceReply
from talkclip.client.video_job import Drawing, VideoReply
from talkclip.errors import TalkClipError
from talkclip.protocol import Failure, Message, Ping, ProtocolError, Status, StatusReport, UnderstoodPrompt, Welcome
from talkclip.timeline import PromptTimeline

_POLL_S = 0.05
_ON_THE_HEAD = Drawing()


class Client(PumpedClient):
    """One connection to one server. Not thread-safe: use it from one thread (in Blender: the main thread).

    Two ways to use it:

    - blocking: `with Client() as client: reply = client.animate(request)`;
    - from a timer: `job = client.submit(request)`, then `client.pump()` every few hundredths of a second and look at
      `job` (`state`, `fraction`, `take_frames()`, `reply`, `error`). Nothing in this way raises for what the server or
      the network does; it ends in `job.error`.

    A lost connection fails the jobs that were going on; the next `submit` or `connect` starts a new one.
    """

    def connect(self, timeout_s: float | None = None) -> Welcome:
        """Connect and wait for the welcome.

        Raises:
            ConnectionFailed: nobody answers within `timeout_s` (default `Timeouts.connect_s`).
            TalkClipError: server and client speak no common protocol version, or the address cannot be used.
        """
        self.start()
        if timeout_s is not None:
            self._connect_by = self._clock() + timeout_s
        while self._open and self.welcome is None:
            self._step(None)
        if self.welcome is None:
            raise self.error or nobody_at(self.address, self._transport.refused())
        return self.welcome

    def stream(self, request: SpeakRequest, timeout_s: float | None = None) -> Iterator[Job | Frames]:
        """Speak, and look on: yields the `Job` whenever its progress changed and `Frames` as they arrive.

        The last thing yielded is the job, in state DONE. Leaving the iteration early cancels the job.

        Raises:
            TalkClipError: as `animate`.
        """
        self.connect()
        yield from self._watched(self.submit(request), timeout_s)

    def _watched(self, job: Job, timeout_s: float | None) -> Iterator[Job | Frames]:
        """See `stream`."""
        deadline = None if timeout_s is None else self._clock() + timeout_s
        seen: tuple[JobState, str, float, str] | None = None
        try:
            while True:
                progress = (job.state, job.stage, job.fraction, job.text)
                if progress != seen and not job.finished:
                    seen = progress
                    yield job
                yield from job.take_frames()
                if job.finished:
                    if job.error is not None:
                        raise job.error
                    yield job
                    return
                if deadline is not None and self._clock() >= deadline:
                    text = f"The server was not done within {timeout_s:g} s."
                    raise TalkClipError(text, "Allow more time.", "timeout")
                self._step(deadline)
        finally:
            self.cancel(job)

    def animate(
        self,
        request: SpeakRequest,
        timeout_s: float | None = None,
        on_progress: Callable[[Job], None] | None = None,
    ) -> SpeakReply:
        """Speak, and wait for the whole track.

        Args:
            request: what to speak.
            timeout_s: give up after this time; None = as long as the server is there and working.
            on_progress: called with the job whenever its progress changed.

        Raises:
            InputError: the sound or the request cannot be used; says why.
            ConnectionFailed: no server, or it went away.
            TalkClipError: the server refused or failed, or the time is up.
        """
        reply: SpeakReply | None = None
        for item in self.stream(request, timeout_s):
            if isinstance(item, Job):
                if on_progress is not None:
                    on_progress(item)
                reply = item.reply
        if reply is None:
            raise TalkClipError("The job ended without a result.", "Please report this.", "internal")
        return reply

    def edit(
        self,
        request: SpeakRequest,
        before: PromptTimeline,
        timeout_s: float | None = None,
        restyled: Collection[str] = (),
    ) -> EditReply:
        """Other prompts on the same line: only the frames that change.

        Args:
            request: as it was for the frames that are there, but for its timeline and styles.
            before: the timeline of those frames (`SpeakReply.timeline`).
            timeout_s: give up after this time.
            restyled: uids of segments whose style clip is another one than for the frames that are there, or new, or
                gone.

        Raises:
            As `animate`.
        """
        self.connect()
        job = self.submit_edit(request, before, restyled)
        for _ in self._watched(job, timeout_s):
            pass
        return job.edit_result()

    def render(
        self,
        request: SpeakRequest,
        target: str | Path,
        drawing: Drawing = _ON_THE_HEAD,
        timeout_s: float | None = None,
        on_progress: Callable[[Job], None] | None = None,
    ) -> VideoReply:
        """Speak, and have it drawn: writes `target`, an .mp4 with sound.

        Raises:
            As `animate`; also InputError when the target cannot be written.
        """
        self.connect()
        job = self.submit_video(request, drawing, Path(target))
        for item in self._watched(job, timeout_s):
            if isinstance(item, Job) and on_progress is not None:
                on_progress(item)
        return job.video_result()

    def render_sequence(
        self,
        request: SpeakRequest,
        place: SequencePlace,
        drawing: Drawing = _ON_THE_HEAD,
        timeout_s: float | None = None,
        on_progress: Callable[[Job], None] | None = None,
    ) -> SequenceReply:
        """Speak, and have it drawn as numbered PNG files; goes on where the same request was stopped before.

        Raises:
            As `animate`; also InputError when the files cannot be written. What is there stays.
        """
        self.connect()
        job = self.submit_sequence(request, drawing, place)
        for item in self._watched(job, timeout_s):
            if isinstance(item, Job) and on_progress is not None:
                on_progress(item)
        return job.sequence_result()

    def read_prompt(self, prompt: str, timeout_s: float = 5.0) -> UnderstoodPrompt:
        """What a prompt is understood as: clauses, emotions, movements, notes.

        Raises:
            ConnectionFailed: no answer.
            TalkClipError: the server cannot tell.
        """
        self.connect()
        reading = self.submit_reading(prompt)
        deadline = self._clock() + timeout_s
        while not reading.finished:
            if self._clock() >= deadline:
                raise self._no_answer(timeout_s)
            self._step(deadline)
        return reading.result()

    def status(self, timeout_s: float = 3.0) -> StatusReport:
        """What the server is doing.

        Raises:
            ConnectionFailed: no answer.
        """
        answer = self._ask(Status(self._new_id()), timeout_s)
        if not isinstance(answer, StatusReport):
            raise ProtocolError(f"The server answered 'status' with '{answer.op}'.")
        return answer

    def ping(self, timeout_s: float = 3.0) -> float:
        """-> seconds the server took to answer.

        Raises:
            ConnectionFailed: no answer.
        """
        self.connect()
        begin = self._clock()
        self._ask(Ping(self._new_id()), timeout_s)
        return self._clock() - begin

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, question: Message, timeout_s: float) -> Message:
        self.connect()
        self._send(question)
        deadline = self._clock() + timeout_s
        while question.id not in self._answers:
            if not self._open or self._clock() >= deadline:
                raise self.error or self._no_answer(timeout_s)
            self._step(deadline)
        answer = self._answers.pop(question.id)
        if isinstance(answer, Failure):
            raise error_of(answer)
        return answer

    def _no_answer(self, timeout_s: float) -> ConnectionFailed:
        return ConnectionFailed(f"The TalkCLIP server at {self.address} did not answer within {timeout_s:g} s.")

    def _step(self, deadline: float | None) -> None:
        """Pump; sleep a little when there is nothing to do."""
        if not self.pump(budget_ms=20) and self._open:
            left_s = _POLL_S if deadline is None else min(_POLL_S, max(0.0, deadline - self._clock()))
            self._transport.wait(left_s)

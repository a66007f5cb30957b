"""Job: one request on its way, as the client sees it."""

from __future__ import annotations

import enum
from collections.abc import Collection
from typing import Any

import numpy as np

from talkclip.client.request import EditReply, Frames, SpeakReply, SpeakRequest
from talkclip.client.request_files import RequestFiles
from talkclip.coefficients import HEAD6, CoefficientTrack, LayerValues
from talkclip.errors import Cancelled, TalkClipError
from talkclip.protocol import (
    Accepted,
    Animate,
    AudioSource,
    Chunk,
    Done,
    Edit,
    Message,
    Progress,
    ProtocolError,
    PutState,
    TrackHeader,
    Welcome,
)
from talkclip.timeline import PromptTimeline


class JobState(enum.Enum):
    """Where a job is. The last three are final."""

    UPLOADING = "uploading"
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Job:
    """One request on its way. Read it between calls of `Client.pump`; only the client changes it.

    Attributes:
        id: the job's id on the wire.
        request: what was asked.
        files: what the server must have before the job can begin.
        state: see `JobState`.
        stage, fraction, text: the latest progress: stable word, 0..1 of the job, words for people.
        header: space, names, fps and number of frames, once known.
        reply: the result, when the state is DONE.
        error: what went wrong, when the state is FAILED or CANCELLED.
    """

    def __init__(self, job_id: str, request: SpeakRequest, files: RequestFiles) -> None:
        self.id = job_id
        self.request = request
        self.files = files
        self.state = JobState.UPLOADING
        self.stage, self.fraction, self.text = "upload", 0.0, "Sending the sound"
        self.header: TrackHeader | None = None
        self.reply: SpeakReply | None = None
        self.error: TalkClipError | None = None
        self.chunks_to_credit = 0
        self._first_frame = self._next_frame = self._end_frame = 0
        self._arrived: list[Frames] = []
        self._taken = 0

    @property
    def frames_received(self) -> int:
        """Frames that are here."""
        return self._next_frame - self._first_frame

    def prepare(self, welcome: Welcome) -> None:
        """The server is known and the uploads are complete: the order comes next.

        Raises:
            TalkClipError: this server cannot do it, or its result has no place.
        """

    def order(self, credit: int) -> Message:
        """What the server is told; its uploads are complete."""
        return Animate(**self._order_fields(credit))

    @property
    def finished(self) -> bool:
        """True in a final state."""
        return self.state in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)

    def close(self) -> None:
        """Let go of files: the job has ended, or its uploads have."""
        self.files.close()

    def take_frames(self) -> list[Frames]:
        """-> the frames that arrived since the last call, in order."""
        new = self._arrived[self._taken :]
        self._taken = len(self._arrived)
        return new

    def result(self) -> SpeakReply:
        """-> the reply of a finished job.

        Raises:
            TalkClipError: what the job failed with (`Cancelled` when it was cancelled), or that it is still going on.
        """
        if self.reply is not None:
            return self.reply
        raise self.error or TalkClipError("The job is not finished.", "Pump the client until it is.", "not_finished")

    def fail(self, error: TalkClipError) -> None:
        """Enter a final state; a job that is in one already stays there."""
        if not self.finished:
            self.error = error
            self.state = JobState.CANCELLED if isinstance(error, Cancelled) else JobState.FAILED

    def take(self, message: Message) -> None:
        """The server says something about the job.

        Raises:
            ProtocolError: it cannot be.
        """
        match message:
            case PutState():
                self.files.take_state(message)
                self.fraction = self.files.fraction
            case Accepted(ahead=ahead) if self.state is JobState.WAITING:
                self.stage, self.fraction = "wait", 0.0
                self.text = f"Waiting for {ahead} other job{'s' * (ahead != 1)}" if ahead else "Starting"
            case Progress():
                self.state = JobState.RUNNING
                self.stage, self.fraction, self.text = message.stage, message.fraction, message.text
            case TrackHeader():
                self.begin_track(message)
            case Chunk():
                self.add_chunk(message)
            case Done():
                self.finish(message)

    def sent(self) -> None:
        """The files are there, and the order is on its way."""
        self.files.close()
        self.state, self.stage, self.text = JobState.WAITING, "wait", "Waiting for the server"

    def begin_track(self, header: TrackHeader) -> None:
        """The server says what the chunks will hold."""
        if self.header is not None:
            raise ProtocolError("The server announced a second track for one job.")
        self.header = header
        self.state = JobState.RUNNING
        self._expect(header)

    def _expect(self, header: TrackHeader) -> None:
        """Which frames are to come."""
        if header.part is not None:
            raise ProtocolError("The server announced a part of the line where all of it was asked for.")
        self._end_frame = header.n_frames

    def add_chunk(self, chunk: Chunk) -> None:
        """Take the next frames.

        Raises:
            ProtocolError: frames out of order, or of another shape than announced.
        """
        header = self.header
        if header is None or chunk.first_frame != self._next_frame:
            raise ProtocolError(f"Frame {chunk.first_frame} came where frame {self._next_frame} was expected.")
        n_frames = chunk.values.shape[0]
        head_shape = None if chunk.head is None else chunk.head.shape
        if (
            n_frames == 0
            or chunk.values.shape[1] != len(header.names)
            or head_shape != ((n_frames, len(HEAD6)) if header.has_head else None)
            or self._next_frame + n_frames > self._end_frame
        ):
            raise ProtocolError(f"A chunk of shape {chunk.values.shape}, head {head_shape} is not what was announced.")
        if chunk.layers is not None and chunk.layers.shape != chunk.values.shape:
            raise ProtocolError(f"Layers of shape {chunk.layers.shape} came with values of {chunk.values.shape}.")
        self._arrived.append(Frames(chunk.first_frame, chunk.values, chunk.head, chunk.layers))
        self._next_frame += n_frames
        self.chunks_to_credit += 1

    def finish(self, done: Done) -> None:
        """All frames are here: put the track together.

        Raises:
            ProtocolError: frames are missing.
        """
        track = self._joined(done)
        if track is None:
            raise ProtocolError("The server sent no frame.")
        timeline = done.timeline or self.request.timeline
        layers = self._joined_layers()
        self.reply = SpeakReply(track, done.backend, done.notes, done.phones, timeline, done.elapsed_s, layers)
        self._done()

    def _done(self) -> None:
        self.fraction = 1.0
        self.state = JobState.DONE

    def _joined(self, done: Done) -> CoefficientTrack | None:
        """The frames that arrived as one track; None where there are none."""
        header, n_frames = self.header, self.frames_received
        if header is None or self._next_frame != self._end_frame or n_frames != done.n_frames:
            raise ProtocolError(f"The server sent {n_frames} frames and counted {done.n_frames}.")
        if not self._arrived:
            return None
        heads = [frames.head for frames in self._arrived if frames.head is not None]
        return CoefficientTrack(
            header.space,
            header.names,
            header.fps,
            np.concatenate([frames.values for frames in self._arrived]),
            header.start_s + self._first_frame / header.fps,
            np.concatenate(heads) if heads else None,
        )

    def _joined_layers(self) -> LayerValues | None:
        """The layers that arrived; None where there are none.

        Raises:
            ProtocolError: only some frames have them.
        """
        parts = [frames.layers for frames in self._arrived if frames.layers is not None]
        if len(parts) not in (0, len(self._arrived)):
            raise ProtocolError("The server sent layers for some frames only.")
        return LayerValues.joined(parts) if parts else None

    def _order_fields(self, credit: int) -> dict[str, Any]:
        """The fields of `Animate`."""
        request = self.request
        return {
            "id": self.id,
            "audio": AudioSource(self.files.sound.sha256, self.files.sound.name, request.start_s, request.end_s),
            "timeline": request.timeline,
            "fps": request.fps,
            "space": request.space,
            "seed": request.seed,
            "gains": request.gains,
            "text": request.text,
            "phones": request.phones,
            "script": request.script,
            "credit": credit,
            "layers": request.layers,
            "styles": self.files.sources(),
        }


class EditJob(Job):
    """A request of which only the frames are wanted that its timeline changes.

    Attributes:
        before: the timeline of the frames that are there.
        restyled: segments whose style clip is another one than it was for these frames.
        changed: the result, when the state is DONE.
    """

    def __init__(
        self,
        job_id: str,
        request: SpeakRequest,
        files: RequestFiles,
        before: PromptTimeline,
        restyled: Collection[str],
    ) -> None:
        super().__init__(job_id, request, files)
        self.before = before
        self.restyled = tuple(restyled)
        self.changed: EditReply | None = None

    def order(self, credit: int) -> Message:
        """See `Job.order`."""
        return Edit(**self._order_fields(credit), before=self.before, restyled=self.restyled)

    def edit_result(self) -> EditReply:
        """-> the changed frames of a finished job; raises as `result`."""
        if self.changed is not None:
            return self.changed
        raise self.error or TalkClipError("The job is not finished.", "Pump the client until it is.", "not_finished")

    def finish(self, done: Done) -> None:
        """All frames are here."""
        track = self._joined(done)
        assert self.header is not None
        timeline = done.timeline or self.request.timeline
        self.changed = EditReply(
            self._first_frame, self.header.n_frames, track, done.notes, timeline, done.elapsed_s, self._joined_layers()
        )
        self._done()

    def _expect(self, header: TrackHeader) -> None:
        if header.part is None or header.part.first_frame + header.part.n_frames > header.n_frames:
            raise ProtocolError("The server did not say which frames it changed.")
        self._first_frame = self._next_frame = header.part.first_frame
        self._end_frame = self._first_frame + header.part.n_frames

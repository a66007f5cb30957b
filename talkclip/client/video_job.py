"""A request for a video, and the file it becomes."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from talkclip.client.job import Job, JobState
from talkclip.client.request import SpeakRequest
from talkclip.client.request_files import RequestFiles
from talkclip.client.upload import Upload
from talkclip.errors import TalkClipError
from talkclip.files import atomic_write, unwritable
from talkclip.protocol import Done, Message, ProtocolError, Render, VideoChunk, VideoHeader


@dataclasses.dataclass(frozen=True)
class Drawing:
    """How a video is drawn.

    Attributes:
        renderer: one of `Client.welcome.engine.renderers`.
        size: width and height, pixels, even, 64..2048.
        portrait: the picture that speaks, for the renderer "portrait".
        caption: text under the picture.
        alpha: the person alone, transparent around; for pictures only.
        full: the whole portrait, with the acting square in its place.
        face: which face of the portrait, from the left and from 1; None: the only one.
    """

    renderer: str = "head"
    size: int = 512
    portrait: Path | None = None
    caption: str = ""
    alpha: bool = False
    full: bool = False
    face: int | None = None


def drawn_order(fields: dict[str, Any], drawing: Drawing, portrait: Upload | None) -> Render:
    """The order for a drawing.

    Args:
        fields: those of `Animate`.
        portrait: the picture, complete.
    """
    sha256 = None if portrait is None else portrait.sha256
    return Render(
        **fields, renderer=drawing.renderer, size=drawing.size, portrait=sha256, caption=drawing.caption,
        alpha=drawing.alpha, full=drawing.full, face=drawing.face,
    )  # fmt: skip


@dataclasses.dataclass(frozen=True)
class VideoReply:
    """A finished video: its file, frames, width and height in pixels, and what the prompts were understood as."""

    path: Path
    n_frames: int
    size: tuple[int, int]
    notes: tuple[str, ...]
    elapsed_s: float


class VideoJob(Job):
    """A video on its way into a file, which appears when it is whole.

    Attributes:
        target: the file.
        video: the result, when the state is DONE.
    """

    def __init__(self, job_id: str, request: SpeakRequest, files: RequestFiles, drawing: Drawing, target: Path) -> None:
        """Open a file beside the target.

        Raises:
            InputError: the target cannot be written.
        """
        super().__init__(job_id, request, files)
        self.target = target
        self.video: VideoReply | None = None
        self._drawing = drawing
        self._video_header: VideoHeader | None = None
        self._received = 0
        self._resources = contextlib.ExitStack()
        try:
            self._stream: BinaryIO = self._resources.enter_context(_replacing(target))
        except BaseException:
            self.close()
            raise

    def take(self, message: Message) -> None:
        """See `Job.take`."""
        match message:
            case VideoHeader():
                self.begin_video(message)
            case VideoChunk():
                self.add_bytes(message)
            case _:
                super().take(message)

    def order(self, credit: int) -> Message:
        """See `Job.order`."""
        return drawn_order(self._order_fields(credit), self._drawing, self.files.portrait)

    def video_result(self) -> VideoReply:
        """-> the reply of a finished job; raises as `result`."""
        if self.video is not None:
            return self.video
        raise self.error or TalkClipError("The job is not finished.", "Pump the client until it is.", "not_finished")

    def begin_video(self, header: VideoHeader) -> None:
        """The server says what the chunks will hold."""
        if self._video_header is not None:
            raise ProtocolError("The server announced a second video for one job.")
        self._video_header = header
        self.state = JobState.RUNNING

    def add_bytes(self, chunk: VideoChunk) -> None:
        """Take the next bytes.

        Raises:
            ProtocolError: bytes out of order, or more than announced.
            InputError: they cannot be written.
        """
        header = self._video_header
        if header is None or chunk.offset != self._received or self._received + len(chunk.data) > header.n_bytes:
            raise ProtocolError(f"Byte {chunk.offset} of the video came where byte {self._received} was expected.")
        try:
            self._stream.write(chunk.data)
        except OSError as error:
            raise unwritable(self.target, error) from None
        self._received += len(chunk.data)
        self.chunks_to_credit += 1

    def finish(self, done: Done) -> None:
        """All bytes are here: the file gets its name.

        Raises:
            ProtocolError: bytes are missing.
            InputError: the file cannot be written.
        """
        header = self._video_header
        if header is None or self._received != header.n_bytes:
            raise ProtocolError(f"The server sent {self._received} bytes of the video and then said it was done.")
        try:
            self._resources.close()
        except OSError as error:
            raise unwritable(self.target, error) from None
        self.video = VideoReply(self.target, done.n_frames, (header.width, header.height), done.notes, done.elapsed_s)
        self._done()

    def close(self) -> None:
        """Let go of files; a video that is not whole leaves nothing."""
        super().close()
        with contextlib.suppress(_Unfinished):
            self._resources.__exit__(_Unfinished, _Unfinished(), None)


class _Unfinished(Exception):  # noqa: N818 - not an error anybody sees
    """Makes `_replacing` throw its file away."""


@contextlib.contextmanager
def _replacing(target: Path) -> Iterator[BinaryIO]:
    """A file that becomes `target` when the block ends well."""
    try:
        with atomic_write(target) as temporary, temporary.open("wb") as stream:
            yield stream
    except OSError as error:
        raise unwritable(target, error) from None

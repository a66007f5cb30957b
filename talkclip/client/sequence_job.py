"""A request for pictures, and the numbered files they become while they are drawn."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from pathlib import Path
from typing import Any

from talkclip.client.job import Job, JobState
from talkclip.client.request import SpeakRequest
from talkclip.client.request_files import RequestFiles
from talkclip.client.video_job import Drawing, drawn_order
from talkclip.errors import InputError, TalkClipError
from talkclip.files import atomic_write, unwritable
from talkclip.protocol import (
    MAX_SPANS,
    Done,
    FrameSpan,
    Message,
    PictureChunk,
    ProtocolError,
    Render,
    SequenceHeader,
    Welcome,
    encode,
)

MANIFEST = "plate.json"
MAX_NUMBER = 9_999_999
_MOST_PLATES = 10_000


@dataclasses.dataclass(frozen=True)
class SequencePlace:
    """Where pictures go.

    Attributes:
        parent: a folder; made when it is missing.
        name: of the folder inside `parent`. A folder of that name with pictures of another request is left alone;
            the new one is then called `name_002`, `name_003` ...
        first_number: number in the file name of the line's first picture, 0 or more.
    """

    parent: Path
    name: str
    first_number: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.first_number <= MAX_NUMBER:
            raise InputError(f"{self.first_number} is no number for a picture.", f"Use 0 to {MAX_NUMBER}.")


@dataclasses.dataclass(frozen=True)
class SequenceReply:
    """Finished pictures.

    Attributes:
        folder: where they are; see `picture_path`.
        first_number: number of the first one.
        n_frames: how many there are.
        drawn: how many of them came now; the others were there already.
        width, height: pixels.
        fps: frames per second.
        alpha: whether they have an alpha channel.
        notes, elapsed_s: see `SpeakReply`.
    """

    folder: Path
    first_number: int
    n_frames: int
    drawn: int
    width: int
    height: int
    fps: float
    alpha: bool
    notes: tuple[str, ...]
    elapsed_s: float


def picture_path(folder: Path, number: int) -> Path:
    """The file of one picture."""
    return folder / f"frame_{number:05d}.png"


class SequenceJob(Job):
    """Pictures on their way into a folder. Each file appears when it is whole; a job that is stopped leaves the files
    that are there, and the same request later asks only for those that are missing.

    Attributes:
        folder: where the pictures go; None until the server is known.
        sequence_header: what the pictures are, once known.
        sequence: the result, when the state is DONE.
    """

    def __init__(
        self, job_id: str, request: SpeakRequest, files: RequestFiles, drawing: Drawing, place: SequencePlace
    ) -> None:
        super().__init__(job_id, request, files)
        self.folder: Path | None = None
        self.sequence_header: SequenceHeader | None = None
        self.sequence: SequenceReply | None = None
        self._drawing, self._place = drawing, place
        self._fingerprint = ""
        self._frames: tuple[FrameSpan, ...] = ()
        self._asked: list[int] | None = None
        self._written: list[int] = []
        self._picture = io.BytesIO()

    @property
    def pictures(self) -> list[Path]:
        """The files that came with this job, in order."""
        folder = self.folder
        return [] if folder is None else [self._path(folder, number) for number in self._written]

    def take(self, message: Message) -> None:
        """See `Job.take`."""
        match message:
            case SequenceHeader():
                self.begin_sequence(message)
            case PictureChunk():
                self.add_picture(message)
            case _:
                super().take(message)

    def prepare(self, welcome: Welcome) -> None:
        """Find the folder: the one with an earlier part of the same pictures, or a new one.

        Raises:
            TalkClipError: the server sends no pictures.
            InputError: the folder cannot be made.
        """
        if "png" not in welcome.engine.formats:
            raise TalkClipError("This server sends videos only.", "Ask for an MP4, or update the server.", "no_format")
        asked = dataclasses.replace(self._render(1), id="-")
        who = json.dumps([welcome.server, dataclasses.asdict(welcome.engine)], sort_keys=True)
        self._fingerprint = hashlib.sha256(encode(asked) + who.encode()).hexdigest()
        try:
            self._place.parent.mkdir(parents=True, exist_ok=True)
            self.folder, manifest = self._find_folder()
        except OSError as error:
            raise unwritable(self._place.parent, error) from None
        if manifest is not None:
            self._ask_for_the_rest(self.folder, manifest["n_frames"])

    def order(self, credit: int) -> Message:
        """See `Job.order`."""
        return dataclasses.replace(self._render(credit), frames=self._frames)

    def sequence_result(self) -> SequenceReply:
        """-> the reply of a finished job; raises as `result`."""
        if self.sequence is not None:
            return self.sequence
        raise self.error or TalkClipError("The job is not finished.", "Pump the client until it is.", "not_finished")

    def begin_sequence(self, header: SequenceHeader) -> None:
        """The server says what the pictures will be.

        Raises:
            ProtocolError: a second time, or the line has another length than before.
            InputError: the folder cannot be written.
        """
        if self.sequence_header is not None:
            raise ProtocolError("The server announced a second sequence for one job.")
        if self._asked is None:
            self._asked = list(range(header.n_frames))
        folder = self._folder()
        self.sequence_header = header
        self.state = JobState.RUNNING
        manifest = {
            "fingerprint": self._fingerprint,
            "first_number": self._place.first_number,
            "n_frames": header.n_frames,
            "fps": header.fps,
            "width": header.width,
            "height": header.height,
            "alpha": header.alpha,
            "prompts": [segment.prompt for segment in self.request.timeline.segments],
        }
        try:
            folder.mkdir(exist_ok=True)
            with atomic_write(folder / MANIFEST) as temporary:
                temporary.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise unwritable(folder, error) from None

    def add_picture(self, chunk: PictureChunk) -> None:
        """Take the next bytes of a picture; when it is whole, it becomes a file.

        Raises:
            ProtocolError: bytes out of order, or of a picture nobody asked for.
            InputError: it cannot be written.
        """
        asked, done = self._asked, len(self._written)
        if self.sequence_header is None or asked is None or done >= len(asked) or chunk.frame != asked[done]:
            raise ProtocolError(f"Picture {chunk.frame} came unasked or out of order.")
        if chunk.offset != self._picture.tell() or chunk.offset + len(chunk.data) > chunk.n_bytes:
            raise ProtocolError(f"Byte {chunk.offset} of picture {chunk.frame} came out of order.")
        self._picture.write(chunk.data)
        self.chunks_to_credit += 1
        if self._picture.tell() < chunk.n_bytes:
            return
        path = self._path(self._folder(), chunk.frame)
        try:
            with atomic_write(path) as temporary:
                temporary.write_bytes(self._picture.getbuffer())
        except OSError as error:
            raise unwritable(path, error) from None
        self._picture = io.BytesIO()
        self._written.append(chunk.frame)

    def finish(self, done: Done) -> None:
        """All pictures are here.

        Raises:
            ProtocolError: pictures are missing.
        """
        header = self.sequence_header
        if header is None or self._asked is None or len(self._written) != len(self._asked):
            raise ProtocolError(f"The server sent {len(self._written)} pictures and then said it was done.")
        self.sequence = SequenceReply(
            self._folder(), self._place.first_number, header.n_frames, len(self._written), header.width, header.height,
            header.fps, header.alpha, done.notes, done.elapsed_s,
        )  # fmt: skip
        self._done()

    # --- inside -------------------------------------------------------------------------------------------------------

    def _render(self, credit: int) -> Render:
        order = drawn_order(self._order_fields(credit), self._drawing, self.files.portrait)
        return dataclasses.replace(order, file_format="png")

    def _folder(self) -> Path:
        if self.folder is None:
            raise ProtocolError("Pictures came before they were asked for.")
        return self.folder

    def _path(self, folder: Path, frame: int) -> Path:
        return picture_path(folder, self._place.first_number + frame)

    def _find_folder(self) -> tuple[Path, dict[str, Any] | None]:
        """-> (folder, what it says of the pictures in it, or None where there are none)."""
        for count in range(1, _MOST_PLATES):
            folder = self._place.parent / (self._place.name if count == 1 else f"{self._place.name}_{count:03d}")
            if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
                return folder, None
            manifest = read_manifest(folder)
            same = manifest is not None and manifest["fingerprint"] == self._fingerprint
            if same and manifest is not None and manifest["first_number"] == self._place.first_number:
                return folder, manifest
        raise InputError(f"{self._place.parent}: is full of plates named {self._place.name}.", "Delete old ones.")

    def _ask_for_the_rest(self, folder: Path, n_frames: int) -> None:
        missing = [frame for frame in range(n_frames) if not self._path(folder, frame).is_file()]
        spans = _spans(missing)
        if len(spans) > MAX_SPANS:
            missing = list(range(missing[0], n_frames))
            spans = _spans(missing)
        self._asked = missing
        self._frames = spans or (FrameSpan(0, 0),)


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """What a folder of pictures says of itself; None where it says nothing that can be read."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    kinds = {"fingerprint": str, "first_number": int, "n_frames": int, "width": int, "height": int, "alpha": bool}
    readable = isinstance(manifest, dict) and all(isinstance(manifest.get(key), kind) for key, kind in kinds.items())
    return manifest if readable else None


def _spans(frames: list[int]) -> tuple[FrameSpan, ...]:
    """Rising numbers -> the runs they are made of."""
    spans: list[FrameSpan] = []
    for frame in frames:
        if spans and frame == spans[-1].first_frame + spans[-1].n_frames:
            spans[-1] = FrameSpan(spans[-1].first_frame, spans[-1].n_frames + 1)
        else:
            spans.append(FrameSpan(frame, 1))
    return tuple(spans)

"""Every message of the protocol, as dataclasses. `docs/protocol.md` tells the story and shows the bytes.

`id` is chosen by the client; every answer carries the id of the request it answers. For `animate` it is the job's id.
A job that was accepted or refused ends in exactly one `done` or `error` with its id.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated, ClassVar

from talkclip.coefficients import LayerValues
from talkclip.gains import LayerGains
from talkclip.phones import PhoneTrack
from talkclip.protocol.parts import (
    MAX_CREDIT,
    MAX_SPANS,
    SUPPORTED_VERSIONS,
    Array2,
    AudioSource,
    EngineInfo,
    FrameSpan,
    Id,
    Name,
    ServerLimits,
    Sha256,
    ShortText,
    Space,
    StyleSource,
    UploadChunk,
    WorkerReport,
)
from talkclip.protocol.values import Between, Longest
from talkclip.script import ScriptPart
from talkclip.timeline import PromptTimeline


@dataclasses.dataclass(frozen=True)
class Message:
    """Base of everything that travels. `op` is the message's name on the wire."""

    op: ClassVar[str] = ""
    id: Id


# --- client -> server ---------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Hello(Message):
    """First message of a client. Understood by servers of every version; answered by `welcome` or `error`."""

    op: ClassVar[str] = "hello"
    versions: Annotated[tuple[int, ...], Longest(16)] = SUPPORTED_VERSIONS
    client: Name = ""


@dataclasses.dataclass(frozen=True)
class Put(Message):
    """Announce a file of `size` bytes. Answered by `put_state`, which says from where to send (resumable)."""

    op: ClassVar[str] = "put"
    sha256: Sha256
    size: Annotated[int, Between(1, 2**40)]


@dataclasses.dataclass(frozen=True)
class PutChunk(Message):
    """Bytes of an announced file from `offset` on. Answered by `put_state`; bytes out of order are not taken."""

    op: ClassVar[str] = "put_chunk"
    sha256: Sha256
    offset: Annotated[int, Between(0, 2**40)]
    data: UploadChunk


@dataclasses.dataclass(frozen=True)
class Animate(Message):
    """Speak a sound with a timeline of prompts. `accepted`, `progress`..., `track`, `chunk`..., then `done` | `error`.

    Attributes:
        audio: the sound, uploaded before.
        timeline: prompts in seconds on the sound's clock; not used where a script is given.
        fps: frames per second of the answer.
        space: coefficient space of the answer, one of those in `welcome`.
        seed: of blinks and head motion.
        gains: how much of each layer.
        text: transcript, if known; a script brings its own.
        phones: phones with times, if known; they replace the speech analysis. With a text: those of an earlier answer,
            which the text corrects; only around words that differ is anything timed anew.
        script: stage directions with their words, placed at the aligned words.
        credit: how many chunks the server may send before it hears `credit`.
        layers: whether chunks shall also hold the layers that their values are the sum of (not for `render`).
        styles: clips of segments, uploaded before; at most one of each segment.
    """

    op: ClassVar[str] = "animate"
    audio: AudioSource
    timeline: PromptTimeline
    fps: Annotated[float, Between(1.0, 240.0)]
    space: Space = "arkit52"
    seed: Annotated[int, Between(0, 2**32 - 1)] = 0
    gains: LayerGains = dataclasses.field(default_factory=LayerGains)
    text: str | None = None
    phones: PhoneTrack | None = None
    script: tuple[ScriptPart, ...] = ()
    credit: Annotated[int, Between(1, MAX_CREDIT)] = 16
    layers: bool = False
    styles: Annotated[tuple[StyleSource, ...], Longest(1_000)] = ()


@dataclasses.dataclass(frozen=True)
class Edit(Animate):
    """`animate` again with other prompts: only the frames in which they differ. Answered as `animate`.

    Everything but `timeline` and `styles` is as it was, and `script` is empty: an edit changes prompts, not words. It
    stands for itself: the server need not remember the job that made the frames the client has.

    Attributes:
        before: the timeline of the frames the client has (`done.timeline` where there was a script).
        restyled: uids of segments whose style clip is another one than before, or new, or gone.
    """

    op: ClassVar[str] = "edit"
    before: PromptTimeline = dataclasses.field(kw_only=True)
    restyled: Annotated[tuple[Name, ...], Longest(10_000)] = dataclasses.field(default=(), kw_only=True)


@dataclasses.dataclass(frozen=True)
class Render(Animate):
    """`animate`, drawn. `accepted`, `progress`..., then a video with sound: `video`, `video_chunk`..., or pictures as
    they are drawn: `sequence`, `picture`...; at last `done`.

    Attributes:
        renderer: one of `welcome.engine.renderers`.
        size: width and height in pixels, even.
        portrait: the picture that speaks, uploaded before by `put`; only for the renderer "portrait".
        caption: text under the picture.
        file_format: one of `welcome.engine.formats`: "mp4" for a video, "png" for pictures.
        alpha: the person alone, transparent around; only for pictures, and without a caption.
        full: the whole portrait comes back, with the acting square in its place; else the square alone.
        face: which face of the portrait, from the left and from 1; None: the only one.
        frames: the pictures that are wanted, where it is not all of them; each span rises above the one before.
    """

    op: ClassVar[str] = "render"
    renderer: Name = "head"
    size: Annotated[int, Between(64, 2048)] = 512
    portrait: Sha256 | None = None
    caption: Annotated[str, Longest(200)] = ""
    file_format: Name = "mp4"
    alpha: bool = False
    full: bool = False
    face: Annotated[int, Between(1, 1_000)] | None = None
    frames: Annotated[tuple[FrameSpan, ...], Longest(MAX_SPANS)] = ()


@dataclasses.dataclass(frozen=True)
class Credit(Message):
    """The client has taken chunks of job `id`: the server may send `chunks` more."""

    op: ClassVar[str] = "credit"
    chunks: Annotated[int, Between(1, MAX_CREDIT)]


@dataclasses.dataclass(frozen=True)
class Cancel(Message):
    """Stop job `id`. It ends in `error` with code `cancelled` (or in `done`, if that was already on its way)."""

    op: ClassVar[str] = "cancel"


@dataclasses.dataclass(frozen=True)
class Ping(Message):
    """Are you there? Answered by `pong`."""

    op: ClassVar[str] = "ping"


@dataclasses.dataclass(frozen=True)
class Status(Message):
    """What is the server doing? Answered by `status_report`."""

    op: ClassVar[str] = "status"


@dataclasses.dataclass(frozen=True)
class Bye(Message):
    """The client leaves; its jobs are dropped. No answer."""

    op: ClassVar[str] = "bye"


# --- server -> client ---------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Welcome(Message):
    """Answer to `hello`: the version both will speak, who the server is and what it can do."""

    op: ClassVar[str] = "welcome"
    version: int
    server: Name
    engine: EngineInfo
    limits: ServerLimits


@dataclasses.dataclass(frozen=True)
class PutState(Message):
    """How much of a file the server has; the next `put_chunk` starts at `received`, unless it is complete."""

    op: ClassVar[str] = "put_state"
    sha256: Sha256
    received: int
    complete: bool


@dataclasses.dataclass(frozen=True)
class Accepted(Message):
    """The job is in the queue; `ahead` jobs will run before it."""

    op: ClassVar[str] = "accepted"
    ahead: int


@dataclasses.dataclass(frozen=True)
class Progress(Message):
    """What the job is doing: `stage` is a stable word, `fraction` 0..1 of the whole job, `text` for people."""

    op: ClassVar[str] = "progress"
    stage: Name
    fraction: Annotated[float, Between(0.0, 1.0)]
    text: ShortText = ""


@dataclasses.dataclass(frozen=True)
class TrackHeader(Message):
    """What the following chunks hold: frame k stands at `start_s + k / fps` on the sound's clock.

    Attributes:
        n_frames: of the whole line.
        part: the frames that follow, where it is not all of them (`edit`).
    """

    op: ClassVar[str] = "track"
    space: Space
    names: Annotated[tuple[Name, ...], Longest(1_000)]
    fps: Annotated[float, Between(1e-3, 1e4)]
    start_s: float
    n_frames: Annotated[int, Between(1, 10_000_000)]
    has_head: bool
    part: FrameSpan | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Chunk(Message):
    """Frames `first_frame ...` of the track, in order and without gaps.

    Attributes:
        values: float32 (n, C), columns as in `track.names`.
        head: float32 (n, 6) head pose in the columns of `HEAD6`, when `track.has_head`.
        layers: what `values` is the sum of, each (n, C); only where asked for, and not from engines without layers.
    """

    op: ClassVar[str] = "chunk"
    first_frame: Annotated[int, Between(0, 10_000_000)]
    values: Array2
    head: Array2 | None = None
    layers: LayerValues | None = None


@dataclasses.dataclass(frozen=True)
class VideoHeader(Message):
    """What the following chunks hold: one file of `n_bytes`, MP4 with H.264 and AAC."""

    op: ClassVar[str] = "video"
    width: int
    height: int
    fps: Annotated[float, Between(1e-3, 1e4)]
    n_frames: Annotated[int, Between(1, 10_000_000)]
    n_bytes: Annotated[int, Between(1, 2**40)]


@dataclasses.dataclass(frozen=True)
class VideoChunk(Message):
    """Bytes of the file from `offset` on, in order and without gaps."""

    op: ClassVar[str] = "video_chunk"
    offset: Annotated[int, Between(0, 2**40)]
    data: UploadChunk


@dataclasses.dataclass(frozen=True)
class SequenceHeader(Message):
    """What the following pictures are: frames of a line of `n_frames`, PNG with 8 bits per channel, sRGB.

    Attributes:
        n_frames: of the whole line, however many of them were asked for.
        alpha: whether the pictures have an alpha channel (straight, not premultiplied).
    """

    op: ClassVar[str] = "sequence"
    width: int
    height: int
    fps: Annotated[float, Between(1e-3, 1e4)]
    n_frames: Annotated[int, Between(1, 10_000_000)]
    alpha: bool = False


@dataclasses.dataclass(frozen=True)
class PictureChunk(Message):
    """Bytes of the file of frame `frame`, from `offset` on, without gaps; the file has `n_bytes`. Frames rise."""

    op: ClassVar[str] = "picture"
    frame: Annotated[int, Between(0, 10_000_000)]
    offset: Annotated[int, Between(0, 2**40)]
    n_bytes: Annotated[int, Between(1, 2**40)]
    data: UploadChunk


@dataclasses.dataclass(frozen=True)
class Done(Message):
    """The job is finished; all its chunks went before.

    Attributes:
        n_frames: frames sent.
        elapsed_s: computing time.
        backend: the speech back end that was used.
        notes: what the prompt was understood as, and what was not understood; for people.
        phones: what was heard, when: to look at, mend and send back.
        timeline: the prompts as played (a script's directions with their times).
    """

    op: ClassVar[str] = "done"
    n_frames: int
    elapsed_s: float
    backend: Name = ""
    notes: Annotated[tuple[ShortText, ...], Longest(1_000)] = ()
    phones: PhoneTrack | None = None
    timeline: PromptTimeline | None = None


@dataclasses.dataclass(frozen=True)
class Failure(Message):
    """The request `id` failed; id "-" when the server could not read it. Understood in every version.

    Attributes:
        code: stable word, see the table in `docs/protocol.md`.
        message: one line that names the thing and the problem.
        hint: one line that says what to do.
        traceback: of the server, for developers; only when the server was started so.
    """

    op: ClassVar[str] = "error"
    code: Name
    message: ShortText
    hint: ShortText = ""
    traceback: str | None = None


@dataclasses.dataclass(frozen=True)
class Pong(Message):
    """I am here."""

    op: ClassVar[str] = "pong"


@dataclasses.dataclass(frozen=True)
class StatusReport(Message):
    """What the server is doing. Counts are since its start."""

    op: ClassVar[str] = "status_report"
    server: Name
    uptime_s: float
    clients: int
    jobs_running: int
    jobs_waiting: int
    jobs_done: int
    jobs_failed: int
    store_files: int
    store_bytes: int
    workers: Annotated[tuple[WorkerReport, ...], Longest(256)] = ()

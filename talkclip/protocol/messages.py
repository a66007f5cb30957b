"""Every message of the protocol, as dataclasses. `docs/protocol.md` tells the story and shows the bytes.

`id` is chosen by the client; every answer carries the id of the request it answers. For `animate` it is the job's id.
A job that was accepted or refused ends in exactly one `done` or `error` with its id.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated, ClassVar

import numpy as np

from talkclip.gains import LayerGains
from talkclip.phones import PhoneTrack
from talkclip.protocol.values import Between, Dimensions, Longest, Matching
from talkclip.script import ScriptPart
from talkclip.timeline import PromptTimeline

PROTOCOL_VERSION = 1
SUPPORTED_VERSIONS: tuple[int, ...] = (1,)
MAX_FRAME_BYTES = 4_194_304
MAX_CREDIT = 100
DEFAULT_ADDRESS = "tcp://127.0.0.1:5599"

ID_PATTERN = r"[\x21-\x7e]{1,64}"
Id = Annotated[str, Matching(ID_PATTERN, "an id (1 to 64 printable ASCII characters without blanks)")]
Sha256 = Annotated[str, Matching(r"[0-9a-f]{64}", "a sha256 in lower-case hexadecimal")]
Space = Annotated[str, Longest(32)]
Name = Annotated[str, Longest(255)]
ShortText = Annotated[str, Longest(2_000)]
Array2 = Annotated[np.ndarray, Dimensions(2)]
UploadChunk = Annotated[bytes, Longest(1_048_576)]


@dataclasses.dataclass(frozen=True)
class Message:
    """Base of everything that travels. `op` is the message's name on the wire."""

    op: ClassVar[str] = ""
    id: Id


# --- parts of messages -------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class AudioSource:
    """Which sound to speak: a file uploaded before, or a part of it.

    Attributes:
        sha256: of the uploaded file's bytes.
        name: what the user calls it; only for messages, never opened as a path.
        start_s, end_s: the part to use, in seconds of the file; end None = to its end. The clock of everything else
            in the request and in the answer starts at `start_s`.
    """

    sha256: Sha256
    name: Name = "audio"
    start_s: Annotated[float, Between(0.0, 1e6)] = 0.0
    end_s: Annotated[float, Between(0.0, 1e6)] | None = None


@dataclasses.dataclass(frozen=True)
class WeightInfo:
    """One file of weights and the hash it must have to be loaded."""

    id: Name
    sha256: Sha256


@dataclasses.dataclass(frozen=True)
class EngineInfo:
    """What the engine behind a server can do.

    Attributes:
        encoder: id of the text encoder.
        motion: name of the motion model.
        weights: files of weights the engine loads from, and the hashes it checks them against.
        spaces: coefficient spaces an `animate` may ask for.
        speech: the speech back end that is used when no transcript and no phones are given.
        device: where it computes ("cpu", "cuda:0").
    """

    encoder: Name = ""
    motion: Name = ""
    weights: Annotated[tuple[WeightInfo, ...], Longest(256)] = ()
    spaces: Annotated[tuple[Space, ...], Longest(32)] = ("arkit52",)
    speech: Name = ""
    device: Name = "cpu"


@dataclasses.dataclass(frozen=True)
class ServerLimits:
    """What the server accepts; a client is told in `welcome` and need not run into them.

    Attributes:
        message_bytes: longest frame the server reads.
        upload_bytes: longest file.
        upload_chunk_bytes: most bytes in one `put_chunk`.
        audio_s: longest sound a job may speak, seconds.
        jobs_per_client: jobs of one client, running and waiting together.
        waiting_jobs: jobs of all clients that may wait.
        chunk_frames: most frames in one `chunk`.
        stalled_job_s: how long a job waits for a client that takes no chunks.
        idle_client_s: how long a client without jobs may be silent before it has to say hello again.
    """

    message_bytes: int = MAX_FRAME_BYTES
    upload_bytes: int = 1_073_741_824
    upload_chunk_bytes: int = 262_144
    audio_s: float = 10_800.0
    jobs_per_client: int = 8
    waiting_jobs: int = 64
    chunk_frames: int = 50
    stalled_job_s: float = 600.0
    idle_client_s: float = 900.0


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
        phones: phones with times, if known; they replace the speech analysis.
        script: stage directions with their words, placed at the aligned words.
        credit: how many chunks the server may send before it hears `credit`.
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
    """What the following chunks hold: frame k stands at `start_s + k / fps` on the sound's clock."""

    op: ClassVar[str] = "track"
    space: Space
    names: Annotated[tuple[Name, ...], Longest(1_000)]
    fps: Annotated[float, Between(1e-3, 1e4)]
    start_s: float
    n_frames: Annotated[int, Between(1, 10_000_000)]
    has_head: bool


@dataclasses.dataclass(frozen=True, eq=False)
class Chunk(Message):
    """Frames `first_frame ...` of the track, in order and without gaps.

    Attributes:
        values: float32 (n, C), columns as in `track.names`.
        head: float32 (n, 6) head pose in the columns of `HEAD6`, when `track.has_head`.
    """

    op: ClassVar[str] = "chunk"
    first_frame: Annotated[int, Between(0, 10_000_000)]
    values: Array2
    head: Array2 | None = None


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


FROM_CLIENT: dict[str, type[Message]] = {
    cls.op: cls for cls in (Hello, Put, PutChunk, Animate, Credit, Cancel, Ping, Status, Bye)
}
FROM_SERVER: dict[str, type[Message]] = {
    cls.op: cls
    for cls in (Welcome, PutState, Accepted, Progress, TrackHeader, Chunk, Done, Failure, Pong, StatusReport)
}

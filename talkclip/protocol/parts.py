"""Values that messages are made of, and their constraints."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import numpy as np

from talkclip.protocol.values import Between, Dimensions, Longest, Matching

PROTOCOL_VERSION = 1
SUPPORTED_VERSIONS: tuple[int, ...] = (1,)
MAX_FRAME_BYTES = 4_194_304
MAX_CREDIT = 100
MAX_SPANS = 1_000
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
class StyleSource:
    """A clip whose way of speaking a prompt segment shall have: a video that shows one face, or a track of one.

    Attributes:
        uid: of the segment.
        sha256: of the uploaded file's bytes.
        name: what the user calls it: its ending tells tracks (.csv, .json, .npz) from videos, and errors name it; never
            opened as a path.
        weight: the clip's share beside the prompt's: 0 (the prompt alone) .. 1 (the clip alone).
    """

    uid: Name
    sha256: Sha256
    name: Name
    weight: Annotated[float, Between(0.0, 1.0)] = 1.0


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
        renderers: what `render` may ask for: "head" (the default head), "portrait" (a picture sent by `put`).
        formats: what `render` may send: "mp4" (a video), "png" (pictures as they are drawn).
        style_clips: whether segments may take their style from clips.
        portraits_on: what draws portraits, for people ("CPU", "CUDA (NVIDIA L4)").
    """

    encoder: Name = ""
    motion: Name = ""
    weights: Annotated[tuple[WeightInfo, ...], Longest(256)] = ()
    spaces: Annotated[tuple[Space, ...], Longest(32)] = ("arkit52",)
    speech: Name = ""
    device: Name = "cpu"
    renderers: Annotated[tuple[Name, ...], Longest(32)] = ()
    formats: Annotated[tuple[Name, ...], Longest(32)] = ("mp4",)
    style_clips: bool = False
    portraits_on: Name = "CPU"


@dataclasses.dataclass(frozen=True)
class FrameSpan:
    """Frames `first_frame` .. `first_frame + n_frames - 1` of a line; `n_frames` 0 = none."""

    first_frame: Annotated[int, Between(0, 10_000_000)]
    n_frames: Annotated[int, Between(0, 10_000_000)]


@dataclasses.dataclass(frozen=True)
class WorkerReport:
    """One process that computes, for people who look after a server.

    Attributes:
        pid: its process id; 0 = it is a thread of the server.
        jobs: names of the jobs it has, the latest last.
        sounds: how many sounds it probably has in memory.
        restarts: how often it died and was started again.
    """

    pid: Annotated[int, Between(0, 2**40)]
    jobs: Annotated[tuple[Name, ...], Longest(64)] = ()
    sounds: int = 0
    restarts: int = 0


@dataclasses.dataclass(frozen=True)
class ServerLimits:
    """What the server accepts; a client is told in `welcome` and need not run into them.

    Attributes:
        message_bytes: longest frame the server reads.
        upload_bytes: longest file.
        upload_chunk_bytes: most bytes in one `put_chunk`.
        audio_s: longest sound a job may speak, seconds.
        uploads_per_client: files one client may have on their way.
        jobs_per_client: jobs of one client, running and waiting together.
        waiting_jobs: jobs of all clients that may wait.
        result_bytes_per_client: results a client has not taken; above it, its next jobs are refused.
        chunk_frames: most frames in one `chunk`.
        stalled_job_s: how long a job waits for a client that takes no chunks.
        idle_client_s: how long a client without jobs may be silent before it has to say hello again.
    """

    message_bytes: int = MAX_FRAME_BYTES
    upload_bytes: int = 1_073_741_824
    upload_chunk_bytes: int = 262_144
    audio_s: float = 10_800.0
    uploads_per_client: int = 8
    jobs_per_client: int = 8
    waiting_jobs: int = 64
    result_bytes_per_client: int = 268_435_456
    chunk_frames: int = 50
    stalled_job_s: float = 600.0
    idle_client_s: float = 900.0

"""Sending a file once: it is known by the sha256 of its bytes, and an interrupted upload goes on where it stopped."""

from __future__ import annotations

import hashlib
import io
import struct
from pathlib import Path
from typing import BinaryIO

from talkclip.audio import AudioClip
from talkclip.errors import InputError
from talkclip.files import unreadable
from talkclip.protocol import PutChunk, PutState

_HASH_STEP_BYTES = 1 << 20
WINDOW_CHUNKS = 8
_WAVE_FORMAT_FLOAT = 3  # WAVE_FORMAT_IEEE_FLOAT of the RIFF/WAVE registry
_WAV_MAX_BYTES = 2**32 - 64


def wav_bytes(clip: AudioClip) -> bytes:
    """Clip -> a WAV file of 32-bit float samples (mono), which every decoder reads without loss.

    Layout: RIFF/WAVE with `fmt ` (18 bytes), `fact` (number of samples, wanted by the standard for non-PCM) and `data`.

    Raises:
        InputError: longer than a WAV file can be (4 GB).
    """
    data = clip.samples.astype("<f4", copy=False).tobytes()
    if len(data) > _WAV_MAX_BYTES:
        raise InputError(f"{clip.name}: is too long for one request.", "Send it in parts.")
    format_chunk = struct.pack("<HHIIHHH", _WAVE_FORMAT_FLOAT, 1, clip.sample_rate, clip.sample_rate * 4, 4, 32, 0)
    chunks = b"".join(
        name + struct.pack("<I", len(body)) + body
        for name, body in ((b"fmt ", format_chunk), (b"fact", struct.pack("<I", clip.samples.size)), (b"data", data))
    )
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


# A file as it was: path, size in bytes, time of its last change in nanoseconds.
FileState = tuple[str, int, int]


class Upload:
    """One file on its way to the server: hashed in steps, then sent in a window of chunks.

    Attributes:
        name: what the user calls it.
        size: bytes.
        sha256: "" until hashed.
        announced: whether `put` was sent.
        complete: whether the server has it all.
    """

    def __init__(
        self,
        audio: Path | AudioClip,
        known: dict[FileState, str] | None = None,
        remedy: str = "Give a sound or video file with speech.",
    ) -> None:
        """Open the file.

        Args:
            audio: a file, or samples.
            known: hashes of files as they were when they were sent before; this one's is added.
            remedy: what to do where it cannot be read.

        Raises:
            InputError: the file cannot be read or is empty.
        """
        self.announced = self.complete = False
        self.name = _display_name(audio.name)
        self._file = _open(audio, remedy)
        self.size = self._file.seek(0, io.SEEK_END)
        if self.size == 0:
            self.close()
            raise InputError(f"{self.name}: the file is empty.", remedy)
        self._file.seek(0)
        self._known = known if known is not None else {}
        self._state = _state_of(audio)
        self.sha256 = self._known.get(self._state, "") if self._state else ""
        self._digest = hashlib.sha256()
        self._received = self._sent = self._in_flight = 0

    @property
    def fraction(self) -> float:
        """Share the server has, 0..1."""
        return 1.0 if self.complete else self._received / self.size

    def hash_step(self) -> bool:
        """Hash the next megabyte. -> True when the hash is known."""
        if not self.sha256:
            block = self._read(_HASH_STEP_BYTES)
            self._digest.update(block)
            if len(block) < _HASH_STEP_BYTES:
                self.sha256 = self._digest.hexdigest()
                if self._state:
                    self._known[self._state] = self.sha256
        return bool(self.sha256)

    def take_state(self, state: PutState) -> None:
        """The server says how much it has."""
        self.complete = self.complete or state.complete
        self._received = min(state.received, self.size)
        self._in_flight = max(0, self._in_flight - 1)

    def announce(self) -> None:
        """`put` was sent; its answer counts like a chunk's."""
        self.announced = True
        self._in_flight = 1

    def next_chunk(self, request_id: str, chunk_bytes: int) -> PutChunk | None:
        """-> the next chunk to send, or None while the window is full or everything is on its way.

        Chunks the server did not take (another client was sending the same file) are repeated once all answers are in.
        """
        if self.complete or not self.announced:
            return None
        if self._in_flight == 0:
            self._sent = self._received
        first_answer_pending = self._sent == 0 and self._in_flight > 0
        if first_answer_pending or self._in_flight >= WINDOW_CHUNKS:
            return None
        self._sent = max(self._sent, self._received)
        if self._sent >= self.size:
            return None
        self._file.seek(self._sent)
        data = self._read(min(chunk_bytes, self.size - self._sent))
        if not data:
            raise InputError(f"{self.name}: became shorter while it was sent.", "Try again when it is written.")
        return PutChunk(request_id, self.sha256, self._sent, data)

    def chunk_sent(self, chunk: PutChunk) -> None:
        """`chunk` is in the socket's queue."""
        self._sent = chunk.offset + len(chunk.data)
        self._in_flight += 1

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read(self, count: int) -> bytes:
        try:
            return self._file.read(count)
        except OSError as error:
            raise unreadable(self.name, error, "Check the disk.") from None


def _open(audio: Path | AudioClip, remedy: str) -> BinaryIO:
    if isinstance(audio, AudioClip):
        return io.BytesIO(wav_bytes(audio))
    try:
        return Path(audio).open("rb")
    except OSError as error:
        raise unreadable(audio, error, remedy) from None


def _state_of(audio: Path | AudioClip) -> FileState | None:
    if isinstance(audio, AudioClip):
        return None
    stat = Path(audio).stat()
    return str(Path(audio).absolute()), stat.st_size, stat.st_mtime_ns


def _display_name(name: str) -> str:
    """A name that can travel: file names may hold bytes that are no text."""
    return name.encode("utf-8", "replace").decode("utf-8")[:255] or "audio"

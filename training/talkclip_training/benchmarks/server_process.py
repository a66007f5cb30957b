"""A server process to be measured: started as a user starts it, watched from outside."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from talkclip.client import Client

_READY = " ready at "


class ServerProcess:
    """A running `talkclip serve`.

    Attributes:
        address: where it listens.
    """

    def __init__(self, address: str, pid: int) -> None:
        self.address = address
        self._pid = pid

    def worker_pids(self) -> list[int]:
        """The processes that compute at the moment."""
        with Client(self.address) as client:
            return [worker.pid for worker in client.status().workers]

    def cpu_s(self) -> float | None:
        """Processor time of server and workers so far; None where /proc is missing."""
        return _sum(_cpu_s(pid) for pid in [self._pid, *self.worker_pids()])

    def memory_mb(self) -> float | None:
        """Resident memory of server and workers; None where /proc is missing."""
        return _sum(_memory_mb(pid, "VmRSS") for pid in [self._pid, *self.worker_pids()])

    def worker_peak_mb(self) -> float | None:
        """Most memory the workers ever had."""
        return _sum(_memory_mb(pid, "VmHWM") for pid in self.worker_pids())

    def server_peak_mb(self) -> float | None:
        """Most memory the server itself ever had."""
        return _memory_mb(self._pid, "VmHWM")


@contextlib.contextmanager
def serving(folder: Path, *options: str) -> Iterator[ServerProcess]:
    """Start a server with an empty cache in `folder`; stopped when the block is left."""
    # The back end is stated: `auto` would take Whisper where it is installed, and measure that.
    serve = ["serve", "--bind", "tcp://127.0.0.1:*", "--backend", "fast"]
    command = [sys.executable, "-m", "talkclip.cli.main", *serve, *options]
    environment = os.environ | {"TALKCLIP_CACHE": str(folder / "cache")}
    with (
        (folder / "server.log").open("a") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment) as process,
    ):
        assert process.stdout is not None
        ready = process.stdout.readline()
        if _READY not in ready:
            raise SystemExit((folder / "server.log").read_text())
        try:
            yield ServerProcess(ready.split(_READY)[1].strip(), process.pid)
        finally:
            process.terminate()


def _sum(values: Iterator[float | None]) -> float | None:
    found = list(values)
    known = [value for value in found if value is not None]
    return sum(known) if len(known) == len(found) else None


def _cpu_s(pid: int) -> float | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_mb(pid: int, field: str) -> float | None:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(field + ":")), None)

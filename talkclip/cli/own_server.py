"""A server for a command: the one that is named, the one that runs already, or one that is started for it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from talkclip.client import Client, ConnectionFailed
from talkclip.errors import TalkClipError
from talkclip.protocol import DEFAULT_ADDRESS

_READY = " ready at "
_KNOCK_S = 1.0
_START_S = 180.0
_STOP_S = 10.0


@contextlib.contextmanager
def server_for_us(address: str | None, key: Path | None) -> Iterator[str]:
    """The address of a server that answers; one that was started here ends with the block.

    Args:
        address: of the server to use; None: the usual one if it answers, else a new one.
        key: file with the client's key.

    Raises:
        TalkClipError: nobody answers, the key is refused, or no server can be started.
    """
    if address is not None:
        with Client(address, keys=key) as client:
            client.connect()
        yield address
    elif _answers(DEFAULT_ADDRESS):
        yield DEFAULT_ADDRESS
    else:
        with _started() as own:
            yield own


def _answers(address: str) -> bool:
    try:
        with Client(address) as client:
            client.connect(_KNOCK_S)
    except ConnectionFailed:
        return False
    return True


@contextlib.contextmanager
def _started() -> Iterator[str]:
    # It follows this process; a session of its own, because Ctrl-C is for us.
    command = [sys.executable, "-m", "talkclip.cli.main", "serve", "--bind", "tcp://127.0.0.1:*"]
    command += ["--parent", str(os.getpid())]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8",
        start_new_session=os.name == "posix",
    )  # fmt: skip
    with process:
        try:
            assert process.stdout is not None
            late = threading.Timer(_START_S, process.kill)
            late.start()
            line = process.stdout.readline()
            late.cancel()
            if _READY not in line:
                raise TalkClipError(
                    "The server could not be started.", "Start one with `talkclip serve` and see what it says.", "serve"
                )
            yield line.split()[-1]
        finally:
            process.terminate()
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()

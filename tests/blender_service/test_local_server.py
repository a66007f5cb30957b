"""The server that Blender starts: its states, its end, and that nothing of it is left."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from talkclip.client import Client, SpeakRequest
from talkclip.errors import InputError
from talkclip.timeline import PromptTimeline
from talkclip_blender.service.local_server import LocalServer, ServerState, free_port, listens
from tests.blender_service.conftest import ADDON
from tests.support.process_groups import assert_gone

LINE = Path(__file__).resolve().parents[2] / "samples" / "line.flac"
ENGINE = Path(sys.executable)


def wait_for(server: LocalServer, *states: ServerState, until_s: float = 60.0) -> ServerState:
    deadline = time.monotonic() + until_s
    while (state := server.poll()) not in states:
        assert time.monotonic() < deadline and state is not ServerState.CRASHED, (state, server.failure)
        time.sleep(0.02)
    return state


def group_of(server: LocalServer) -> int:
    return server._process.pid  # type: ignore[union-attr]


def test_start_speak_crash_start_again_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    server = LocalServer()
    assert server.poll() is ServerState.STOPPED
    server.start(ENGINE, 0, tmp_path / "logs", os.getpid())
    assert server.poll() is ServerState.STARTING
    wait_for(server, ServerState.READY)
    request = SpeakRequest(LINE, PromptTimeline.single("furious", 9.0), 25.0)
    with Client(server.address) as client:
        job = client.submit(request)
        seen = set()
        while not job.finished:
            client.pump()
            seen.add(server.poll())
        assert job.result().track.n_frames > 50 and ServerState.BUSY in seen
    wait_for(server, ServerState.READY, until_s=5)

    first = group_of(server)
    os.kill(first, signal.SIGKILL)
    while server.poll() is not ServerState.CRASHED:
        time.sleep(0.02)
    assert server.failure is not None and "has crashed (signal 9)." in server.failure.message
    assert server.failure.hint
    assert_gone(first)  # its workers too

    server.start(ENGINE, 0, tmp_path / "logs", os.getpid())
    assert server.failure is None
    wait_for(server, ServerState.READY)
    second = group_of(server)
    server.begin_stop()
    assert server.poll() in (ServerState.STOPPING, ServerState.STOPPED)
    wait_for(server, ServerState.STOPPED, until_s=8)
    assert server.failure is None
    assert_gone(second)

    for path in temporary.glob("talkclip-*"):  # of the one that was killed
        shutil.rmtree(path)
    server.start(ENGINE, 0, tmp_path / "logs", os.getpid())
    wait_for(server, ServerState.READY)
    third, began = group_of(server), time.monotonic()
    assert list(temporary.glob("talkclip-*"))
    server.stop(at_once=True)  # when Blender ends
    assert time.monotonic() - began < 3
    assert_gone(third)
    assert not list(temporary.glob("talkclip-*"))  # the sounds it was sent


def test_a_taken_port_is_said_and_a_free_one_found(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert listens(port)
        with pytest.raises(InputError, match=rf"Port {port} .*taken.*0 takes any free one"):
            LocalServer().start(ENGINE, port, tmp_path, os.getpid())
        assert free_port() != port
    assert not listens(port)


SAYS = {
    "No module named 'onnxruntime'": "Repair",
    "talkclip: tcp://127.0.0.1:5599 is in use. Another server runs there": "another port",
    "No such option: --parent": "older than this extension",
    "ZeroDivisionError: division by zero": "see the log",
}


@pytest.mark.skipif(os.name != "posix", reason="stand-ins for Python are scripts with a first line #!")
@pytest.mark.parametrize("words", SAYS)
def test_a_server_that_cannot_start_gives_its_last_words_and_a_remedy(words: str, tmp_path: Path) -> None:
    engine = tmp_path / "python"
    engine.write_text(f"#!{sys.executable}\nimport sys\nsys.exit({words!r})\n")
    engine.chmod(0o755)
    server = LocalServer()
    server.start(engine, 0, tmp_path, os.getpid())
    while server.poll() is ServerState.STARTING:
        time.sleep(0.01)
    assert server.poll() is ServerState.CRASHED and server.failure is not None
    assert "could not start (exit code 1; its last words: " in server.failure.message
    assert words.removeprefix("talkclip: ") in server.failure.message and SAYS[words] in server.failure.hint
    server.stop()
    assert server.poll() is ServerState.STOPPED


def test_an_engine_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be started.*Repair"):
        LocalServer().start(tmp_path / "python", 0, tmp_path, os.getpid())


def test_old_logs_go(tmp_path: Path) -> None:
    for pid in range(20):
        (tmp_path / f"server-{pid}.log").write_text("old")
    with pytest.raises(InputError):
        LocalServer().start(tmp_path / "python", 0, tmp_path, 4711)
    assert len(list(tmp_path.glob("server-*.log"))) == 5 and (tmp_path / "server-4711.log").exists()


def test_a_blender_that_crashes_leaves_no_server(tmp_path: Path) -> None:
    blender = f"""
import os, sys, time
sys.path[:0] = {[str(ADDON), *sys.path]!r}
from pathlib import Path
from talkclip_blender.service.local_server import LocalServer, ServerState
server = LocalServer()
server.start(Path({str(ENGINE)!r}), 0, Path({str(tmp_path)!r}), os.getpid())
while server.poll() is ServerState.STARTING:
    time.sleep(0.02)
print(server._process.pid, server.poll().value, flush=True)
os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", blender], capture_output=True, text=True, timeout=60)
    group, state = done.stdout.split()
    assert state == "ready", done.stderr
    assert_gone(int(group))

"""The server as a process of its own: how it starts, stops and dies."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from talkclip.audio import AudioClip
from talkclip.client import Client, ConnectionFailed, JobState, SpeakRequest, Timeouts
from talkclip.timeline import PromptTimeline
from tests.support.raw_peer import wait_for

ROOT = Path(__file__).parents[2]
READY = "TalkCLIP server ready at "
CLIP = AudioClip(np.sin(np.arange(16000) * 0.1).astype(np.float32), 16000, "line")
REQUEST = SpeakRequest(CLIP, PromptTimeline.single("a happy woman", 1.0), 25.0)


@contextlib.contextmanager
def process(*options: str, address: str = "tcp://127.0.0.1:0") -> Iterator[tuple[subprocess.Popen[str], str]]:
    """-> the process and the address it listens at, taken from its output as Blender does."""
    command = [sys.executable, "-m", "tests.support.small_pipeline", address, *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            line = server.stdout.readline()
            yield server, line.removeprefix(READY).strip() if line.startswith(READY) else ""
        finally:
            server.kill()


def test_ready_line_work_and_graceful_stop() -> None:
    with process() as (server, address):
        assert address.startswith("tcp://127.0.0.1:") and not address.endswith((":0", ":*"))
        with Client(address) as client:
            assert client.animate(REQUEST).track.n_frames == 26
        server.send_signal(signal.SIGTERM)
        _, log = server.communicate(timeout=20)
        assert server.returncode == 0
    for event in (
        "event=start",
        "event=hello",
        "event=accepted",
        "event=ended",
        "event=left",
        "event=signal",
        "event=stop",
    ):
        assert event in log
    assert "Traceback" not in log


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process there")
def test_a_second_ctrl_c_does_not_wait_for_jobs() -> None:
    with process("--hold") as (server, address):
        client = Client(address)
        job = client.submit(REQUEST)
        wait_for(lambda: client.pump() and job.state is JobState.RUNNING)
        server.send_signal(signal.SIGINT)
        time.sleep(0.2)
        server.send_signal(signal.SIGINT)
        wait_for(lambda: client.pump() and job.finished)
        server.communicate(timeout=20)
        assert server.returncode == 0
        assert job.error is not None and job.error.code in ("stopping", "server_gone")
        client.close()


def test_a_server_that_is_killed_mid_job_is_reported_at_once_and_the_next_one_is_used() -> None:
    timeouts = Timeouts(connect_s=10, ping_after_s=0.2, silence_s=1.0)
    with process("--hold") as (server, address):
        client = Client(address, timeouts=timeouts)
        job = client.submit(REQUEST)
        wait_for(lambda: client.pump() and job.state is JobState.RUNNING)
        server.kill()
        wait_for(lambda: client.pump() and job.finished, timeout_s=timeouts.silence_s + 4)
        assert isinstance(job.error, ConnectionFailed) and "talkclip serve" in job.error.hint
    with process(address=address):
        assert client.animate(REQUEST).track.n_frames == 26
        client.close()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_a_killed_server_takes_its_worker_along() -> None:
    with process("--hold") as (server, address):
        client = Client(address)
        job = client.submit(REQUEST)
        wait_for(lambda: client.pump() and job.state is JobState.RUNNING)
        workers = [int(pid) for pid in Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()]
        assert workers
        server.kill()
        server.wait()
        wait_for(lambda: not any(is_running(pid) for pid in workers))
        client.close()


def is_running(pid: int) -> bool:
    """Whether a process is there and not merely waiting for its parent to notice its end."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="processes cannot be frozen there")
def test_a_server_that_hangs_is_given_up_within_the_time_out() -> None:
    with process("--hold") as (server, address):
        client = Client(address, timeouts=Timeouts(ping_after_s=0.1, silence_s=0.5))
        job = client.submit(REQUEST)
        wait_for(lambda: client.pump() and job.state is JobState.RUNNING)
        os.kill(server.pid, signal.SIGSTOP)
        wait_for(lambda: client.pump() and job.finished, timeout_s=10)
        assert job.error is not None and job.error.code == "server_silent"
        client.close()


def test_no_server() -> None:
    client = Client("tcp://127.0.0.1:9", timeouts=Timeouts(connect_s=0.2))
    with pytest.raises(
        ConnectionFailed, match=r"No TalkCLIP server answers at tcp://127\.0\.0\.1:9\. .*talkclip serve"
    ):
        client.connect()
    with pytest.raises(ConnectionFailed):
        client.animate(REQUEST)


def test_a_server_that_comes_up_while_the_client_waits_is_found() -> None:
    with process() as (first, address):
        first.kill()
        first.wait()
    client = Client(address, timeouts=Timeouts(connect_s=20))
    client.start()
    client.pump()
    with process(address=address):
        assert client.connect(timeout_s=20).version == 1
        client.close()


def test_it_stops_by_itself_when_nobody_is_there() -> None:
    with process("--exit-when-idle", "0.3") as (server, address):
        with Client(address) as client:
            client.connect()
            time.sleep(1.5)
            client.ping()
        server.communicate(timeout=20)
        assert server.returncode == 0


@pytest.mark.parametrize("address", ["tcp://0.0.0.0:0", "tcp://nonsense"])
def test_addresses_that_are_refused(address: str) -> None:
    with process(address=address) as (server, ready):
        _, log = server.communicate(timeout=20)
        assert ready == "" and server.returncode != 0 and "InputError" in log

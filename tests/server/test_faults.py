"""Processes die, disks fill up, clients vanish: whoever is left gets right answers or a clear word."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from talkclip import protocol as p
from talkclip.client import Client, ConnectionFailed, JobState, SpeakRequest, Timeouts
from talkclip.timeline import PromptTimeline
from talkclip_server import running_server
from talkclip_server.store import AudioStore
from tests.server.test_process_worker import serving
from tests.support.raw_peer import RawPeer, order, wait_for
from tests.support.small_engine import SmallEngine, expected_values

SOUND = b"sound" * 1000
ROOT = Path(__file__).parents[2]
LINE = ROOT / "samples" / "line.flac"


def values_of(messages: list[p.Message], job_id: str) -> np.ndarray:
    return np.concatenate([m.values for m in messages if isinstance(m, p.Chunk) and m.id == job_id])


# --- workers --------------------------------------------------------------------------------------------------------


def test_a_job_is_begun_anew_when_its_worker_dies_before_anything_was_sent(tmp_path: Path) -> None:
    with serving(tmp_path, SmallEngine) as (server, _), RawPeer(server.address) as peer:
        prompt = f"crash once {tmp_path / 'mark'}"
        peer.say(order("a", peer.upload(SOUND), prompt, credit=100))
        heard = peer.hear_until(p.Done, p.Failure)
        assert heard[-1].op == "done" and (tmp_path / "mark").exists()
        assert np.array_equal(values_of(heard, "a"), expected_values(SOUND, prompt, 0, 120))
        peer.say(p.Status("s"))
        report = peer.hear()
        assert isinstance(report, p.StatusReport) and report.workers[0].restarts == 1


def test_a_job_that_kills_its_worker_twice_fails_and_nobody_else(tmp_path: Path) -> None:
    with serving(tmp_path, SmallEngine) as (server, _), RawPeer(server.address) as bad, RawPeer(server.address) as good:
        sha256 = good.upload(SOUND)
        bad.say(order("poison", sha256, "crash"))
        good.say(*(order(f"job{k}", sha256, f"prompt {k}", credit=100) for k in range(4)))
        *_, end = bad.hear_until(p.Done, p.Failure)
        assert isinstance(end, p.Failure) and end.code == "worker_died" and end.hint
        heard: list[p.Message] = []
        for _ in range(4):
            heard += good.hear_until(p.Done, p.Failure)
        for k in range(4):
            assert np.array_equal(values_of(heard, f"job{k}"), expected_values(SOUND, f"prompt {k}", 0, 120))


def test_jobs_on_other_workers_do_not_notice(tmp_path: Path) -> None:
    with serving(tmp_path, SmallEngine, workers=2) as (server, workers), RawPeer(server.address) as peer:
        sha256 = peer.upload(SOUND)
        peer.say(order("a", sha256, "hold", credit=1))
        peer.hear_until(p.Chunk)
        peer.say(order("b", sha256, "hold", credit=1))
        peer.hear_until(p.Chunk)
        victim = next(worker for worker in workers if any(o.animate.id == "b" for o in worker._orders.values()))
        victim._process.kill()
        *_, end = peer.hear_until(p.Failure)
        assert (end.id, end.op) == ("b", "error")
        assert [m.id for m in peer.hear_all() if isinstance(m, p.Failure)] == []


# --- the server -----------------------------------------------------------------------------------------------------


def served(folder: Path, address: str = "tcp://127.0.0.1:*") -> tuple[subprocess.Popen[str], str]:
    """`talkclip serve` with a store and a cache that stay -> process, address."""
    command = [sys.executable, "-m", "talkclip.cli.main", "serve", "--bind", address, "--store", str(folder / "store"),
               "--backend", "fast"]  # fmt: skip
    environment = os.environ | {"TALKCLIP_CACHE": str(folder / "cache")}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
    assert process.stdout is not None
    return process, process.stdout.readline().split(" at ")[1].strip()


@pytest.mark.slow
def test_a_server_killed_mid_stream_is_reported_and_the_same_request_repeated(tmp_path: Path) -> None:
    """The real engine: what was kept on disk is sound, nothing half-written is believed."""
    soundfile = pytest.importorskip("soundfile")
    samples, rate = soundfile.read(LINE, dtype="float32")
    file = tmp_path / "long.wav"
    soundfile.write(file, np.tile(samples, 10), rate)
    asked = SpeakRequest(file, PromptTimeline.single("a furious man", 90.0), 25.0)
    server, address = served(tmp_path)
    client = Client(address, timeouts=Timeouts(connect_s=20, ping_after_s=0.5, silence_s=2.0))
    try:
        job = client.submit(asked)
        wait_for(lambda: client.pump() and job.frames_received, timeout_s=30)
        server.kill()
        server.wait()
        wait_for(lambda: client.pump() and job.finished, timeout_s=10)
        assert job.state is JobState.FAILED and isinstance(job.error, ConnectionFailed)
        assert job.error.code == "server_gone"
        server.stdout.close()  # type: ignore[union-attr]
        server, address = served(tmp_path, address)
        again = client.animate(asked, timeout_s=60)  # the same client connects anew
        sound = client.status()
        assert sound.store_files == 1
        third = client.animate(asked, timeout_s=60)
        np.testing.assert_allclose(again.track.values, third.track.values, atol=1e-5)
    finally:
        client.close()
        server.kill()
        server.wait()
        server.stdout.close()  # type: ignore[union-attr]
    assert not list((tmp_path / "cache").rglob(".*")), "no temporary file is left"


# --- the disk -------------------------------------------------------------------------------------------------------


class FullDisk(io.BytesIO):
    """Takes some bytes, then none."""

    room = 1000

    def write(self, data: Any) -> int:
        self.room -= len(data)
        if self.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return len(data)


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_server(SmallEngine(), store_folder=tmp_path / "store") as server, RawPeer(server.address) as peer:
        real_open: Callable[..., Any] = Path.open
        with monkeypatch.context() as patched:
            patched.setattr(
                Path, "open", lambda self, *a, **k: FullDisk() if self.suffix == ".part" else real_open(self, *a, **k)
            )
            sha256 = hashlib.sha256(SOUND).hexdigest()
            peer.say(p.Put("put", sha256, len(SOUND)), p.PutChunk("put", sha256, 0, SOUND))
            peer.hear()
            answer = peer.hear()
            assert isinstance(answer, p.Failure) and answer.code == "store_full" and "disk" in answer.hint
        peer.say(order("a", peer.upload(SOUND), credit=100))
        assert peer.hear_until(p.Done, p.Failure)[-1].op == "done"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk that is always full here")
def test_a_cache_on_a_full_disk_costs_time_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from talkclip.engine.speech.cache import DiskCache

    cache = DiskCache(tmp_path / "cache")
    monkeypatch.setattr(np, "savez", _savez_to_a_full_disk)
    cache.put("k", {"a": np.zeros(9)})
    assert cache.get("k") is None and not list((tmp_path / "cache").iterdir())


def _savez_to_a_full_disk(path: Path, **_: np.ndarray) -> None:
    path.write_bytes(b"half")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_store_whose_folder_vanished_says_so(tmp_path: Path) -> None:
    store = AudioStore(tmp_path / "store", 10**6)
    (tmp_path / "store").rmdir()
    with pytest.raises(Exception, match="cannot store"):
        store.begin("00" * 32, 10)


# --- clients --------------------------------------------------------------------------------------------------------


def test_a_client_that_vanishes_mid_upload_frees_its_part(tmp_path: Path) -> None:
    limits = p.ServerLimits(idle_client_s=0.05, uploads_per_client=1)
    with running_server(SmallEngine(), limits=limits, store_folder=tmp_path) as server:
        with RawPeer(server.address) as peer:
            peer.say(p.Put("put", "00" * 32, 5000), p.PutChunk("put", "00" * 32, 0, SOUND[:100]))
            peer.hear(), peer.hear()
        with RawPeer(server.address) as other:
            sha256 = other.upload(SOUND)
            other.say(order("a", sha256, credit=100))
            assert other.hear_until(p.Done, p.Failure)[-1].op == "done"


def test_uploads_of_one_client_are_bounded(tmp_path: Path) -> None:
    limits = p.ServerLimits(uploads_per_client=2, upload_bytes=1000)
    with (
        running_server(SmallEngine(), limits=limits, store_folder=tmp_path) as server,
        RawPeer(server.address) as peer,
        RawPeer(server.address) as other,
    ):
        for name, size, code in (("01", 600, ""), ("02", 500, "busy"), ("03", 300, ""), ("04", 50, "busy")):
            peer.say(p.Put(f"put{name}", name * 32, size))
            answer = peer.hear()
            assert (answer.code if isinstance(answer, p.Failure) else "") == code
        other.say(p.Put("put", "05" * 32, 900))
        assert isinstance(other.hear(), p.PutState)
        peer.say(p.Put("put01", "01" * 32, 600))
        assert isinstance(peer.hear(), p.PutState), "one that is on its way may be announced again"


def test_results_that_nobody_takes_are_bounded(tmp_path: Path) -> None:
    limits = p.ServerLimits(result_bytes_per_client=10_000)
    with running_server(SmallEngine(), limits=limits) as server, RawPeer(server.address) as peer:
        sha256 = peer.upload(SOUND)
        peer.say(order("a", sha256, credit=1))
        peer.hear_until(p.Chunk)
        time.sleep(0.2)
        peer.say(order("b", sha256))
        *_, end = peer.hear_until(p.Failure)
        assert isinstance(end, p.Failure) and (end.id, end.code) == ("b", "busy")


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="processes cannot be frozen there")
def test_a_client_that_freezes_mid_stream_does_not_hold_up_others(tmp_path: Path) -> None:
    script = (
        "import sys, time; sys.path.insert(0, sys.argv[2])\n"
        "from tests.support.raw_peer import RawPeer, order\n"
        "peer = RawPeer(sys.argv[1])\n"
        "peer.say(order('a', peer.upload(b'sound' * 1000), credit=2)); print('sent', flush=True); time.sleep(60)\n"
    )
    with running_server(SmallEngine(n_frames=5000)) as server:
        frozen = subprocess.Popen([sys.executable, "-c", script, server.address, str(ROOT)], stdout=subprocess.PIPE)
        try:
            assert frozen.stdout is not None and frozen.stdout.readline() == b"sent\n"
            frozen.send_signal(signal.SIGSTOP)
            with RawPeer(server.address) as peer:
                peer.say(order("b", peer.upload(SOUND), credit=100))
                assert peer.hear_until(p.Done, p.Failure)[-1].op == "done"
        finally:
            frozen.kill()
            frozen.wait()
            assert frozen.stdout is not None
            frozen.stdout.close()


@pytest.mark.slow
def test_many_clients_come_and_vanish_and_nothing_is_left(tmp_path: Path) -> None:
    with running_server(SmallEngine(), limits=p.ServerLimits(idle_client_s=0.1)) as server:

        def vanish(number: int) -> None:
            peer = RawPeer(server.address)
            peer.say(order("a", peer.upload(SOUND), "hold" if number % 2 else "x", credit=1))
            peer.hear()
            peer.__exit__(None, None, None)

        threads = [threading.Thread(target=vanish, args=(number,)) for number in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with Client(server.address) as client:
            wait_for(lambda: client.status().clients == 1 and client.status().jobs_running == 0, timeout_s=20)
            assert client.status().jobs_waiting == 0

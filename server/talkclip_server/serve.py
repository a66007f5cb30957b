"""`serve`: what `talkclip serve` does. `running_server`: the same in a thread, for tests and scripts."""

from __future__ import annotations

import contextlib
import functools
import logging
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from talkclip.engine.render.portrait.device import choose_device
from talkclip.protocol import ServerLimits
from talkclip_server.address import bind_address
from talkclip_server.engine import Engine
from talkclip_server.parent import Parent
from talkclip_server.pipeline_engine import PipelineEngine, PipelineLike
from talkclip_server.process import ProcessWorker
from talkclip_server.security import Keyring
from talkclip_server.server import Server
from talkclip_server.store import AudioStore
from talkclip_server.worker import Deliver, ThreadWorker, Worker

STORE_BYTES = 4 << 30
READY = "TalkCLIP server ready at"
_log = logging.getLogger("talkclip.server")


def serve(
    address: str,
    load: Callable[[], PipelineLike],
    *,
    keys: Path | None = None,
    workers: int = 1,
    store_folder: Path | None = None,
    store_bytes: int = STORE_BYTES,
    limits: ServerLimits | None = None,
    device: str = "auto",
    send_tracebacks: bool = False,
    exit_when_idle_s: float | None = None,
    parent: int | None = None,
) -> None:
    """Serve a pipeline until SIGINT or SIGTERM (once: finish what runs; twice: at once).

    Prints `TalkCLIP server ready at tcp://127.0.0.1:PORT` when clients may come; the log goes to the logger
    `talkclip.server`.

    Args:
        address: where to listen; without keys on this machine only; port 0 or * = any free one.
        keys: folder of `talkclip keys`: only clients with a key that is allowed there come in.
        load: makes the pipeline; called in every worker process, so it must be picklable (a function of a module, or
            `functools.partial` of one).
        workers: processes that compute, one job each at a time.
        store_folder: where uploaded sounds stay between runs; None = a temporary folder that goes with the server.
        store_bytes: how much of them to keep.
        limits: what clients may ask; default `ServerLimits()`.
        device: what portraits are drawn on, see `choose_device`.
        send_tracebacks: tell clients where the engine failed, for developers.
        exit_when_idle_s: stop after so long without a client; None = never.
        parent: process id of the program that the server belongs to; it stops when that one has ended.

    Raises:
        InputError: the address is in use, or other machines could reach it; `parent` is no process; the device is not
            there.
        TalkClipError: what `load` raises, or the folder cannot be used.
    """
    limits = limits or ServerLimits()
    parent_gone = None if parent is None else Parent(parent).gone
    keyring = None if keys is None else Keyring.open(keys)
    bindable = bind_address(address, keyring is not None)
    with _store(store_folder, store_bytes) as store:
        make_engine = functools.partial(_pipeline_engine, load, limits.audio_s, device)
        make_worker = functools.partial(_process_worker, make_engine, limits.chunk_frames, send_tracebacks)
        server = Server(
            [make_worker] * workers, bindable, store, limits, keyring=keyring, exit_when_idle_s=exit_when_idle_s,
            exit_when=parent_gone,
        )  # fmt: skip
        with _stop_on_signals(server):
            print(f"{READY} {server.address}", flush=True)
            server.run()


@contextlib.contextmanager
def running_server(
    engine: Engine,
    address: str = "tcp://127.0.0.1:0",
    *,
    keys: Path | None = None,
    store_folder: Path | None = None,
    store_bytes: int = STORE_BYTES,
    limits: ServerLimits | None = None,
    send_tracebacks: bool = False,
) -> Iterator[Server]:
    """A server and its worker in threads of this process, at `server.address`; stopped when the block is left."""
    with _store(store_folder, store_bytes) as store:
        limits = limits or ServerLimits()

        def make_worker(deliver: Deliver) -> Worker:
            return ThreadWorker(engine, limits.chunk_frames, deliver, send_tracebacks)

        keyring = None if keys is None else Keyring.open(keys)
        server = Server([make_worker], bind_address(address, keyring is not None), store, limits, keyring=keyring)
        thread = threading.Thread(target=server.run, name="talkclip-server")
        thread.start()
        try:
            yield server
        finally:
            server.request_stop()
            server.request_stop()
            thread.join()


def _pipeline_engine(load: Callable[[], PipelineLike], max_audio_s: float, device: str) -> PipelineEngine:
    """Runs in the worker's process: CUDA is not for the one that starts others."""
    place = choose_device(device)
    return PipelineEngine(load(), max_audio_s, place)


def _process_worker(
    make_engine: Callable[[], Engine], chunk_frames: int, send_tracebacks: bool, deliver: Deliver
) -> ProcessWorker:
    return ProcessWorker(make_engine, chunk_frames, deliver, send_tracebacks)


@contextlib.contextmanager
def _store(folder: Path | None, max_bytes: int) -> Iterator[AudioStore]:
    if folder is not None:
        yield AudioStore(folder, max_bytes)
        return
    # Windows refuses to delete a file that a hung worker still reads; that must not hide how the server ended.
    with tempfile.TemporaryDirectory(prefix="talkclip-", ignore_cleanup_errors=True) as temporary:
        yield AudioStore(Path(temporary), max_bytes)


@contextlib.contextmanager
def _stop_on_signals(server: Server) -> Iterator[None]:
    """SIGINT and SIGTERM ask the server to stop. Only the main thread may say so; elsewhere nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(signum: int, _frame: FrameType | None) -> None:
        _log.info("event=signal signal=%s", signal.Signals(signum).name)
        server.request_stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

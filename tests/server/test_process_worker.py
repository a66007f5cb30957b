"""A worker in a process of its own: it may crash, hang or never start, and the server stays."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from talkclip import protocol as p
from talkclip.errors import InputError, TalkClipError
from talkclip_server import AudioStore, Engine, Server
from talkclip_server.process import ProcessWorker
from talkclip_server.worker import Deliver
from tests.support.raw_peer import RawPeer, order
from tests.support.small_engine import SmallEngine, expected_values

SOUND = b"sound" * 1000


def no_weights() -> Engine:
    raise TalkClipError("The weights 'x' are not installed.", "Run: pip install x", "missing_weights")


def bad_flame() -> Engine:
    raise InputError("face.pkl: is not a FLAME model.", "Give another file.")


def crash() -> Engine:
    os._exit(3)


def bug() -> Engine:
    raise ZeroDivisionError("a bug")


def ignore(_: object) -> None:
    """Takes outputs that nobody looks at."""


@contextlib.contextmanager
def serving(
    tmp_path: Path, make_engine: Callable[[], Engine], workers: int = 1
) -> Iterator[tuple[Server, list[ProcessWorker]]]:
    made: list[ProcessWorker] = []

    def make_worker(deliver: Deliver) -> ProcessWorker:
        made.append(ProcessWorker(make_engine, 10, deliver))
        return made[-1]

    server = Server([make_worker] * workers, "tcp://127.0.0.1:*", AudioStore(tmp_path, 10**6), p.ServerLimits())
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server, made
    finally:
        server.request_stop()
        server.request_stop()
        thread.join()


def test_a_killed_worker_fails_its_job_and_is_replaced(tmp_path: Path) -> None:
    with serving(tmp_path, SmallEngine) as (server, (worker,)), RawPeer(server.address) as peer:
        sha256 = peer.upload(SOUND)
        peer.say(order("a", sha256, "hold"), order("b", sha256, credit=100))
        peer.hear_until(p.Chunk)
        worker._process.kill()
        *_, end = peer.hear_until(p.Failure)
        assert isinstance(end, p.Failure) and (end.id, end.code) == ("a", "worker_died")
        heard = peer.hear_until(p.Done)
        assert heard[-1].id == "b"
        values = np.concatenate([message.values for message in heard if isinstance(message, p.Chunk)])
        assert np.array_equal(values, expected_values(SOUND, "a happy woman", 0, 120))


def test_cancel_reaches_the_process(tmp_path: Path) -> None:
    with serving(tmp_path, SmallEngine) as (server, _), RawPeer(server.address) as peer:
        sha256 = peer.upload(SOUND)
        peer.say(order("a", sha256, "hold"), order("b", sha256, credit=100))
        peer.hear_until(p.Chunk)
        peer.say(p.Cancel("a"))
        heard = peer.hear_until(p.Done)  # which the engine could not do if it still held the first one
        assert [message.code for message in heard if isinstance(message, p.Failure)] == ["cancelled"]
        assert heard[-1].id == "b"


def test_two_workers_do_two_jobs_at_once(tmp_path: Path) -> None:
    with serving(tmp_path, SmallEngine, workers=2) as (server, _), RawPeer(server.address) as peer:
        sha256 = peer.upload(SOUND)
        peer.say(order("long", sha256, "hold"), order("short", sha256, credit=100))
        assert peer.hear_until(p.Done)[-1].id == "short"


def test_a_fault_in_the_engine_arrives_with_its_words(tmp_path: Path) -> None:
    with serving(tmp_path, SmallEngine) as (server, _), RawPeer(server.address) as peer:
        peer.say(order("a", peer.upload(SOUND), "raise"))
        *_, end = peer.hear_until(p.Failure)
        assert isinstance(end, p.Failure) and end.code == "engine" and "ValueError: a bug" in end.message


@pytest.mark.parametrize(
    ("make_engine", "kind", "words"),
    [
        (no_weights, TalkClipError, "'x' are not installed.*pip install x"),
        (bad_flame, InputError, "is not a FLAME model"),
        (crash, TalkClipError, "died while it loaded"),
        (bug, TalkClipError, "ZeroDivisionError"),
    ],
)
def test_an_engine_that_cannot_be_loaded_is_explained(
    make_engine: Callable[[], Engine], kind: type[TalkClipError], words: str
) -> None:
    with pytest.raises(kind, match=words):
        ProcessWorker(make_engine, 10, ignore)


def test_a_port_in_use_leaves_no_process_behind(tmp_path: Path) -> None:
    made: list[ProcessWorker] = []

    def make_worker(deliver: Deliver) -> ProcessWorker:
        made.append(ProcessWorker(functools.partial(SmallEngine, 10), 10, deliver))
        return made[-1]

    with serving(tmp_path, SmallEngine) as (server, _), pytest.raises(InputError, match="in use"):
        Server([make_worker], server.address, AudioStore(tmp_path / "other", 10**6), p.ServerLimits())
    with pytest.raises(ValueError, match="closed"):
        made[0]._process.is_alive()

"""Hundreds of thousands of messages nobody should send: the server stays up, and clients who behave never notice.

Four kinds of senders at once: mutated bytes of valid messages, valid maps with wrong values in them, valid messages in
senseless order and again, and raw sockets that speak no ZMTP (or stop in the middle of it). Beside them a client that
behaves asks for jobs all the time and checks every frame of every answer.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
import zmq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from talkclip import protocol as p
from talkclip.client import Client, SpeakRequest
from talkclip.timeline import PromptTimeline
from talkclip_server import Server, running_server
from tests.support.damage import damaged
from tests.support.raw_peer import RawPeer, order
from tests.support.small_engine import SmallEngine, expected_values

SOUND = b"sound" * 1000
SHA = hashlib.sha256(SOUND).hexdigest()
LINE = PromptTimeline.single("x", 2.0)
LIMITS = p.ServerLimits(chunk_frames=40, upload_bytes=1_000_000, idle_client_s=5.0, stalled_job_s=5.0)
ZMTP_GREETING = b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x00NULL" + b"\0" * 48

VALID: list[p.Message] = [
    p.Hello("h"),
    p.Put("put", SHA, len(SOUND)),
    p.Put("other", "11" * 32, 99),
    p.PutChunk("put", SHA, 0, SOUND[:100]),
    p.PutChunk("put", SHA, 100, SOUND[100:]),
    p.PutChunk("other", "11" * 32, 0, b"1234"),
    order("job", SHA),
    order("job2", SHA, "y", credit=1),
    order("gone", "22" * 32),
    p.Edit("edit", p.AudioSource(SHA), LINE, 25.0, before=LINE, restyled=("line",)),
    p.Animate("styled", p.AudioSource(SHA), LINE, 25.0, layers=True, styles=(p.StyleSource("line", SHA, "a.mp4"),)),
    p.Render("video", p.AudioSource(SHA), LINE, 25.0),
    p.Credit("job", 3),
    p.Cancel("job"),
    p.Cancel("job2"),
    p.Read("read", "sad"),
    p.Ping("ping"),
    p.Status("status"),
    p.Bye("bye"),
    p.Pong("pong"),
    p.Reading("read", p.UnderstoodPrompt((), (p.EmotionWeight("sad", 1.0),), 0.5)),
    p.Done("job", 1, 0.1),
    p.Chunk("job", 0, np.zeros((2, 3), np.float32)),
]
FRAMES = [p.encode(message) for message in VALID]


# --- senders --------------------------------------------------------------------------------------------------------


def mutated(rng: random.Random) -> bytes:
    """A valid frame, cut, flipped, repeated or with bytes put in; or bytes of no origin."""
    if rng.random() < 0.2:
        return rng.randbytes(rng.randrange(200))
    return damaged(rng, rng.choice(FRAMES))


def twisted(rng: random.Random) -> bytes:
    """A valid map in which some values are others."""
    plain = msgpack.unpackb(rng.choice(FRAMES))
    for _ in range(rng.randint(1, 3)):
        inner = plain
        while True:
            name = rng.choice(list(inner)) if inner else "x"
            if isinstance(inner.get(name), dict) and rng.random() < 0.6:
                inner = inner[name]
                continue
            inner[name] = rng.choice(ODD)(rng)
            break
    with contextlib.suppress(ValueError, OverflowError):
        return msgpack.packb(plain)
    return b"\xc1"


def nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


ODD: list[Callable[[random.Random], Any]] = [
    lambda rng: rng.choice(
        [None, True, False, 0, -1, 1, 2**63, -(2**63), 2**53 + 1, 1e308, float("nan"), float("inf")]
    ),
    lambda rng: rng.choice(["", "x", "\0", "../../etc/passwd", "é" * 300, "x" * 70_000, "-", "job"]),
    lambda rng: rng.randbytes(rng.randrange(50)),
    lambda rng: [rng.random() for _ in range(rng.randrange(5))],
    lambda rng: {"dtype": "<f4", "shape": [2**40, 2**40], "data": b""},
    lambda rng: {"dtype": "object", "shape": [1], "data": b"cos\nsystem\n"},
    lambda rng: {},
    lambda rng: nested(rng.randrange(600)),
    lambda rng: [{}] * rng.randrange(2000),
    lambda rng: SHA,
]


def senseless(rng: random.Random) -> bytes:
    """A valid message at the wrong time, or once more; a fresh id now and then lets it through."""
    message = rng.choice(VALID)
    if rng.random() < 0.3:
        plain = msgpack.unpackb(p.encode(message)) | {"id": f"id{rng.randrange(50)}"}
        return msgpack.packb(plain)
    return p.encode(message)


KINDS = (mutated, twisted, senseless)


def send_nonsense(address: str, count: int, seed: int) -> None:
    """One bad peer: `count` messages over some connections; reads little of what it is told."""
    rng = random.Random(seed)
    sent = 0
    while sent < count:
        peer = RawPeer(address, hello=rng.random() < 0.8)
        for _ in range(min(count - sent, rng.randint(50, 2000))):
            frame = KINDS[sent % 3](rng)
            with contextlib.suppress(zmq.Again):
                if rng.random() < 0.01:
                    peer.socket.send_multipart([frame] * rng.randint(2, 9), zmq.NOBLOCK)
                elif not peer.socket.poll(2000, zmq.POLLOUT):
                    break  # the server gave this connection up; a new one
                else:
                    peer.socket.send(frame, zmq.NOBLOCK)
            sent += 1
            if rng.random() < 0.7:
                with contextlib.suppress(zmq.Again):
                    while True:
                        peer.socket.recv(zmq.NOBLOCK)
        _wait_until_read(peer)
        if rng.random() < 0.05:
            with contextlib.suppress(zmq.Again):
                peer.socket.send(b"\0" * (p.MAX_FRAME_BYTES + 1), zmq.NOBLOCK)
        peer.__exit__(None, None, None)


def _wait_until_read(peer: RawPeer) -> None:
    """What is still in the socket would be lost with it: the answer to a last hello says that all was read."""
    peer.say(p.Hello("last"))
    while peer.socket.poll(20_000):
        with contextlib.suppress(p.ProtocolError):
            answer = p.decode(peer.socket.recv(), p.FROM_SERVER)
            if answer.id == "last":
                return
    raise AssertionError("the server stopped answering")


def speak_no_zmtp(address: str, seed: int, until: threading.Event) -> None:
    """Raw connections: web requests, noise, half greetings, a greeting and then noise, silence."""
    host, port = address.removeprefix("tcp://").split(":")
    rng = random.Random(seed)
    while not until.is_set():
        said = rng.choice([
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", rng.randbytes(rng.randrange(5000)), b"\xff" * 64, b"",
            ZMTP_GREETING[: rng.randrange(64)], ZMTP_GREETING + rng.randbytes(200),
            ZMTP_GREETING + b"\x04\xff" + b"\xff" * 8,
        ])  # fmt: skip
        with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=5) as raw:
            raw.sendall(said)
            if rng.random() < 0.3:
                time.sleep(0.01)


class GoodClient(threading.Thread):
    """Asks again and again, and checks every answer."""

    def __init__(self, address: str, folder: Path) -> None:
        super().__init__(daemon=True)
        self.answers = 0
        self.errors: list[str] = []
        self.enough = threading.Event()
        self._address = address
        self._file = folder / "line.wav"
        self._file.write_bytes(SOUND)

    def run(self) -> None:
        """Until it is enough."""
        while not self.enough.is_set():
            try:
                with Client(self._address) as client:
                    for _ in range(20):
                        prompt = f"prompt {self.answers}"
                        asked = SpeakRequest(self._file, PromptTimeline.single(prompt, 9.0), 25.0)
                        values = client.animate(asked, timeout_s=60).track.values
                        if not np.array_equal(values, expected_values(SOUND, prompt, 0, 120)):
                            self.errors.append("wrong values")
                        self.answers += 1
            except Exception as error:
                self.errors.append(repr(error))


def _count_frames(server: Server) -> itertools.count[int]:
    """-> counts the frames that the server reads from now on; `next` tells how many."""
    count, receive = itertools.count(), server._front.receive

    def counted() -> tuple[bytes, bytes] | None:
        arrived = receive()
        if arrived is not None:
            next(count)
        return arrived

    server._front.receive = counted  # type: ignore[method-assign]
    return count


def bombard(server: Server, folder: Path, count: int) -> None:
    read = _count_frames(server)
    good = GoodClient(server.address, folder)
    done = threading.Event()
    raw = threading.Thread(target=speak_no_zmtp, args=(server.address, 1, done), daemon=True)
    bad = [
        threading.Thread(target=send_nonsense, args=(server.address, count // 4, seed), daemon=True)
        for seed in range(4)
    ]
    for thread in (good, raw, *bad):
        thread.start()
    for thread in bad:
        thread.join()
    assert next(read) >= count, "the server read them all"
    done.set()
    raw.join()
    good.enough.set()
    good.join(60)
    assert not good.errors and good.answers >= 3
    with Client(server.address) as client:
        deadline = time.monotonic() + 30
        while (report := client.status()).jobs_running or report.jobs_waiting or report.clients > 1:
            assert time.monotonic() < deadline, report
            time.sleep(0.2)
    assert report.store_bytes < 10_000_000


@pytest.fixture
def server() -> Iterator[Server]:
    with running_server(SmallEngine(), limits=LIMITS) as running:
        yield running


def test_thousands_of_messages(server: Server, tmp_path: Path) -> None:
    bombard(server, tmp_path, 3_000)


@pytest.mark.slow
def test_two_hundred_thousand_messages(server: Server, tmp_path: Path) -> None:
    bombard(server, tmp_path, 200_000)


scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=9)
plain_values = st.recursive(
    scalars | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=4,
)
FIELDS = (
    "v",
    "id",
    "versions",
    "sha256",
    "size",
    "offset",
    "data",
    "audio",
    "timeline",
    "before",
    "fps",
    "chunks",
    "prompt",
    "styles",
    "layers",
)
changes = st.lists(st.tuples(st.sampled_from(FIELDS), plain_values), max_size=3).map(dict)


@pytest.mark.parametrize("examples", [100, pytest.param(1_000, marks=pytest.mark.slow)])
def test_any_map_is_answered_or_ignored(server: Server, examples: int) -> None:
    """Hypothesis chooses what a message holds; afterwards the server answers as ever."""
    with RawPeer(server.address) as peer:

        @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.sampled_from(VALID), changes)
        def check(message: p.Message, changed: dict[str, Any]) -> None:
            peer.say(msgpack.packb(msgpack.unpackb(p.encode(message)) | changed))
            peer.say(p.Hello("again"))  # the message may have been a good-bye
            peer.hear_until(p.Welcome)

        check()
        peer.say(p.Hello("last"))
        assert peer.hear_until(p.Welcome)

"""Nothing that arrives may stop the server, and clients who behave must not notice."""

from __future__ import annotations

import hashlib
import random
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
import zmq

from talkclip import protocol as p
from talkclip.client import Client, SpeakRequest
from talkclip.timeline import PromptTimeline
from talkclip_server import Server, running_server
from tests.support.damage import damaged
from tests.support.raw_peer import RawPeer, order, wait_for
from tests.support.small_engine import SmallEngine, expected_values

SOUND = b"sound" * 1000


@pytest.fixture
def engine() -> SmallEngine:
    return SmallEngine()


@pytest.fixture
def server(engine: SmallEngine) -> Iterator[Server]:
    with running_server(engine, limits=p.ServerLimits(chunk_frames=10, upload_bytes=1_000_000)) as running:
        yield running


@pytest.fixture
def peer(server: Server) -> Iterator[RawPeer]:
    with RawPeer(server.address) as connected:
        yield connected


def works(server: Server, tmp_path: Path, prompt: str = "still well") -> bool:
    """A client who behaves gets the right answer."""
    file = tmp_path / "line.wav"
    file.write_bytes(SOUND)
    with Client(server.address) as client:
        reply = client.animate(SpeakRequest(file, PromptTimeline.single(prompt, 9.0), 25.0), timeout_s=20)
    return np.array_equal(reply.track.values, expected_values(SOUND, prompt, 0, 120))


def test_thousands_of_broken_messages(server: Server, tmp_path: Path) -> None:
    rng = random.Random(5)
    valid = [
        p.encode(message)
        for message in (
            p.Hello("h"), p.Put("put", "00" * 32, 9), p.PutChunk("put", "00" * 32, 0, b"1234"), order("job", "00" * 32),
            p.Credit("job", 3), p.Cancel("job"), p.Ping("p"), p.Status("s"), p.Bye("b"), p.Pong("x"),
        )
    ]  # fmt: skip
    peers = [RawPeer(server.address, hello=k % 2 == 0) for k in range(4)]
    for number in range(3000):
        frame = rng.randbytes(rng.randrange(60)) if number % 3 == 0 else damaged(rng, rng.choice(valid))
        peers[number % 4].say(frame)
        if number % 1000 == 0:
            assert works(server, tmp_path, f"prompt {number}")
    for peer in peers:
        peer.say(p.Hello("again"))
        peer.hear_until(p.Welcome)
        peer.__exit__(None, None, None)
    assert works(server, tmp_path)


def test_bytes_that_are_no_message_are_answered(peer: RawPeer) -> None:
    peer.say(b"\x00\x01\x02")
    answer = peer.hear()
    assert isinstance(answer, p.Failure) and (answer.id, answer.code) == (p.NO_ID, "malformed")


def test_unknown_operations_are_refused_with_their_id(peer: RawPeer) -> None:
    peer.say(msgpack.packb({"v": 1, "op": "exec", "id": "x", "code": "import os"}))
    answer = peer.hear()
    assert isinstance(answer, p.Failure) and (answer.id, answer.code) == ("x", "unknown_op")


def test_a_message_from_another_version_is_refused(peer: RawPeer) -> None:
    peer.say(p.encode(p.Ping("x"), version=2))
    answer = peer.hear()
    assert isinstance(answer, p.Failure) and (answer.id, answer.code) == ("x", "version")


def test_a_broken_message_about_a_running_job_ends_it_once(peer: RawPeer, engine: SmallEngine) -> None:
    peer.say(order("job", peer.upload(SOUND), "hold"))
    peer.hear_until(p.Chunk)
    broken = {"v": 1, "op": "credit", "id": "job", "chunks": "many"}
    peer.say(msgpack.packb(broken), msgpack.packb(broken))
    ends = [message for message in peer.hear_all() if isinstance(message, p.Failure)]
    assert [(end.id, end.code) for end in ends] == [("job", "malformed")]
    wait_for(lambda: engine.cancels_seen)


def test_an_oversized_frame_closes_only_its_own_connection(server: Server, peer: RawPeer, tmp_path: Path) -> None:
    peer.say(b"\0" * (p.MAX_FRAME_BYTES + 1))
    assert works(server, tmp_path)


def test_messages_of_many_parts(server: Server, peer: RawPeer, tmp_path: Path) -> None:
    peer.socket.send_multipart([p.encode(p.Ping("first"))] + [b"more"] * 50)
    answer = peer.hear()
    assert isinstance(answer, p.Pong) and answer.id == "first"
    peer.socket.send_multipart([b"", p.encode(p.Ping("after an empty part"))])
    assert isinstance(peer.hear(), p.Failure)
    assert works(server, tmp_path)


def test_a_socket_that_speaks_no_zmtp(server: Server, tmp_path: Path) -> None:
    host, port = server.address.removeprefix("tcp://").split(":")
    rng = random.Random(1)
    for said in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", rng.randbytes(5000), b"\xff" * 64, b""):
        with socket.create_connection((host, int(port)), timeout=5) as raw:
            raw.sendall(said)
    assert works(server, tmp_path)


@pytest.mark.parametrize("kind", [zmq.REQ, zmq.SUB, zmq.PUSH])
def test_other_kinds_of_sockets(server: Server, tmp_path: Path, kind: int) -> None:
    context: zmq.Context[Any] = zmq.Context()
    other = context.socket(kind)
    other.setsockopt(zmq.LINGER, 0)
    other.connect(server.address)
    if kind == zmq.REQ:
        other.send(b"hello?")
    assert works(server, tmp_path)
    other.close()
    context.term()


def test_a_client_that_never_reads_is_given_up(server: Server, peer: RawPeer, tmp_path: Path) -> None:
    flood = RawPeer(server.address)
    for _ in range(20_000):
        try:
            flood.socket.send(p.encode(p.Status("s")), zmq.NOBLOCK)
        except zmq.Again:  # the server does not read faster than it can answer
            break
    assert works(server, tmp_path)
    flood.__exit__(None, None, None)


def test_uploads_out_of_order_and_repeated(peer: RawPeer) -> None:
    sound = bytes(range(250)) * 10
    sha256 = hashlib.sha256(sound).hexdigest()
    peer.say(p.PutChunk("early", sha256, 0, sound))
    answer = peer.hear()
    assert isinstance(answer, p.Failure) and answer.code == "not_announced"
    steps = [(0, 1000, 1000), (2000, 2500, 1000), (0, 1000, 1000), (1000, 2000, 2000), (2000, 2500, 2500), (0, 9, 2500)]
    peer.say(p.Put("put", sha256, len(sound)))
    assert peer.hear() == p.PutState("put", sha256, 0, False)
    for first, last, received in steps:
        peer.say(p.PutChunk("put", sha256, first, sound[first:last]))
        assert peer.hear() == p.PutState("put", sha256, received, received == 2500)


@pytest.mark.parametrize(("announced", "sent"), [(10, b"not these b"), (10, b"0123456789!")])
def test_uploads_that_are_not_what_was_announced(peer: RawPeer, announced: int, sent: bytes) -> None:
    peer.say(p.Put("put", "00" * 32, announced), p.PutChunk("put", "00" * 32, 0, sent))
    assert isinstance(peer.hear(), p.PutState)
    answer = peer.hear()
    assert isinstance(answer, p.Failure) and (answer.id, answer.code) == ("put", "wrong_content")


def test_an_upload_that_is_too_large_is_refused_before_it_starts(peer: RawPeer) -> None:
    peer.say(p.Put("put", "00" * 32, 1_000_001))
    answer = peer.hear()
    assert isinstance(answer, p.Failure) and (answer.id, answer.code) == ("put", "too_large")


def test_an_upload_goes_on_after_a_new_connection(server: Server, tmp_path: Path) -> None:
    sound = bytes(range(250)) * 10
    sha256 = hashlib.sha256(sound).hexdigest()
    with RawPeer(server.address) as first:
        first.say(p.Put("put", sha256, len(sound)), p.PutChunk("put", sha256, 0, sound[:1000]))
        first.hear(), first.hear()
    with RawPeer(server.address) as second:
        second.say(p.Put("put", sha256, len(sound)))
        assert second.hear() == p.PutState("put", sha256, 1000, False)

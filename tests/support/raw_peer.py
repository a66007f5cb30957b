"""A client without manners: sends any bytes, sees every frame."""

from __future__ import annotations

import hashlib
import time
from types import TracebackType
from typing import Any

import zmq

from talkclip import protocol as p
from talkclip.timeline import PromptTimeline

WAIT_S = 10.0


class RawPeer:
    """A DEALER socket and the codec, nothing between."""

    def __init__(self, address: str, hello: bool = True) -> None:
        self._context = zmq.Context()
        self.socket: zmq.Socket[Any] = self._context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.connect(address)
        if hello:
            self.say(p.Hello("hello"))
            assert isinstance(self.hear(), p.Welcome)

    def __enter__(self) -> RawPeer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()
        self._context.term()

    def say(self, *messages: p.Message | bytes) -> None:
        """Send messages, or bytes as they are."""
        for message in messages:
            self.socket.send(message if isinstance(message, bytes) else p.encode(message))

    def hear(self, timeout_s: float = WAIT_S) -> p.Message:
        """The next message; AssertionError when none comes."""
        assert self.socket.poll(round(timeout_s * 1000)), f"the server said nothing for {timeout_s} s"
        return p.decode(self.socket.recv(), p.FROM_SERVER)

    def hear_until(self, *kinds: type[p.Message]) -> list[p.Message]:
        """Messages up to and with the first of one of these kinds."""
        heard = [self.hear()]
        while not isinstance(heard[-1], kinds):
            heard.append(self.hear())
        return heard

    def hear_all(self) -> list[p.Message]:
        """Everything the server has said by the time it answers a ping."""
        self.say(p.Ping("last"))
        return self.hear_until(p.Pong)[:-1]

    def upload(self, sound: bytes) -> str:
        """-> the sha256 under which the server has it."""
        sha256 = hashlib.sha256(sound).hexdigest()
        self.say(p.Put("put", sha256, len(sound)))
        state = self.hear()
        assert isinstance(state, p.PutState)
        if not state.complete:
            self.say(p.PutChunk("put", sha256, 0, sound))
            state = self.hear()
        assert isinstance(state, p.PutState) and state.complete
        return sha256

    def upload_in_chunks(self, sound: bytes, chunk_bytes: int = 262_144) -> str:
        """`upload` of a sound too large for one message."""
        sha256 = hashlib.sha256(sound).hexdigest()
        self.say(p.Put("put", sha256, len(sound)))
        self.hear()
        for first in range(0, len(sound), chunk_bytes):
            self.say(p.PutChunk("put", sha256, first, sound[first : first + chunk_bytes]))
            self.hear()
        return sha256


def order(job_id: str, sha256: str, prompt: str = "a happy woman", **fields: Any) -> p.Animate:
    """An `animate` of a sound that was uploaded."""
    return p.Animate(job_id, p.AudioSource(sha256, "line.wav"), PromptTimeline.single(prompt, 9.0), 25.0, **fields)


def wait_for(condition: Any, timeout_s: float = WAIT_S) -> None:
    """Return when `condition()` is true; AssertionError when it never is."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)

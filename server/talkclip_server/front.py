"""Front: the ROUTER socket and the clients behind it. Never blocks, never grows without bound."""

from __future__ import annotations

import errno
import time
from typing import Any

import zmq

from talkclip.errors import InputError
from talkclip.protocol import Message, encode
from talkclip_server.jobs import Session
from talkclip_server.security import Gate, Keyring

_MAX_OUTBOX = 2_000
_QUEUED_FRAMES = 64
_LINGER_MS = 500
# Whoever has not said who he is by then is no client of ours.
_HANDSHAKE_MS = 10_000


class Front:
    """A bound socket, the sessions of those who said hello, and the frames they have not taken yet.

    Attributes:
        address: where the socket really listens.
        sessions: by identity at the socket.
    """

    def __init__(self, address: str, max_frame_bytes: int, keyring: Keyring | None = None) -> None:
        """Bind; with keys only those who have one come in.

        Raises:
            InputError: the address is in use or cannot be bound.
        """
        self._context: zmq.Context[Any] = zmq.Context()
        self.socket: zmq.Socket[Any] = self._context.socket(zmq.ROUTER)
        self.gate = None if keyring is None else Gate(self._context, keyring)
        if self.gate is not None:
            self.gate.guard(self.socket)
        for option, value in (
            (zmq.LINGER, _LINGER_MS),
            (zmq.SNDHWM, _QUEUED_FRAMES),
            (zmq.RCVHWM, _QUEUED_FRAMES),
            (zmq.MAXMSGSIZE, max_frame_bytes),
            (zmq.ROUTER_MANDATORY, 1),  # a client that is gone is an error, not silence
            (zmq.IPV6, int("[" in address)),
            (zmq.HANDSHAKE_IVL, _HANDSHAKE_MS),
        ):
            self.socket.setsockopt(option, value)
        try:
            self.socket.bind(address)
        except zmq.ZMQError as error:
            self._context.destroy(linger=0)
            if error.errno == errno.EADDRINUSE:
                hint = "Another server runs there: use it, stop it, or choose another port (PORT 0 = any free one)."
                raise InputError(f"{address} is in use.", hint) from None
            raise InputError(f"Cannot listen at {address} ({error.strerror}).", "Choose another address.") from None
        self.address: str = self.socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self.sessions: dict[bytes, Session] = {}

    @property
    def blocked(self) -> bool:
        """True while some client has not taken all its frames."""
        return any(session.outbox for session in self.sessions.values())

    def receive(self) -> tuple[bytes, bytes] | None:
        """-> (identity, frame), or None when nothing is here. Of a message of several parts only the first counts."""
        try:
            identity, *parts = self.socket.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return None
        return identity, parts[0] if parts else b""

    def open_session(self, identity: bytes, name: str) -> Session:
        """A client said hello."""
        session = self.sessions.get(identity) or Session(identity, name, time.monotonic())
        self.sessions[identity] = session
        return session

    def send(self, session: Session, frame: bytes) -> None:
        """Queue a frame; `flush` sends it."""
        session.outbox.append(frame)

    def send_stranger(self, identity: bytes, message: Message) -> None:
        """Answer somebody who has no session; dropped if it cannot go at once."""
        self._try_send(identity, encode(message))

    def flush(self) -> list[Session]:
        """Send what the socket takes. -> sessions that are gone or hopelessly behind; the caller drops them."""
        lost = []
        for session in self.sessions.values():
            sent: bool | None = True
            while session.outbox and sent:
                sent = self._try_send(session.identity, session.outbox[0])
                if sent:
                    session.outbox.popleft()
            if sent is None or len(session.outbox) > _MAX_OUTBOX:
                lost.append(session)
        return lost

    def close(self) -> None:
        """Flush for at most half a second and close."""
        self.socket.close()
        if self.gate is not None:
            self.gate.close()
        self._context.term()

    def _try_send(self, identity: bytes, frame: bytes) -> bool | None:
        """-> True sent, False not now, None never: nobody is there any more."""
        try:
            self.socket.send_multipart([identity, frame], zmq.NOBLOCK)
        except zmq.Again:
            return False
        except zmq.ZMQError as error:
            if error.errno == errno.EHOSTUNREACH:
                return None
            raise
        return True

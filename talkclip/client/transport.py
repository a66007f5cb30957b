"""How a client's frames reach the server: ZeroMQ, or anything a test puts in its place."""

from __future__ import annotations

from typing import Any, Protocol

import zmq
from zmq.utils.monitor import recv_monitor_message

from talkclip.client.keys import ClientKeys
from talkclip.errors import InputError
from talkclip.protocol import MAX_FRAME_BYTES

_LINGER_MS = 200
_QUEUED_FRAMES = 64
_REFUSALS = zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
_RECONNECT_MS, _RECONNECT_MAX_MS = 50, 1_000


class Transport(Protocol):
    """A pipe of whole frames to one server. Never blocks, except in `wait`."""

    def open(self) -> None:
        """Start connecting; returns at once, also when nobody listens."""

    def send(self, frame: bytes) -> bool:
        """-> False when the queue is full; the caller tries again later."""

    def receive(self) -> bytes | None:
        """-> the next frame, or None when none is here."""

    def wait(self, timeout_s: float) -> None:
        """Return as soon as a frame can be received, at the latest after `timeout_s`."""

    def broken(self) -> bool:
        """-> True once an established connection was lost; frames that arrived before can still be received."""

    def refused(self) -> bool:
        """-> True once a server said that we may not come in."""

    def close(self) -> None:
        """Drop the connection. `open` may be called again."""


class ZmqTransport:
    """A DEALER socket with its own context, so that closing it leaves nothing behind inside Blender."""

    def __init__(self, address: str, keys: ClientKeys | None = None) -> None:
        self.address = address
        self._keys = keys
        self._context: zmq.Context[Any] | None = None
        self._socket: zmq.Socket[Any] | None = None
        self._monitor: zmq.Socket[Any] | None = None
        self._broken = self._refused = False

    def open(self) -> None:
        """Start connecting.

        Raises:
            InputError: the address is not one ZeroMQ understands.
        """
        self.close()
        self._context = zmq.Context()
        socket = self._context.socket(zmq.DEALER)
        for option, value in (
            (zmq.LINGER, _LINGER_MS),
            (zmq.SNDHWM, _QUEUED_FRAMES),
            (zmq.MAXMSGSIZE, MAX_FRAME_BYTES),
            (zmq.RECONNECT_IVL, _RECONNECT_MS),
            (zmq.RECONNECT_IVL_MAX, _RECONNECT_MAX_MS),
        ):
            socket.setsockopt(option, value)
        if self._keys is not None:
            socket.setsockopt(zmq.CURVE_SERVERKEY, bytes.fromhex(self._keys.server))
            socket.setsockopt(zmq.CURVE_PUBLICKEY, bytes.fromhex(self._keys.public))
            socket.setsockopt(zmq.CURVE_SECRETKEY, bytes.fromhex(self._keys.secret))
        self._socket = socket
        self._monitor = socket.get_monitor_socket(zmq.EVENT_DISCONNECTED | _REFUSALS)
        self._broken = self._refused = False
        try:
            socket.connect(self.address)
        except zmq.ZMQError as error:
            self.close()
            text = f"'{self.address}' is not an address ({error.strerror})."
            raise InputError(text, "Use the form tcp://HOST:PORT.", "bad_address") from None

    def send(self, frame: bytes) -> bool:
        """-> False when the queue is full."""
        if self._socket is None:
            return False
        try:
            self._socket.send(frame, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def receive(self) -> bytes | None:
        """-> the next frame, or None. Frames of several parts are not ours: only the first part is looked at."""
        if self._socket is None:
            return None
        try:
            parts = self._socket.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return None
        return parts[0]

    def wait(self, timeout_s: float) -> None:
        """Sleep until a frame or the loss of the connection is here, or the time is up."""
        if self._socket is None or self._monitor is None:
            return
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._monitor, zmq.POLLIN)
        poller.poll(max(0, round(timeout_s * 1000)))

    def broken(self) -> bool:
        """-> True once an established connection was lost."""
        self._look()
        return self._broken

    def refused(self) -> bool:
        """-> True once the server refused our key, or the lack of one."""
        self._look()
        return self._refused

    def _look(self) -> None:
        while self._monitor is not None and self._monitor.poll(0):
            event = recv_monitor_message(self._monitor)["event"]
            self._broken |= event == zmq.EVENT_DISCONNECTED
            self._refused |= bool(event & _REFUSALS)

    def close(self) -> None:
        """Flush what was sent (at most 0.2 s) and close."""
        if self._socket is not None and self._context is not None:
            self._socket.disable_monitor()
            if self._monitor is not None:
                self._monitor.close()  # a context waits for every socket that is still open, for ever
            self._socket.close()
            self._context.term()
        self._context = self._socket = self._monitor = None

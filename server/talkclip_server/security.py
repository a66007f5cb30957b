"""Keys of a server, and who may come in.

A folder holds the server's pair (`server.json`, for its owner alone) and one public key per allowed client
(`allowed/NAME.key`). The front asks `Gate` about every connection before its first message is read: ZeroMQ's
authentication protocol (ZAP, RFC 27), spoken over an in-process socket.
"""

from __future__ import annotations

import dataclasses
import logging
import re
import time
from pathlib import Path
from typing import Any

import zmq
from zmq.utils import z85

from talkclip.client.keys import KEY_PATTERN, ClientKeys, read_private, write_private
from talkclip.errors import InputError

_ZAP_ADDRESS = "inproc://zeromq.zap.01"
_ZAP_VERSION = b"1.0"
_DOMAIN = b"talkclip"
_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
# Refused connections are logged at most so often: whoever is refused tries again and again.
_LOG_EVERY_S = 1.0
_log = logging.getLogger("talkclip.server")


@dataclasses.dataclass(frozen=True)
class Keyring:
    """The keys in one folder.

    Attributes:
        folder: where they are.
        public, secret: the server's own pair, in hexadecimal.
    """

    folder: Path
    public: str
    secret: str = dataclasses.field(repr=False)

    @classmethod
    def open(cls, folder: Path) -> Keyring:
        """The keys of a folder.

        Raises:
            InputError: there are none, or others can read them.
        """
        if not (folder / "server.json").exists():
            raise InputError(f"{folder}: holds no keys.", f"Make some: talkclip keys new NAME --keys '{folder}'")
        data = read_private(folder / "server.json")
        pair = str(data.get("public", "")), str(data.get("secret", ""))
        if not all(re.fullmatch(KEY_PATTERN, key) for key in pair):
            raise InputError(f"{folder / 'server.json'}: holds no pair of keys.", "Make new ones in another folder.")
        return cls(folder, *pair)

    @classmethod
    def open_or_make(cls, folder: Path) -> Keyring:
        """The keys of a folder; a new server's pair where there is none.

        Raises:
            InputError: the folder cannot be made or written, or others can read it.
        """
        if folder.is_file():
            raise InputError(f"{folder}: is a file, not a folder.", "Choose another folder.")
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            (folder / "allowed").mkdir(exist_ok=True)
        except OSError as error:
            raise InputError(f"{folder}: cannot be used ({error.strerror}).", "Choose another folder.") from None
        if not (folder / "server.json").exists():
            public, secret = new_pair()
            write_private(folder / "server.json", {"public": public, "secret": secret})
        return cls.open(folder)

    def allowed(self) -> dict[str, str]:
        """Public key -> name of who may come in, as the folder says now."""
        found = {}
        for path in sorted((self.folder / "allowed").glob("*.key")):
            key = path.read_text(encoding="ascii", errors="replace").strip()
            if re.fullmatch(KEY_PATTERN, key):
                found[key] = path.stem
        return found

    def allow(self, name: str, public: str) -> None:
        """Let a client in from now on.

        Raises:
            InputError: no name, no key, or the name is taken.
        """
        if re.fullmatch(_NAME, name) is None:
            raise InputError(f"'{name}' is not a name for a key.", "Use letters, digits, - _ and . (64 at most).")
        if re.fullmatch(KEY_PATTERN, public) is None:
            raise InputError(f"'{public[:50]}' is not a public key (64 hexadecimal digits).", "See: talkclip keys new")
        try:
            with (self.folder / "allowed" / f"{name}.key").open("x", encoding="ascii") as stream:
                stream.write(public + "\n")
        except FileExistsError:
            raise InputError(f"'{name}' has a key already.", "Remove it first: talkclip keys remove NAME") from None
        except OSError as error:
            raise InputError(f"{self.folder}: cannot be written ({error.strerror}).", "Check the folder.") from None

    def remove(self, name: str) -> None:
        """Let a client in no more; a connection it has stays until it ends.

        Raises:
            InputError: nobody of this name is allowed.
        """
        path = self.folder / "allowed" / f"{name}.key"
        if re.fullmatch(_NAME, name) is None or not path.exists():
            raise InputError(f"Nobody called '{name}' is allowed in.", "See: talkclip keys list")
        path.unlink()


def new_pair() -> tuple[str, str]:
    """-> (public, secret) in hexadecimal."""
    public, secret = (z85.decode(key).hex() for key in zmq.curve_keypair())
    return public, secret


def new_client(server_public: str, path: Path) -> ClientKeys:
    """Make a client's pair and its file.

    Raises:
        InputError: the server's key is not one, or the file exists or cannot be written.
    """
    keys = ClientKeys(server_public, *new_pair())
    write_private(path, dataclasses.asdict(keys))
    return keys


class Gate:
    """Answers who may come in. Polled by the server's loop.

    Attributes:
        socket: readable when somebody is at the door.
    """

    def __init__(self, context: zmq.Context[Any], keyring: Keyring) -> None:
        self._keyring = keyring
        self._logged_s = 0.0
        self.socket: zmq.Socket[Any] = context.socket(zmq.REP)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.bind(_ZAP_ADDRESS)

    def guard(self, socket: zmq.Socket[Any]) -> None:
        """Make a socket speak CURVE, as the server. Before it is bound."""
        socket.setsockopt(zmq.CURVE_SERVER, 1)
        socket.setsockopt(zmq.CURVE_SECRETKEY, bytes.fromhex(self._keyring.secret))
        socket.setsockopt(zmq.CURVE_PUBLICKEY, bytes.fromhex(self._keyring.public))
        socket.setsockopt(zmq.ZAP_DOMAIN, _DOMAIN)

    def answer(self) -> None:
        """Answer everybody who is at the door."""
        while self.socket.poll(0):
            version, request_id, _domain, address, _identity, mechanism, *credentials = self.socket.recv_multipart()
            name = self._name_of(mechanism, credentials) if version == _ZAP_VERSION else None
            if name is None:
                self._log_refusal(address)
                reply = [b"400", b"this key is not allowed here", b"", b""]
            else:
                reply = [b"200", b"OK", name.encode(), b""]
            self.socket.send_multipart([_ZAP_VERSION, request_id, *reply])

    def close(self) -> None:
        """Close the door."""
        self.socket.close()

    def _name_of(self, mechanism: bytes, credentials: list[bytes]) -> str | None:
        if mechanism != b"CURVE" or len(credentials) != 1 or len(credentials[0]) != 32:
            return None
        return self._keyring.allowed().get(credentials[0].hex())

    def _log_refusal(self, address: bytes) -> None:
        now_s = time.monotonic()
        if now_s - self._logged_s > _LOG_EVERY_S:
            self._logged_s = now_s
            _log.warning("event=key_refused from=%s", address.decode(errors="replace"))

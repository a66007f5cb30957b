"""Keys of a client: with them a server on another machine is reached, encrypted, and knows who comes (CURVE).

One small JSON file per client, made by `talkclip keys new`. Keys are Curve25519, written in hexadecimal: ZeroMQ's own
notation has signs that every shell takes for its own.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import stat
from pathlib import Path
from typing import Any

from talkclip.errors import InputError
from talkclip.files import unreadable

KEY_PATTERN = r"[0-9a-f]{64}"
_MAX_FILE_BYTES = 10_000


@dataclasses.dataclass(frozen=True)
class ClientKeys:
    """Who we are, and whom we talk to.

    Attributes:
        server: the server's public key; a server without its secret half cannot pretend to be it.
        public, secret: our own pair; the server allows the public half.

    Raises:
        InputError: a key is not one.
    """

    server: str
    public: str
    secret: str = dataclasses.field(repr=False)

    def __post_init__(self) -> None:
        for name in ("server", "public", "secret"):
            if re.fullmatch(KEY_PATTERN, getattr(self, name)) is None:
                raise InputError(
                    f"The key '{name}' is not one (64 hexadecimal digits).", "Make keys by `talkclip keys`."
                )

    @classmethod
    def read(cls, path: str | Path) -> ClientKeys:
        """The keys in a file of `talkclip keys new`.

        Raises:
            InputError: missing, not such a file, or readable by others.
        """
        where = Path(path)
        data = read_private(where)
        try:
            return cls(*(str(data[name]) for name in ("server", "public", "secret")))
        except KeyError as error:
            raise InputError(
                f"{where}: has no {error.args[0]} key; it is not a client's file.", "Make one by `talkclip keys new`."
            ) from None
        except InputError as error:
            raise InputError(f"{where}: {error.message}", error.hint) from None


def read_private(path: Path) -> dict[str, Any]:
    """The map in a JSON file that only its owner may read.

    Raises:
        InputError: missing, unreadable, readable by others, or no such file.
    """
    try:
        others_can_read = os.name == "posix" and bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))
        text = path.read_bytes()[:_MAX_FILE_BYTES].decode()
        data = json.loads(text)
    except OSError as error:
        raise unreadable(path, error, "Make keys by `talkclip keys new`.") from None
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise InputError(f"{path}: is not a file of keys.", "Make one by `talkclip keys new`.")
    if others_can_read:
        raise InputError(f"{path}: other users of this machine can read it.", f"Run: chmod 600 '{path}'")
    return data


def write_private(path: Path, data: dict[str, str]) -> None:
    """Write a new file that only its owner may read (on Windows: in the user's own folders).

    Raises:
        InputError: it exists already, or cannot be written.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(data, stream, indent=1)
    except FileExistsError:
        raise InputError(f"{path}: exists already.", "Choose another name, or delete it first.") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}).", "Choose another folder.") from None

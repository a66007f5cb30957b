"""Message <-> bytes: one MessagePack map per message, `{"v": version, "op": name, ...fields}`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgpack

from talkclip.protocol.messages import Failure, Hello, Message
from talkclip.protocol.parts import ID_PATTERN, MAX_FRAME_BYTES, PROTOCOL_VERSION, SUPPORTED_VERSIONS
from talkclip.protocol.values import MAX_ITEMS, ProtocolError, read_dataclass, to_plain

NO_ID = "-"
_ANY_VERSION = frozenset({Hello.op, Failure.op})


def encode(message: Message, version: int = PROTOCOL_VERSION) -> bytes:
    """Message -> one frame.

    Raises:
        ProtocolError: longer than `MAX_FRAME_BYTES`, or a value that cannot travel.
    """
    try:
        plain = {"v": version, "op": message.op, **to_plain(message, message.op)}
        frame: bytes = msgpack.packb(plain, use_bin_type=True)
    except (UnicodeEncodeError, OverflowError) as error:
        raise ProtocolError(f"{message.op}: cannot be encoded ({error}).") from None
    if len(frame) > MAX_FRAME_BYTES:
        raise ProtocolError(
            f"{message.op}: {len(frame)} bytes are more than one message may hold ({MAX_FRAME_BYTES}).",
            "Split the recording.",
            "too_large",
        )
    return frame


def decode(frame: bytes, operations: Mapping[str, type[Message]], max_bytes: int = MAX_FRAME_BYTES) -> Message:
    """One frame -> message.

    Args:
        frame: as received.
        operations: what may arrive here: `FROM_CLIENT` at a server, `FROM_SERVER` at a client.
        max_bytes: longer frames are refused unread.

    Raises:
        ProtocolError: code `too_large`, `malformed`, `version` or `unknown_op` (or what a field's own rule says), with
            the request's id when that much could be read.
    """
    if len(frame) > max_bytes:
        raise ProtocolError(f"A message of {len(frame)} bytes is too large; at most {max_bytes}.", code="too_large")
    plain = _unpack(frame)
    request_id = _readable_id(plain)
    op, version = plain.get("op"), plain.get("v")
    if not isinstance(op, str) or type(version) is not int:
        raise ProtocolError("A message without 'op' and 'v' is not ours.", request_id=request_id)
    if version not in SUPPORTED_VERSIONS and op not in _ANY_VERSION:
        raise version_error((version,), request_id)
    if op not in operations:
        raise ProtocolError(f"Unknown operation '{op[:40]}'.", "Update the older side.", "unknown_op", request_id)
    try:
        message: Message = read_dataclass(operations[op], plain, op)
    except ProtocolError as error:
        error.request_id = request_id
        raise
    return message


def version_error(theirs: tuple[int, ...], request_id: str = "") -> ProtocolError:
    """The error for a peer that speaks none of our versions."""
    return ProtocolError(
        f"The other side speaks protocol {_listed(theirs)}, this side {_listed(SUPPORTED_VERSIONS)}.",
        "Update the older one: add-on and server come from the same release.",
        "version",
        request_id,
    )


def _unpack(frame: bytes) -> dict[str, Any]:
    try:
        plain = msgpack.unpackb(
            frame,
            raw=False,
            strict_map_key=True,
            max_str_len=len(frame),
            max_bin_len=len(frame),
            max_array_len=min(MAX_ITEMS, len(frame)),
            max_map_len=256,
            max_ext_len=0,
        )
    except (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException) as error:
        raise ProtocolError(f"The bytes are not a message ({type(error).__name__}).") from None
    if not isinstance(plain, dict) or not all(isinstance(key, str) for key in plain):
        raise ProtocolError("The bytes are not a message (not a map of names).")
    return plain


def _readable_id(plain: dict[str, Any]) -> str:
    value = plain.get("id")
    return value if isinstance(value, str) and re.fullmatch(ID_PATTERN, value) else ""


def _listed(versions: tuple[int, ...]) -> str:
    return ", ".join(map(str, versions)) or "no version"

"""The wire protocol between clients (Blender, scripts) and the server: messages, codec, limits.

    messages.py   what travels, as frozen dataclasses with their constraints
    values.py     how values of these types are checked and converted
    codec.py      message <-> bytes

The prose, the error codes and byte examples are in `docs/protocol.md`.
"""

from __future__ import annotations

from talkclip.protocol.codec import NO_ID, decode, encode, version_error
from talkclip.protocol.messages import (
    DEFAULT_ADDRESS,
    FROM_CLIENT,
    FROM_SERVER,
    MAX_CREDIT,
    MAX_FRAME_BYTES,
    PROTOCOL_VERSION,
    SUPPORTED_VERSIONS,
    Accepted,
    Animate,
    AudioSource,
    Bye,
    Cancel,
    Chunk,
    Credit,
    Done,
    EngineInfo,
    Failure,
    Hello,
    Message,
    Ping,
    Pong,
    Progress,
    Put,
    PutChunk,
    PutState,
    ServerLimits,
    Status,
    StatusReport,
    TrackHeader,
    WeightInfo,
    Welcome,
)
from talkclip.protocol.values import ProtocolError

__all__ = [
    "DEFAULT_ADDRESS",
    "FROM_CLIENT",
    "FROM_SERVER",
    "MAX_CREDIT",
    "MAX_FRAME_BYTES",
    "NO_ID",
    "PROTOCOL_VERSION",
    "SUPPORTED_VERSIONS",
    "Accepted",
    "Animate",
    "AudioSource",
    "Bye",
    "Cancel",
    "Chunk",
    "Credit",
    "Done",
    "EngineInfo",
    "Failure",
    "Hello",
    "Message",
    "Ping",
    "Pong",
    "Progress",
    "ProtocolError",
    "Put",
    "PutChunk",
    "PutState",
    "ServerLimits",
    "Status",
    "StatusReport",
    "TrackHeader",
    "WeightInfo",
    "Welcome",
    "decode",
    "encode",
    "version_error",
]

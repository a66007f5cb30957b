"""The wire protocol between clients (Blender, scripts) and the server: messages, codec, limits.

    messages.py   what travels, as frozen dataclasses
    readings.py   what a prompt is understood as
    operations.py which of them may arrive where
    parts.py      what these are made of, and the constraints
    values.py     how values of these types are checked and converted
    codec.py      message <-> bytes

The prose, the error codes and byte examples are in `docs/protocol.md`.
"""

from __future__ import annotations

from talkclip.protocol.codec import NO_ID, decode, encode, version_error
from talkclip.protocol.messages import (
    Accepted,
    Animate,
    Bye,
    Cancel,
    Chunk,
    Credit,
    Done,
    Edit,
    Failure,
    Hello,
    Message,
    PictureChunk,
    Ping,
    Pong,
    Progress,
    Put,
    PutChunk,
    PutState,
    Render,
    SequenceHeader,
    Status,
    StatusReport,
    TrackHeader,
    VideoChunk,
    VideoHeader,
    Welcome,
)
from talkclip.protocol.operations import FROM_CLIENT, FROM_SERVER
from talkclip.protocol.parts import (
    DEFAULT_ADDRESS,
    MAX_CREDIT,
    MAX_FRAME_BYTES,
    MAX_SPANS,
    PROTOCOL_VERSION,
    SUPPORTED_VERSIONS,
    AudioSource,
    EngineInfo,
    FrameSpan,
    ServerLimits,
    StyleSource,
    WeightInfo,
    WorkerReport,
)
from talkclip.protocol.readings import (
    EmotionWeight,
    Read,
    Reading,
    UnderstoodClause,
    UnderstoodMove,
    UnderstoodPart,
    UnderstoodPrompt,
)
from talkclip.protocol.values import ProtocolError

__all__ = [
    "DEFAULT_ADDRESS",
    "FROM_CLIENT",
    "FROM_SERVER",
    "MAX_CREDIT",
    "MAX_FRAME_BYTES",
    "MAX_SPANS",
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
    "Edit",
    "EmotionWeight",
    "EngineInfo",
    "Failure",
    "FrameSpan",
    "Hello",
    "Message",
    "PictureChunk",
    "Ping",
    "Pong",
    "Progress",
    "ProtocolError",
    "Put",
    "PutChunk",
    "PutState",
    "Read",
    "Reading",
    "Render",
    "SequenceHeader",
    "ServerLimits",
    "Status",
    "StatusReport",
    "StyleSource",
    "TrackHeader",
    "UnderstoodClause",
    "UnderstoodMove",
    "UnderstoodPart",
    "UnderstoodPrompt",
    "VideoChunk",
    "VideoHeader",
    "WeightInfo",
    "Welcome",
    "WorkerReport",
    "decode",
    "encode",
    "version_error",
]

"""Which messages may arrive where, by their name on the wire."""

from __future__ import annotations

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
from talkclip.protocol.readings import Read, Reading

FROM_CLIENT: dict[str, type[Message]] = {
    cls.op: cls for cls in (Hello, Put, PutChunk, Animate, Edit, Render, Credit, Cancel, Read, Ping, Status, Bye)
}
FROM_SERVER: dict[str, type[Message]] = {
    cls.op: cls
    for cls in (
        Welcome, PutState, Accepted, Progress, TrackHeader, Chunk, VideoHeader, VideoChunk, SequenceHeader,
        PictureChunk, Done, Failure, Reading, Pong, StatusReport,
    )
}  # fmt: skip

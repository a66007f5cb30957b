"""Talking to a TalkCLIP server, from scripts (blocking) and from Blender's timer (`Client.pump`)."""

from __future__ import annotations

from talkclip.client.client import Client
from talkclip.client.job import Frames, Job, JobState, SpeakReply, SpeakRequest
from talkclip.client.pumped import ConnectionFailed, Timeouts
from talkclip.client.transport import Transport, ZmqTransport
from talkclip.client.upload import wav_bytes

__all__ = [
    "Client",
    "ConnectionFailed",
    "Frames",
    "Job",
    "JobState",
    "SpeakReply",
    "SpeakRequest",
    "Timeouts",
    "Transport",
    "ZmqTransport",
    "wav_bytes",
]

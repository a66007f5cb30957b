"""Talking to a TalkCLIP server, from scripts (blocking) and from Blender's timer (`Client.pump`)."""

from __future__ import annotations

from talkclip.client.client import Client
from talkclip.client.failures import ConnectionFailed
from talkclip.client.job import EditJob, Job, JobState
from talkclip.client.keys import ClientKeys
from talkclip.client.pumped import Timeouts
from talkclip.client.request import EditReply, Frames, SpeakReply, SpeakRequest
from talkclip.client.transport import Transport, ZmqTransport
from talkclip.client.upload import wav_bytes
from talkclip.client.video_job import Drawing, VideoJob, VideoReply

__all__ = [
    "Client",
    "ClientKeys",
    "ConnectionFailed",
    "Drawing",
    "EditJob",
    "EditReply",
    "Frames",
    "Job",
    "JobState",
    "SpeakReply",
    "SpeakRequest",
    "Timeouts",
    "Transport",
    "VideoJob",
    "VideoReply",
    "ZmqTransport",
    "wav_bytes",
]

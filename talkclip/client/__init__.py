"""Talking to a TalkCLIP server, from scripts (blocking) and from Blender's timer (`Client.pump`)."""

from __future__ import annotations

from talkclip.client.client import Client
from talkclip.client.failures import ConnectionFailed
from talkclip.client.job import EditJob, Job, JobState
from talkclip.client.keys import ClientKeys
from talkclip.client.pumped import Timeouts
from talkclip.client.reading import ReadingJob
from talkclip.client.request import EditReply, Frames, SegmentStyle, SpeakReply, SpeakRequest
from talkclip.client.sequence_job import (
    SequenceJob,
    SequencePlace,
    SequenceReply,
    picture_path,
    read_manifest,
)
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
    "ReadingJob",
    "SegmentStyle",
    "SequenceJob",
    "SequencePlace",
    "SequenceReply",
    "SpeakReply",
    "SpeakRequest",
    "Timeouts",
    "Transport",
    "VideoJob",
    "VideoReply",
    "ZmqTransport",
    "picture_path",
    "read_manifest",
    "wav_bytes",
]

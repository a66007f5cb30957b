"""Plates of the rehearsal server: flat colours that say which frame of which line they are."""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from talkclip.audio import AudioClip
from talkclip.coefficients import CoefficientTrack
from talkclip.engine.render.frames import FrameSource
from talkclip.engine.render.portrait.device import PROCESSOR, Device
from talkclip.progress import CancelCheck, ProgressCallback, stop_if
from talkclip.protocol import Done, Message, PictureChunk, Render
from talkclip.timebase import frame_count
from talkclip_server import videos
from talkclip_server.engine import Files

# A server that stalls or dies does so after so many pictures.
PICTURES_BEFORE_TROUBLE = 5


def flat(
    order: Render, track: CoefficientTrack, portrait: Path | None, device: Device, progress: ProgressCallback,
    cancel: CancelCheck,
) -> FrameSource:  # fmt: skip
    """Red says who speaks (200: the head; 100 to 163: a portrait), green the frame, blue the prompt."""
    red = 200 if portrait is None else 100 + zlib.crc32(portrait.read_bytes()) % 64
    prompts = "|".join(segment.prompt for segment in order.timeline.segments)
    blue = 40 + zlib.crc32(f"{prompts} {order.seed} {order.gains}".encode()) % 64

    def draw(number: int) -> np.ndarray:
        height = order.size // 2 if order.full else order.size
        picture = np.empty((height, order.size, 4 if order.alpha else 3), np.uint8)
        picture[..., :3] = red, green_of(number), blue
        if order.alpha:
            picture[..., 3] = 255
            picture[: height // 2, : order.size // 2, 3] = 0  # the upper left quarter is clear
        return picture

    return FrameSource(track.n_frames, draw)


def green_of(number: int) -> int:
    """The green of picture `number`, 0 to 255; as harness.green_of."""
    return 40 + number * 5 % 200


def messages(
    mode: str, order: Render, files: Files, progress: ProgressCallback, cancel: CancelCheck
) -> Iterator[Message]:
    """The answer to `render`."""
    samples, rate = soundfile.read(files[order.audio.sha256], dtype="float32")
    clip = AudioClip(samples if samples.ndim == 1 else samples.mean(1), rate, "line")
    portrait = None if order.portrait is None else files[order.portrait]
    end_s = min(order.audio.end_s or clip.duration_s, clip.duration_s)
    n_frames = frame_count(end_s - order.audio.start_s, order.fps)
    track = CoefficientTrack("arkit52", ("jawOpen",), order.fps, np.zeros((n_frames, 1), np.float32))
    pictures = 0
    for message in videos.render_messages(order, track, clip, portrait, PROCESSOR, progress, cancel):
        yield message
        pictures += isinstance(message, PictureChunk)
        while mode == "stall" and pictures >= PICTURES_BEFORE_TROUBLE:
            stop_if(cancel)
            time.sleep(0.01)
        if mode == "die" and pictures >= PICTURES_BEFORE_TROUBLE:
            time.sleep(0.2)  # what was sent is on its way
            os._exit(1)
    yield Done(order.id, len(videos.wanted_frames(order, n_frames)), 0.0, "rehearsal", (f"heard: {order.text}",))

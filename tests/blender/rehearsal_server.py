"""A TalkCLIP server process with a small deterministic engine: the same protocol, answers that a test can foresee.

    python rehearsal_server.py [--stall | --die]

The answer depends on every field that Blender sends, so that a field lost on the way changes it. `--stall` never
finishes a job (until cancelled), `--die` ends the process in the middle of the first job.
"""

from __future__ import annotations

import argparse
import os
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from talkclip.coefficients import ARKIT52
from talkclip.errors import InputError
from talkclip.progress import CancelCheck, ProgressCallback, stop_if
from talkclip.protocol import Animate, Chunk, Done, EngineInfo, Message, TrackHeader
from talkclip.timebase import frame_count, frame_times
from talkclip_rigs.flame import flame_channels
from talkclip_server import READY, running_server

N_EXPRESSION = 50


class RehearsalEngine:
    """Waves of a different phase per channel."""

    def __init__(self, mode: str) -> None:
        self.mode = mode

    def info(self) -> EngineInfo:
        return EngineInfo(encoder="rehearsal", spaces=("arkit52", "flame"))

    def animate(
        self, order: Animate, audio: Path, chunk_frames: int, progress: ProgressCallback, cancel: CancelCheck
    ) -> Iterator[Message]:
        progress("speech", 0.3, "Listening")
        while self.mode == "stall":
            stop_if(cancel)
            time.sleep(0.01)
        values, head, names = _motion(order, _duration_s(audio, order.audio.name))
        yield TrackHeader(order.id, order.space, names, order.fps, 0.0, len(values), True)
        for first in range(0, len(values), chunk_frames):
            span = slice(first, first + chunk_frames)
            yield Chunk(order.id, first, values[span], head[span])
            if self.mode == "die":
                time.sleep(0.2)  # the first chunk is on its way
                os._exit(1)
        yield Done(order.id, len(values), 0.0, "rehearsal", (f"heard: {order.text}",))


def _duration_s(audio: Path, name: str) -> float:
    try:
        return float(soundfile.info(audio).duration)
    except soundfile.LibsndfileError:
        raise InputError(f"{name}: is no sound.", "Choose a sound file.") from None


def _motion(order: Animate, duration_s: float) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    end_s = duration_s if order.audio.end_s is None else min(order.audio.end_s, duration_s)
    times = frame_times(frame_count(end_s - order.audio.start_s, order.fps), order.fps)[:, None]
    words = "|".join(f"{s.prompt} {s.intensity:.3f}" for s in order.timeline.segments) + f"|{order.text}|{order.seed}"
    phase = zlib.crc32(words.encode()) % 1000 / 159.0
    names = ARKIT52 if order.space == "arkit52" else flame_channels(N_EXPRESSION)
    columns = np.arange(len(names))[None, :]
    wave = np.sin(times * (3 + columns % 7) + columns + phase)
    if order.space == "arkit52":
        values = 0.5 + 0.5 * wave
        values[:, 7::13] = 0.25  # some channels keep still
    else:
        values = np.where(columns < N_EXPRESSION, 2.0 * wave, 0.2 * wave)
    head = 0.2 * np.sin(times * 2 + np.arange(6)[None, :] + phase)
    return values.astype(np.float32), head.astype(np.float32), names


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--stall", action="store_const", const="stall", dest="mode")
    parser.add_argument("--die", action="store_const", const="die", dest="mode")
    mode = parser.parse_args().mode or "normal"
    with running_server(RehearsalEngine(mode)) as server:
        print(f"{READY} {server.address}", flush=True)
        while os.getppid() != 1:  # ends with the test that started it
            time.sleep(0.2)


if __name__ == "__main__":
    main()

"""Sixteen clients at once for minutes: every answer right, none lost or doubled, memory flat, nobody left behind.

Each client has a line of its own and asks for one of a few prompts again and again, whole or as an edit; the first
answer to each is remembered, and every later one must be equal to it.
"""

from __future__ import annotations

import dataclasses
import random
import threading
import time
from pathlib import Path

import numpy as np

from talkclip.client import Client, SpeakRequest
from talkclip.coefficients import CoefficientTrack
from talkclip.errors import TalkClipError
from talkclip.timeline import PromptTimeline
from talkclip_training.benchmarks.server_process import ServerProcess, serving

N_CLIENTS, N_WORKERS = 16, 2
CLIP_S, FPS = 10.0, 25.0
PROMPTS = ("a furious man", "a sad woman, brows raised", "barely amused", "an exhausted old man", "wide-eyed terror")
# Caches fill in the first minutes; what memory does afterwards counts.
SETTLED_AFTER_S = 120.0
_SAME = 1e-5


@dataclasses.dataclass(frozen=True)
class SoakFigures:
    """What was seen.

    Attributes:
        soak_s: how long.
        soak_jobs: answers of all clients.
        soak_errors: answers that were errors or not the expected values.
        soak_slowest_to_fastest: mean time per job of the slowest client over that of the fastest.
        soak_job_ms_median, soak_job_ms_p95: over all jobs.
        soak_memory_mb: server and workers at the end; None where the system does not tell.
        soak_memory_mb_per_minute: slope after two minutes (after a third of a shorter run).
    """

    soak_s: float
    soak_jobs: int
    soak_errors: int
    soak_slowest_to_fastest: float
    soak_job_ms_median: float
    soak_job_ms_p95: float
    soak_memory_mb: float | None
    soak_memory_mb_per_minute: float | None


class _Speaker(threading.Thread):
    """One client.

    Attributes:
        times_s: of each job.
        errors: what went wrong.
    """

    def __init__(self, number: int, address: str, line: Path, until_s: float) -> None:
        super().__init__(name=f"client {number}", daemon=True)
        self.times_s: list[float] = []
        self.errors: list[str] = []
        self._address = address
        self._line = line
        self._until_s = until_s
        self._random = random.Random(number)
        self._known: dict[str, CoefficientTrack] = {}

    def run(self) -> None:
        """Ask until the time is up."""
        with Client(self._address) as client:
            shown, prompt = self._whole(client, PROMPTS[0]), PROMPTS[0]
            while time.monotonic() < self._until_s:
                wanted = self._random.choice(PROMPTS)
                began_s = time.monotonic()
                try:
                    if shown is None or self._random.random() < 0.3:
                        shown = self._whole(client, wanted)
                    else:
                        shown = self._edited(client, shown, prompt, wanted)
                except TalkClipError as error:
                    self.errors.append(str(error))
                    shown = None
                    continue
                prompt = wanted
                self.times_s.append(time.monotonic() - began_s)

    def _whole(self, client: Client, prompt: str) -> CoefficientTrack:
        track = client.animate(_request(self._line, prompt), timeout_s=120).track
        self._check(track, prompt)
        return track

    def _edited(self, client: Client, shown: CoefficientTrack, before: str, after: str) -> CoefficientTrack:
        reply = client.edit(_request(self._line, after), _timeline(before), timeout_s=120)
        track = reply.applied_to(shown)
        self._check(track, after)
        return track

    def _check(self, track: CoefficientTrack, prompt: str) -> None:
        """Equal to the first answer to this prompt; sums depend a little on where a stretch begins."""
        known = self._known.setdefault(prompt, track)
        if track.n_frames != known.n_frames or np.abs(track.values - known.values).max() > _SAME:
            self.errors.append(f"'{prompt}' was answered by other values than before")


def soak(folder: Path, sample: Path, seconds: float, plot: Path) -> SoakFigures:
    """Let the clients speak for so long; writes a plot of the memory."""
    lines = [_line(folder / f"client{number}.wav", sample, number) for number in range(N_CLIENTS)]
    memory: list[tuple[float, float]] = []
    with serving(folder, "--workers", str(N_WORKERS)) as server:
        began_s = time.monotonic()
        speakers = [_Speaker(k, server.address, line, began_s + seconds) for k, line in enumerate(lines)]
        for speaker in speakers:
            speaker.start()
        _watch(server, speakers, memory, began_s)
        with Client(server.address) as client:
            report = client.status()
    times_s = np.concatenate([speaker.times_s for speaker in speakers])
    errors = [error for speaker in speakers for error in speaker.errors]
    for error in errors[:10]:
        print("error:", error)
    if report.jobs_running or report.jobs_waiting:
        errors.append("jobs were left in the server")
    means = [float(np.mean(speaker.times_s)) for speaker in speakers]
    slope = _slope(memory, seconds)
    _draw(plot, memory, slope)
    return SoakFigures(
        seconds,
        len(times_s),
        len(errors),
        max(means) / min(means),
        1000 * float(np.median(times_s)),
        1000 * float(np.percentile(times_s, 95)),
        memory[-1][1] if memory else None,
        slope,
    )


def _watch(server: ServerProcess, speakers: list[_Speaker], memory: list[tuple[float, float]], began_s: float) -> None:
    while any(speaker.is_alive() for speaker in speakers):
        now_mb = server.memory_mb()
        if now_mb is not None:
            memory.append((time.monotonic() - began_s, now_mb))
        time.sleep(1.0)


def _slope(memory: list[tuple[float, float]], seconds: float) -> float | None:
    """MB a minute of a straight line through what was seen once caches are full."""
    settled_s = min(SETTLED_AFTER_S, seconds / 3)
    points = np.array([point for point in memory if point[0] >= settled_s])
    return float(np.polyfit(points[:, 0] / 60, points[:, 1], 1)[0]) if len(points) > 2 else None


def _draw(path: Path, memory: list[tuple[float, float]], slope: float | None) -> None:
    if not memory:
        return
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 4), constrained_layout=True)
    times_s, values_mb = zip(*memory, strict=True)
    axes.plot(np.array(times_s) / 60, values_mb)
    axes.set(xlabel="minutes", ylabel="MB, server and workers", ylim=(0, 1.2 * max(values_mb)))
    change = "" if slope is None else f"; {slope:+.2f} MB a minute"
    axes.set_title(f"{N_CLIENTS} clients, {N_WORKERS} workers{change}")
    figure.savefig(path, dpi=100)
    plt.close(figure)


def _line(path: Path, sample: Path, number: int) -> Path:
    import soundfile

    samples, rate = soundfile.read(sample, dtype="float32")
    soundfile.write(path, np.resize(np.roll(samples, 7919 * number), int(CLIP_S * rate)), rate)
    return path


def _timeline(prompt: str) -> PromptTimeline:
    return PromptTimeline.single(prompt, CLIP_S)


def _request(line: Path, prompt: str) -> SpeakRequest:
    return SpeakRequest(line, _timeline(prompt), FPS)

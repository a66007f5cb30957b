"""Measure the server: `python3 dev.py bench server [--json FILE] [--soak SECONDS | --hour]`.

A server process as `talkclip serve --backend fast` starts it, a client over loopback, a 10 s clip made of the bundled
sample:

    edit_ms_median, edit_ms_p95   a prompt never seen on a line heard before: from the call to the last coefficient
    first_chunk_ms                the same by `animate`: to the first frames
    new_audio_first_chunk_ms      a clip never seen: upload included, to the first frames
    ping_ms                       an answer of the server while it computes nothing
    *_cpu_ms                      processor time of server and worker together, per job: what to look at when the
                                  machine has other work, which makes the others wait

`--soak SECONDS`: sixteen clients at once (see `server_soak`). `--hour`: an hour of speech is streamed; peak memory of
server and worker, and how long a cancel takes.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from talkclip.client import Client, Frames, Job, SpeakRequest
from talkclip.exits import explained
from talkclip.files import check_writable
from talkclip.timeline import PromptTimeline
from talkclip_training.benchmarks.server_process import ServerProcess, serving
from talkclip_training.benchmarks.server_soak import soak

SAMPLES = Path(__file__).resolve().parents[3] / "samples"
CLIP_S, FPS = 10.0, 25.0
N_EDITS, N_CHUNKS, N_CLIPS = 60, 30, 12
# What the design asks for, on a machine with nothing else to do.
TARGETS = {"edit_ms_median": 150, "edit_ms_p95": 300, "first_chunk_ms": 80, "new_audio_first_chunk_ms": 500}


@dataclasses.dataclass(frozen=True)
class Figures:
    """What was measured, in milliseconds; processor times are None where the system does not tell them."""

    edit_ms_median: float
    edit_ms_p95: float
    first_chunk_ms: float
    new_audio_first_chunk_ms: float
    ping_ms: float
    edit_cpu_ms: float | None
    animate_cpu_ms: float | None
    new_audio_cpu_ms: float | None


@dataclasses.dataclass(frozen=True)
class HourFigures:
    """An hour of speech that was never heard, on a server with one worker.

    Attributes:
        hour_first_chunk_s, hour_total_s: upload included.
        hour_cpu_s: processor time of server and worker.
        hour_peak_mb_worker, hour_peak_mb_server: most memory; None where the system does not tell.
        hour_cancel_s: from `cancel` in its middle until the worker is free.
        edit_beside_hour_ms_median, edit_beside_hour_ms_max: edits of a 10 s line meanwhile.
    """

    hour_first_chunk_s: float
    hour_total_s: float
    hour_cpu_s: float | None
    hour_peak_mb_worker: float | None
    hour_peak_mb_server: float | None
    hour_cancel_s: float
    edit_beside_hour_ms_median: float
    edit_beside_hour_ms_max: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=check_writable, help="also write the figures to this file")
    parser.add_argument("--soak", type=float, metavar="SECONDS", help="only the sixteen clients, for so long")
    parser.add_argument("--hour", action="store_true", help="also an hour of speech")
    parser.add_argument("--plot", type=check_writable, default=Path("soak.png"), help="where the soak's plot goes")
    given = parser.parse_args()
    found: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        if given.soak:
            found |= dataclasses.asdict(soak(Path(folder), SAMPLES / "line.flac", given.soak, given.plot))
        else:
            found |= dataclasses.asdict(measure(Path(folder)))
        if given.hour:
            found |= dataclasses.asdict(measure_hour(Path(folder)))
    for name, value in found.items():
        target = f"   (at most {TARGETS[name]})" if name in TARGETS else ""
        print(f"{name:26s} {value:.2f}{target}" if isinstance(value, float) else f"{name:26s} {value}")
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def measure(folder: Path) -> Figures:
    """All figures of short lines; writes only into `folder`."""
    with serving(folder) as server, Client(server.address) as client:
        line = clip_file(folder / "line.wav", 0, CLIP_S)
        client.animate(_request(line, "warm"))
        pings = [1000 * client.ping() for _ in range(20)]
        takes = [_request(line, f"a furious man, take {number}") for number in range(N_CHUNKS)]
        chunks, animate_cpu = _timed(server, _first_chunks_of(client, takes))
        edits, edit_cpu = _timed(server, _edits(client, line))
        files = [clip_file(folder / f"line{number}.wav", number, CLIP_S) for number in range(1, N_CLIPS + 1)]
        clips = [_request(file, f"a worried woman, take {number}") for number, file in enumerate(files)]
        news, new_cpu = _timed(server, _first_chunks_of(client, clips))
    p95 = float(np.percentile(edits, 95))
    medians = map(statistics.median, (chunks, news, pings))
    return Figures(statistics.median(edits), p95, *medians, edit_cpu, animate_cpu, new_cpu)


def measure_hour(folder: Path) -> HourFigures:
    """Stream an hour; then another one, with edits of a short line beside it, and cancel it."""
    with serving(folder) as server, Client(server.address) as client, Client(server.address) as animator:
        hour = clip_file(folder / "hour.wav", 1, 3600.0)
        began_s = time.perf_counter()
        (first_ms,), cpu_ms = _timed(server, _first_chunks_of(client, [_request(hour, "a calm woman", 3600.0)]))
        total_s = time.perf_counter() - began_s
        peaks = server.worker_peak_mb(), server.server_peak_mb()
        line = clip_file(folder / "short line.wav", 3, CLIP_S)
        animator.animate(_request(line, "warm"))
        job = client.submit(_request(clip_file(folder / "other hour.wav", 2, 3600.0), "a calm woman", 3600.0))
        while not job.frames_received and not job.finished:
            client.pump(20)
            time.sleep(0.005)
        edits = list(itertools.islice(_edits(animator, line), 20))
        cancel_s = _cancel_time_s(client, job)
    cpu_s = None if cpu_ms is None else cpu_ms / 1000
    return HourFigures(first_ms / 1000, total_s, cpu_s, *peaks, cancel_s, statistics.median(edits), max(edits))


def clip_file(path: Path, number: int, seconds: float) -> Path:
    """The bundled sample over and over, from another place and a little louder or softer for each number."""
    import soundfile

    samples, rate = soundfile.read(SAMPLES / "line.flac", dtype="float32")
    rolled = np.roll(samples, 7919 * number) * (1 - 0.01 * number)
    with soundfile.SoundFile(path, "w", rate, 1) as stream:
        left = int(seconds * rate)
        while left > 0:
            stream.write(rolled[:left])
            left -= len(rolled)
    return path


def _request(line: Path, prompt: str, seconds: float = CLIP_S) -> SpeakRequest:
    return SpeakRequest(line, PromptTimeline.single(prompt, seconds), FPS)


def _timed(server: ServerProcess, jobs: Iterator[float]) -> tuple[list[float], float | None]:
    """-> milliseconds of each job, and processor milliseconds per job."""
    before = server.cpu_s()
    times = list(jobs)
    after = server.cpu_s()
    return times, None if before is None or after is None else 1000 * (after - before) / len(times)


def _first_chunk_ms(client: Client, request: SpeakRequest) -> float:
    """The rest is taken too, so that nothing of it reaches into the next figure."""
    began_s, first_s = time.perf_counter(), 0.0
    for item in client.stream(request):
        if isinstance(item, Frames) and not first_s:
            first_s = time.perf_counter() - began_s
    return 1000 * first_s


def _first_chunks_of(client: Client, requests: Iterable[SpeakRequest]) -> Iterator[float]:
    for request in requests:
        yield _first_chunk_ms(client, request)


def _edits(client: Client, line: Path) -> Iterator[float]:
    before = client.animate(_request(line, "as it was")).timeline
    for number in range(N_EDITS):
        request = _request(line, f"a delighted woman, brows raised, take {number}")
        began_s = time.perf_counter()
        reply = client.edit(request, before)
        yield 1000 * (time.perf_counter() - began_s)
        before = reply.timeline


def _cancel_time_s(client: Client, job: Job) -> float:
    """From `cancel` until the worker is free."""
    assert not job.finished, "the hour was over too soon"
    began_s = time.perf_counter()
    client.cancel(job)
    while client.status().workers[0].jobs:
        time.sleep(0.01)
    return time.perf_counter() - began_s


if __name__ == "__main__":
    explained(main)

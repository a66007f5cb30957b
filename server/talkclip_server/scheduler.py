"""Scheduler: which waiting job goes to which worker, and when.

Rules
    - A worker has at most one short and one long job. A long one gives way to the short one at its next pause (see
      `worker`), so that an edit never waits for an hour of speech.
    - With several workers, one of them is never given a long job.
    - Clients take turns: the next job is of the client with the fewest running ones, then of the one that was served
      longest ago.
    - A job goes to the free worker that read its sound last: that one has the sound's analysis in memory.
    - A job whose worker died is begun once more, alone on a worker, so that it cannot take others along; nothing of
      it must have been sent yet.
"""

from __future__ import annotations

import collections
import dataclasses
import enum
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from talkclip.protocol import Animate, Edit, Render, StyleSource, WorkerReport
from talkclip.track_io import SUFFIXES
from talkclip_server.jobs import Job
from talkclip_server.worker import Order, Worker

LONG_S = 60.0
# A sound never decoded is long when its file is larger than a minute's in any usual form.
_LONG_BYTES = 6 << 20
_REMEMBERED_SOUNDS = 8  # per worker: about what it keeps
_REMEMBERED_FILES = 4096
_TRIES = 2
_T = TypeVar("_T")
_log = logging.getLogger("talkclip.server")


class Lane(enum.Enum):
    """How long a job is expected to take."""

    SHORT = "short"
    LONG = "long"


@dataclasses.dataclass(eq=False)
class _Seat:
    """One worker: the jobs it has by lane, and the sounds it read lately, the latest last."""

    worker: Worker
    jobs: dict[Lane, Job] = dataclasses.field(default_factory=dict)
    sounds: collections.OrderedDict[str, None] = dataclasses.field(default_factory=collections.OrderedDict)
    restarts: int = 0

    def lane_of(self, job: Job) -> Lane | None:
        return next((lane for lane, other in self.jobs.items() if other is job), None)

    def takes(self, job: Job, lane: Lane) -> bool:
        """Whether there is room; a job that is tried again wants a worker for itself, and keeps it."""
        if lane in self.jobs:
            return False
        return not self.jobs or not (job.tries or any(other.tries > 1 for other in self.jobs.values()))

    def remember(self, sha256: str) -> None:
        self.sounds[sha256] = None
        self.sounds.move_to_end(sha256)
        while len(self.sounds) > _REMEMBERED_SOUNDS:
            self.sounds.popitem(last=False)


class Scheduler:
    """Waiting jobs and workers.

    Attributes:
        waiting: jobs no worker has, in the order in which they came.
    """

    def __init__(self, workers: Sequence[Worker], path_of: Callable[[str], Path]) -> None:
        """Distribute work among `workers`, all alike; `path_of` tells where an uploaded file is."""
        self.waiting: list[Job] = []
        self._seats = [_Seat(worker) for worker in workers]
        self._path_of = path_of
        self._running: dict[int, tuple[_Seat, Job]] = {}
        self._lengths_s: collections.OrderedDict[str, float] = collections.OrderedDict()
        self._read_clips: collections.OrderedDict[str, None] = collections.OrderedDict()
        self._begun = 0

    def add(self, job: Job) -> None:
        """Queue a job."""
        self.waiting.append(job)

    def begin_jobs(self) -> bool:
        """Give workers what they have room for. -> True when the queue moved."""
        moved = False
        for lane in Lane:
            # One lane after the other, one job after the other: each choice changes whose turn it is.
            while (chosen := self._choose(lane)) is not None:
                self._begin(*chosen, lane)
                moved = True
        return moved

    def discard(self, job: Job) -> bool:
        """Nobody wants the job any more. -> True when no worker has it, so that its files are free at once."""
        if job in self.waiting:
            self.waiting.remove(job)
            return True
        if job.key in self._running:
            self._running[job.key][0].worker.cancel(job.key)
            return False
        return False

    def hold(self, job: Job, held: bool) -> None:
        """Let the worker of a job wait, or go on."""
        if job.key in self._running:
            self._running[job.key][0].worker.hold(job.key, held)

    def finished(self, key: int) -> Job | None:
        """A worker said its last word about job `key`. -> the job, if one of ours was running under this number."""
        seat, job = self._running.pop(key, (None, None))
        if seat is None or job is None:
            return None
        lane = seat.lane_of(job)
        if lane is not None:
            del seat.jobs[lane]
        job.running = False
        return job

    def try_again(self, job: Job) -> bool:
        """The worker of `job` died. -> True when the job was queued once more."""
        if job.sent or job.tries >= _TRIES:
            return False
        self.waiting.insert(0, job)
        _log.warning("event=retry job=%s client=%r", job.id, job.session.name)
        return True

    def worker_died(self, key: int) -> None:
        """The worker of job `key` lost its memory."""
        if key in self._running:
            seat = self._running[key][0]
            seat.sounds.clear()
            seat.restarts += 1

    def learn_length(self, key: int, length_s: float) -> None:
        """Job `key` speaks for `length_s` seconds: a job that turns out long makes room for a short one."""
        if key not in self._running:
            return
        seat, job = self._running[key]
        _remember(self._lengths_s, job.order.audio.sha256, length_s)
        for style in job.order.styles:  # the frames are on their way: its clips have been read
            _remember(self._read_clips, style.sha256, None)
        if length_s > LONG_S and seat.lane_of(job) is Lane.SHORT and Lane.LONG not in seat.jobs:
            seat.jobs[Lane.LONG] = seat.jobs.pop(Lane.SHORT)

    def ahead_of(self, job: Job) -> int:
        """How many jobs stand before this one."""
        if job.running or job not in self.waiting:
            return 0
        return len(self._running) + self.waiting.index(job)

    def least_busy(self) -> Worker:
        """The worker with the fewest jobs."""
        return min(self._seats, key=lambda seat: len(seat.jobs)).worker

    def reports(self) -> tuple[WorkerReport, ...]:
        """What each worker is doing."""
        return tuple(
            WorkerReport(seat.worker.pid, tuple(j.id for j in seat.jobs.values()), len(seat.sounds), seat.restarts)
            for seat in self._seats
        )

    def _lane(self, order: Animate) -> Lane:
        if isinstance(order, Render) or any(map(self._must_be_followed, order.styles)):
            return Lane.LONG
        source = order.audio
        length_s = self._lengths_s.get(source.sha256)
        if source.end_s is not None:
            length_s = source.end_s - source.start_s
        if length_s is None:
            try:
                size = self._path_of(source.sha256).stat().st_size
            except OSError:  # the worker will say so
                size = 0
            return Lane.LONG if size > _LONG_BYTES else Lane.SHORT
        return Lane.LONG if length_s > (10 * LONG_S if isinstance(order, Edit) else LONG_S) else Lane.SHORT

    def _must_be_followed(self, style: StyleSource) -> bool:
        """Whether a clip is a video that no worker has read so far."""
        return style.sha256 not in self._read_clips and Path(style.name).suffix.lower() not in SUFFIXES

    def _choose(self, lane: Lane) -> tuple[Job, _Seat] | None:
        if lane is Lane.LONG and sum(Lane.LONG in seat.jobs for seat in self._seats) >= max(1, len(self._seats) - 1):
            return None
        candidates = [job for job in self.waiting if self._lane(job.order) is lane]
        for job in sorted(candidates, key=lambda job: (job.tries == 0, job.session.n_running, job.session.served)):
            sha256 = job.order.audio.sha256
            free = [seat for seat in self._seats if seat.takes(job, lane)]
            if free:
                return job, min(free, key=lambda seat: (len(seat.jobs), sha256 not in seat.sounds, len(seat.sounds)))
        return None

    def _begin(self, job: Job, seat: _Seat, lane: Lane) -> None:
        self.waiting.remove(job)
        self._begun += 1
        job.running, job.session.served = True, self._begun
        job.tries += 1
        seat.jobs[lane] = job
        seat.remember(job.order.audio.sha256)
        self._running[job.key] = seat, job
        files = {sha256: self._path_of(sha256) for sha256 in job.files}
        seat.worker.start(Order(job.key, job.order, files, lane is Lane.LONG))


def _remember(known: collections.OrderedDict[str, _T], sha256: str, value: _T) -> None:
    known[sha256] = value
    while len(known) > _REMEMBERED_FILES:
        known.popitem(last=False)

"""Jobs and the clients they belong to: what is waiting, what is running, what is still to be sent."""

from __future__ import annotations

import collections
import dataclasses

from talkclip.protocol import Animate
from talkclip_server.worker import Output

_REMEMBERED_IDS = 512


@dataclasses.dataclass(eq=False)
class Job:
    """One accepted `animate`.

    Attributes:
        key: the server's number, unique in its life; ids are only unique per client.
        session: whose it is.
        order: what was asked.
        credit: chunks the client still takes.
        pending: outputs that wait for credit, in order.
        credited_s: when the client last took a chunk or promised to take more.
        begun_s: when it was accepted.
        running: whether a worker has it.
        pending_bytes: size of `pending`.
    """

    key: int
    session: Session
    order: Animate
    credit: int
    credited_s: float
    begun_s: float
    running: bool = False
    pending: collections.deque[Output] = dataclasses.field(default_factory=collections.deque)
    pending_bytes: int = 0

    @property
    def id(self) -> str:
        """The client's name for it."""
        return self.order.id


@dataclasses.dataclass(eq=False)
class Session:
    """One client that said hello.

    Attributes:
        identity: its address at the socket.
        name: what it calls itself, for the log.
        heard_s: when it last said something.
        jobs: its jobs by id.
        outbox: frames the socket did not take yet, in order.
        ended: ids of jobs that have ended, so that a repeated `animate` is not run again.
    """

    identity: bytes
    name: str
    heard_s: float
    jobs: dict[str, Job] = dataclasses.field(default_factory=dict)
    outbox: collections.deque[bytes] = dataclasses.field(default_factory=collections.deque)
    ended: collections.OrderedDict[str, None] = dataclasses.field(default_factory=collections.OrderedDict)

    def remember_ended(self, job_id: str) -> None:
        """Job `job_id` had its `done` or `error`."""
        self.ended[job_id] = None
        while len(self.ended) > _REMEMBERED_IDS:
            self.ended.popitem(last=False)


class JobTable:
    """All jobs that have not ended: a queue of those that wait, and those that run or are being sent."""

    def __init__(self) -> None:
        self.jobs: dict[int, Job] = {}
        self.waiting: collections.deque[Job] = collections.deque()
        self.done = self.failed = 0
        self._count = 0

    @property
    def running(self) -> int:
        """Jobs a worker is busy with."""
        return sum(job.running for job in self.jobs.values())

    @property
    def pending_bytes(self) -> int:
        """Results that wait for clients to take them."""
        return sum(job.pending_bytes for job in self.jobs.values())

    def add(self, session: Session, order: Animate, now_s: float) -> Job:
        """Queue a job."""
        self._count += 1
        job = Job(self._count, session, order, order.credit, now_s, now_s)
        self.jobs[job.key] = session.jobs[job.id] = job
        self.waiting.append(job)
        return job

    def next_waiting(self) -> Job | None:
        """-> the job to start now, taken off the queue."""
        return self.waiting.popleft() if self.waiting else None

    def end(self, job: Job, well: bool) -> None:
        """Forget a job; whatever its worker still says about it goes nowhere."""
        job.pending.clear()
        job.pending_bytes = 0
        self.jobs.pop(job.key, None)
        job.session.jobs.pop(job.id, None)
        job.session.remember_ended(job.id)
        if job in self.waiting:
            self.waiting.remove(job)
        self.done += well
        self.failed += not well

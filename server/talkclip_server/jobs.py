"""Jobs and the clients they belong to: what was asked, what is still to be sent."""

from __future__ import annotations

import collections
import dataclasses

from talkclip.protocol import Animate, Render
from talkclip_server.worker import Output

_REMEMBERED_IDS = 512


@dataclasses.dataclass(eq=False)
class Job:
    """One accepted `animate`, `edit` or `render`.

    Attributes:
        key: the server's number, unique in its life; ids are only unique per client.
        session: whose it is.
        order: what was asked.
        credit: chunks the client still takes.
        credited_s: when the client last took a chunk or promised to take more.
        begun_s: when it was accepted.
        running: whether a worker has it.
        tries: how often a worker began it.
        sent: whether anything of its result has left, after which it cannot be begun anew.
        pending: outputs that wait for credit, in order.
        pending_bytes: size of `pending`.
        held: whether its worker waits until the client has taken more.
    """

    key: int
    session: Session
    order: Animate
    credit: int
    credited_s: float
    begun_s: float
    running: bool = False
    tries: int = 0
    sent: bool = False
    pending: collections.deque[Output] = dataclasses.field(default_factory=collections.deque)
    pending_bytes: int = 0
    held: bool = False

    @property
    def id(self) -> str:
        """The client's name for it."""
        return self.order.id

    @property
    def files(self) -> tuple[str, ...]:
        """The uploaded files it reads, by hash."""
        names = [self.order.audio.sha256, *(style.sha256 for style in self.order.styles)]
        if isinstance(self.order, Render) and self.order.portrait is not None:
            names.append(self.order.portrait)
        return tuple(dict.fromkeys(names))


@dataclasses.dataclass(eq=False)
class Session:
    """One client that said hello.

    Attributes:
        identity: its address at the socket.
        name: what it calls itself, for the log.
        heard_s: when it last said something.
        jobs: its jobs by id.
        uploads: files it announced and has not sent whole, by hash, with their size.
        outbox: frames the socket did not take yet, in order.
        ended: ids of jobs that have ended, so that a repeated order is not carried out again.
        refusals: messages of it that were refused.
        served: number of the latest job of it that was begun, so that clients take turns.
    """

    identity: bytes
    name: str
    heard_s: float
    jobs: dict[str, Job] = dataclasses.field(default_factory=dict)
    uploads: dict[str, int] = dataclasses.field(default_factory=dict)
    outbox: collections.deque[bytes] = dataclasses.field(default_factory=collections.deque)
    ended: collections.OrderedDict[str, None] = dataclasses.field(default_factory=collections.OrderedDict)
    refusals: int = 0
    served: int = 0

    @property
    def n_running(self) -> int:
        """Its jobs that a worker has."""
        return sum(job.running for job in self.jobs.values())

    @property
    def pending_bytes(self) -> int:
        """Results it has not taken."""
        return sum(job.pending_bytes for job in self.jobs.values())

    def remember_ended(self, job_id: str) -> None:
        """Job `job_id` had its `done` or `error`."""
        self.ended[job_id] = None
        while len(self.ended) > _REMEMBERED_IDS:
            self.ended.popitem(last=False)


class JobTable:
    """All jobs that have not ended, and how many have."""

    def __init__(self) -> None:
        self.jobs: dict[int, Job] = {}
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
        """A new job of a client."""
        self._count += 1
        job = Job(self._count, session, order, order.credit, now_s, now_s)
        self.jobs[job.key] = session.jobs[job.id] = job
        return job

    def end(self, job: Job, well: bool) -> None:
        """Forget a job; whatever its worker still says about it goes nowhere."""
        job.pending.clear()
        job.pending_bytes = 0
        self.jobs.pop(job.key, None)
        job.session.jobs.pop(job.id, None)
        job.session.remember_ended(job.id)
        self.done += well
        self.failed += not well

"""Which job goes to which worker: nobody waits for somebody else's hour, nobody starves, memory is used."""

from __future__ import annotations

import dataclasses
import itertools
import threading
import time
from pathlib import Path

import pytest

from talkclip import protocol as p
from talkclip.timeline import PromptTimeline
from talkclip_server import running_server
from talkclip_server.jobs import Job, Session
from talkclip_server.scheduler import Scheduler
from talkclip_server.worker import Order, Output, ThreadWorker
from tests.support.raw_peer import RawPeer, order, wait_for
from tests.support.small_engine import SmallEngine

KEYS = itertools.count(1)
CLIP, HOUR = "c1" * 32, "aa" * 32


class Desk:
    """A worker that only takes notes."""

    pid = 0
    info = p.EngineInfo()

    def __init__(self) -> None:
        self.orders: list[Order] = []
        self.cancelled: list[int] = []

    def start(self, order: Order) -> None:
        self.orders.append(order)

    def cancel(self, key: int) -> None:
        self.cancelled.append(key)

    def hold(self, key: int, held: bool) -> None:
        pass

    def close(self) -> None:
        pass


@dataclasses.dataclass
class Scene:
    """A scheduler, its workers, and files of some size."""

    folder: Path
    n_workers: int = 1

    def __post_init__(self) -> None:
        self.workers = [Desk() for _ in range(self.n_workers)]
        self.scheduler = Scheduler(self.workers, lambda sha256: self.folder / sha256)

    def job(self, name: str, sha256: str = CLIP, session: Session | None = None, **fields: object) -> Job:
        animate = p.Animate(name, p.AudioSource(sha256, **fields), PromptTimeline.single("x", 1.0), 25.0)  # type: ignore[arg-type]
        return self._added(animate, session)

    def edit(self, name: str, sha256: str = CLIP) -> Job:
        line = PromptTimeline.single("x", 1.0)
        return self._added(p.Edit(name, p.AudioSource(sha256), line, 25.0, before=line), None)

    def _added(self, animate: p.Animate, session: Session | None) -> Job:
        session = session or Session(b"s%d" % next(KEYS), "client", 0.0)
        job = Job(next(KEYS), session, animate, 16, 0.0, 0.0)
        session.jobs[job.id] = job
        self.scheduler.add(job)
        return job

    def given(self) -> list[list[str]]:
        """What each worker was given so far."""
        self.scheduler.begin_jobs()
        return [[order.animate.id for order in worker.orders] for worker in self.workers]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return scene_of(tmp_path, 1)


def scene_of(folder: Path, n_workers: int) -> Scene:
    (folder / CLIP).write_bytes(b"0" * 1000)
    with (folder / HOUR).open("wb") as stream:
        stream.truncate(100 << 20)
    return Scene(folder, n_workers)


def test_a_worker_has_one_short_and_one_long_job(scene: Scene) -> None:
    for name, sha256 in (("hour", HOUR), ("hour2", HOUR), ("edit", CLIP), ("edit2", CLIP)):
        scene.job(name, sha256)
    assert scene.given() == [["edit", "hour"]]
    assert [order.long for order in scene.workers[0].orders] == [False, True]


def test_a_part_of_an_hour_is_short_and_a_render_is_long(scene: Scene) -> None:
    scene.job("part", HOUR, start_s=600.0, end_s=610.0)
    scene.job("clip")
    assert scene.given() == [["part"]]


def test_a_style_video_is_long_until_it_was_read(scene: Scene) -> None:
    def styled(name: str, clip: str = "actor.mp4") -> Job:
        clips = (p.StyleSource("s", "ee" * 32, clip),)
        return scene._added(
            p.Animate(name, p.AudioSource(CLIP), PromptTimeline.single("x", 1.0), 25.0, styles=clips), None
        )

    track, first = styled("track", "actor.npz"), styled("first")
    scene.given()
    assert [(order.animate.id, order.long) for order in scene.workers[0].orders] == [("track", False), ("first", True)]
    scene.scheduler.finished(track.key)
    assert set(scene.workers[0].orders[0].files) == {CLIP, "ee" * 32}
    scene.scheduler.learn_length(first.key, 9.0)
    styled("again")
    scene.given()
    assert [order.long for order in scene.workers[0].orders] == [False, True, False]


def test_edits_of_a_few_minutes_are_short(scene: Scene) -> None:
    first = scene.job("first", CLIP)
    scene.given()
    scene.scheduler.learn_length(first.key, 300.0)
    scene.edit("edit")
    scene.job("again")
    assert scene.given() == [["first", "edit"]]


def test_a_job_that_turns_out_long_makes_room(scene: Scene) -> None:
    surprise = scene.job("surprise")
    scene.job("edit", "dd" * 32)
    assert scene.given() == [["surprise"]]
    scene.scheduler.learn_length(surprise.key, 3600.0)
    assert scene.given() == [["surprise", "edit"]]


def test_one_of_several_workers_is_kept_for_short_jobs(tmp_path: Path) -> None:
    scene = scene_of(tmp_path, 3)
    for k in range(5):
        scene.job(f"hour{k}", HOUR)
    scene.job("edit")
    given = scene.given()
    assert sum("hour" in name for names in given for name in names) == 2
    assert ["edit"] in given


def test_clients_take_turns(scene: Scene) -> None:
    greedy, modest = Session(b"g", "greedy", 0.0), Session(b"m", "modest", 0.0)
    jobs = [scene.job(f"g{k}", session=greedy) for k in range(4)] + [
        scene.job(f"m{k}", session=modest) for k in range(2)
    ]
    begun = []
    for _ in jobs:
        scene.given()
        last = scene.workers[0].orders[-1]
        begun.append(last.animate.id)
        scene.scheduler.finished(last.key)
    assert begun == ["g0", "m0", "g1", "m1", "g2", "g3"]


def test_a_sound_goes_to_the_worker_that_knows_it(tmp_path: Path) -> None:
    scene = scene_of(tmp_path, 2)
    for sha256 in ("e1" * 32, "e2" * 32):
        scene.job(sha256[:2], sha256)
    first = scene.given()
    home = {name: number for number, names in enumerate(first) for name in names}
    assert sorted(home) == ["e1", "e2"]
    for worker in scene.workers:
        scene.scheduler.finished(worker.orders[-1].key)
    for sha256 in ("e2" * 32, "e1" * 32, "e1" * 32, "e2" * 32):
        again = scene.edit("edit", sha256)
        scene.given()
        scene.scheduler.finished(again.key)
        assert again.key == scene.workers[home[sha256[:2]]].orders[-1].key


def test_a_worker_that_is_free_is_better_than_one_that_knows(tmp_path: Path) -> None:
    scene = scene_of(tmp_path, 2)
    scene.job("hour", HOUR)
    busy = scene.given().index(["hour"])
    scene.job("part", HOUR, start_s=0.0, end_s=5.0)
    assert scene.given()[1 - busy] == ["part"]


def test_a_job_whose_worker_died_is_tried_once_more_and_alone(scene: Scene) -> None:
    poison, innocent = scene.job("poison", HOUR), scene.job("innocent")
    scene.given()
    for job in (poison, innocent):
        scene.scheduler.worker_died(job.key)
        assert scene.scheduler.finished(job.key) is job and scene.scheduler.try_again(job)
    scene.given()
    (alone,) = scene.workers[0].orders[2:]
    scene.job("other")
    assert len(scene.given()[0]) == 3, "nobody joins a job that is tried again"
    scene.scheduler.finished(alone.key)
    scene.given()
    assert len(scene.workers[0].orders) == 4
    assert not scene.scheduler.try_again(next(job for job in (poison, innocent) if job.key == alone.key))
    assert scene.scheduler.reports()[0].restarts == 2


def test_a_job_of_which_something_was_sent_is_not_tried_again(scene: Scene) -> None:
    job = scene.job("a")
    scene.given()
    job.sent = True
    scene.scheduler.finished(job.key)
    assert not scene.scheduler.try_again(job)


# --- what it feels like ---------------------------------------------------------------------------------------------


def test_a_short_order_runs_in_a_pause_of_a_long_one(tmp_path: Path) -> None:
    sound = tmp_path / "sound"
    sound.write_bytes(b"x")
    engine, heard = SmallEngine(), []
    done = threading.Event()

    def deliver(output: Output) -> None:
        heard.append((output.key, output.op))
        if output == Output(1, "done", output.frame):
            done.set()

    worker = ThreadWorker(engine, 10, deliver)
    worker.start(Order(1, order("long", "00" * 32, "hold"), {"00" * 32: sound}, long=True))
    wait_for(engine.holding.is_set)
    for key in (2, 3):
        worker.start(Order(key, order(f"short{key}", "00" * 32), {"00" * 32: sound}))
    wait_for(lambda: (3, "done") in heard)
    assert (1, "done") not in heard
    engine.let_go.set()
    wait_for(done.is_set)
    assert [key for key, op in heard if op == "done"] == [2, 3, 1]
    worker.close()


def test_a_fault_of_a_short_order_does_not_touch_the_long_one(tmp_path: Path) -> None:
    sound = tmp_path / "sound"
    sound.write_bytes(b"x")
    engine, heard = SmallEngine(), []
    worker = ThreadWorker(engine, 10, lambda output: heard.append((output.key, output.op)))
    worker.start(Order(1, order("long", "00" * 32, "hold"), {"00" * 32: sound}, long=True))
    wait_for(engine.holding.is_set)
    worker.start(Order(2, order("bad", "00" * 32, "raise"), {"00" * 32: sound}))
    wait_for(lambda: (2, "error") in heard)
    engine.let_go.set()
    wait_for(lambda: (1, "done") in heard)
    worker.close()


def test_an_order_that_takes_longer_than_thought_gives_way_too(tmp_path: Path) -> None:
    sound = tmp_path / "sound"
    sound.write_bytes(b"x")
    engine, heard = SmallEngine(), []
    worker = ThreadWorker(engine, 10, lambda output: heard.append((output.key, output.op)))
    worker.start(Order(1, order("surprise", "00" * 32, "hold"), {"00" * 32: sound}))
    wait_for(engine.holding.is_set)
    worker.start(Order(2, order("short", "00" * 32), {"00" * 32: sound}))
    begin_s = time.monotonic()
    wait_for(lambda: (2, "done") in heard)
    assert time.monotonic() - begin_s < 3
    engine.let_go.set()
    wait_for(lambda: (1, "done") in heard)
    worker.close()


def test_an_edit_does_not_wait_for_an_hour(tmp_path: Path) -> None:
    engine = SmallEngine()
    limits = p.ServerLimits(chunk_frames=10)
    with (
        running_server(engine, limits=limits) as server,
        RawPeer(server.address) as batch,
        RawPeer(server.address) as animator,
    ):
        hour = batch.upload_in_chunks(b"h" * (7 << 20))
        batch.say(order("hour", hour, "hold"))
        wait_for(engine.holding.is_set)
        short = animator.upload(b"short")
        for k in range(5):
            animator.say(order(f"edit{k}", short, credit=100))
            assert animator.hear_until(p.Done, p.Failure)[-1].op == "done"
        engine.let_go.set()
        batch.say(p.Credit("hour", 100))
        assert batch.hear_until(p.Done, p.Failure)[-1].op == "done"

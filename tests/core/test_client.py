"""The client against a scripted server and a clock of our own: no network, no waiting."""

from __future__ import annotations

import collections
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from talkclip import protocol as p
from talkclip.audio import AudioClip
from talkclip.client import Client, ConnectionFailed, Drawing, JobState, SpeakRequest, Timeouts, wav_bytes
from talkclip.coefficients import ARKIT52, CoefficientTrack
from talkclip.errors import InputError, TalkClipError
from talkclip.timeline import PromptTimeline

SOUND = b"not really a sound" * 50_000  # four upload chunks
TIMES = Timeouts(connect_s=3.0, ping_after_s=2.0, silence_s=10.0)


class Clock:
    """Time that passes when we say so."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Wire:
    """A `Transport` whose other end is the test."""

    def __init__(self) -> None:
        self.arriving: collections.deque[bytes] = collections.deque()
        self.sent: list[p.Message] = []
        self.is_open = self.is_broken = self.is_refused = False
        self.room = 10**9

    def open(self) -> None:
        self.is_open, self.is_broken = True, False

    def send(self, frame: bytes) -> bool:
        if self.room <= 0:
            return False
        self.room -= 1
        self.sent.append(p.decode(frame, p.FROM_CLIENT))
        return True

    def receive(self) -> bytes | None:
        return self.arriving.popleft() if self.arriving else None

    def wait(self, timeout_s: float) -> None:
        raise AssertionError("pump never waits")

    def broken(self) -> bool:
        return self.is_broken

    def refused(self) -> bool:
        return self.is_refused

    def close(self) -> None:
        self.is_open = False

    def say(self, *messages: p.Message) -> None:
        self.arriving.extend(p.encode(message) for message in messages)

    def take(self, cls: type[p.Message]) -> list[Any]:
        """Messages of one kind that were sent; they are forgotten."""
        found = [message for message in self.sent if isinstance(message, cls)]
        self.sent = [message for message in self.sent if not isinstance(message, cls)]
        return found


class Scene:
    """A client on a wire, at some point of a job."""

    def __init__(self, tmp_path: Path) -> None:
        self.wire, self.clock = Wire(), Clock()
        self.client = Client("tcp://127.0.0.1:1", transport=self.wire, timeouts=TIMES, clock=self.clock)
        self.file = tmp_path / "ein Satz äöü.wav"
        self.file.write_bytes(SOUND)
        self.request = SpeakRequest(self.file, PromptTimeline.single("a furious man", 2.0), 25.0)

    def pump(self, *messages: p.Message) -> None:
        self.wire.say(*messages)
        while self.client.pump(budget_ms=1e9) and self.wire.is_open:
            pass

    def welcome(self, engine: p.EngineInfo = p.EngineInfo()) -> None:
        self.client.start()
        for hello in self.wire.take(p.Hello):
            self.pump(p.Welcome(hello.id, 1, "server", engine, p.ServerLimits()))

    def waiting_job(self) -> Any:
        """A job whose sound the server had already."""
        self.welcome()
        job = self.client.submit(self.request)
        self.pump()
        (put,) = self.wire.take(p.Put)
        self.pump(p.PutState(put.id, put.sha256, put.size, True), p.Accepted(job.id, 0))
        return job


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.client.close()


def header(job: Any, n_frames: int, has_head: bool = False) -> p.TrackHeader:
    return p.TrackHeader(job.id, "arkit52", ARKIT52, 25.0, 0.0, n_frames, has_head)


def chunk(job: Any, first: int, n_frames: int) -> p.Chunk:
    return p.Chunk(job.id, first, np.full((n_frames, 52), first / 1000, np.float32))


def test_a_job_from_upload_to_track(scene: Scene) -> None:
    scene.welcome()
    job = scene.client.submit(scene.request)
    scene.pump()
    (put,) = scene.wire.take(p.Put)
    assert put.sha256 == hashlib.sha256(SOUND).hexdigest() and put.size == len(SOUND)

    scene.pump(p.PutState(put.id, put.sha256, 0, False))
    taken = b""
    for part in scene.wire.take(p.PutChunk):
        assert part.offset == len(taken)
        taken += part.data
        scene.pump(p.PutState(part.id, put.sha256, len(taken), len(taken) == len(SOUND)))
    assert taken == SOUND and job.state is JobState.WAITING

    (order,) = scene.wire.take(p.Animate)
    assert (order.id, order.audio.name, order.audio.sha256) == (job.id, "ein Satz äöü.wav", put.sha256)
    assert order.timeline == scene.request.timeline
    scene.pump(p.Accepted(job.id, 1))
    assert job.text == "Waiting for 1 other job"
    scene.pump(p.Progress(job.id, "phones", 0.5, "Listening"), header(job, 5), chunk(job, 0, 3))
    assert (job.state, job.stage, job.fraction) == (JobState.RUNNING, "phones", 0.5)
    assert [frames.values.shape for frames in job.take_frames()] == [(3, 52)]
    scene.pump(chunk(job, 3, 2), p.Done(job.id, 5, 0.1, "fast", ("a note",)))
    assert job.state is JobState.DONE and not scene.client.busy
    assert [frames.first_frame for frames in job.take_frames()] == [3] and job.take_frames() == []
    assert job.result().track.values[:, 0].tolist() == pytest.approx([0, 0, 0, 0.003, 0.003])
    assert job.result().notes == ("a note",) and job.result().timeline == scene.request.timeline


def test_a_known_sound_is_not_sent_again(scene: Scene) -> None:
    job = scene.waiting_job()
    assert job.state is JobState.WAITING and not scene.wire.take(p.PutChunk)


def test_a_file_is_read_again_only_when_it_changed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.waiting_job()
    with monkeypatch.context() as patched:
        patched.setattr("talkclip.client.upload.Upload.hash_step", lambda self: pytest.fail("hashed again"))
        again = scene.client.submit(scene.request)
        scene.pump()
    assert scene.wire.take(p.Put)[-1].sha256 == hashlib.sha256(SOUND).hexdigest()
    scene.client.cancel(again)
    scene.file.write_bytes(b"another take")
    os.utime(scene.file, ns=(1, 1))
    scene.client.submit(scene.request)
    scene.pump()
    assert scene.wire.take(p.Put)[-1].sha256 == hashlib.sha256(b"another take").hexdigest()


def test_an_interrupted_upload_goes_on_where_it_stopped(scene: Scene) -> None:
    scene.welcome()
    scene.client.submit(scene.request)
    scene.pump()
    (put,) = scene.wire.take(p.Put)
    scene.pump(p.PutState(put.id, put.sha256, 262_144, False))
    assert scene.wire.take(p.PutChunk)[0].offset == 262_144


def test_chunks_the_server_did_not_take_are_sent_again(scene: Scene) -> None:
    scene.welcome()
    scene.client.submit(scene.request)
    scene.pump()
    (put,) = scene.wire.take(p.Put)
    scene.pump(p.PutState(put.id, put.sha256, 0, False))
    lost = scene.wire.take(p.PutChunk)
    scene.pump(*[p.PutState(put.id, put.sha256, 0, False)] * len(lost))
    assert [part.offset for part in scene.wire.take(p.PutChunk)] == [part.offset for part in lost]


def test_a_full_socket_is_tried_again(scene: Scene) -> None:
    scene.welcome()
    scene.wire.room = 0
    scene.client.submit(scene.request)
    scene.pump()
    assert not scene.wire.sent
    scene.wire.room = 10
    scene.pump()
    assert scene.wire.take(p.Put)


def test_credit_is_given_as_chunks_are_taken(scene: Scene) -> None:
    job = scene.waiting_job()
    (order,) = scene.wire.take(p.Animate)
    scene.pump(header(job, 1000))
    for first in range(40):
        scene.pump(chunk(job, first, 1))
    given = order.credit + sum(credit.chunks for credit in scene.wire.take(p.Credit))
    assert 40 < given <= 40 + order.credit


@pytest.mark.parametrize(
    "wrong",
    [
        lambda job: [chunk(job, 0, 2)],
        lambda job: [header(job, 9), chunk(job, 3, 2)],
        lambda job: [header(job, 9), chunk(job, 0, 2), chunk(job, 0, 2)],
        lambda job: [header(job, 3), chunk(job, 0, 4)],
        lambda job: [header(job, 3, has_head=True), chunk(job, 0, 3)],
        lambda job: [header(job, 3), p.Chunk(job.id, 0, np.zeros((3, 51), np.float32))],
        lambda job: [header(job, 3), header(job, 3)],
        lambda job: [header(job, 3), chunk(job, 0, 2), p.Done(job.id, 3, 0.1)],
        lambda job: [p.Done(job.id, 0, 0.1)],
    ],
)
def test_a_confused_stream_fails_the_job_and_stops_the_server(scene: Scene, wrong: Any) -> None:
    job = scene.waiting_job()
    scene.pump(*wrong(job))
    assert job.state is JobState.FAILED and isinstance(job.error, p.ProtocolError)
    assert [cancel.id for cancel in scene.wire.take(p.Cancel)] == [job.id]
    assert scene.client.connected and not scene.client.busy


def test_rubbish_from_the_server_is_no_reason_to_stop(scene: Scene) -> None:
    job = scene.waiting_job()
    scene.wire.arriving.extend([b"", b"\xc1", b"\x80", p.encode(p.Ping("x"))])
    scene.pump(p.Pong("nobody asked"), p.Done("not my job", 3, 0.1), header(job, 1), chunk(job, 0, 1))
    scene.pump(p.Done(job.id, 1, 0.1))
    assert job.state is JobState.DONE


def test_a_servers_error_arrives_as_the_users_error(scene: Scene) -> None:
    job = scene.waiting_job()
    scene.pump(p.Failure(job.id, "bad_input", "line.wav: is silent.", "Unmute it."))
    with pytest.raises(InputError, match=r"line\.wav: is silent\. Unmute it\."):
        job.result()


def test_cancel_is_immediate_and_final(scene: Scene) -> None:
    job = scene.waiting_job()
    scene.pump(header(job, 2), chunk(job, 0, 1))
    scene.client.cancel(job)
    assert job.state is JobState.CANCELLED and scene.wire.take(p.Cancel)
    scene.pump(chunk(job, 1, 1), p.Done(job.id, 2, 0.1), p.Failure(job.id, "cancelled", "Cancelled."))
    assert job.state is JobState.CANCELLED and not scene.client.busy


def test_nobody_answers(scene: Scene) -> None:
    job = scene.client.submit(scene.request)
    scene.clock.now_s += 2.9
    scene.pump()
    assert not job.finished
    scene.clock.now_s += 0.2
    scene.pump()
    assert job.state is JobState.FAILED and isinstance(job.error, ConnectionFailed)
    assert str(job.error) == "No TalkCLIP server answers at tcp://127.0.0.1:1. Start one with `talkclip serve`."


def test_a_silent_server_is_asked_and_then_given_up(scene: Scene) -> None:
    job = scene.waiting_job()
    scene.clock.now_s += 2.1
    scene.pump()
    (ping,) = scene.wire.take(p.Ping)
    scene.pump(p.Pong(ping.id))
    scene.clock.now_s += 2.1
    scene.pump()
    assert scene.wire.take(p.Ping)
    for _ in range(11):
        assert not job.finished
        scene.clock.now_s += 0.95
        scene.pump()
    assert job.state is JobState.FAILED and job.error is not None and job.error.code == "server_silent"


def test_a_host_that_slept_does_not_blame_the_server(scene: Scene) -> None:
    job = scene.waiting_job()
    scene.clock.now_s += 3.0
    scene.pump()
    scene.clock.now_s += 3600.0
    scene.pump()
    assert not job.finished


def test_a_closed_connection_fails_jobs_and_the_next_one_connects_again(scene: Scene) -> None:
    job = scene.waiting_job()
    scene.wire.is_broken = True
    scene.pump(p.Progress(job.id, "phones", 0.7))
    assert job.fraction == 0.7  # what arrived before counts
    assert job.state is JobState.FAILED and job.error is not None and job.error.code == "server_gone"
    assert not scene.wire.is_open
    again = scene.client.submit(scene.request)
    assert scene.wire.is_open and not again.finished and scene.wire.take(p.Hello)


def test_a_restarted_server_is_recognised(scene: Scene) -> None:
    job = scene.waiting_job()
    scene.pump(p.Failure("x", "hello_first", "who are you?"))
    assert job.error is not None and job.error.code == "restarted"


def test_a_server_of_another_version_says_so(scene: Scene) -> None:
    scene.client.start()
    (hello,) = scene.wire.take(p.Hello)
    scene.pump(p.Failure(hello.id, "version", "The other side speaks protocol 1, this side 2.", "Update."))
    assert scene.client.error is not None and scene.client.error.code == "version"


def test_a_server_that_comes_up_late_is_greeted_again(scene: Scene) -> None:
    scene.client.start()
    assert scene.wire.take(p.Hello)
    scene.wire.is_broken = True
    scene.clock.now_s += 0.5
    scene.pump()
    (hello,) = scene.wire.take(p.Hello)
    scene.pump(p.Welcome(hello.id, 1, "server", p.EngineInfo(), p.ServerLimits()))
    assert scene.client.connected


def test_a_file_too_large_is_not_sent(scene: Scene) -> None:
    scene.client.start()
    (hello,) = scene.wire.take(p.Hello)
    scene.pump(p.Welcome(hello.id, 1, "server", p.EngineInfo(), p.ServerLimits(upload_bytes=1000)))
    job = scene.client.submit(scene.request)
    scene.pump()
    assert isinstance(job.error, InputError) and not scene.wire.take(p.Put)


@pytest.mark.parametrize("kind", ["missing", "folder", "empty"])
def test_an_unreadable_sound_is_an_input_error(scene: Scene, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "no sound.wav"
    if kind == "folder":
        path.mkdir()
    elif kind == "empty":
        path.touch()
    with pytest.raises(InputError, match=r"no sound\.wav"):
        scene.client.submit(SpeakRequest(path, scene.request.timeline, 25.0))


def test_a_file_that_shrinks_while_it_is_sent_fails_its_job(scene: Scene) -> None:
    scene.welcome()
    job = scene.client.submit(scene.request)
    scene.pump()
    scene.file.write_bytes(SOUND[:10])
    (put,) = scene.wire.take(p.Put)
    scene.pump(p.PutState(put.id, put.sha256, 0, False))
    scene.pump(*[p.PutState(put.id, put.sha256, 10, False)] * 9)
    assert isinstance(job.error, InputError) and scene.file.name in str(job.error)


def test_an_order_that_cannot_be_encoded_fails_its_job(scene: Scene) -> None:
    scene.welcome()
    job = scene.client.submit(SpeakRequest(scene.file, scene.request.timeline, float("nan")))
    scene.pump()
    (put,) = scene.wire.take(p.Put)
    scene.pump(p.PutState(put.id, put.sha256, put.size, True))
    assert isinstance(job.error, TalkClipError) and "animate.fps" in str(job.error)


def test_pump_keeps_to_its_budget(scene: Scene) -> None:
    job = scene.waiting_job()
    scene.wire.say(header(job, 100), *[chunk(job, first, 1) for first in range(100)])
    scene.client.pump(budget_ms=0)
    assert job.frames_received == 0 and len(scene.wire.arriving) == 100
    while scene.client.pump(budget_ms=0):
        pass
    assert job.frames_received == 100


def test_samples_travel_as_a_lossless_wav(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    samples = np.random.default_rng(0).uniform(-1, 1, 1000).astype(np.float32)
    path = tmp_path / "clip.wav"
    path.write_bytes(wav_bytes(AudioClip(samples, 16000)))
    back, rate = soundfile.read(path, dtype="float32")
    assert rate == 16000 and np.array_equal(back, samples)


def edit_job(scene: Scene) -> Any:
    """An edit whose sound the server had already."""
    scene.welcome()
    job = scene.client.submit_edit(scene.request, PromptTimeline.single("calm", 2.0))
    scene.pump()
    (put,) = scene.wire.take(p.Put)
    scene.pump(p.PutState(put.id, put.sha256, put.size, True))
    return job


def part(job: Any, first: int, n_frames: int, of: int = 50) -> p.TrackHeader:
    return p.TrackHeader(job.id, "arkit52", ARKIT52, 25.0, 0.0, of, False, p.FrameSpan(first, n_frames))


def test_an_edit_takes_the_frames_that_changed(scene: Scene) -> None:
    job = edit_job(scene)
    (order,) = scene.wire.take(p.Edit)
    assert order.before == PromptTimeline.single("calm", 2.0) and order.timeline == scene.request.timeline
    scene.pump(part(job, 10, 5), chunk(job, 10, 3), chunk(job, 13, 2), p.Done(job.id, 5, 0.1))
    reply = job.edit_result()
    assert (reply.first_frame, reply.n_frames) == (10, 50)
    assert reply.track.n_frames == 5 and reply.track.start_s == pytest.approx(0.4)
    whole = CoefficientTrack("arkit52", ARKIT52, 25.0, np.ones((50, 52), np.float32))
    mended = reply.applied_to(whole).values[:, 0]
    assert mended[9:16].tolist() == pytest.approx([1, 0.01, 0.01, 0.01, 0.013, 0.013, 1])
    assert whole.values.min() == 1, "the old track stays as it was"


def test_an_edit_that_changes_nothing(scene: Scene) -> None:
    job = edit_job(scene)
    scene.pump(part(job, 0, 0), p.Done(job.id, 0, 0.1))
    assert job.state is JobState.DONE and job.edit_result().track is None


@pytest.mark.parametrize(
    "wrong",
    [
        lambda job: [header(job, 50)],
        lambda job: [part(job, 48, 5)],
        lambda job: [part(job, 10, 5), chunk(job, 0, 5)],
        lambda job: [part(job, 10, 5), chunk(job, 10, 6)],
        lambda job: [part(job, 10, 5), chunk(job, 10, 4), p.Done(job.id, 4, 0.1)],
        lambda job: [p.Done(job.id, 0, 0.1)],
    ],
)
def test_a_confused_edit_fails(scene: Scene, wrong: Any) -> None:
    job = edit_job(scene)
    scene.pump(*wrong(job))
    assert job.state is JobState.FAILED and isinstance(job.error, p.ProtocolError)


def test_a_part_where_all_was_asked_for_fails(scene: Scene) -> None:
    job = scene.waiting_job()
    scene.pump(part(job, 10, 5))
    assert job.state is JobState.FAILED


def video_job(scene: Scene, target: Path) -> Any:
    scene.welcome()
    job = scene.client.submit_video(scene.request, Drawing(size=128), target)
    scene.pump()
    (put,) = scene.wire.take(p.Put)
    scene.pump(p.PutState(put.id, put.sha256, put.size, True))
    (order,) = scene.wire.take(p.Render)
    assert (order.renderer, order.size, order.portrait) == ("head", 128, None)
    return job


def test_a_video_appears_when_it_is_whole(scene: Scene, tmp_path: Path) -> None:
    target = tmp_path / "out" / "line.mp4"
    target.parent.mkdir()
    job = video_job(scene, target)
    scene.pump(p.VideoHeader(job.id, 128, 128, 25.0, 9, 6), p.VideoChunk(job.id, 0, b"abc"))
    assert not target.exists()
    scene.pump(p.VideoChunk(job.id, 3, b"def"), p.Done(job.id, 9, 0.1))
    assert target.read_bytes() == b"abcdef" and job.video_result().n_frames == 9
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda job: [p.VideoChunk(job.id, 0, b"abc")],
        lambda job: [p.VideoHeader(job.id, 8, 8, 25.0, 9, 6), p.VideoChunk(job.id, 1, b"abc")],
        lambda job: [p.VideoHeader(job.id, 8, 8, 25.0, 9, 2), p.VideoChunk(job.id, 0, b"abc")],
        lambda job: [p.VideoHeader(job.id, 8, 8, 25.0, 9, 6), p.VideoHeader(job.id, 8, 8, 25.0, 9, 6)],
        lambda job: [p.VideoHeader(job.id, 8, 8, 25.0, 9, 6), p.VideoChunk(job.id, 0, b"abc"), p.Done(job.id, 9, 0.1)],
        lambda job: [p.Failure(job.id, "engine", "no")],
    ],
)
def test_a_video_that_fails_leaves_nothing_and_the_old_one_stays(scene: Scene, tmp_path: Path, wrong: Any) -> None:
    target = tmp_path / "out" / "line.mp4"
    target.parent.mkdir()
    target.write_bytes(b"older")
    job = video_job(scene, target)
    scene.pump(*wrong(job))
    assert job.state is JobState.FAILED
    assert target.read_bytes() == b"older" and list(target.parent.iterdir()) == [target]


def test_a_server_that_refuses_the_key_is_given_up_at_once(scene: Scene) -> None:
    job = scene.client.submit(scene.request)
    scene.wire.is_refused = True
    scene.pump()
    assert job.error is not None and job.error.code == "key_refused" and "talkclip keys" in job.error.hint

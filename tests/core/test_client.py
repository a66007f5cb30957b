"""The client against a scripted server and a clock of our own: no network, no waiting."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from talkclip import protocol as p
from talkclip.audio import AudioClip
from talkclip.client import Client, ConnectionFailed, JobState, SpeakRequest, wav_bytes
from talkclip.errors import InputError, TalkClipError
from tests.support.scripted_server import SOUND, TIMES, Clock, Scene, Wire, chunk, header


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


def test_whoever_started_the_server_says_why_it_is_silent(tmp_path: Path) -> None:
    wire, clock, known = Wire(), Clock(), []
    client = Client(transport=wire, timeouts=TIMES, clock=clock, why_silent=lambda: known[0] if known else None)
    client.start()
    client.pump()
    assert client.busy and client.error is None  # nothing is known: it may be on its way up
    known.append(TalkClipError("The server could not start.", "Repair it."))
    client.pump()
    assert client.error is known[0] and not client.busy  # at once, not after `connect_s`

    known.clear()
    client.start()
    (hello,) = wire.take(p.Hello)[-1:]
    wire.say(p.Welcome(hello.id, 1, "server", p.EngineInfo(), p.ServerLimits()))
    client.pump()
    assert client.connected
    wire.is_broken = True
    known.append(TalkClipError("The server crashed.", "Start it again."))
    client.pump()
    assert client.error is known[0]


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


def test_a_server_that_refuses_the_key_is_given_up_at_once(scene: Scene) -> None:
    job = scene.client.submit(scene.request)
    scene.wire.is_refused = True
    scene.pump()
    assert job.error is not None and job.error.code == "key_refused" and "talkclip keys" in job.error.hint

"""What a prompt is understood as, asked for beside everything else."""

from __future__ import annotations

import pytest

from talkclip import protocol as p
from talkclip.client import ConnectionFailed
from talkclip.errors import InputError, TalkClipError
from tests.support.scripted_server import Scene, chunk, header

SAD = p.UnderstoodPrompt((), (p.EmotionWeight("sad", 1.0),), 0.6)


def test_an_answer_comes_while_a_job_runs(scene: Scene) -> None:
    job = scene.waiting_job()
    first, second = scene.client.submit_reading("sad"), scene.client.submit_reading("sad an")
    scene.pump(header(job, 2), chunk(job, 0, 1))
    asked = scene.wire.take(p.Read)
    assert [question.prompt for question in asked] == ["sad", "sad an"]
    scene.pump(p.Reading(asked[1].id, SAD))
    assert second.finished and second.result() is second.reading and second.reading == SAD
    assert not first.finished
    with pytest.raises(TalkClipError, match="not here yet"):
        first.result()
    scene.pump(p.Reading(asked[0].id, SAD), chunk(job, 1, 1), p.Done(job.id, 2, 0.1))
    assert first.reading == SAD and job.result().track.n_frames == 2 and not scene.client.busy


def test_a_question_waits_for_the_connection(scene: Scene) -> None:
    reading = scene.client.submit_reading("sad")
    scene.pump()
    assert not scene.wire.take(p.Read) and scene.client.busy
    (hello,) = scene.wire.take(p.Hello)
    scene.pump(p.Welcome(hello.id, 1, "server", p.EngineInfo(), p.ServerLimits()))
    (question,) = scene.wire.take(p.Read)
    scene.pump(p.Reading(question.id, SAD))
    assert reading.reading == SAD


def test_an_older_server_and_a_lost_one_end_the_question(scene: Scene) -> None:
    scene.welcome()
    refused, lost = scene.client.submit_reading("a"), scene.client.submit_reading("b")
    scene.pump()
    question, _ = scene.wire.take(p.Read)
    scene.pump(p.Failure(question.id, "unknown_op", "Unknown operation 'read'.", "Update the older side."))
    assert refused.error is not None and refused.error.code == "unknown_op" and not lost.finished
    scene.wire.is_broken = True
    scene.pump()
    assert lost.error is not None and lost.error.code == "server_gone" and not scene.client.busy


def test_what_cannot_be_read_or_sent_ends_in_the_questions_error(scene: Scene) -> None:
    scene.welcome()
    unsendable, confused = scene.client.submit_reading("\udc80"), scene.client.submit_reading("sad")
    scene.pump()
    assert isinstance(unsendable.error, p.ProtocolError)
    (question,) = scene.wire.take(p.Read)
    scene.wire.arriving.append(p.encode(p.Reading(question.id, SAD)).replace(b"emotions", b"emoticon"))
    scene.pump()
    assert isinstance(confused.error, p.ProtocolError) and scene.client.connected
    scene.pump(p.Reading(question.id, SAD))
    assert confused.reading is None, "it is over"


def test_nobody_answers(scene: Scene) -> None:
    reading = scene.client.submit_reading("sad")
    scene.clock.now_s += 4.0
    scene.pump()
    assert isinstance(reading.error, ConnectionFailed)


def test_an_error_of_the_server_is_the_users_error(scene: Scene) -> None:
    scene.welcome()
    reading = scene.client.submit_reading("sad")
    scene.pump()
    (question,) = scene.wire.take(p.Read)
    scene.pump(p.Failure(question.id, "bad_input", "This server does not tell.", "Update it."))
    with pytest.raises(InputError, match="does not tell"):
        reading.result()

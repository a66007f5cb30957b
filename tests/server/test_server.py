"""A real server on loopback: what clients are told, in which order, and that jobs end exactly once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from talkclip import protocol as p
from talkclip.client import Client, Frames, Job, JobState, SpeakRequest
from talkclip.errors import InputError, TalkClipError
from talkclip.timeline import PromptTimeline
from talkclip_server import Server, running_server
from tests.support.raw_peer import RawPeer, order, wait_for
from tests.support.small_engine import SmallEngine, expected_values

SOUND = bytes(range(256)) * 3000


@pytest.fixture
def engine() -> SmallEngine:
    return SmallEngine()


@pytest.fixture
def server(engine: SmallEngine) -> Iterator[Server]:
    with running_server(engine, limits=p.ServerLimits(chunk_frames=10, jobs_per_client=3, waiting_jobs=4)) as running:
        yield running


@pytest.fixture
def peer(server: Server) -> Iterator[RawPeer]:
    with RawPeer(server.address) as connected:
        yield connected


def request(tmp_path: Path, prompt: str, sound: bytes = SOUND, **fields: object) -> SpeakRequest:
    file = tmp_path / "line.wav"
    file.write_bytes(sound)
    return SpeakRequest(file, PromptTimeline.single(prompt, 9.0), 25.0, **fields)  # type: ignore[arg-type]


def test_the_track_that_arrives_is_the_engines(server: Server, tmp_path: Path) -> None:
    with Client(server.address) as client:
        reply = client.animate(request(tmp_path, "a happy woman", seed=7))
    expected = expected_values(SOUND, "a happy woman", 7, 120)
    assert np.array_equal(reply.track.values, expected)
    assert reply.track.head is not None and np.array_equal(reply.track.head, expected[:, :6] - 0.5)
    assert (reply.track.fps, reply.track.space, reply.backend) == (25.0, "arkit52", "small")
    assert reply.notes == ("understood 'a happy woman'",)
    assert reply.phones is not None and reply.phones.phones[0].symbol == "AA"


def test_frames_stream_in_order_with_progress(server: Server, tmp_path: Path) -> None:
    with Client(server.address) as client:
        items = list(client.stream(request(tmp_path, "x")))
    frames = [item for item in items if isinstance(item, Frames)]
    assert [part.first_frame for part in frames] == list(range(0, 120, 10))
    assert isinstance(items[-1], Job) and items[-1].state is JobState.DONE


def test_a_sound_is_sent_once(server: Server, engine: SmallEngine, tmp_path: Path) -> None:
    with Client(server.address) as client:
        for prompt in ("one", "two", "three"):
            client.animate(request(tmp_path, prompt))
        assert client.status().store_files == 1
    assert [animate.timeline.segments[0].prompt for animate in engine.orders] == ["one", "two", "three"]


def test_two_clients_at_once_get_their_own_answers(server: Server, tmp_path: Path) -> None:
    answers: dict[int, list[bool]] = {0: [], 1: []}

    def speak(number: int) -> None:
        folder = tmp_path / str(number)
        folder.mkdir()
        sound = SOUND + bytes([number])
        with Client(server.address) as client:
            for k in range(10):
                reply = client.animate(request(folder, f"prompt {number} {k}", sound, seed=k))
                expected = expected_values(sound, f"prompt {number} {k}", k, 120)
                answers[number].append(np.array_equal(reply.track.values, expected))

    threads = [threading.Thread(target=speak, args=(number,)) for number in answers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {0: [True] * 10, 1: [True] * 10}


def test_a_client_that_takes_nothing_does_not_hold_up_another(server: Server, peer: RawPeer, tmp_path: Path) -> None:
    sha256 = peer.upload(SOUND)
    peer.say(order("slow", sha256, credit=1))
    with Client(server.address) as client:
        client.animate(request(tmp_path, "quick"))
    heard = peer.hear_all()
    assert [type(message) for message in heard if message.id == "slow"].count(p.Chunk) == 1
    for _ in range(11):
        peer.say(p.Credit("slow", 1))
    heard += peer.hear_until(p.Done)
    assert [message.first_frame for message in heard if isinstance(message, p.Chunk)] == list(range(0, 120, 10))


def test_a_client_that_takes_nothing_for_long_loses_the_job(engine: SmallEngine) -> None:
    limits = p.ServerLimits(chunk_frames=10, stalled_job_s=0.1)
    with running_server(engine, limits=limits) as server, RawPeer(server.address) as peer:
        peer.say(order("slow", peer.upload(SOUND), credit=1))
        *_, end = peer.hear_until(p.Failure)
        assert isinstance(end, p.Failure) and end.code == "stalled"


@pytest.mark.parametrize(
    ("prompt", "words"), [("raise", "ValueError: a bug"), ("no end", "ended without"), ("nan", "sent")]
)
def test_an_engine_that_fails_is_reported_and_the_server_lives_on(
    server: Server, tmp_path: Path, prompt: str, words: str
) -> None:
    with Client(server.address) as client:
        with pytest.raises(TalkClipError, match=words) as caught:
            client.animate(request(tmp_path, prompt))
        assert caught.value.code == "engine" and caught.value.hint
        assert client.animate(request(tmp_path, "fine")).track.n_frames == 120


@pytest.mark.parametrize(
    "fault", [SystemExit(3), KeyboardInterrupt(), MemoryError(), RecursionError(), OSError("\udcff")]
)
def test_whatever_an_engine_throws_the_worker_lives_on(fault: BaseException, tmp_path: Path) -> None:
    with running_server(SmallEngine(fault=lambda: fault)) as server, Client(server.address) as client:
        with pytest.raises(TalkClipError) as caught:
            client.animate(request(tmp_path, "raise"))
        assert caught.value.code == ("memory" if isinstance(fault, MemoryError) else "engine")
        assert client.animate(request(tmp_path, "fine")).track.n_frames == 120


def test_an_input_error_of_the_engine_keeps_its_words(tmp_path: Path) -> None:
    fault = InputError("line.wav: is silent.", "Unmute it.")
    with running_server(SmallEngine(fault=lambda: fault)) as server, Client(server.address) as client:
        with pytest.raises(InputError) as caught:
            client.animate(request(tmp_path, "raise"))
        assert (caught.value.message, caught.value.hint) == (fault.message, fault.hint)


@pytest.mark.parametrize("wanted", [True, False])
def test_tracebacks_travel_only_when_wanted(wanted: bool) -> None:
    with running_server(SmallEngine(), send_tracebacks=wanted) as server, RawPeer(server.address) as peer:
        peer.say(order("job", peer.upload(SOUND), "raise"))
        *_, end = peer.hear_until(p.Failure)
        assert isinstance(end, p.Failure)
        assert ("a bug" in (end.traceback or "")) == wanted


def test_cancel_in_the_middle_of_the_stream(server: Server, engine: SmallEngine, tmp_path: Path) -> None:
    with Client(server.address) as client:
        job = client.submit(request(tmp_path, "hold"))
        wait_for(lambda: client.pump() and job.frames_received)
        client.cancel(job)
        assert job.state is JobState.CANCELLED
        assert client.animate(request(tmp_path, "fine")).track.n_frames == 120
        assert client.status().jobs_failed == 1
    assert engine.cancels_seen == 1


def test_a_cancelled_job_ends_once_and_says_nothing_more(peer: RawPeer, engine: SmallEngine) -> None:
    peer.say(order("job", peer.upload(SOUND), "hold"))
    peer.hear_until(p.Chunk)
    peer.say(p.Cancel("job"), p.Cancel("job"), p.Credit("job", 5))
    (end,) = peer.hear_all()
    assert isinstance(end, p.Failure) and (end.id, end.code) == ("job", "cancelled")
    wait_for(lambda: engine.cancels_seen)
    assert peer.hear_all() == []


def test_a_waiting_job_is_cancelled_without_running(peer: RawPeer, engine: SmallEngine) -> None:
    sha256 = peer.upload(SOUND)
    peer.say(order("first", sha256, "hold"), order("second", sha256))
    wait_for(engine.holding.is_set)
    peer.say(p.Cancel("second"))
    heard = peer.hear_all()
    assert [message.code for message in heard if isinstance(message, p.Failure)] == ["cancelled"]
    engine.let_go.set()
    peer.hear_until(p.Done)
    assert len(engine.orders) == 1


def test_jobs_run_in_turn_and_are_told_so(peer: RawPeer, engine: SmallEngine) -> None:
    sha256 = peer.upload(SOUND)
    peer.say(order("a", sha256, "hold"), order("b", sha256), order("c", sha256))
    wait_for(engine.holding.is_set)
    accepted = [message for message in peer.hear_all() if isinstance(message, p.Accepted)]
    assert {message.id: message.ahead for message in accepted} == {"a": 0, "b": 1, "c": 2}
    engine.let_go.set()
    ends = [message for _ in range(3) for message in peer.hear_until(p.Done) if isinstance(message, p.Done)]
    assert [end.id for end in ends] == ["a", "b", "c"]


def test_every_job_ends_in_exactly_one_done_or_error(peer: RawPeer, engine: SmallEngine) -> None:
    sha256 = peer.upload(SOUND)
    engine.let_go.set()
    ended: list[str] = []
    for number, prompt in enumerate(["fine", "raise", "no end", "hold", "nan", "fine"]):
        peer.say(order(f"job{number}", sha256, prompt, credit=100))
        if number == 3:
            peer.say(p.Cancel("job3"))
        ended += [
            message.id for message in peer.hear_until(p.Done, p.Failure) if isinstance(message, p.Done | p.Failure)
        ]
    ended += [message.id for message in peer.hear_all() if isinstance(message, p.Done | p.Failure)]
    assert ended == [f"job{number}" for number in range(6)]


def test_a_repeated_order_is_not_run_twice(peer: RawPeer, engine: SmallEngine) -> None:
    sha256 = peer.upload(SOUND)
    peer.say(order("job", sha256, "hold"), order("job", sha256, "hold"))
    wait_for(engine.holding.is_set)
    engine.let_go.set()
    heard = peer.hear_until(p.Done)
    assert sum(isinstance(message, p.Accepted) for message in heard) == 2
    peer.say(order("job", sha256, "hold"))
    assert peer.hear_all() == [] and len(engine.orders) == 1


def test_more_jobs_than_allowed_are_refused(peer: RawPeer, engine: SmallEngine) -> None:
    sha256 = peer.upload(SOUND)
    peer.say(*(order(f"job{k}", sha256, "hold") for k in range(4)))
    (refusal,) = [message for message in peer.hear_all() if isinstance(message, p.Failure)]
    assert (refusal.id, refusal.code) == ("job3", "busy")
    engine.let_go.set()
    for _ in range(3):
        peer.hear_until(p.Done)


def test_the_queue_of_all_clients_is_bounded(server: Server, peer: RawPeer, engine: SmallEngine) -> None:
    with RawPeer(server.address) as second:
        sha256 = peer.upload(SOUND)
        peer.say(*(order(f"job{k}", sha256, "hold") for k in range(3)))
        wait_for(engine.holding.is_set)
        peer.hear_all()
        second.say(*(order(f"job{k}", sha256, "hold") for k in range(3)))
        refusals = [message for message in second.hear_all() if isinstance(message, p.Failure)]
        assert [(refusal.id, refusal.code) for refusal in refusals] == [("job2", "busy")]
        engine.let_go.set()


def test_an_order_for_a_sound_the_server_does_not_have(peer: RawPeer) -> None:
    peer.say(order("job", "00" * 32))
    answer = peer.hear()
    assert isinstance(answer, p.Failure) and answer.code == "unknown_audio" and "line.wav" in answer.message


def test_a_space_the_server_does_not_have(server: Server, tmp_path: Path) -> None:
    with Client(server.address) as client, pytest.raises(InputError, match=r"'flame'.*--flame"):
        client.animate(request(tmp_path, "x", space="flame"))


def test_a_client_that_vanishes_frees_its_job(server: Server, engine: SmallEngine) -> None:
    with RawPeer(server.address) as peer:
        peer.say(order("job", peer.upload(SOUND), "hold", credit=1))
        peer.hear_until(p.Chunk)
    with Client(server.address) as client:
        engine.let_go.set()
        wait_for(lambda: client.status().clients == 1)
        assert client.status().jobs_running == 0


def test_bye_drops_jobs_at_once(server: Server, engine: SmallEngine, tmp_path: Path) -> None:
    client = Client(server.address)
    job = client.submit(request(tmp_path, "hold"))
    wait_for(lambda: client.pump() and job.frames_received)
    client.close()
    assert job.state is JobState.CANCELLED
    wait_for(lambda: engine.cancels_seen)


def test_a_silent_client_has_to_say_hello_again(engine: SmallEngine) -> None:
    with running_server(engine, limits=p.ServerLimits(idle_client_s=0.05)) as server, RawPeer(server.address) as peer:
        wait_for(lambda: _is_stranger(peer))
        peer.say(p.Hello("again"))
        assert isinstance(peer.hear(), p.Welcome)


def _is_stranger(peer: RawPeer) -> bool:
    threading.Event().wait(1.2)  # longer than the server's housekeeping takes to come round
    peer.say(p.Ping("ping"))
    answer = peer.hear()
    return isinstance(answer, p.Failure) and answer.code == "hello_first"


def test_strangers_are_asked_for_hello_and_other_versions_refused(server: Server) -> None:
    with RawPeer(server.address, hello=False) as stranger:
        stranger.say(p.Status("who"))
        answer = stranger.hear()
        assert isinstance(answer, p.Failure) and (answer.id, answer.code) == ("who", "hello_first")
        stranger.say(p.encode(p.Hello("h", (99,)), version=99))
        answer = stranger.hear()
        assert isinstance(answer, p.Failure) and (answer.id, answer.code) == ("h", "version")


def test_welcome_says_what_the_server_is(server: Server) -> None:
    with Client(server.address) as client:
        welcome = client.connect()
    assert welcome.version == p.PROTOCOL_VERSION and welcome.server.startswith("talkclip-server ")
    assert (welcome.engine.encoder, welcome.engine.spaces) == ("small-text", ("arkit52",))
    assert welcome.engine.weights[0].sha256 == "0" * 64 and welcome.limits.chunk_frames == 10


def test_stopping_ends_jobs_with_a_word(engine: SmallEngine) -> None:
    with running_server(engine) as server:
        peer = RawPeer(server.address)
        sha256 = peer.upload(SOUND)
        peer.say(order("running", sha256, "hold"), order("waiting", sha256))
        wait_for(engine.holding.is_set)
        peer.hear_all()
    with peer:
        ends = [peer.hear_until(p.Failure)[-1] for _ in range(2)]
    assert {end.id: end.code for end in ends if isinstance(end, p.Failure)} == {
        "running": "stopping",
        "waiting": "stopping",
    }


def test_a_graceful_stop_lets_the_running_job_finish(engine: SmallEngine) -> None:
    with running_server(engine, limits=p.ServerLimits(chunk_frames=10)) as server, RawPeer(server.address) as peer:
        sha256 = peer.upload(SOUND)
        peer.say(order("running", sha256, "hold"))
        wait_for(engine.holding.is_set)
        server.request_stop()
        peer.say(order("late", sha256))
        *_, refusal = peer.hear_until(p.Failure)
        assert isinstance(refusal, p.Failure) and (refusal.id, refusal.code) == ("late", "stopping")
        engine.let_go.set()
        *_, end = peer.hear_until(p.Done)
        assert end.id == "running"


def test_the_client_in_a_timer_never_waits(server: Server, tmp_path: Path) -> None:
    """The way Blender does it: submit, then pump now and then."""
    client = Client(server.address)
    job = client.submit(request(tmp_path, "a happy woman"))
    seen: list[int] = []

    def tick() -> bool:
        client.pump(budget_ms=1)
        seen.extend(part.first_frame for part in job.take_frames())
        return job.finished

    wait_for(tick)
    assert job.state is JobState.DONE and seen == list(range(0, 120, 10))
    client.close()

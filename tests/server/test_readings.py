"""`read` over the wire: what `talkclip prompt` says, at once, whatever else the server is busy with."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from talkclip import protocol as p
from talkclip.client import Client
from talkclip.engine.streaming import StreamingPipeline
from talkclip.engine.text.encoder import MiniLMEncoder
from talkclip.engine.text.pose import PromptStyler
from talkclip.errors import InputError, TalkClipError
from talkclip_server import PipelineEngine, running_server
from talkclip_server.questions import MAX_PER_CLIENT
from tests.server.test_process_worker import serving
from tests.support.raw_peer import RawPeer, order, wait_for
from tests.support.small_engine import SmallEngine
from tests.support.small_pipeline import SmallPipeline

PROMPT = "furious, but with a polite smile and the left brow raised, no wrinkled nose, less jaw"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TALKCLIP_CACHE", str(tmp_path_factory.mktemp("cache")))
        engine = PipelineEngine(StreamingPipeline.load("fast", device="cpu"), 60.0)
    with running_server(engine) as server, Client(server.address) as connected:
        yield connected


def test_it_says_what_the_engine_understood(client: Client) -> None:
    found = client.read_prompt(PROMPT)
    reading = PromptStyler(MiniLMEncoder.load()).read(PROMPT)
    assert found.summary == reading.summary() and found.intensity == pytest.approx(reading.intensity)
    assert {e.emotion: e.weight for e in found.emotions} == pytest.approx(
        {emotion: weight for emotion, weight in reading.emotions.items() if weight >= 0.005}
    )
    assert [e.weight for e in found.emotions] == sorted((e.weight for e in found.emotions), reverse=True)
    assert [(m.au, m.level, m.side) for m in found.moves] == [(m.au, m.level, m.side) for m in reading.action_units]
    assert any(move.side == "left" and "brow" in move.name for move in found.moves)
    assert 9 in found.denied_units and found.notes == reading.notes
    by_text = {clause.text: clause for clause in found.clauses}
    assert len(by_text) == len(reading.clauses) > 3
    assert "feeling" in by_text["furious"].kinds and any("angry" in text for text in by_text["furious"].found)
    kinds = {kind for clause in found.clauses for kind in clause.kinds}
    assert {"feeling", "movement", "without", "less"} <= kinds
    assert any(clause.lead for clause in found.clauses)


def test_a_part_with_a_feeling_of_its_own(client: Client) -> None:
    (part,) = client.read_prompt("sad eyes, calm").parts
    assert part.part == "eyes" and part.emotions[0].emotion == "sad" and part.intensity > 0.2


@pytest.mark.parametrize(
    ("prompt", "words"), [("", "empty"), ("xyzzy qwrtp", "xyzzy"), ("wütend und traurig", "German"), ("x" * 70_000, "")]
)
def test_odd_prompts_are_answered_too(client: Client, prompt: str, words: str) -> None:
    if not words:
        with pytest.raises(TalkClipError, match=r"read\.prompt"):
            client.read_prompt(prompt)
        return
    assert any(words in note for note in client.read_prompt(prompt).notes)


def test_typing_beside_a_job_is_answered_while_it_runs() -> None:
    engine = SmallEngine()
    with running_server(engine) as server, RawPeer(server.address) as busy, Client(server.address) as client:
        busy.say(order("job", busy.upload(b"sound"), "hold"))
        wait_for(engine.holding.is_set)
        begin_s = time.monotonic()
        assert [client.read_prompt(text).summary for text in ("s", "sa", "sad")] == ["s", "sa", "sad"]
        assert time.monotonic() - begin_s < 2 and client.status().jobs_running == 1
        engine.let_go.set()


def test_questions_that_are_not_answered_are_bounded_and_each_its_own_clients() -> None:
    engine = SmallEngine()
    with running_server(engine) as server, RawPeer(server.address) as eager, Client(server.address) as client:
        eager.say(*(p.Read(f"q{k}", "think") for k in range(MAX_PER_CLIENT + 1)))
        refused = eager.hear()
        assert isinstance(refused, p.Failure) and (refused.id, refused.code) == (f"q{MAX_PER_CLIENT}", "busy")
        other = client.submit_reading("sad")
        engine.let_go.set()
        answers = [eager.hear() for _ in range(MAX_PER_CLIENT)]
        assert [answer.id for answer in answers] == [f"q{k}" for k in range(MAX_PER_CLIENT)]
        wait_for(lambda: client.pump() and other.finished)
        assert other.result().summary == "sad"


def test_a_client_that_left_is_not_answered() -> None:
    engine = SmallEngine()
    with running_server(engine) as server:
        with RawPeer(server.address) as gone:
            gone.say(p.Read("q", "think"), p.Bye("bye"))
            gone.say(p.Hello("again"))
            gone.hear_until(p.Welcome)
            engine.let_go.set()
            gone.say(p.Ping("ping"))
            assert [message.op for message in gone.hear_until(p.Pong)] == ["pong"]
        with Client(server.address) as client:
            assert client.read_prompt("sad").summary == "sad"


def test_a_fault_while_reading_is_told_and_the_next_question_answered() -> None:
    with running_server(SmallEngine()) as server, Client(server.address) as client:
        with pytest.raises(TalkClipError, match="a bug") as caught:
            client.read_prompt("raise")
        assert caught.value.code == "engine" and client.read_prompt("sad").summary == "sad"


def test_a_pipeline_that_reads_nothing_says_so() -> None:
    with (
        running_server(PipelineEngine(SmallPipeline(), 60.0)) as server,
        Client(server.address) as client,
        pytest.raises(InputError, match="does not tell what it understands"),
    ):
        client.read_prompt("sad")


def test_a_worker_process_answers_beside_its_job_and_may_die_of_a_question(tmp_path: Path) -> None:
    with serving(tmp_path, SmallEngine) as (server, _), Client(server.address) as client:
        with RawPeer(server.address) as busy:
            busy.say(order("job", busy.upload(b"sound"), "hold"))
            busy.hear_until(p.Chunk)
            assert client.read_prompt("sad").summary == "sad"
        with pytest.raises(TalkClipError) as caught:
            client.read_prompt("crash", timeout_s=20)
        assert caught.value.code == "worker_died"
        assert client.read_prompt("sad", timeout_s=20).summary == "sad"

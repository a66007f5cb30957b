"""What a server says of itself: asked without waiting, and told in words."""

from __future__ import annotations

import time

import pytest

from talkclip import protocol as p
from talkclip.client import Client, Timeouts
from talkclip_blender.service.server_facts import Question, ServerFacts
from talkclip_server import running_server
from tests.support.small_engine import SmallEngine

ENGINE = p.EngineInfo("minilm", "default", (), ("arkit52", "flame"), "fast", "cpu", ("head", "portrait"))


def facts(server: str, asked_at: float = 0.0) -> ServerFacts:
    welcome = p.Welcome("x-1", 1, server, ENGINE, p.ServerLimits())
    return ServerFacts("tcp://127.0.0.1:5599", welcome, asked_at)


def pump(question: Question) -> Question:
    deadline = time.monotonic() + 10
    while not question.pump():
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return question


def test_a_server_is_asked() -> None:
    with running_server(SmallEngine()) as server:
        answered = pump(Question(Client(server.address)))
    assert answered.error is None and answered.facts is not None
    assert answered.facts.address == server.address and "talkclip-server" in answered.facts.summary()


def test_nobody_and_nonsense_are_errors_with_a_remedy() -> None:
    silent = pump(Question(Client("tcp://127.0.0.1:9", timeouts=Timeouts(connect_s=0.1))))
    assert silent.facts is None and silent.error is not None and silent.error.code == "no_server"
    assert pump(Question(Client("ipc://"))).error is not None


def test_what_it_can_do_in_words() -> None:
    assert facts("talkclip-server 0.1.0").lines() == [
        "talkclip-server 0.1.0", "Faces: ARKit, FLAME", "Prompts: minilm", "Speech: fast",
        "Pictures: default head, portraits", "Computes on: cpu", "Portraits on: CPU",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("server", "started_here", "remedy"),
    [
        ("talkclip-server 0.1.4", True, None),
        ("a test's server", True, None),
        ("talkclip-server 0.2.0", True, "Install the engine again"),
        ("talkclip-server 0.0.9", False, "Ask who runs it"),
    ],
)
def test_another_release_is_said(server: str, started_here: bool, remedy: str | None) -> None:
    said = facts(server).mismatch("0.1.0", started_here)
    assert said == "" if remedy is None else remedy in said and "0.1.0" in said


def test_age_in_words() -> None:
    asked = facts("x", asked_at=100.0)
    assert [asked.age(now) for now in (101.0, 100.0 + 90, 100.0 + 7300)] == ["just now", "1 min ago", "2 h ago"]

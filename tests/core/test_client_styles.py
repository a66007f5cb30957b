"""Clips that segments take their style from: sent like the sound, each file once, and only those that play."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import pytest

from talkclip import protocol as p
from talkclip.client import JobState, SegmentStyle
from talkclip.errors import InputError
from talkclip.script import ScriptPart
from talkclip.timeline import PromptSegment, PromptTimeline
from tests.support.scripted_server import SOUND, Scene

TWO = PromptTimeline((PromptSegment("calm", 0, 1, uid="a"), PromptSegment("furious", 1, 2, uid="b")))
TAKES_CLIPS = p.EngineInfo(style_clips=True)
ACTOR = b"a face that speaks" * 1000


@pytest.fixture
def actor(tmp_path: Path) -> Path:
    path = tmp_path / "actor é.mp4"
    path.write_bytes(ACTOR)
    return path


def hash_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def submitted(scene: Scene, *styles: SegmentStyle, engine: p.EngineInfo = TAKES_CLIPS, **fields: Any) -> Any:
    scene.welcome(engine)
    scene.request = dataclasses.replace(scene.request, timeline=TWO, styles=styles, **fields)
    job = scene.client.submit(scene.request)
    scene.pump()
    return job


def puts_answered(scene: Scene) -> list[str]:
    """The server takes each file as known. -> what was announced, in order."""
    announced = []
    while puts := scene.wire.take(p.Put):
        for put in puts:
            announced.append(put.sha256)
            scene.pump(p.PutState(put.id, put.sha256, put.size, True))
    return announced


def test_a_clip_is_sent_after_the_sound_and_named_in_the_order(scene: Scene, actor: Path) -> None:
    job = submitted(scene, SegmentStyle("b", actor, 0.7))
    (put,) = scene.wire.take(p.Put)
    scene.pump(p.PutState(put.id, put.sha256, put.size, True))
    assert job.text == "Sending actor é.mp4" and job.fraction == pytest.approx(0.5)
    (second,) = scene.wire.take(p.Put)
    assert (second.sha256, second.size) == (hash_of(ACTOR), len(ACTOR))
    scene.pump(p.PutState(second.id, second.sha256, 0, False))
    taken = b""
    for part in scene.wire.take(p.PutChunk):
        taken += part.data
        assert not scene.wire.take(p.Animate)
        scene.pump(p.PutState(part.id, second.sha256, len(taken), len(taken) == len(ACTOR)))
    assert taken == ACTOR and job.state is JobState.WAITING
    (order,) = scene.wire.take(p.Animate)
    assert order.styles == (p.StyleSource("b", hash_of(ACTOR), "actor é.mp4", 0.7),)


def test_one_clip_for_two_segments_is_sent_once(scene: Scene, actor: Path) -> None:
    submitted(scene, SegmentStyle("a", actor, 0.5), SegmentStyle("b", actor))
    assert puts_answered(scene) == [hash_of(SOUND), hash_of(ACTOR)]
    (order,) = scene.wire.take(p.Animate)
    assert [(style.uid, style.weight) for style in order.styles] == [("a", 0.5), ("b", 1.0)]


def test_the_sound_may_be_the_clip(scene: Scene) -> None:
    job = submitted(scene, SegmentStyle("a", scene.file))
    assert puts_answered(scene) == [hash_of(SOUND)] and job.state is JobState.WAITING


def test_clips_that_do_not_play_are_not_sent(scene: Scene, actor: Path, tmp_path: Path) -> None:
    submitted(scene, SegmentStyle("elsewhere", tmp_path / "missing.mp4"), SegmentStyle("a", actor, 0.0))
    assert puts_answered(scene) == [hash_of(SOUND)]
    assert scene.wire.take(p.Animate)[0].styles == ()


def test_an_edit_says_which_segments_have_another_clip(scene: Scene, actor: Path) -> None:
    scene.welcome(TAKES_CLIPS)
    request = dataclasses.replace(scene.request, timeline=TWO, styles=(SegmentStyle("gone", actor),))
    before = PromptTimeline((PromptSegment("calm", 0, 1, uid="gone"),))
    scene.client.submit_edit(request, before, restyled=("b",))
    scene.pump()
    puts_answered(scene)
    (order,) = scene.wire.take(p.Edit)
    assert order.restyled == ("b",)
    assert [style.uid for style in order.styles] == ["gone"], "the old frames had its style"


def test_mistakes_are_named_and_leave_no_file_open(scene: Scene, actor: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.mp4"
    empty.touch()
    for styles, fields, words in (
        ((SegmentStyle("a", tmp_path / "gone.mp4"),), {}, r"gone\.mp4: cannot be read.*video that shows a face"),
        ((SegmentStyle("a", actor), SegmentStyle("b", empty)), {}, r"empty\.mp4: the file is empty"),
        ((SegmentStyle("a", actor), SegmentStyle("a", actor)), {}, "same segment"),
        ((SegmentStyle("a", actor),), {"script": (ScriptPart("sad", "hello"),)}, "script has none"),
    ):
        with pytest.raises(InputError, match=words):
            submitted(scene, *styles, **fields)
    with pytest.raises(InputError, match=r"actor.*1\.5 is out of range"):
        SegmentStyle("a", actor, 1.5)


def test_an_older_server_would_overlook_the_clip_so_it_is_not_asked(scene: Scene, actor: Path) -> None:
    job = submitted(scene, SegmentStyle("b", actor), engine=p.EngineInfo())
    assert isinstance(job.error, InputError) and "takes no style from clips" in job.error.message
    assert not scene.wire.take(p.Put)


def test_a_clip_larger_than_the_server_takes_fails_the_job(scene: Scene, actor: Path) -> None:
    scene.client.start()
    (hello,) = scene.wire.take(p.Hello)
    limits = p.ServerLimits(upload_bytes=len(SOUND))
    scene.pump(p.Welcome(hello.id, 1, "server", TAKES_CLIPS, limits))
    actor.write_bytes(b"x" * (len(SOUND) + 1))
    request = dataclasses.replace(scene.request, timeline=TWO, styles=(SegmentStyle("a", actor),))
    job = scene.client.submit(request)
    scene.pump()
    puts_answered(scene)
    assert isinstance(job.error, InputError) and "actor" in job.error.message

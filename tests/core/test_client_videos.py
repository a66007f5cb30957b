"""Videos as the client writes them: whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from talkclip import protocol as p
from talkclip.client import Drawing, JobState
from tests.support.scripted_server import Scene


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

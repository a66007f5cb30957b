"""Pictures that arrive one by one, against a scripted server."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from talkclip import protocol as p
from talkclip.client import Drawing, JobState, SequencePlace
from talkclip.errors import InputError
from tests.support.scripted_server import Scene


def sequence_job(scene: Scene, parent: Path, **place: Any) -> Any:
    scene.welcome(p.EngineInfo(formats=("mp4", "png")))
    job = scene.client.submit_sequence(scene.request, Drawing(size=128), SequencePlace(parent, "line", **place))
    scene.pump()
    (put,) = scene.wire.take(p.Put)
    scene.pump(p.PutState(put.id, put.sha256, put.size, True))
    return job


def pictures(job: Any, *frames: int) -> list[p.PictureChunk]:
    """Each picture in two chunks: its number as text."""
    both = [
        (p.PictureChunk(job.id, k, 0, 6, b"%03d" % k), p.PictureChunk(job.id, k, 3, 6, b"png")) for k in frames
    ]  # fmt: skip
    return [chunk for pair in both for chunk in pair]


def sequence_header(job: Any, n_frames: int = 5) -> p.SequenceHeader:
    return p.SequenceHeader(job.id, 128, 128, 25.0, n_frames)


def test_pictures_appear_one_by_one_and_the_rest_is_asked_for_later(scene: Scene, tmp_path: Path) -> None:
    job = sequence_job(scene, tmp_path / "plates", first_number=101)
    (order,) = scene.wire.take(p.Render)
    assert (order.file_format, order.size, order.frames) == ("png", 128, ())
    scene.pump(sequence_header(job), *pictures(job, 0, 1), p.PictureChunk(job.id, 2, 0, 6, b"002"))
    folder = tmp_path / "plates" / "line"
    assert [path.name for path in job.pictures] == ["frame_00101.png", "frame_00102.png"]
    assert job.pictures[1].read_bytes() == b"001png"
    scene.client.cancel(job)
    assert sorted(path.name for path in folder.iterdir()) == ["frame_00101.png", "frame_00102.png", "plate.json"]

    again = sequence_job(scene, tmp_path / "plates", first_number=101)
    (order,) = scene.wire.take(p.Render)
    assert order.frames == (p.FrameSpan(2, 3),)
    scene.pump(sequence_header(again), *pictures(again, 2, 3, 4), p.Done(again.id, 3, 0.1))
    reply = again.sequence_result()
    assert (reply.folder, reply.first_number, reply.n_frames, reply.drawn) == (folder, 101, 5, 3)

    (folder / "frame_00103.png").unlink()
    (folder / "frame_00105.png").unlink()
    third = sequence_job(scene, tmp_path / "plates", first_number=101)
    (order,) = scene.wire.take(p.Render)
    assert order.frames == (p.FrameSpan(2, 1), p.FrameSpan(4, 1))
    scene.pump(sequence_header(third), *pictures(third, 2, 4), p.Done(third.id, 2, 0.1))
    whole = sequence_job(scene, tmp_path / "plates", first_number=101)
    (order,) = scene.wire.take(p.Render)
    assert order.frames == (p.FrameSpan(0, 0),), "nothing is missing"
    scene.pump(sequence_header(whole), p.Done(whole.id, 0, 0.1))
    assert whole.sequence_result().drawn == 0 and len(list(folder.iterdir())) == 6


def test_another_request_gets_a_folder_of_its_own(scene: Scene, tmp_path: Path) -> None:
    job = sequence_job(scene, tmp_path)
    scene.wire.take(p.Render)
    scene.pump(sequence_header(job, 1), *pictures(job, 0), p.Done(job.id, 1, 0.1))
    (tmp_path / "line_002").mkdir()
    (tmp_path / "line_002" / "holiday.png").write_bytes(b"mine")
    scene.request = dataclasses.replace(scene.request, seed=99)
    other = sequence_job(scene, tmp_path)
    scene.pump(sequence_header(other, 1), *pictures(other, 0), p.Done(other.id, 1, 0.1))
    assert other.folder == tmp_path / "line_003"
    assert (tmp_path / "line" / "frame_00001.png").exists() and len(list((tmp_path / "line_002").iterdir())) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        lambda job: pictures(job, 0),
        lambda job: [sequence_header(job), *pictures(job, 1)],
        lambda job: [sequence_header(job), *pictures(job, 0)[1:]],
        lambda job: [sequence_header(job), p.PictureChunk(job.id, 0, 0, 2, b"abc")],
        lambda job: [sequence_header(job), sequence_header(job)],
        lambda job: [sequence_header(job), *pictures(job, 0, 1, 2, 3), p.Done(job.id, 5, 0.1)],
        lambda job: [sequence_header(job, 1), *pictures(job, 0, 1)],
    ],
)
def test_a_confused_sequence_fails(scene: Scene, tmp_path: Path, wrong: Any) -> None:
    job = sequence_job(scene, tmp_path)
    scene.pump(*wrong(job))
    assert job.state is JobState.FAILED and isinstance(job.error, p.ProtocolError)
    assert not list(tmp_path.rglob(".*"))


def test_a_server_without_pictures(scene: Scene, tmp_path: Path) -> None:
    scene.welcome()
    job = scene.client.submit_sequence(scene.request, Drawing(), SequencePlace(tmp_path, "line"))
    scene.pump()
    (put,) = scene.wire.take(p.Put)
    scene.pump(p.PutState(put.id, put.sha256, put.size, True))
    assert job.error is not None and job.error.code == "no_format" and not scene.wire.take(p.Render)
    with pytest.raises(InputError, match="-3 is no number"):
        SequencePlace(tmp_path, "line", -3)


def test_a_place_that_cannot_be_written(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    blocked = sequence_job(scene, tmp_path / "file" / "in")
    assert isinstance(blocked.error, InputError) and "cannot be written" in blocked.error.message

"""Edits and layers as the client puts them together."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from talkclip import protocol as p
from talkclip.client import JobState
from talkclip.coefficients import ARKIT52, LAYERS, CoefficientTrack, LayerValues
from talkclip.errors import InputError
from talkclip.timeline import PromptTimeline
from tests.support.scripted_server import Scene, chunk, header


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


def layered(job: Any, first: int, n_frames: int) -> p.Chunk:
    """A chunk whose layers are 1, 2, 3 and 4 thousandths."""
    shares = [np.full((n_frames, 52), share / 1000, np.float32) for share in (1, 2, 3, 4)]
    return p.Chunk(job.id, first, np.full((n_frames, 52), 0.01, np.float32), None, LayerValues(*shares))


def test_layers_are_put_together_like_the_track(scene: Scene) -> None:
    scene.request = dataclasses.replace(scene.request, layers=True)
    job = scene.waiting_job()
    (order,) = scene.wire.take(p.Animate)
    assert order.layers
    scene.pump(header(job, 5), layered(job, 0, 3), layered(job, 3, 2), p.Done(job.id, 5, 0.1))
    reply = job.result()
    assert reply.layers.shape == (5, 52)
    np.testing.assert_allclose(reply.layers.total(), reply.track.values, atol=1e-6)
    assert [getattr(reply.layers, name)[4, 9] for name in LAYERS] == pytest.approx([0.001, 0.002, 0.003, 0.004])


def test_a_server_without_layers_answers_all_the_same(scene: Scene) -> None:
    scene.request = dataclasses.replace(scene.request, layers=True)
    job = scene.waiting_job()
    scene.pump(header(job, 2), chunk(job, 0, 2), p.Done(job.id, 2, 0.1))
    assert job.result().layers is None


@pytest.mark.parametrize(
    "wrong",
    [
        lambda job: [layered(job, 0, 3), chunk(job, 3, 2)],
        lambda job: [chunk(job, 0, 3), layered(job, 3, 2)],
        lambda job: [dataclasses.replace(layered(job, 0, 3), layers=layered(job, 0, 2).layers)],
    ],
)
def test_layers_that_do_not_fit_fail_the_job(scene: Scene, wrong: Any) -> None:
    job = scene.waiting_job()
    scene.pump(header(job, 5), *wrong(job), p.Done(job.id, 5, 0.1))
    assert job.state is JobState.FAILED and isinstance(job.error, p.ProtocolError)


def test_an_edit_mends_the_layers_too(scene: Scene) -> None:
    job = edit_job(scene)
    scene.pump(part(job, 10, 5), layered(job, 10, 5), p.Done(job.id, 5, 0.1))
    ones = np.ones((50, 52), np.float32)
    mended = job.edit_result().layers_applied_to(LayerValues(ones, ones, ones, ones))
    assert mended.shape == (50, 52)
    assert mended.gaze[[9, 10, 14, 15], 0].tolist() == pytest.approx([1, 0.004, 0.004, 1])
    with pytest.raises(InputError, match="another track"):
        job.edit_result().layers_applied_to(mended.rows(slice(0, 49)))

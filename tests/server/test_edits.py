"""Edits over the wire, with the real engine: what arrives is what changed, and it changes only that."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from talkclip import protocol as p
from talkclip.client import Client, SpeakReply, SpeakRequest
from talkclip.coefficients import LAYERS
from talkclip.engine.streaming import StreamingPipeline
from talkclip.errors import InputError
from talkclip.script import ScriptPart
from talkclip.timeline import PromptEdit, PromptSegment, PromptTimeline
from talkclip_server import PipelineEngine, Server, running_server
from tests.support.raw_peer import RawPeer
from tests.support.small_pipeline import SmallPipeline

LINE = Path(__file__).parents[2] / "samples" / "line.flac"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TALKCLIP_CACHE", str(tmp_path_factory.mktemp("cache")))
        engine = PipelineEngine(StreamingPipeline.load("fast"), max_audio_s=600.0)
    with running_server(engine) as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server.address) as connected:
        yield connected


def timeline(second: str, intensity: float = 1.0, edits: tuple[PromptEdit, ...] = ()) -> PromptTimeline:
    return PromptTimeline(
        (PromptSegment("calm", 0.0, 4.0, uid="a"), PromptSegment(second, 4.0, 9.0, intensity, edits, uid="b"))
    )


def asked(played: PromptTimeline, **fields: object) -> SpeakRequest:
    return dataclasses.replace(SpeakRequest(LINE, played, 25.0, seed=5), **fields)


@pytest.fixture
def spoken(client: Client) -> SpeakReply:
    return client.animate(asked(timeline("a furious man")))


@pytest.mark.parametrize(
    "changed",
    [
        timeline("a sad woman"),
        timeline("a furious man", 0.4),
        timeline("a furious man", 1.0, (PromptEdit("wink", 0.5),)),
    ],
    ids=["prompt", "intensity", "edit"],
)
def test_a_changed_segment(client: Client, spoken: SpeakReply, changed: PromptTimeline) -> None:
    reply = client.edit(asked(changed), spoken.timeline)
    whole = client.animate(asked(changed)).track
    assert reply.track is not None and reply.n_frames == whole.n_frames == spoken.track.n_frames
    assert reply.first_frame == pytest.approx(3.9 * 25, abs=5)
    assert reply.track.start_s == pytest.approx(reply.first_frame / 25)
    mended = reply.applied_to(spoken.track)
    assert np.abs(mended.values - whole.values).max() < 1e-5
    assert mended.head is not None and whole.head is not None and np.abs(mended.head - whole.head).max() < 1e-5
    assert np.array_equal(mended.values[: reply.first_frame], spoken.track.values[: reply.first_frame])


def test_layers_over_the_wire(client: Client) -> None:
    spoken = client.animate(asked(timeline("a furious man"), layers=True))
    assert spoken.layers is not None
    assert np.abs(spoken.layers.total() - spoken.track.values).max() < 1e-6
    changed = asked(timeline("a sad woman"), layers=True)
    reply, whole = client.edit(changed, spoken.timeline), client.animate(changed)
    assert reply.layers is not None and reply.track is not None and whole.layers is not None
    assert np.abs(reply.layers.total() - reply.track.values).max() < 1e-6
    mended = reply.layers_applied_to(spoken.layers)
    for name in LAYERS:
        assert np.abs(getattr(mended, name) - getattr(whole.layers, name)).max() < 1e-5
    assert client.animate(asked(timeline("a furious man"))).layers is None


def test_a_moved_border_touches_what_lies_between(client: Client, spoken: SpeakReply) -> None:
    first, second = spoken.timeline.segments
    moved = PromptTimeline((dataclasses.replace(first, end_s=5.0), dataclasses.replace(second, start_s=5.0)))
    reply = client.edit(asked(moved), spoken.timeline)
    assert reply.track is not None
    end_s = (reply.first_frame + reply.track.n_frames) / 25
    assert 3.7 < reply.track.start_s < 4.0 and 5.0 < end_s < 5.3
    whole = client.animate(asked(moved)).track
    assert np.abs(reply.applied_to(spoken.track).values - whole.values).max() < 1e-5


def test_nothing_changed(client: Client, spoken: SpeakReply) -> None:
    reply = client.edit(asked(spoken.timeline), spoken.timeline)
    assert reply.track is None and reply.applied_to(spoken.track) is spoken.track


def test_an_edit_has_no_script(client: Client, spoken: SpeakReply) -> None:
    with pytest.raises(InputError, match="prompts, not words"):
        client.edit(asked(spoken.timeline, script=(ScriptPart("sad", "hello"),)), spoken.timeline)


def test_the_wire_refuses_a_script_too(server: Server) -> None:
    with RawPeer(server.address) as peer:
        sha256 = peer.upload(LINE.read_bytes())
        scripted = p.Edit(
            "e", p.AudioSource(sha256), timeline("sad"), 25.0, script=(ScriptPart("sad", "hello"),),
            before=timeline("angry"),
        )  # fmt: skip
        peer.say(scripted)
        *_, end = peer.hear_until(p.Failure, p.Done)
    assert isinstance(end, p.Failure) and end.code == "bad_input"


def test_a_track_of_another_line_is_refused(client: Client, spoken: SpeakReply) -> None:
    reply = client.edit(asked(timeline("a sad woman")), spoken.timeline)
    with pytest.raises(InputError, match="another track"):
        reply.applied_to(spoken.track.resampled(30.0))


def test_an_edit_needs_no_job_before_it(server: Server) -> None:
    """It stands for itself: a restarted server, or another client, answers it all the same."""
    with Client(server.address) as fresh:
        reply = fresh.edit(asked(timeline("joyful"), end_s=6.0), timeline("calm"))
    assert reply.track is not None and reply.n_frames == 151


def test_a_pipeline_of_whole_lines_answers_with_the_whole_line() -> None:
    with running_server(PipelineEngine(SmallPipeline(), 60.0)) as whole, Client(whole.address) as client:
        first = client.animate(asked(timeline("a")))
        reply = client.edit(asked(timeline("b")), first.timeline)
        layered = client.animate(asked(timeline("a"), layers=True))
    assert reply.track is not None and reply.track.n_frames == first.track.n_frames
    assert layered.layers is None, "this pipeline knows no layers, and answers all the same"


def test_the_first_frames_come_before_the_line_is_heard(server: Server, tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    samples, rate = soundfile.read(LINE, dtype="float32")
    file = tmp_path / "long.wav"
    soundfile.write(file, np.tile(samples, 8), rate)
    with RawPeer(server.address) as peer:
        sha256 = peer.upload_in_chunks(file.read_bytes())
        peer.say(p.Animate("long", p.AudioSource(sha256), timeline("sad"), 25.0, credit=100))
        heard = [message for message in peer.hear_until(p.Done) if isinstance(message, p.Progress | p.Chunk)]
    fractions = [message.fraction for message in heard if isinstance(message, p.Progress)]
    assert fractions == sorted(fractions)
    first_chunk = next(k for k, message in enumerate(heard) if isinstance(message, p.Chunk))
    assert any(isinstance(message, p.Progress) and message.stage == "phones" for message in heard[first_chunk:])

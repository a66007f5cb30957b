"""Style clips over the wire: sent once, read once, and what is wrong with one is said under its own name."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from talkclip import protocol as p
from talkclip.client import Client, Job, JobState, SegmentStyle, SpeakRequest
from talkclip.coefficients import ARKIT52, CoefficientTrack, arkit_index
from talkclip.engine.render.video import render_track
from talkclip.engine.streaming import StreamingPipeline
from talkclip.engine.tracking import video
from talkclip.errors import Cancelled, InputError
from talkclip.timeline import PromptSegment, PromptTimeline
from talkclip.track_io import write_track
from talkclip_server import PipelineEngine, Server, running_server
from tests.support.raw_peer import RawPeer, wait_for
from tests.support.small_engine import SmallEngine
from tests.support.small_pipeline import SmallPipeline

LINE = Path(__file__).parents[2] / "samples" / "line.flac"
BROW = arkit_index("browDownLeft")
CALM = PromptTimeline((PromptSegment("", 0, 4, uid="a"), PromptSegment("", 4, 9, uid="b")))


def scowl() -> CoefficientTrack:
    values = np.zeros((60, 52), np.float32)
    values[:, [BROW, arkit_index("browDownRight")]] = 0.8
    values[:, arkit_index("jawOpen")] = 0.15 + 0.15 * np.sin(np.arange(60) / 2)
    return CoefficientTrack("arkit52", ARKIT52, 25.0, values)


class Tracker:
    """Stands for the real one, which needs a second for every second of video.

    Attributes:
        followed: names of what was followed to its end.
        waiting: set while a video is being followed; it lasts until `let_go` or a cancel.
    """

    def __init__(self) -> None:
        self.followed: list[str] = []
        self.waiting = threading.Event()
        self.let_go = threading.Event()

    def open_video(self, path: Path) -> tuple[Iterator[np.ndarray], float, int]:
        if b"film" not in Path(path).read_bytes():
            raise InputError(f"{path}: cannot be read as a video (noise).", "Give a video file.")
        return iter(()), 25.0, 60

    def track_frames(self, frames, fps, name="", count=0, progress=None, cancel=None):  # type: ignore[no-untyped-def]
        progress("track", 0.5, "frame 30 of 60")
        self.waiting.set()
        while not self.let_go.wait(0.005):
            if cancel():
                raise Cancelled()
        self.followed.append(name)
        return scowl()


@pytest.fixture
def tracker(monkeypatch: pytest.MonkeyPatch) -> Tracker:
    tracker = Tracker()
    tracker.let_go.set()
    monkeypatch.setattr(video, "open_video", tracker.open_video)
    monkeypatch.setattr(video, "track_frames", tracker.track_frames)
    return tracker


@pytest.fixture(scope="module")
def pipeline() -> StreamingPipeline:
    return StreamingPipeline.load("fast", device="cpu")


@pytest.fixture
def server(pipeline: StreamingPipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("TALKCLIP_CACHE", str(tmp_path / "cache"))
    with running_server(PipelineEngine(pipeline, max_audio_s=600.0)) as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server.address) as connected:
        yield connected


@pytest.fixture
def actor(tmp_path: Path) -> Path:
    path = tmp_path / "actor.mp4"
    path.write_bytes(b"film" * 10_000)
    return path


def asked(*styles: SegmentStyle, timeline: PromptTimeline = CALM, **fields: object) -> SpeakRequest:
    return dataclasses.replace(SpeakRequest(LINE, timeline, 25.0, seed=5, styles=styles), **fields)


def test_a_track_gives_its_segment_a_style(client: Client, tmp_path: Path) -> None:
    write_track(scowl(), tmp_path / "scowl.npz")
    assert client.connect().engine.style_clips
    brow = client.animate(asked(SegmentStyle("b", tmp_path / "scowl.npz"))).track.values[:, BROW]
    assert brow[:90].max() < 0.1 and brow[110:].mean() > 0.4


def test_a_video_is_followed_once_and_prompts_change_beside_it(
    client: Client, actor: Path, tracker: Tracker, pipeline: StreamingPipeline
) -> None:
    seen: list[tuple[str, float, str]] = []
    style = SegmentStyle("b", actor, 0.8)
    spoken = client.animate(asked(style), on_progress=lambda job: seen.append((job.stage, job.fraction, job.text)))
    assert any(stage == "track" and text == "actor.mp4: frame 30 of 60" for stage, _, text in seen)
    fractions = [fraction for stage, fraction, _ in seen if stage not in ("upload", "wait")]
    assert fractions == sorted(fractions)
    first, second = CALM.segments
    sad = PromptTimeline((dataclasses.replace(first, prompt="sad"), second))
    reply = client.edit(asked(style, timeline=sad), spoken.timeline)
    whole = client.animate(asked(style, timeline=sad)).track
    assert reply.track is not None and reply.track.n_frames < whole.n_frames
    assert np.abs(reply.applied_to(spoken.track).values - whole.values).max() < 1e-5
    with running_server(PipelineEngine(pipeline, 600.0)) as restarted, Client(restarted.address) as again:
        again.animate(asked(style))
    assert len(tracker.followed) == 1


def test_a_new_clip_is_an_edit(client: Client, tmp_path: Path) -> None:
    write_track(scowl(), tmp_path / "scowl.npz")
    spoken = client.animate(asked())
    styled = asked(SegmentStyle("b", tmp_path / "scowl.npz"))
    reply = client.edit(styled, spoken.timeline, restyled=("b",))
    assert reply.track is not None and reply.first_frame > 90
    mended = reply.applied_to(spoken.track).values
    assert np.abs(mended - client.animate(styled).track.values).max() < 1e-5
    assert mended[110:, BROW].mean() > 0.4


def test_a_video_that_is_followed_lets_others_pass_and_can_be_cancelled(
    server: Server, client: Client, actor: Path, tracker: Tracker
) -> None:
    tracker.let_go.clear()
    job = client.submit(asked(SegmentStyle("b", actor)))
    wait_for(lambda: client.pump() and tracker.waiting.is_set() and job.stage == "track")
    with Client(server.address) as other:
        assert other.animate(asked(), timeout_s=20).track.n_frames > 0
    client.cancel(job)
    assert job.state is JobState.CANCELLED
    wait_for(lambda: client.status().workers[0].jobs == ())
    assert not tracker.followed


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("noise.mp4", b"noise", r"^noise\.mp4: cannot be read as a video"),
        ("cut.npz", b"PK\x03\x04", r"^cut\.npz: is not a readable \.npz track"),
    ],
)
def test_what_is_no_clip_is_named(
    client: Client, tracker: Tracker, tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words):
        client.animate(asked(SegmentStyle("b", tmp_path / name)))


def test_a_server_that_takes_no_clips_says_so_before_anything_is_done(actor: Path) -> None:
    for engine in (SmallEngine(), PipelineEngine(SmallPipeline(), 60.0)):
        with running_server(engine) as plain, Client(plain.address) as client:
            assert not client.connect().engine.style_clips
            with pytest.raises(InputError, match="takes no style from clips"):
                client.animate(asked(SegmentStyle("b", actor)))
        with running_server(engine) as plain, RawPeer(plain.address) as peer:
            sha256 = peer.upload(b"sound")
            peer.say(p.Animate("1", p.AudioSource(sha256), CALM, 25.0, styles=(p.StyleSource("b", sha256, "a.mp4"),)))
            answer = peer.hear()
            assert isinstance(answer, p.Failure) and "takes no style from clips" in answer.message


def test_a_clip_the_server_does_not_have_and_one_of_nobody(server: Server) -> None:
    with RawPeer(server.address) as peer:
        sha256 = peer.upload_in_chunks(LINE.read_bytes())
        missing = p.StyleSource("b", "00" * 32, "actor.mp4")
        peer.say(p.Animate("1", p.AudioSource(sha256), CALM, 25.0, styles=(missing,)))
        answer = peer.hear()
        assert isinstance(answer, p.Failure) and answer.code == "unknown_audio" and "actor.mp4" in answer.message
        nobody = p.StyleSource("elsewhere", sha256, "line.npz", 0.0)
        peer.say(p.Animate("2", p.AudioSource(sha256), CALM, 25.0, styles=(nobody,)))
        *_, end = peer.hear_until(p.Failure, p.Done)
        assert isinstance(end, p.Done), "a clip without weight is not even opened"


@pytest.mark.slow
def test_a_filmed_face_gives_its_style_over_the_wire(client: Client, tmp_path: Path) -> None:
    render_track(scowl(), tmp_path / "actor.mp4", size=256)
    stages: set[str] = set()

    def look(job: Job) -> None:
        stages.add(job.stage)

    brow = client.animate(asked(SegmentStyle("b", tmp_path / "actor.mp4")), on_progress=look).track.values[:, BROW]
    assert brow[:90].max() < 0.1 and brow[110:].mean() > 0.2 and "track" in stages
    stages.clear()
    client.animate(asked(SegmentStyle("b", tmp_path / "actor.mp4", 0.5)), on_progress=look)
    assert "track" not in stages

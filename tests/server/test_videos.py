"""`render` over the wire: a file that arrives whole or not at all."""

from __future__ import annotations

import hashlib
import re
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from talkclip import protocol as p
from talkclip.audio import AudioClip
from talkclip.client import Client, Drawing, Job, JobState, SequencePlace, SpeakRequest, wav_bytes
from talkclip.coefficients import CoefficientTrack
from talkclip.engine.render.frames import FrameSource
from talkclip.engine.render.portrait.device import PROCESSOR, Device
from talkclip.errors import InputError, TalkClipError
from talkclip.progress import CancelCheck, ProgressCallback, report, stop_if
from talkclip.timeline import PromptTimeline
from talkclip_server import PipelineEngine, Server, running_server, videos
from talkclip_server import server as server_loop
from tests.support.raw_peer import RawPeer, wait_for
from tests.support.small_engine import SmallEngine
from tests.support.small_pipeline import SmallPipeline

CLIP = AudioClip(np.sin(np.arange(16000) * 0.1).astype(np.float32), 16000, "line")
ASKED = SpeakRequest(CLIP, PromptTimeline.single("a happy woman", 1.0), 25.0)
VIDEO = np.random.default_rng(0).bytes(20 * videos.CHUNK_BYTES + 17)  # more chunks than the first credit


def draw(
    order: p.Render, track: CoefficientTrack, portrait: Path | None, device: Device, progress: ProgressCallback,
    cancel: CancelCheck,
) -> FrameSource:  # fmt: skip
    """A renderer of noise, told apart by frame number and portrait; the caption may be a command."""
    report(progress, "render", 0.5, "drawing")
    while order.caption == "hold":
        stop_if(cancel)
    if order.caption == "no face":
        raise InputError("portrait: shows no face.", "Give a picture of somebody.")
    seed = 0 if portrait is None else zlib.crc32(portrait.read_bytes())
    planes = 4 if order.alpha else 3

    def frame(number: int) -> np.ndarray:
        rng = np.random.default_rng((seed, number))
        return rng.integers(0, 256, (order.size, order.size + 2, planes), np.uint8)

    return FrameSource(track.n_frames, frame)


def write(
    order: p.Render, track: CoefficientTrack, source: FrameSource, clip: AudioClip, target: Path,
    progress: ProgressCallback, cancel: CancelCheck,
) -> None:  # fmt: skip
    """A file of known bytes in place of a video."""
    target.write_bytes(VIDEO + hashlib.sha256(source.draw(3).tobytes()).digest())


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(videos, "RENDERERS", {"head": draw, "portrait": draw})
    monkeypatch.setattr(videos, "write_mp4", write)
    with running_server(PipelineEngine(SmallPipeline(), 60.0)) as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server.address) as connected:
        yield connected


def test_the_file_arrives_as_it_was_drawn(client: Client, tmp_path: Path) -> None:
    seen: list[float] = []

    def look(job: Job) -> None:
        if job.stage == "render":
            seen.append(job.fraction)

    reply = client.render(ASKED, tmp_path / "line.mp4", on_progress=look)
    assert (tmp_path / "line.mp4").read_bytes()[: len(VIDEO)] == VIDEO and reply.n_frames == 26
    assert reply.notes and seen and [path.name for path in tmp_path.iterdir()] == ["line.mp4"]


def test_a_portrait_is_sent_like_a_sound_and_once(client: Client, tmp_path: Path) -> None:
    portrait = tmp_path / "face.png"
    portrait.write_bytes(b"picture" * 100_000)
    drawing = Drawing("portrait", 256, portrait)
    for name in ("a.mp4", "b.mp4"):
        client.render(ASKED, tmp_path / name, drawing)
    client.render(ASKED, tmp_path / "head.mp4", Drawing(size=256))
    first, second, head = ((tmp_path / name).read_bytes() for name in ("a.mp4", "b.mp4", "head.mp4"))
    assert first == second != head and len(first) == len(head)
    assert client.status().store_files == 2


@pytest.mark.parametrize(
    ("drawing", "words"),
    [
        (Drawing("oil painting"), "no renderer 'oil painting'.*head, portrait"),
        (Drawing("portrait"), "needs a portrait"),
        (Drawing("head", caption="no face"), "shows no face"),
    ],
)
def test_what_cannot_be_drawn_is_explained_and_leaves_nothing(
    client: Client, tmp_path: Path, drawing: Drawing, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        client.render(ASKED, tmp_path / "line.mp4", drawing)
    assert not list(tmp_path.iterdir())


def test_a_portrait_for_the_head_is_refused(client: Client, tmp_path: Path) -> None:
    portrait = tmp_path / "face.png"
    portrait.write_bytes(b"picture")
    with pytest.raises(InputError, match="takes no portrait"):
        client.render(ASKED, tmp_path / "line.mp4", Drawing("head", portrait=portrait))


def test_a_picture_that_shows_nobody_is_refused_over_the_wire(tmp_path: Path) -> None:
    picture = tmp_path / "wall.png"
    Image.new("RGB", (300, 300), (120, 130, 140)).save(picture)
    with running_server(PipelineEngine(SmallPipeline(), 60.0)) as plain, Client(plain.address) as client:
        assert client.connect().engine.renderers == ("head", "portrait")
        with pytest.raises(InputError, match="face"):
            client.render(ASKED, tmp_path / "line.mp4", Drawing("portrait", 256, picture))
    assert not (tmp_path / "line.mp4").exists()


@pytest.mark.slow
def test_a_portrait_speaks_over_the_wire(tmp_path: Path) -> None:
    picture = Path(__file__).parents[2] / "docs" / "images" / "portraits" / "render_a.jpg"
    with running_server(PipelineEngine(SmallPipeline(), 60.0)) as plain, Client(plain.address) as client:
        client.render(ASKED, tmp_path / "line.mp4", Drawing("portrait", 256, picture))
    with av.open(str(tmp_path / "line.mp4")) as video:
        assert (video.streams.video[0].width, video.streams.video[0].height) == (256, 256)
        assert "synthetic face" in video.metadata["comment"] and len(video.streams.audio) == 1


def test_an_engine_that_draws_nothing_says_so(tmp_path: Path) -> None:
    with (
        running_server(SmallEngine()) as plain,
        Client(plain.address) as client,
        pytest.raises(InputError, match="no renderer 'head'"),
    ):
        client.render(ASKED, tmp_path / "line.mp4")


def test_a_portrait_the_server_does_not_have(server: Server) -> None:
    with RawPeer(server.address) as peer:
        sha256 = peer.upload(b"sound")
        line = PromptTimeline.single("x", 1.0)
        peer.say(p.Render("r", p.AudioSource(sha256), line, 25.0, renderer="portrait", portrait="00" * 32))
        answer = peer.hear()
        assert isinstance(answer, p.Failure) and answer.code == "unknown_audio" and "portrait" in answer.message


def test_cancel_stops_the_drawing_and_leaves_nothing(server: Server, client: Client, tmp_path: Path) -> None:
    job = client.submit_video(ASKED, Drawing(caption="hold"), tmp_path / "line.mp4")
    wait_for(lambda: client.pump() and job.stage == "render")
    client.cancel(job)
    assert job.state is JobState.CANCELLED and not list(tmp_path.iterdir())
    wait_for(lambda: client.status().workers[0].jobs == ())


def test_a_lost_connection_leaves_no_half_file(server: Server, tmp_path: Path) -> None:
    client = Client(server.address)
    job = client.submit_video(ASKED, Drawing(caption="hold"), tmp_path / "line.mp4")
    wait_for(lambda: client.pump() and job.stage == "render")
    client.close()
    assert not list(tmp_path.iterdir())


def test_a_target_that_cannot_be_written_is_said_at_once(client: Client, tmp_path: Path) -> None:
    with pytest.raises(TalkClipError, match="nowhere"):
        client.render(ASKED, tmp_path / "nowhere" / "line.mp4")


def test_animate_beside_a_video(server: Server, client: Client, tmp_path: Path) -> None:
    """Drawing is long work: it gives way."""
    job = client.submit_video(ASKED, Drawing(caption="hold"), tmp_path / "line.mp4")
    wait_for(lambda: client.pump() and job.stage == "render")
    with Client(server.address) as other:
        assert other.animate(ASKED, timeout_s=20).track.n_frames == 26
    client.cancel(job)


@pytest.mark.slow
def test_the_default_head_with_sound(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    with running_server(PipelineEngine(SmallPipeline(), 60.0)) as plain, Client(plain.address) as client:
        client.render(ASKED, tmp_path / "line.mp4", Drawing(size=64, caption="hello"))
    with av.open(str(tmp_path / "line.mp4")) as container:
        assert {stream.type for stream in container.streams} == {"video", "audio"}
        assert sum(1 for _ in container.decode(video=0)) == 26
        assert "a happy woman" in container.metadata["comment"]


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_pictures_arrive_as_they_are_drawn(client: Client, tmp_path: Path) -> None:
    order = p.Render("x", p.AudioSource("00" * 32), ASKED.timeline, 25.0, size=300)
    drawing = Drawing(size=300)
    reply = client.render_sequence(ASKED, SequencePlace(tmp_path, "line", 7), drawing)
    assert (reply.n_frames, reply.drawn, reply.width, reply.height, reply.alpha) == (26, 26, 302, 300, False)
    track = CoefficientTrack("arkit52", ("jawOpen",), 25.0, np.zeros((26, 1), np.float32))
    source = draw(order, track, None, PROCESSOR, lambda *_: None, lambda: False)
    for number in (0, 13, 25):  # noise of this size takes two chunks
        path = tmp_path / "line" / f"frame_{7 + number:05d}.png"
        assert path.stat().st_size > videos.CHUNK_BYTES
        np.testing.assert_array_equal(pixels(path), source.draw(number))
    with Image.open(path) as image:
        assert "synthetic face" in image.text["comment"] and "a happy woman" in image.text["comment"]
        assert image.text["date"]


def test_an_interrupted_sequence_goes_on_where_it_stopped(client: Client, tmp_path: Path) -> None:
    drawing, place = Drawing(size=64, alpha=True), SequencePlace(tmp_path, "line")
    job = client.submit_sequence(ASKED, drawing, place)
    wait_for(lambda: client.pump() and len(job.pictures) >= 3)
    client.cancel(job)
    there = {path: path.stat().st_mtime_ns for path in job.pictures}
    reply = client.render_sequence(ASKED, place, drawing)
    assert reply.drawn == 26 - len(there) and reply.alpha
    assert {path: path.stat().st_mtime_ns for path in there} == there
    assert len(list((tmp_path / "line").glob("frame_*.png"))) == 26 and not list(tmp_path.rglob(".*"))
    assert pixels(tmp_path / "line" / "frame_00026.png").shape == (64, 66, 4)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"file_format": "exr"}, "sends no 'exr'.*mp4, png"),
        ({"alpha": True}, "no alpha channel"),
        ({"file_format": "png", "full": True}, "no whole picture"),
        ({"file_format": "png", "frames": (p.FrameSpan(20, 10_000_000),)}, "has 26 frames"),
        ({"file_format": "png", "frames": (p.FrameSpan(3, 3), p.FrameSpan(5, 1))}, "has 26 frames"),
    ],
)
def test_an_order_that_contradicts_itself_is_refused(server: Server, fields: dict[str, object], words: str) -> None:
    with RawPeer(server.address) as peer:
        sha256 = peer.upload(wav_bytes(CLIP))
        peer.say(p.Render("r", p.AudioSource(sha256), ASKED.timeline, 25.0, **fields))  # type: ignore[arg-type]
        failure = peer.hear_until(p.Failure)[-1]
        assert isinstance(failure, p.Failure)
        assert failure.code == "bad_input" and re.search(words, f"{failure.message} {failure.hint}")


def test_drawing_waits_for_a_client_that_takes_nothing(
    server: Server, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_loop, "_HOLD_BYTES", 200_000)
    with RawPeer(server.address) as peer:
        sha256 = peer.upload(wav_bytes(CLIP))
        peer.say(p.Render("r", p.AudioSource(sha256), ASKED.timeline, 25.0, size=128, file_format="png", credit=1))
        peer.hear_until(p.PictureChunk)
        (job,) = server._table.jobs.values()
        wait_for(lambda: job.held)
        held = job.pending_bytes
        time.sleep(0.3)
        assert job.pending_bytes < held + 200_000, "it does not go on"
        assert client.animate(ASKED, timeout_s=20).track.n_frames == 26, "others do not wait"
        peer.say(p.Credit("r", 100))
        heard = peer.hear_until(p.Done)
        assert sum(isinstance(message, p.PictureChunk) for message in heard) == 25, "the first one came before"


@pytest.mark.slow
@pytest.mark.parametrize("full", [False, True])
def test_a_portrait_as_pictures(tmp_path: Path, full: bool) -> None:
    picture = Path(__file__).parents[2] / "docs" / "images" / "portraits" / "render_a.jpg"
    drawing = Drawing("portrait", 128, picture, alpha=not full, full=full)
    with running_server(PipelineEngine(SmallPipeline(), 60.0)) as plain, Client(plain.address) as client:
        reply = client.render_sequence(ASKED, SequencePlace(tmp_path, "ada"), drawing)
    frame = pixels(tmp_path / "ada" / "frame_00009.png")
    if full:
        with Image.open(picture) as image:
            assert (reply.width, reply.height) == image.size
        assert frame.shape[2] == 3
    else:
        assert frame.shape == (128, 128, 4) and frame[5, 5, 3] == 0 and frame[64, 64, 3] == 255

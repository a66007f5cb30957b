"""From a file on a client's disk through the server to a pipeline and back."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from talkclip.audio import AudioClip
from talkclip.client import Client, Job, SpeakRequest
from talkclip.errors import InputError
from talkclip.gains import LayerGains
from talkclip.phones import Phone, PhoneTrack
from talkclip.script import ScriptPart
from talkclip.timeline import PromptTimeline
from talkclip_server import PipelineEngine, Server, running_server
from tests.support.small_pipeline import SmallPipeline

TIMELINE = PromptTimeline.single("a furious man", 2.0)


@pytest.fixture
def pipeline() -> SmallPipeline:
    return SmallPipeline()


@pytest.fixture
def server(pipeline: SmallPipeline) -> Iterator[Server]:
    with running_server(PipelineEngine(pipeline, max_audio_s=60.0)) as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server.address) as connected:
        yield connected


def tone(seconds: float = 2.0, rate: int = 16000) -> np.ndarray:
    """A tone that grows from nothing to full scale."""
    times_s = np.arange(round(seconds * rate)) / rate
    return (np.sin(2 * np.pi * 200 * times_s) * times_s / seconds).astype(np.float32)


def write(path: Path, samples: np.ndarray, rate: int = 16000) -> Path:
    soundfile.write(path, samples, rate)
    return path


def test_what_was_asked_is_what_the_pipeline_gets(client: Client, pipeline: SmallPipeline, tmp_path: Path) -> None:
    phones = PhoneTrack((Phone("M", 0.0, 0.5),), (), 2.0, "file")
    file = write(tmp_path / "Zeile eins.flac", tone())
    gains, script = LayerGains(0.5, 1.5, 0.0, 2.0), (ScriptPart("furious", "hello"),)
    asked = SpeakRequest(file, TIMELINE, 24.0, "arkit52", 7, gains, "hello", phones, script)
    reply = client.animate(asked)
    (got,) = pipeline.requests
    assert (got.fps, got.space, got.seed, got.gains, got.text) == (24.0, "arkit52", 7, asked.gains, "hello")
    assert (got.timeline, got.phones, got.script, got.clip.name) == (TIMELINE, phones, asked.script, "Zeile eins.flac")
    assert reply.track.n_frames == 49 and reply.phones == phones and reply.timeline == TIMELINE


def test_the_sound_arrives_as_16_khz_mono(client: Client, pipeline: SmallPipeline, tmp_path: Path) -> None:
    stereo = np.stack([tone(rate=48000)] * 2, axis=1)
    client.animate(SpeakRequest(write(tmp_path / "stereo.wav", stereo, 48000), TIMELINE, 25.0))
    (got,) = pipeline.requests
    assert got.clip.sample_rate == 16000 and got.clip.duration_s == pytest.approx(2.0, abs=0.01)


def test_samples_instead_of_a_file(client: Client, pipeline: SmallPipeline) -> None:
    client.animate(SpeakRequest(AudioClip(tone(), 16000, "strip.001"), TIMELINE, 25.0))
    (got,) = pipeline.requests
    assert got.clip.name == "strip.001" and np.abs(got.clip.samples - tone()).max() < 1e-6


def test_a_part_of_the_sound_has_its_own_clock(client: Client, pipeline: SmallPipeline, tmp_path: Path) -> None:
    file = write(tmp_path / "line.wav", tone())
    reply = client.animate(SpeakRequest(file, TIMELINE, 25.0, start_s=1.0, end_s=1.5))
    assert reply.track.n_frames == 13 and reply.track.start_s == 0.0
    assert reply.track.channel("jawOpen")[0] == pytest.approx(0.5, abs=0.05)
    assert pipeline.requests[0].clip.duration_s == pytest.approx(0.5)


def test_a_part_outside_of_the_sound_is_explained(client: Client, tmp_path: Path) -> None:
    file = write(tmp_path / "line.wav", tone())
    with pytest.raises(InputError, match=r"line\.wav: nothing lies between 5 and 6 s; it lasts 2\.00 s"):
        client.animate(SpeakRequest(file, TIMELINE, 25.0, start_s=5.0, end_s=6.0))


def test_notes_say_what_was_not_understood(client: Client, tmp_path: Path) -> None:
    file = write(tmp_path / "line.wav", tone())
    reply = client.animate(SpeakRequest(file, PromptTimeline.single("xyzzy qwrtp", 2.0), 25.0))
    assert any("xyzzy" in note for note in reply.notes)


def test_progress_runs_forward_through_the_whole_job(client: Client, tmp_path: Path) -> None:
    file = write(tmp_path / "line.wav", tone())
    seen: list[tuple[str, float]] = []
    texts: list[str] = []

    def look(job: Job) -> None:
        if job.stage not in ("upload", "wait"):
            seen.append((job.stage, job.fraction))
        texts.append(job.text)

    client.animate(SpeakRequest(file, TIMELINE, 25.0), on_progress=look)
    assert [fraction for _, fraction in seen] == sorted(fraction for _, fraction in seen)
    assert seen[-1][1] == 1.0
    assert not any(hashlib.sha256(file.read_bytes()).hexdigest() in text for text in texts)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("text.wav", b"this is no sound at all " * 20, "not a recording"),
        ("silence.wav", None, "is silent"),
        ("cut.wav", "cut", "truncated"),
    ],
)
def test_bad_sounds_are_named_as_the_user_knows_them(
    client: Client, tmp_path: Path, name: str, content: bytes | str | None, words: str
) -> None:
    buffer = io.BytesIO()
    soundfile.write(buffer, tone() if content == "cut" else np.zeros(16000), 16000, format="WAV")
    whole = buffer.getvalue()
    (tmp_path / name).write_bytes(
        content if isinstance(content, bytes) else whole[: len(whole) // 2] if content else whole
    )
    with pytest.raises(InputError, match=words) as caught:
        client.animate(SpeakRequest(tmp_path / name, TIMELINE, 25.0))
    assert caught.value.message.startswith(f"{name}: ")


def test_the_pipelines_own_input_error_arrives(client: Client, tmp_path: Path) -> None:
    file = write(tmp_path / "line.wav", tone())
    with pytest.raises(InputError, match=r"line\.wav: does not contain these words\. Give what is said\."):
        client.animate(SpeakRequest(file, TIMELINE, 25.0, text="impossible"))


def test_a_sound_longer_than_the_limit_is_refused(pipeline: SmallPipeline, tmp_path: Path) -> None:
    asked = SpeakRequest(write(tmp_path / "line.wav", tone()), TIMELINE, 25.0)
    with (
        running_server(PipelineEngine(pipeline, max_audio_s=1.0)) as server,
        Client(server.address) as client,
        pytest.raises(InputError, match=r"line\.wav: lasts .*; the limit is"),
    ):
        client.animate(asked)


def test_welcome_lists_the_weights(client: Client) -> None:
    engine = client.connect().engine
    assert {"hama-ctc", "encoder"} <= {weight.id for weight in engine.weights}
    assert (engine.motion, engine.spaces) == ("loudness", ("arkit52",))


def test_a_sound_is_decoded_and_cut_once(client: Client, pipeline: SmallPipeline, tmp_path: Path) -> None:
    file = write(tmp_path / "line.wav", tone())
    for start_s in (0.0, 0.0, 0.5):
        client.animate(SpeakRequest(file, TIMELINE, 25.0, start_s=start_s))
    first, again, part = (asked.clip for asked in pipeline.requests)
    assert first is again and part is not first and part.duration_s == pytest.approx(1.5)

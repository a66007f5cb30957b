"""Frames that leave early are the frames of the whole line; an edit touches what it says and nothing else."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from talkclip.audio import AudioClip
from talkclip.engine.models.face import FaceModel
from talkclip.engine.models.mouth import MouthModel
from talkclip.engine.models.style_space import StyleSpace
from talkclip.engine.motion import LearnedMotion
from talkclip.engine.request import AnimateRequest
from talkclip.engine.speech import hama
from talkclip.engine.speech.cache import DiskCache
from talkclip.engine.speech.features import extract_features
from talkclip.engine.speech.frontend import SpeechFrontEnd
from talkclip.engine.speech.listening import listen
from talkclip.engine.speech.recognise import recognise
from talkclip.engine.streaming import Finished, Span, StreamingPipeline, Stretch, joined
from talkclip.engine.style_cache import StyleCache
from talkclip.engine.text.encoder import MiniLMEncoder
from talkclip.engine.text.pose import PromptStyler
from talkclip.engine.text.style_coder import StyleCoder
from talkclip.engine.text.understand import PromptReading
from talkclip.gains import LayerGains
from talkclip.phones import PhoneTrack
from talkclip.timeline import PromptEdit, PromptSegment, PromptTimeline

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


class WholeLinesOnly:
    """A motion model that knows no stretches."""

    def __init__(self) -> None:
        self._motion = learned()
        self.style_space, self.name, self.device = self._motion.style_space, "whole", "cpu"
        self.animate = self._motion.animate


def learned() -> LearnedMotion:
    return LearnedMotion(MouthModel.load(), FaceModel.load("cpu"), StyleSpace.load())


def pipeline(backend: str = "fast", motion: object = None) -> StreamingPipeline:
    styler = StyleCoder(PromptStyler(MiniLMEncoder.load()), StyleSpace.load())
    parts = SpeechFrontEnd(backend, cache=None), styler, motion or learned()
    return StreamingPipeline(*parts)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def long_line(line: AudioClip) -> AudioClip:
    """A minute and a half of speech with pauses of all lengths: five windows of the recogniser."""
    rng = np.random.default_rng(0)
    parts = []
    for _ in range(26):
        first = int(rng.integers(0, line.samples.size // 2))
        parts.append(line.samples[first : first + int(rng.integers(16_000, 80_000))] * float(rng.uniform(0.2, 1)))
        parts.append(np.zeros(int(rng.integers(0, 12_000)), np.float32))
    return AudioClip(np.concatenate(parts), 16_000, "long")


def request(clip: AudioClip, prompt: str = "a furious man", **fields: object) -> AnimateRequest:
    asked = AnimateRequest(clip, PromptTimeline.single(prompt, clip.duration_s), seed=3)
    return dataclasses.replace(asked, **fields)


def at(track: PhoneTrack, times_s: np.ndarray) -> list[str]:
    starts = [phone.start_s for phone in track.phones]
    return [track.phones[k].symbol for k in np.searchsorted(starts, times_s, "right") - 1]


def test_what_is_known_early_is_what_is_known_at_last(long_line: AudioClip) -> None:
    *early, last = listen(long_line)
    assert len(early) >= 2 and np.isinf(last.known_s)
    for heard in early:
        times_s = np.arange(0, heard.known_s, 0.001)
        assert heard.known_s > 10 and at(heard.phones, times_s) == at(last.phones, times_s)
        known = int(heard.known_s * hama.FRAME_S**-1)
        for name in ("mel", "posteriors", "loudness"):
            np.testing.assert_array_equal(getattr(heard.features, name)[:known], getattr(last.features, name)[:known])


def test_listening_in_windows_finds_what_the_whole_clip_gives(long_line: AudioClip) -> None:
    *_, last = listen(long_line)
    assert last.phones == recognise(long_line, *hama.posteriors(long_line))
    np.testing.assert_allclose(last.features.mel, extract_features(long_line).mel, atol=1e-6)


@pytest.mark.parametrize("fps", [25.0, 30000 / 1001, 60.0])
def test_streamed_frames_are_those_of_the_whole_line(long_line: AudioClip, fps: float) -> None:
    asked = request(long_line, fps=fps)
    whole = pipeline().animate(asked)
    items = list(pipeline().stream(asked))
    stretches = [item for item in items if isinstance(item, Stretch)]
    assert isinstance(items[0], Span) and items[0].n_frames == whole.track.n_frames
    assert [s.first_frame for s in stretches[1:]] == [s.first_frame + s.track.n_frames for s in stretches[:-1]]
    finished = items[-1]
    assert isinstance(finished, Finished)
    result = joined(stretches, finished)
    np.testing.assert_allclose(result.track.values, whole.track.values, atol=1e-5)
    assert whole.track.head is not None and result.track.head is not None
    np.testing.assert_allclose(result.track.head, whole.track.head, atol=1e-5)
    assert (result.phones, result.timeline, result.readings) == (whole.phones, whole.timeline, whole.readings)


@pytest.mark.parametrize(("gains", "seconds"), [(LayerGains(), 9.0), (LayerGains(head=0.0), 14.0)])
def test_frames_leave_while_later_sound_is_unheard(
    long_line: AudioClip, monkeypatch: pytest.MonkeyPatch, gains: LayerGains, seconds: float
) -> None:
    windows = 0
    run = hama._run

    def counting(sound: np.ndarray, rate: int) -> np.ndarray:
        nonlocal windows
        windows += 1
        return run(sound, rate)

    monkeypatch.setattr(hama, "_run", counting)
    early = 0
    for item in pipeline().stream(request(long_line, gains=gains)):
        if isinstance(item, Stretch) and windows == 1:
            early += item.track.n_frames
    assert early / 30 > seconds and windows >= 4


def test_a_transcript_needs_the_whole_clip_and_gives_the_same(line: AudioClip) -> None:
    asked = request(line, text=(SAMPLES / "line.txt").read_text(encoding="utf-8"))
    whole = pipeline("align").animate(asked)
    *stretches, finished = [x for x in pipeline("align").stream(asked) if not isinstance(x, Span)]
    result = joined(stretches, finished)  # type: ignore[arg-type]
    assert result.phones.backend == "align"
    np.testing.assert_allclose(result.track.values, whole.track.values, atol=1e-5)


def test_an_edit_changes_what_it_says_and_nothing_else(line: AudioClip) -> None:
    before = PromptTimeline((PromptSegment("angry", 0, 4, uid="a"), PromptSegment("sad", 4, 9, uid="b")))
    after = PromptTimeline((PromptSegment("angry", 0, 4, uid="a"), PromptSegment("sad", 4, 9, 1.5, uid="b")))
    working = pipeline()
    old = working.animate(request(line, timeline=before)).track
    new = working.animate(request(line, timeline=after)).track
    span, *stretches, _ = working.edit(request(line, timeline=after), before)
    assert isinstance(span, Span) and 0 < span.first < span.end == old.n_frames
    # The hand-over begins half its length before the border, and the curve between model frames looks a little ahead.
    assert 3.75 < span.first / 30 < 4.0
    np.testing.assert_array_equal(old.values[: span.first], new.values[: span.first])
    got = np.concatenate([s.track.values for s in stretches if isinstance(s, Stretch)])
    np.testing.assert_allclose(got, new.values[span.first :], atol=1e-5)
    assert np.abs(got - old.values[span.first :]).max() > 0.05


def test_an_edit_that_changes_nothing_draws_nothing(line: AudioClip, monkeypatch: pytest.MonkeyPatch) -> None:
    working = pipeline()
    asked = request(line)
    working.animate(asked)
    monkeypatch.setattr(LearnedMotion, "animate_stretch", lambda *_: pytest.fail("something was drawn"))
    span, finished = working.edit(asked, asked.timeline)
    assert isinstance(span, Span) and span.first == span.end and isinstance(finished, Finished)


def test_an_edit_of_a_second_costs_a_second(long_line: AudioClip, monkeypatch: pytest.MonkeyPatch) -> None:
    first = PromptSegment("angry", 0, 50, blend_out_s=0.0, uid="a")
    second = PromptSegment("sad", 50, 51, blend_in_s=0.0, blend_out_s=0.0, uid="b")
    before, after = PromptTimeline((first,)), PromptTimeline((first, second))
    working = pipeline()
    working.animate(request(long_line, timeline=before))
    span, *stretches, _ = working.edit(request(long_line, timeline=after), before)
    assert isinstance(span, Span) and 29 <= span.end - span.first <= 40 and len(stretches) == 1


def test_a_model_without_stretches_is_asked_for_whole_lines(line: AudioClip) -> None:
    asked = request(line)
    whole = pipeline().animate(asked).track
    _, stretch, _ = pipeline(motion=WholeLinesOnly()).stream(asked)
    assert isinstance(stretch, Stretch)
    np.testing.assert_array_equal(stretch.track.values, whole.values)
    _, part, _ = pipeline(motion=WholeLinesOnly()).edit(asked, PromptTimeline.single("sad", 2.0))
    assert isinstance(part, Stretch) and part.track.n_frames == whole.n_frames


def test_features_are_kept_between_runs(line: AudioClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = SpeechFrontEnd("fast", DiskCache(tmp_path)).analyse(line)
    monkeypatch.setattr(hama, "_run", lambda *_: pytest.fail("heard again"))
    again = SpeechFrontEnd("fast", DiskCache(tmp_path)).analyse(line)
    assert again.phones == first.phones
    for name in ("mel", "posteriors", "loudness"):
        np.testing.assert_array_equal(getattr(again.features, name), getattr(first.features, name))


class CountingStyler:
    """Counts what it is asked."""

    def __init__(self, identity: str = "") -> None:
        self.asked: list[str] = []
        self.identity = identity

    def read(self, prompt: str) -> PromptReading:
        raise AssertionError("not asked here")

    def code(self, prompt: str, edits: Sequence[PromptEdit] = (), intensity: float = 1.0) -> np.ndarray:
        self.asked.append(prompt)
        return np.full(52, intensity + len(edits), np.float32)

    def codes(self, prompt: str, edits: Sequence[PromptEdit], intensities: Sequence[float]) -> np.ndarray:
        return np.stack([self.code(prompt, edits, intensity) for intensity in intensities])


def test_style_codes_are_kept_in_memory_and_between_runs(tmp_path: Path) -> None:
    styler = CountingStyler()
    first = StyleCache(styler, DiskCache(tmp_path))
    edits = (PromptEdit("wink", 0.5),)
    for _ in range(2):
        assert first.code("sad", edits, 0.5)[0] == 1.5 and first.code("sad", edits, 0.7)[0] == pytest.approx(1.7)
    assert styler.asked == ["sad", "sad"]
    first.write()
    again = StyleCache(CountingStyler(), DiskCache(tmp_path))
    np.testing.assert_array_equal(again.code("sad", edits, 0.5), first.code("sad", edits, 0.5))
    again.code("sad", (), 0.5)
    assert again.asked == ["sad"], "another set of edits is another code"  # type: ignore[attr-defined]


def test_codes_of_another_encoder_are_others(tmp_path: Path) -> None:
    first = StyleCache(CountingStyler("one adapter"), DiskCache(tmp_path))
    first.code("sad")
    first.write()
    styler = CountingStyler("another")
    StyleCache(styler, DiskCache(tmp_path)).code("sad")
    assert styler.asked == ["sad"]


def test_codes_of_a_curve_are_kept_one_by_one(tmp_path: Path) -> None:
    styler = CountingStyler()
    cache = StyleCache(styler, DiskCache(tmp_path))
    cache.code("sad", (), 0.5)
    assert cache.codes("sad", (), [0.4, 0.5, 0.6])[:, 0].tolist() == pytest.approx([0.4, 0.5, 0.6])
    assert cache.codes("sad", (), [0.6, 0.7])[:, 0].tolist() == pytest.approx([0.6, 0.7])
    assert len(styler.asked) == 4
    cache.write()
    assert len(list(tmp_path.glob("*.npz"))) == 1, "a curve leaves no file for each of its points"


def test_a_broken_entry_is_computed_again(tmp_path: Path) -> None:
    first = StyleCache(CountingStyler(), DiskCache(tmp_path))
    code = first.code("sad")
    first.write()
    (entry,) = tmp_path.glob("*.npz")
    entry.write_bytes(entry.read_bytes()[:100])
    np.testing.assert_array_equal(StyleCache(CountingStyler(), DiskCache(tmp_path)).code("sad"), code)


def test_between_segments_the_face_is_neutral(line: AudioClip) -> None:
    working = pipeline()
    still = LayerGains(blinks=0.0, head=0.0)
    sad = PromptTimeline((PromptSegment("sad", 0, 3, blend_out_s=0.0, uid="a"),))
    with_gap = working.animate(request(line, timeline=sad, gains=still)).track
    neutral = working.animate(request(line, timeline=PromptTimeline.single("", line.duration_s), gains=still)).track
    np.testing.assert_allclose(with_gap.values[105:], neutral.values[105:], atol=1e-5)
    assert np.abs(with_gap.values[:80] - neutral.values[:80]).max() > 0.2

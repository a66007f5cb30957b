"""PipelineEngine: a `Pipeline` behind the server."""

from __future__ import annotations

import collections
import dataclasses
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from talkclip.audio import AudioClip
from talkclip.coefficients import CoefficientTrack, LayerValues
from talkclip.engine.render.portrait.device import PROCESSOR, Device
from talkclip.errors import InputError
from talkclip.progress import CancelCheck, ProgressCallback, stop_if
from talkclip.protocol import (
    Animate,
    AudioSource,
    Chunk,
    Done,
    Edit,
    EngineInfo,
    FrameSpan,
    Message,
    Render,
    TrackHeader,
    UnderstoodPrompt,
    WeightInfo,
)
from talkclip.timeline import PromptTimeline
from talkclip_server.engine import Files

if TYPE_CHECKING:
    from talkclip.engine.pipeline import PipelineInfo
    from talkclip.engine.request import AnimateRequest, AnimateResult, StyleClip
    from talkclip.engine.streaming import Finished, Span, Stretch
    from talkclip.engine.style_clips import StyleClips
    from talkclip.engine.text.understand import PromptReading

_CLIP_CACHE_BYTES = 256 << 20
_KEPT_PARTS = 32
_MAX_PHONES = 50_000  # about an hour of speech; more would not fit into one message
# A video of some seconds takes longer to follow than its line to animate.
_TRACKING_SHARE = 0.8
# Where each stage of the pipeline stands in the whole job, by the time it takes for a clip never seen before.
_STAGE_SPANS = {
    "audio": (0.0, 0.1),
    "phones": (0.1, 0.7),
    "features": (0.7, 0.8),
    "style": (0.8, 0.85),
    "motion": (0.85, 1.0),
}


class PipelineLike(Protocol):
    """The part of `talkclip.engine.pipeline.Pipeline` that is used here."""

    def animate(
        self, request: AnimateRequest, progress: ProgressCallback | None = None, cancel: CancelCheck | None = None
    ) -> AnimateResult:
        """Speak one line."""

    def describe(self) -> PipelineInfo:
        """What is active."""


@runtime_checkable
class ReadingLike(Protocol):
    """The part of `talkclip.engine.pipeline.Pipeline` that reads prompts."""

    def read(self, prompt: str) -> PromptReading:
        """What a prompt is understood to say."""


@runtime_checkable
class StreamingLike(PipelineLike, Protocol):
    """The part of `talkclip.engine.streaming.StreamingPipeline` that is used here."""

    def stream(
        self, request: AnimateRequest, progress: ProgressCallback | None = None, cancel: CancelCheck | None = None
    ) -> Iterator[Span | Stretch | Finished]:
        """Speak one line bit by bit."""

    def edit(
        self,
        request: AnimateRequest,
        before: PromptTimeline,
        progress: ProgressCallback | None = None,
        cancel: CancelCheck | None = None,
        restyled: Collection[str] = (),
    ) -> Iterator[Span | Stretch | Finished]:
        """The frames in which the request's timeline differs from `before`."""


class PipelineEngine:
    """A `Pipeline` behind the server. Decoded sounds are kept for the next prompt on the same line.

    A pipeline that only knows whole lines is served all the same: its frames come at the end, all of them.
    """

    def __init__(self, pipeline: PipelineLike, max_audio_s: float, device: Device = PROCESSOR) -> None:
        """`device`: what portraits are drawn on."""
        self._pipeline = pipeline
        self._device = device
        self._max_audio_s = max_audio_s
        self._clips: collections.OrderedDict[str, tuple[AudioClip, tuple[str, ...]]] = collections.OrderedDict()
        self._parts: collections.OrderedDict[AudioSource, AudioClip] = collections.OrderedDict()
        self._style_clips: StyleClips | None = None

    def info(self) -> EngineInfo:
        """What the pipeline says of itself, and the hashes its weights are checked against."""
        from talkclip.engine.weights.registry import WEIGHTS
        from talkclip_server.videos import FORMATS, RENDERERS

        active = self._pipeline.describe()
        weights = tuple(WeightInfo(weight.id, weight.sha256) for weight in WEIGHTS.values())
        return EngineInfo(
            active.encoder, active.motion, weights, active.spaces, active.speech, active.device, tuple(RENDERERS),
            FORMATS, active.style_clips, self._device.name,
        )  # fmt: skip

    def read(self, prompt: str) -> UnderstoodPrompt:
        """See `ReadingEngine.read`."""
        from talkclip_server.readings import understood

        if not isinstance(self._pipeline, ReadingLike):
            raise InputError("This server does not tell what it understands of a prompt.", "Update it.")
        return understood(self._pipeline.read(prompt))

    def animate(
        self, order: Animate, files: Files, chunk_frames: int, progress: ProgressCallback, cancel: CancelCheck
    ) -> Iterator[Message]:
        """See `Engine.animate`."""
        if isinstance(order, Edit) and order.script:
            raise InputError("An edit changes prompts, not words: it has no script.", "Ask for the whole line again.")
        begin_s = time.perf_counter()
        styles, begun = self._styles(order, files, progress, cancel)
        staged = _whole_job(progress, _STAGE_SPANS, begun)
        clip, notes = self._clip(order, files[order.audio.sha256], staged, cancel)
        request = _request(order, clip, styles)
        if not isinstance(self._pipeline, StreamingLike):
            yield from self._at_once(order, request, notes, chunk_frames, begin_s, staged, cancel)
            return
        if isinstance(order, Edit):
            items = self._pipeline.edit(request, order.before, staged, cancel, order.restyled)
        else:
            items = self._pipeline.stream(request, staged, cancel)
        yield from _messages(order, items, notes, chunk_frames, begin_s)

    def render(self, order: Render, files: Files, progress: ProgressCallback, cancel: CancelCheck) -> Iterator[Message]:
        """See `VideoEngine.render`."""
        from talkclip_server.videos import STAGE_SPANS, chosen_renderer, render_messages, wanted_frames

        chosen_renderer(order)
        begin_s = time.perf_counter()
        styles, begun = self._styles(order, files, progress, cancel)
        staged = _whole_job(progress, STAGE_SPANS, begun)
        clip, notes = self._clip(order, files[order.audio.sha256], staged, cancel)
        result = self._pipeline.animate(_request(order, clip, styles), staged, cancel)
        portrait = None if order.portrait is None else files[order.portrait]
        yield from render_messages(order, result.track, clip, portrait, self._device, staged, cancel)
        yield _done(order, len(wanted_frames(order, result.track.n_frames)), begin_s, notes, result)

    def _at_once(
        self,
        order: Animate,
        request: AnimateRequest,
        notes: tuple[str, ...],
        chunk_frames: int,
        begin_s: float,
        progress: ProgressCallback,
        cancel: CancelCheck,
    ) -> Iterator[Message]:
        result = self._pipeline.animate(request, progress, cancel)
        stop_if(cancel)
        part = FrameSpan(0, result.track.n_frames) if isinstance(order, Edit) else None
        yield _header(order, result.track, result.track.n_frames, part)
        yield from _chunks(order, 0, result.track, result.layers, chunk_frames)
        yield _done(order, result.track.n_frames, begin_s, notes, result)

    def _styles(
        self, order: Animate, files: Files, progress: ProgressCallback, cancel: CancelCheck
    ) -> tuple[tuple[StyleClip, ...], float]:
        """The order's style clips, and how much of the whole job it was to read them: nothing, where they are kept."""
        playing = [style for style in order.styles if style.weight > 0]
        if not playing:
            return (), 0.0
        from talkclip.engine.request import StyleClip
        from talkclip.engine.style_clips import StyleClips

        self._style_clips = self._style_clips or StyleClips.default()
        found: list[StyleClip] = []
        begun = 0.0
        for style in playing:

            def of_all(stage: str, fraction: float, text: str, name: str = style.name) -> None:
                nonlocal begun
                begun = _TRACKING_SHARE
                progress(stage, begun * (len(found) + fraction) / len(playing), f"{name}: {text}")

            track = self._style_clips.track(files[style.sha256], style.name, style.sha256, of_all, cancel)
            found.append(StyleClip(track, style.weight, style.uid))
        return tuple(found), begun

    def _clip(
        self, order: Animate, audio: Path, progress: ProgressCallback, cancel: CancelCheck
    ) -> tuple[AudioClip, tuple[str, ...]]:
        """The part of the sound that the order speaks, and what the user should know about the recording."""
        from talkclip.engine.speech.media import load_media  # decoders load when the first sound comes

        source = order.audio
        if source.sha256 in self._clips:
            self._clips.move_to_end(source.sha256)
        else:

            def renaming(stage: str, fraction: float, text: str) -> None:
                progress(stage, fraction, _renamed(text, audio, source.name))

            try:
                media = load_media(audio, self._max_audio_s, renaming, cancel)
            except InputError as error:
                raise InputError(_renamed(error.message, audio, source.name), error.hint) from None
            self._clips[source.sha256] = media.clip, media.notes
            self._shrink()
        clip, notes = self._clips[source.sha256]
        notes = tuple(_renamed(note, audio, source.name) for note in notes)
        end_s = clip.duration_s if source.end_s is None else source.end_s
        if source.start_s >= min(end_s, clip.duration_s):
            text = f"{source.name}: nothing lies between {source.start_s:g} and {end_s:g} s"
            raise InputError(f"{text}; it lasts {clip.duration_s:.2f} s.", "Check the strip's offsets.")
        return self._spoken_part(source, clip, end_s), notes

    def _spoken_part(self, source: AudioSource, clip: AudioClip, end_s: float) -> AudioClip:
        """The same object for the same part, so that what is known of it (its hash, its loudness) is found once."""
        key = dataclasses.replace(source, end_s=end_s)
        if key not in self._parts:
            self._parts[key] = dataclasses.replace(clip.slice_s(source.start_s, end_s), name=source.name)
            while len(self._parts) > _KEPT_PARTS:
                self._parts.popitem(last=False)
        self._parts.move_to_end(key)
        return self._parts[key]

    def _shrink(self) -> None:
        while len(self._clips) > 1 and sum(clip.samples.nbytes for clip, _ in self._clips.values()) > _CLIP_CACHE_BYTES:
            gone, _ = self._clips.popitem(last=False)
            for key in [key for key in self._parts if key.sha256 == gone]:
                del self._parts[key]  # a part keeps the whole sound in memory


def _messages(
    order: Animate,
    items: Iterator[Span | Stretch | Finished],
    notes: tuple[str, ...],
    chunk_frames: int,
    begin_s: float,
) -> Iterator[Message]:
    """What a streaming pipeline yields, as messages."""
    from talkclip.engine.streaming import Finished, Span, Stretch

    span, begun, sent = Span(0, 0, 1), False, 0
    for item in items:
        if isinstance(item, Span):
            span = item
        elif isinstance(item, Stretch):
            if not begun:
                begun = True
                yield _header(order, item.track, span.n_frames, _part(order, span))
            sent += item.track.n_frames
            yield from _chunks(order, item.first_frame, item.track, item.layers, chunk_frames)
        elif isinstance(item, Finished):
            if not begun:  # an edit that changes nothing
                yield TrackHeader(order.id, order.space, (), order.fps, 0.0, span.n_frames, False, _part(order, span))
            yield _done(order, sent, begin_s, notes, item)


def _part(order: Animate, span: Span) -> FrameSpan | None:
    return FrameSpan(span.first, span.end - span.first) if isinstance(order, Edit) else None


def _header(order: Animate, track: CoefficientTrack, n_frames: int, part: FrameSpan | None) -> TrackHeader:
    """Frame 0 of the line stands at 0 s of the order's clock."""
    return TrackHeader(order.id, track.space, track.names, track.fps, 0.0, n_frames, track.head is not None, part)


def _chunks(
    order: Animate, first_frame: int, track: CoefficientTrack, layers: LayerValues | None, chunk_frames: int
) -> Iterator[Chunk]:
    for first in range(0, track.n_frames, chunk_frames):
        rows = slice(first, first + chunk_frames)
        head = None if track.head is None else track.head[rows]
        part = None if layers is None else layers.rows(rows)
        yield Chunk(order.id, first_frame + first, track.values[rows], head, part)


def _done(
    order: Animate, n_frames: int, begin_s: float, notes: tuple[str, ...], result: AnimateResult | Finished
) -> Done:
    phones = result.phones
    said = notes + result.notes + tuple(note for reading in result.readings for note in reading.notes)
    known = phones if len(phones.phones) <= _MAX_PHONES else None
    return Done(order.id, n_frames, time.perf_counter() - begin_s, phones.backend, said, known, result.timeline)


def _request(order: Animate, clip: AudioClip, styles: tuple[StyleClip, ...]) -> AnimateRequest:
    from talkclip.engine.request import AnimateRequest

    return AnimateRequest(
        clip,
        order.timeline,
        script=order.script,
        text=order.text,
        phones=order.phones,
        fps=order.fps,
        space=order.space,
        gains=order.gains,
        seed=order.seed,
        styles=styles,
        layers=order.layers,
    )


def _renamed(text: str, path: Path, name: str) -> str:
    """Users know their file's name, not the one in our store."""
    return text.replace(str(path), name).replace(path.name, name)


def _whole_job(progress: ProgressCallback, spans: dict[str, tuple[float, float]], begun: float) -> ProgressCallback:
    """Fractions of a stage -> fractions of the whole job, from `begun` on, that never run backwards."""
    furthest = 0.0

    def staged(stage: str, fraction: float, text: str) -> None:
        nonlocal furthest
        low, high = spans.get(stage, (furthest, furthest))
        furthest = max(furthest, low + (high - low) * min(max(fraction, 0.0), 1.0))
        progress(stage, begun + (1 - begun) * furthest, text)

    return staged

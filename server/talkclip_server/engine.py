"""What the server needs of an engine, and the adapter that makes one of a `Pipeline`."""

from __future__ import annotations

import collections
import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from talkclip.audio import AudioClip
from talkclip.errors import InputError
from talkclip.progress import CancelCheck, ProgressCallback, stop_if
from talkclip.protocol import Animate, Chunk, Done, EngineInfo, Message, TrackHeader, WeightInfo

if TYPE_CHECKING:
    from talkclip.engine.pipeline import PipelineInfo
    from talkclip.engine.request import AnimateRequest, AnimateResult

_CLIP_CACHE_BYTES = 256 << 20
_MAX_PHONES = 50_000  # about an hour of speech; more would not fit into one message
# Where each stage of the pipeline stands in the whole job, by the time it takes for a clip never seen before.
_STAGE_SPANS = {
    "audio": (0.0, 0.1),
    "phones": (0.1, 0.7),
    "features": (0.7, 0.8),
    "style": (0.8, 0.85),
    "motion": (0.85, 1.0),
}


class Engine(Protocol):
    """Carries out orders. Called from the server's worker thread, one order at a time."""

    def info(self) -> EngineInfo:
        """What it can do; asked once, at the start."""

    def animate(
        self, order: Animate, audio: Path, chunk_frames: int, progress: ProgressCallback, cancel: CancelCheck
    ) -> Iterator[Message]:
        """Yield one `TrackHeader`, then `Chunk`s in order, at last `Done`, all with the order's id.

        Args:
            order: what to do.
            audio: the uploaded file that `order.audio` names.
            chunk_frames: most frames in one chunk.
            progress: to be called with (stage, fraction 0..1 of the whole job, text).
            cancel: to be asked now and then; True = raise `Cancelled`.

        Raises:
            TalkClipError: whatever the user should know; anything else counts as a fault of the engine.
        """


class PipelineLike(Protocol):
    """The part of `talkclip.engine.pipeline.Pipeline` that is used here."""

    def animate(
        self, request: AnimateRequest, progress: ProgressCallback | None = None, cancel: CancelCheck | None = None
    ) -> AnimateResult:
        """Speak one line."""

    def describe(self) -> PipelineInfo:
        """What is active."""


class PipelineEngine:
    """A `Pipeline` behind the server. Decoded sounds are kept for the next prompt on the same line."""

    def __init__(self, pipeline: PipelineLike, max_audio_s: float) -> None:
        self._pipeline = pipeline
        self._max_audio_s = max_audio_s
        self._clips: collections.OrderedDict[str, tuple[AudioClip, tuple[str, ...]]] = collections.OrderedDict()

    def info(self) -> EngineInfo:
        """What the pipeline says of itself, and the hashes its weights are checked against."""
        from talkclip.engine.weights.registry import WEIGHTS

        active = self._pipeline.describe()
        weights = tuple(WeightInfo(weight.id, weight.sha256) for weight in WEIGHTS.values())
        return EngineInfo(active.encoder, active.motion, weights, active.spaces, active.speech, active.device)

    def animate(
        self, order: Animate, audio: Path, chunk_frames: int, progress: ProgressCallback, cancel: CancelCheck
    ) -> Iterator[Message]:
        """See `Engine.animate`."""
        begin_s = time.perf_counter()
        staged = _whole_job(progress)
        clip, notes = self._clip(order, audio, staged, cancel)
        result = self._pipeline.animate(_request(order, clip), staged, cancel)
        stop_if(cancel)
        track = result.track
        yield TrackHeader(
            order.id, track.space, track.names, track.fps, track.start_s, track.n_frames, track.head is not None
        )
        for first in range(0, track.n_frames, chunk_frames):
            span = slice(first, first + chunk_frames)
            yield Chunk(order.id, first, track.values[span], None if track.head is None else track.head[span])
        yield Done(
            order.id,
            track.n_frames,
            time.perf_counter() - begin_s,
            result.phones.backend,
            notes + result.notes + tuple(note for reading in result.readings for note in reading.notes),
            result.phones if len(result.phones.phones) <= _MAX_PHONES else None,
            result.timeline,
        )

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
        return dataclasses.replace(clip.slice_s(source.start_s, end_s), name=source.name), notes

    def _shrink(self) -> None:
        while len(self._clips) > 1 and sum(clip.samples.nbytes for clip, _ in self._clips.values()) > _CLIP_CACHE_BYTES:
            self._clips.popitem(last=False)


def _request(order: Animate, clip: AudioClip) -> AnimateRequest:
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
    )


def _renamed(text: str, path: Path, name: str) -> str:
    """Users know their file's name, not the one in our store."""
    return text.replace(str(path), name).replace(path.name, name)


def _whole_job(progress: ProgressCallback) -> ProgressCallback:
    """Fractions of a stage -> fractions of the whole job that never run backwards."""
    furthest = 0.0

    def staged(stage: str, fraction: float, text: str) -> None:
        nonlocal furthest
        low, high = _STAGE_SPANS.get(stage, (furthest, furthest))
        furthest = max(furthest, low + (high - low) * min(max(fraction, 0.0), 1.0))
        progress(stage, furthest, text)

    return staged

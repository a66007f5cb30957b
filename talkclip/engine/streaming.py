"""The pipeline for those who cannot wait: frames leave while later sound is still being heard, and a changed prompt
costs only the frames it touches.

What is promised
    - Every frame equals the one of `Pipeline.animate` for equal features, within 1e-5.
    - The sound is read as a whole first (its level and its pauses are known from the start); only the recogniser runs
      in windows. Frames of a stretch leave when the motion model says that nothing heard later can change them: for
      the mouth that is about a second; nods are chosen in blocks of ten seconds (`layers.head`), so that with head
      motion the first ten seconds of a longer line leave together.
    - Where the speech back end needs the whole recording (a transcript is aligned, Whisper listens), where phones are
      given, and for what was heard before, everything is known at once: then frames only leave in stretches.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Iterator
from typing import Protocol, cast, runtime_checkable

import numpy as np

from talkclip.coefficients import CoefficientTrack, LayerValues
from talkclip.engine.models.style_encoder import ClipStyler
from talkclip.engine.motion import LayeredMotion, MotionModel, SpokenLine
from talkclip.engine.pipeline import Pipeline, placed, require_segments
from talkclip.engine.request import AnimateRequest, AnimateResult
from talkclip.engine.speech.frontend import SpeechAnalysis, SpeechFrontEnd
from talkclip.engine.style_cache import StyleCache, default_style_disk
from talkclip.engine.text.edits import notes_on
from talkclip.engine.text.style_coder import StyleCoder
from talkclip.engine.text.understand import PromptReading
from talkclip.gains import LayerGains
from talkclip.phones import PhoneTrack
from talkclip.progress import CancelCheck, ProgressCallback, report, stop_if
from talkclip.script import spoken_text
from talkclip.style import StyleTrack
from talkclip.timebase import frame_count, frame_times
from talkclip.timeline import PromptTimeline
from talkclip_rigs.flame import FlameMap

# At once: few frames at first, so that something is there to see; then more, since each stretch costs a little, but
# never so many that a cancel would have to wait.
_FIRST_FRAMES, _MOST_S = 50, 20.0


@runtime_checkable
class StretchMotion(MotionModel, Protocol):
    """A motion model that can draw any stretch of a line alone, with the values it has in the whole line."""

    @property
    def style_reach_s(self) -> float:
        """How far around a frame its style code moves others."""
        ...

    def known_s(self, heard_s: float, duration_s: float, gains: LayerGains) -> float:
        """Frames before this time are final when phones and features are known before `heard_s` only."""
        ...

    def animate_stretch(self, line: SpokenLine, first_frame: int, end_frame: int) -> CoefficientTrack:
        """-> the frames first_frame .. end_frame - 1 of `animate`."""
        ...


@dataclasses.dataclass(frozen=True)
class Span:
    """Frames first .. end - 1 of a line of `n_frames`."""

    first: int
    end: int
    n_frames: int


@dataclasses.dataclass(frozen=True, eq=False)
class Stretch:
    """Consecutive frames of a line.

    Attributes:
        first_frame: their place in the whole line.
        track: the frames, in the requested space.
        layers: of these frames; see `AnimateResult`.
    """

    first_frame: int
    track: CoefficientTrack
    layers: LayerValues | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Finished:
    """What else there is to know of a line; see `AnimateResult`."""

    phones: PhoneTrack
    timeline: PromptTimeline
    readings: tuple[PromptReading, ...]
    notes: tuple[str, ...]


class StreamingPipeline(Pipeline):
    """A pipeline that also answers bit by bit, and remembers style codes."""

    def __init__(
        self,
        speech: SpeechFrontEnd,
        styler: StyleCoder,
        motion: MotionModel,
        flame: FlameMap | None = None,
        clips: ClipStyler | None = None,
    ) -> None:
        """See `Pipeline`."""
        self._style_cache = StyleCache(styler, default_style_disk())
        super().__init__(speech, cast(StyleCoder, self._style_cache), motion, flame, clips)

    def stream(
        self,
        request: AnimateRequest,
        progress: ProgressCallback | None = None,
        cancel: CancelCheck | None = None,
    ) -> Iterator[Span | Stretch | Finished]:
        """Speak one line: yields its `Span`, then `Stretch`es in order and without gaps, at last `Finished`.

        Raises:
            As `Pipeline.animate`, possibly after some stretches.
        """
        self._require_space(request.space)
        n_frames = frame_count(request.clip.duration_s, request.fps)
        yield Span(0, n_frames, n_frames)
        style: StyleTrack | None = None
        timeline = request.timeline
        done = 0
        for analysis, heard_s in self._listen(request, progress, cancel):
            complete = math.isinf(heard_s)
            if style is None and (complete or not request.script):
                if complete:  # before, how much was heard says more
                    report(progress, "style", 0.0, "Reading the prompts")
                timeline = placed(request, analysis.phones)
                require_segments(request, timeline)
                style = self._style_track(timeline, request)
            end = n_frames if complete else self._final_frames(request, heard_s)
            if style is not None:
                for stretch in self._stretches(request, analysis, style, Span(done, end, n_frames), cancel):
                    done = stretch.first_frame + stretch.track.n_frames
                    if complete:
                        report(progress, "motion", done / n_frames, "Animating")
                    yield stretch
        yield self._finished(analysis, timeline)
        self._style_cache.write()

    def edit(
        self,
        request: AnimateRequest,
        before: PromptTimeline,
        progress: ProgressCallback | None = None,
        cancel: CancelCheck | None = None,
        restyled: Collection[str] = (),
    ) -> Iterator[Span | Stretch | Finished]:
        """The frames in which the request's timeline differs from `before`; everything else is as it was.

        Args:
            request: the line as it shall be.
            before: the timeline as it was.
            progress, cancel: see `stream`.
            restyled: uids of segments whose style clip is another one than before, or new, or gone.

        Yields as `stream` does; the span is empty where nothing changed.
        """
        self._require_space(request.space)
        require_segments(request, request.timeline, before)
        (*_, (analysis, _)) = self._listen(request, progress, cancel)
        stop_if(cancel)
        report(progress, "style", 0.0, "Reading the prompts")
        style = self._style_track(request.timeline, request)
        old = self._style_track(before, request)
        changed = (style.codes != old.codes).any(axis=1)
        for timeline in (request.timeline, before):
            changed |= _plays(timeline, restyled, style)
        span = self._touched(style, changed)
        yield span
        for stretch in self._stretches(request, analysis, style, span, cancel):
            done = stretch.first_frame + stretch.track.n_frames - span.first
            report(progress, "motion", done / (span.end - span.first), "Animating")
            yield stretch
        yield self._finished(analysis, request.timeline)
        self._style_cache.write()

    def _listen(
        self, request: AnimateRequest, progress: ProgressCallback | None, cancel: CancelCheck | None
    ) -> Iterator[tuple[SpeechAnalysis, float]]:
        text = spoken_text(request.script) if request.script else request.text
        return self._speech.listen(request.clip, text, request.phones, progress, cancel)

    def _final_frames(self, request: AnimateRequest, heard_s: float) -> int:
        """How many frames nothing can change that is heard later."""
        if not isinstance(self._motion, StretchMotion):
            return 0
        known_s = self._motion.known_s(heard_s, request.clip.duration_s, request.gains)
        return max(math.floor(known_s * request.fps), 0)

    def _touched(self, style: StyleTrack, differs: np.ndarray) -> Span:
        """The frames that a change of style reaches: one span around all that differ, (T,) bool."""
        changed = np.flatnonzero(differs)
        if changed.size == 0:
            return Span(0, 0, style.n_frames)
        reach = 0
        if isinstance(self._motion, StretchMotion):
            reach = math.ceil(self._motion.style_reach_s * style.fps)
        first, end = max(int(changed[0]) - reach, 0), min(int(changed[-1]) + 1 + reach, style.n_frames)
        return Span(first, end, style.n_frames)

    def _stretches(
        self,
        request: AnimateRequest,
        analysis: SpeechAnalysis,
        style: StyleTrack,
        span: Span,
        cancel: CancelCheck | None,
    ) -> Iterator[Stretch]:
        """The frames of `span`, a few at first."""
        if span.first >= span.end:
            return
        if not isinstance(self._motion, StretchMotion):
            stop_if(cancel)
            yield _cut(*self._drawn(analysis, style, request), span)
            return
        line = SpokenLine(analysis, style, request.seed, request.gains)
        first, count = span.first, _FIRST_FRAMES
        while first < span.end:
            stop_if(cancel)
            end = min(first + count, span.end)
            if request.layers and isinstance(self._motion, LayeredMotion):
                drawn = self._in_space(request.space, *self._motion.animate_layers(line, first, end))
            else:
                drawn = self._in_space(request.space, self._motion.animate_stretch(line, first, end))
            yield Stretch(first, *drawn)
            first, count = end, min(2 * count, max(math.ceil(_MOST_S * request.fps), _FIRST_FRAMES))

    def _finished(self, analysis: SpeechAnalysis, timeline: PromptTimeline) -> Finished:
        prompts = dict.fromkeys(segment.prompt for segment in timeline.segments)
        readings = tuple(self._styler.read(prompt) for prompt in prompts)
        unread = notes_on(timeline, self._styler.read)
        return Finished(analysis.phones, timeline, readings, (*analysis.notes, *unread))


def _plays(timeline: PromptTimeline, uids: Collection[str], style: StyleTrack) -> np.ndarray:
    """(T,) bool: where one of these segments plays."""
    rows = [row for row, segment in enumerate(timeline.segments) if segment.uid in uids]
    weights = timeline.weights(frame_times(style.n_frames, style.fps))
    return np.asarray((weights[:, rows] > 0).any(axis=1), bool)


def _cut(whole: CoefficientTrack, layers: LayerValues | None, span: Span) -> Stretch:
    """The frames of `span` out of a whole line."""
    frames = slice(span.first, span.end)
    head = None if whole.head is None else whole.head[frames]
    start_s = whole.start_s + span.first / whole.fps
    track = dataclasses.replace(whole, values=whole.values[frames], head=head, start_s=start_s)
    return Stretch(span.first, track, None if layers is None else layers.rows(frames))


def joined(stretches: list[Stretch], finished: Finished) -> AnimateResult:
    """All stretches of `StreamingPipeline.stream` -> the result of `Pipeline.animate`."""
    tracks = [stretch.track for stretch in stretches]
    heads = [track.head for track in tracks if track.head is not None]
    values = np.concatenate([track.values for track in tracks])
    track = dataclasses.replace(tracks[0], values=values, head=np.concatenate(heads) if heads else None)
    parts = [stretch.layers for stretch in stretches if stretch.layers is not None]
    layers = LayerValues.joined(parts) if parts else None
    return AnimateResult(track, finished.phones, finished.timeline, finished.readings, finished.notes, layers)

"""One request from sound and prompts to a coefficient track. Command line, server and tests all call this."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

import talkclip
from talkclip.coefficients import CoefficientTrack, LayerValues
from talkclip.engine.flame_solver import load_flame_map
from talkclip.engine.models.adapter import AdaptedEncoder
from talkclip.engine.models.face import FaceModel
from talkclip.engine.models.mouth import MouthModel
from talkclip.engine.models.style_encoder import ClipStyler
from talkclip.engine.models.style_space import StyleSpace
from talkclip.engine.motion import LayeredMotion, LearnedMotion, MotionModel, SpokenLine
from talkclip.engine.request import AnimateRequest, AnimateResult
from talkclip.engine.speech.frontend import SpeechAnalysis, SpeechFrontEnd
from talkclip.engine.style_mix import StyleMixer
from talkclip.engine.text.edits import notes_on
from talkclip.engine.text.encoder import MiniLMEncoder
from talkclip.engine.text.pose import PromptStyler
from talkclip.engine.text.style_coder import StyleCoder
from talkclip.engine.text.understand import PromptReading
from talkclip.errors import InputError
from talkclip.phones import PhoneTrack
from talkclip.progress import CancelCheck, ProgressCallback, report, stop_if
from talkclip.script import spoken_text, timeline_from_script
from talkclip.style import StyleTrack
from talkclip.timebase import frame_count, frame_times
from talkclip.timeline import PromptTimeline
from talkclip_rigs.flame import FlameMap


@dataclasses.dataclass(frozen=True)
class PipelineInfo:
    """What is active, for `hello` and `talkclip doctor`; `style_clips`: whether a style may come from a clip."""

    version: str
    encoder: str
    motion: str
    speech: str
    spaces: tuple[str, ...]
    device: str
    style_clips: bool = False


class Pipeline:
    """Models loaded once; `animate` may be called any number of times.

    Construct by `Pipeline.load()`; the constructor takes ready parts, so that tests and the next model can be put in.
    """

    def __init__(
        self,
        speech: SpeechFrontEnd,
        styler: StyleCoder,
        motion: MotionModel,
        flame: FlameMap | None = None,
        clips: ClipStyler | None = None,
    ) -> None:
        """`flame`: adds the space `flame`; `clips`: lets requests take their style from a clip."""
        self._speech = speech
        self._styler = styler
        self._motion = motion
        self._flame = flame
        self._mixer = StyleMixer(styler, styler.neutral, clips)
        self._takes_clips = clips is not None

    @classmethod
    def load(
        cls,
        speech_backend: str = "auto",
        flame_file: Path | None = None,
        device: str = "auto",
        adapted: AdaptedEncoder | None = None,
    ) -> Pipeline:
        """Load the default weights.

        Args:
            speech_backend: "auto", "fast", "align" or "whisper".
            flame_file: the user's FLAME model; adds the space `flame`.
            device: where the decoder runs: auto, cuda, coreml, directml or cpu.
            adapted: another text encoder with its adapter; see `StyleCoder`.

        Raises:
            TalkClipError: weights are missing or are not the ones expected, or the adapter belongs to others; the
                message has the remedy.
            InputError: the FLAME file cannot be used.
        """
        flame = None if flame_file is None else load_flame_map(flame_file)
        space = StyleSpace.load()
        styler = StyleCoder(PromptStyler(MiniLMEncoder.load()), space, adapted)
        motion = LearnedMotion(MouthModel.load(), FaceModel.load(device), space)
        return cls(SpeechFrontEnd(speech_backend), styler, motion, flame, ClipStyler(space))

    def describe(self) -> PipelineInfo:
        """What is active."""
        spaces = ("arkit52",) if self._flame is None else ("arkit52", "flame")
        return PipelineInfo(
            talkclip.__version__, self._styler.encoder.id, self._motion.name, self._speech.active_backend, spaces,
            self._motion.device, self._takes_clips,
        )  # fmt: skip

    def read(self, prompt: str) -> PromptReading:
        """What a prompt is understood to say. May be called while a line is animated in another thread."""
        return self._styler.read(prompt)

    def animate(
        self, request: AnimateRequest, progress: ProgressCallback | None = None, cancel: CancelCheck | None = None
    ) -> AnimateResult:
        """Speak one line.

        Raises:
            InputError: the request cannot be met as it is (space without its model, script without words, ...).
            Cancelled: `cancel` said so.
        """
        self._require_space(request.space)
        text = spoken_text(request.script) if request.script else request.text
        analysis = self._speech.analyse(request.clip, text, request.phones, progress, cancel)
        stop_if(cancel)
        report(progress, "style", 0.0, "Reading the prompts")
        timeline = placed(request, analysis.phones)
        require_segments(request, timeline)
        style = self._style_track(timeline, request)
        stop_if(cancel)
        report(progress, "motion", 0.0, "Animating")
        track, layers = self._drawn(analysis, style, request)
        report(progress, "motion", 1.0, "Animated")
        prompts = dict.fromkeys(segment.prompt for segment in timeline.segments)
        readings = tuple(self._styler.read(prompt) for prompt in prompts)
        unread = notes_on(timeline, self._styler.read)
        return AnimateResult(track, analysis.phones, timeline, readings, (*analysis.notes, *unread), layers)

    def _drawn(
        self, analysis: SpeechAnalysis, style: StyleTrack, request: AnimateRequest
    ) -> tuple[CoefficientTrack, LayerValues | None]:
        """The whole line in the requested space."""
        line = SpokenLine(analysis, style, request.seed, request.gains)
        if request.layers and isinstance(self._motion, LayeredMotion):
            return self._in_space(request.space, *self._motion.animate_layers(line, 0, style.n_frames))
        return self._in_space(request.space, self._motion.animate(line))

    def _style_track(self, timeline: PromptTimeline, request: AnimateRequest) -> StyleTrack:
        """How the line is spoken, per frame."""
        fps = request.fps
        times_s = frame_times(frame_count(request.clip.duration_s, fps), fps)
        return StyleTrack(self._motion.style_space, fps, self._mixer.codes(timeline, times_s, request.styles))

    def _require_space(self, space: str) -> None:
        if space not in self.describe().spaces:
            hint = "Start with --flame MODEL.pkl." if space == "flame" else "Use arkit52."
            raise InputError(f"Coefficients in '{space}' are not available here.", hint)

    def _in_space(
        self, space: str, track: CoefficientTrack, layers: LayerValues | None = None
    ) -> tuple[CoefficientTrack, LayerValues | None]:
        if space != "flame" or self._flame is None:
            return track, layers
        mapped = self._flame.apply(track)
        return mapped, None if layers is None else _mapped(layers, self._flame, mapped.values)


def _mapped(layers: LayerValues, flame: FlameMap, values: np.ndarray) -> LayerValues:
    """Layers in `flame`, whose sum is `values`: the map is linear, and the mouth takes what rounding leaves over."""
    expression, blinks, gaze = map(flame.mapped, (layers.expression, layers.blinks, layers.gaze))
    return LayerValues(values - (expression + blinks + gaze), expression, blinks, gaze)


def require_segments(request: AnimateRequest, *timelines: PromptTimeline) -> None:
    """Raise InputError for a style clip of a segment that is on none of the timelines."""
    uids = {None, *(segment.uid for timeline in timelines for segment in timeline.segments)}
    for style in request.styles:
        if style.uid not in uids:
            text = f"A style clip belongs to the segment '{style.uid}', which is not on the timeline."
            raise InputError(text, "Give the uid of a segment.")


def placed(request: AnimateRequest, phones: PhoneTrack) -> PromptTimeline:
    """The timeline to play: a script's directions find their places among the words that were heard."""
    if request.script:
        return timeline_from_script(request.script, phones.words, request.clip.duration_s)
    return request.timeline

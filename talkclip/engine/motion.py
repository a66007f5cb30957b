"""From speech and style codes to a moving face: the interface, and the learned model behind it.

Pipeline, server and command line do not know which model they hold.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np
from scipy.interpolate import PchipInterpolator

from talkclip.coefficients import ARKIT52, CoefficientTrack, LayerValues
from talkclip.engine.layers.blinks import SNAP_S, apply_blinks, plan_blinks
from talkclip.engine.layers.head import head_known_s, head_motion, hold_gaze
from talkclip.engine.layers.lips import apply_lip_constraint
from talkclip.engine.layers.noise import drift
from talkclip.engine.models.blocks import BLOCK_FRAMES
from talkclip.engine.models.face import FaceModel
from talkclip.engine.models.inputs import REACH_S, padding_frame, speech_inputs
from talkclip.engine.models.mouth import REACH_S as MOUTH_REACH_S
from talkclip.engine.models.mouth import MouthModel
from talkclip.engine.models.style_space import StyleSpace
from talkclip.engine.request import LayerGains
from talkclip.engine.speech.frontend import SpeechAnalysis
from talkclip.errors import TalkClipError
from talkclip.style import StyleTrack
from talkclip.timebase import frame_count, frame_times

# A held expression is alive: it swells and ebbs this much (deviation) around what the prompt asks.
_SWELL, _SWELL_STEP_S = 0.07, 0.8
# Model frames on each side that shape the curve between two of them.
_AROUND = 2


@dataclasses.dataclass(frozen=True, eq=False)
class SpokenLine:
    """What is said and how.

    Attributes:
        analysis: the sound, its phones and features.
        style: how it is spoken, per frame of the whole line; the result has this rate.
        seed: of swelling, head motion and blinks.
        gains: per layer.
    """

    analysis: SpeechAnalysis
    style: StyleTrack
    seed: int
    gains: LayerGains


class MotionModel(Protocol):
    """Speech + style per frame -> coefficients."""

    @property
    def style_space(self) -> str:
        """Which `StyleTrack.space` this model understands."""
        ...

    @property
    def name(self) -> str:
        """What `talkclip doctor` calls it."""
        ...

    @property
    def device(self) -> str:
        """Where it computes: cpu, cuda, ..."""
        ...

    def animate(self, line: SpokenLine) -> CoefficientTrack:
        """-> arkit52 track with head pose, a frame for each of the style's."""
        ...


@runtime_checkable
class LayeredMotion(MotionModel, Protocol):
    """A motion model that can say which layer moves what."""

    def animate_layers(
        self, line: SpokenLine, first_frame: int, end_frame: int
    ) -> tuple[CoefficientTrack, LayerValues]:
        """-> the frames first_frame .. end_frame - 1 of `animate`, and the layers that they are the sum of."""
        ...


class LearnedMotion:
    """TalkCLIP's decoder, run by onnxruntime; see `MotionModel`.

    Order: neutral speech, what the style changes of it (the decoder, at its own frame rate), lip constraint, head with
    eyes held on target, blinks.
    """

    def __init__(self, mouth: MouthModel, face: FaceModel, styles: StyleSpace) -> None:
        if face.config.style_width != styles.dim:
            raise TalkClipError("Decoder and style space belong to different models.", code="wrong_weights")
        if not face.config.adds_to_mouth:
            raise TalkClipError("This decoder speaks by itself; here one is needed that adds to a mouth.")
        self._mouth = mouth
        self._face = face
        self._styles = styles
        self._neutral = styles.neutral

    @property
    def style_space(self) -> str:
        """See `MotionModel.style_space`."""
        return self._styles.name

    @property
    def device(self) -> str:
        """See `MotionModel.device`."""
        return self._face.device

    @property
    def name(self) -> str:
        """See `MotionModel.name`."""
        return f"TalkCLIP default ({self._styles.name})"

    @property
    def style_reach_s(self) -> float:
        """See `talkclip.engine.streaming.StretchMotion`: between model frames, the curve looks at neighbours."""
        return (_AROUND + 1) / self._face.config.fps

    def known_s(self, heard_s: float, duration_s: float, gains: LayerGains) -> float:
        """See `talkclip.engine.streaming.StretchMotion`."""
        ahead_s = (self._face.config.context + _AROUND + 1) / self._face.config.fps + REACH_S
        around_s = heard_s - max(ahead_s, MOUTH_REACH_S, SNAP_S + 0.1)
        return min(around_s, head_known_s(heard_s, duration_s)) if gains.head > 0 else around_s

    def animate(self, line: SpokenLine) -> CoefficientTrack:
        """See `MotionModel.animate`.

        Raises:
            TalkClipError: the style codes are of another model.
        """
        return self.animate_stretch(line, 0, line.style.n_frames)

    def animate_stretch(self, line: SpokenLine, first_frame: int, end_frame: int) -> CoefficientTrack:
        """See `talkclip.engine.streaming.StretchMotion`."""
        return self._steps(line, first_frame, end_frame).track()

    def animate_layers(
        self, line: SpokenLine, first_frame: int, end_frame: int
    ) -> tuple[CoefficientTrack, LayerValues]:
        """See `LayeredMotion`."""
        steps = self._steps(line, first_frame, end_frame)
        return steps.track(), steps.layers()

    def _steps(self, line: SpokenLine, first_frame: int, end_frame: int) -> _Steps:
        if line.style.space != self.style_space:
            raise TalkClipError(f"This model takes codes of {self.style_space}, not of {line.style.space}.")
        analysis, gains, fps = line.analysis, line.gains, line.style.fps
        times_s = frame_times(end_frame - first_frame, fps, first_frame / fps)
        rate = self._face.config.fps
        n_model = frame_count(analysis.clip.duration_s, rate)
        begin = min(max(int(times_s[0] * rate) - _AROUND, 0), n_model - 1)
        end = max(min(int(np.ceil(times_s[-1] * rate)) + 1 + _AROUND, n_model), begin + 1)
        change = _between(self._change(line, begin, end), begin / rate, rate, times_s)
        spoken = gains.mouth * self._mouth.predict(analysis, fps, first_frame, end_frame).values

        def with_lips(values: np.ndarray) -> np.ndarray:
            values = np.clip(values, 0, 1)
            return apply_lip_constraint(values, analysis.phones, fps, first_frame) if gains.mouth > 0 else values

        styled = with_lips(spoken + gains.expression * change)
        head = head_motion(analysis.clip, analysis.phones, times_s, line.seed, gains.head)
        held = hold_gaze(styled, head)
        blinks = plan_blinks(analysis.clip.duration_s, analysis.phones, line.seed)
        blinked = np.clip(apply_blinks(held, times_s, blinks, gains.blinks, fps), 0, 1)
        return _Steps(fps, first_frame, lambda: with_lips(spoken), styled, held, blinked, head)

    def _change(self, line: SpokenLine, begin: int, end: int) -> np.ndarray:
        """(end - begin, 52) what the style changes of neutral speech, model frames; nothing where it is neutral."""
        config = self._face.config
        inputs = self._inputs(line.analysis, begin - config.context, end + config.context)
        clock_s = frame_times(end - begin, config.fps, begin / config.fps)
        neutral = np.broadcast_to(self._neutral, (end - begin, self._styles.dim))
        asked = _at(line.style, clock_s) - neutral
        if not asked.any():
            return np.zeros((end - begin, config.channels), np.float32)
        swell = 1 + _SWELL * drift(np.random.default_rng([line.seed, 0x5E]), clock_s, _SWELL_STEP_S)
        asked[:, : self._styles.anchor] *= swell[:, None]
        return self._in_blocks(inputs, neutral + asked) - self._in_blocks(inputs, neutral)

    def _inputs(self, analysis: SpeechAnalysis, first: int, last: int) -> np.ndarray:
        """Model inputs first .. last - 1; outside the clip there is silence."""
        n_frames = frame_count(analysis.clip.duration_s, self._face.config.fps)
        inside = speech_inputs(analysis, max(first, 0), min(last, n_frames))
        silence = padding_frame(self._face.config)
        before = np.broadcast_to(silence, (max(-first, 0), len(silence)))
        after = np.broadcast_to(silence, (max(last - n_frames, 0), len(silence)))
        return np.concatenate([before, inside, after])

    def _in_blocks(self, inputs: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """(T + 2 * context, I), (T, S) -> (T, 52); memory does not grow with T beyond the result."""
        context = self._face.config.context
        parts = [
            self._face.decode(inputs[k : k + BLOCK_FRAMES + 2 * context], codes[k : k + BLOCK_FRAMES])
            for k in range(0, len(codes), BLOCK_FRAMES)
        ]
        return np.concatenate(parts)


@dataclasses.dataclass(frozen=True, eq=False)
class _Steps:
    """The face of some frames as it becomes, each (T, 52) within 0..1.

    Attributes:
        neutral: computes how it is said without a style; only layers need it.
        styled: with the style.
        held: with eyes that hold their target.
        blinked: with blinks, which is the result.
        head: (T, 6).
    """

    fps: float
    first_frame: int
    neutral: Callable[[], np.ndarray]
    styled: np.ndarray
    held: np.ndarray
    blinked: np.ndarray
    head: np.ndarray

    def track(self) -> CoefficientTrack:
        return CoefficientTrack("arkit52", ARKIT52, self.fps, self.blinked, self.first_frame / self.fps, self.head)

    def layers(self) -> LayerValues:
        mouth = self.neutral()
        return LayerValues(mouth, self.styled - mouth, blinks=self.blinked - self.held, gaze=self.held - self.styled)


def _at(style: StyleTrack, times_s: np.ndarray) -> np.ndarray:
    """(N, D) codes at any times, linear between frames, held at the end."""
    position = np.clip(times_s * style.fps, 0, style.n_frames - 1)
    low = np.floor(position).astype(np.int64)
    high = np.minimum(low + 1, style.n_frames - 1)
    share = (position - low).astype(np.float32)[:, None]
    return style.codes[low] * (1 - share) + style.codes[high] * share


def _between(values: np.ndarray, start_s: float, fps: float, times_s: np.ndarray) -> np.ndarray:
    """Values of frames start_s + k / fps at other times: smooth, without overshooting, held at the ends."""
    clock_s = frame_times(len(values), fps, start_s)
    if len(values) == 1:
        return np.repeat(values, len(times_s), axis=0)
    return np.asarray(PchipInterpolator(clock_s, values)(np.clip(times_s, clock_s[0], clock_s[-1])), np.float32)

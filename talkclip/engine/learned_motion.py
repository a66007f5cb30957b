"""The learned path: speech and style codes -> a moving face, with lips, head and blinks as layers on top."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import PchipInterpolator

from talkclip.coefficients import ARKIT52, CoefficientTrack
from talkclip.engine.layers.blinks import apply_blinks, plan_blinks
from talkclip.engine.layers.head import head_motion, hold_gaze
from talkclip.engine.layers.lips import apply_lip_constraint
from talkclip.engine.layers.noise import drift
from talkclip.engine.models.face import FaceModel
from talkclip.engine.models.inputs import speech_inputs
from talkclip.engine.models.style_space import StyleSpace
from talkclip.engine.request import LayerGains
from talkclip.engine.speech.frontend import SpeechAnalysis
from talkclip.errors import TalkClipError
from talkclip.progress import CancelCheck, ProgressCallback
from talkclip.style import StyleTrack

# A held expression is alive: it swells and ebbs this much (deviation) around what the prompt asks.
_SWELL, _SWELL_STEP_S = 0.07, 0.8


class LearnedMotion:
    """TalkCLIP's decoder, run by onnxruntime; see `talkclip.engine.motion.MotionModel`.

    Order: decoder at its own frame rate, lip constraint at the asked rate, head with eyes held on target, blinks.
    """

    def __init__(self, face: FaceModel, styles: StyleSpace) -> None:
        if face.config.style_width != styles.dim:
            raise TalkClipError("Decoder and style space belong to different models.", code="wrong_weights")
        self._face = face
        self._styles = styles

    @property
    def style_space(self) -> str:
        """See `MotionModel.style_space`."""
        return self._styles.name

    @property
    def name(self) -> str:
        """See `MotionModel.name`."""
        return f"talkclip default ({self._styles.name}, {self._face.device})"

    def animate(
        self,
        analysis: SpeechAnalysis,
        style: StyleTrack,
        fps: float,
        seed: int,
        gains: LayerGains,
        progress: ProgressCallback | None = None,
        cancel: CancelCheck | None = None,
    ) -> CoefficientTrack:
        """See `MotionModel.animate`.

        Raises:
            TalkClipError: the style code is of another model, or of another rate than `fps`.
            Cancelled: `cancel` said so.
        """
        if style.space != self.style_space or abs(style.fps - fps) > 1e-9:
            raise TalkClipError(
                f"This model takes {self.style_space} codes at {fps:g} fps, not {style.space} at {style.fps:g}."
            )
        times_s = np.arange(style.n_frames) / fps
        values = self._decoded(analysis, style, seed, gains, progress, cancel)
        values = np.clip(_between(values, self._face.config.fps, times_s), 0, 1)
        if gains.mouth > 0:
            values = apply_lip_constraint(values, analysis.phones, fps)
        head = head_motion(analysis.clip, analysis.phones, times_s, seed, gains.head)
        values = hold_gaze(values, head)
        blinks = plan_blinks(analysis.clip.duration_s, analysis.phones, seed)
        values = apply_blinks(values, times_s, blinks, gains.blinks)
        return CoefficientTrack("arkit52", ARKIT52, fps, np.clip(values, 0, 1), 0.0, head)

    def _decoded(
        self,
        analysis: SpeechAnalysis,
        style: StyleTrack,
        seed: int,
        gains: LayerGains,
        progress: ProgressCallback | None,
        cancel: CancelCheck | None,
    ) -> np.ndarray:
        """(T', 52) at the model's rate: gains.mouth x neutral speech + gains.expression x what the style adds."""
        inputs = speech_inputs(analysis)
        clock_s = np.arange(len(inputs)) / self._face.config.fps
        neutral = np.broadcast_to(self._styles.neutral, (len(inputs), self._styles.dim)).copy()
        asked = _at(style, clock_s) - neutral
        swell = 1 + _SWELL * drift(np.random.default_rng([seed, 0x5E]), clock_s, _SWELL_STEP_S)
        asked[:, : self._styles.anchor] *= swell[:, None]
        values = self._face.animate(inputs, neutral + asked, progress, cancel)
        if gains.mouth == 1 and gains.expression == 1:
            return values
        spoken = self._face.animate(inputs, neutral, cancel=cancel)
        return gains.mouth * spoken + gains.expression * (values - spoken)


def _at(style: StyleTrack, times_s: np.ndarray) -> np.ndarray:
    """(N, D) codes at any times, linear between frames, held at the end."""
    position = np.clip(times_s * style.fps, 0, style.n_frames - 1)
    low = np.floor(position).astype(np.int64)
    high = np.minimum(low + 1, style.n_frames - 1)
    share = (position - low).astype(np.float32)[:, None]
    return style.codes[low] * (1 - share) + style.codes[high] * share


def _between(values: np.ndarray, fps: float, times_s: np.ndarray) -> np.ndarray:
    """Values of frames k / fps at other times: smooth, without overshooting, held at the end."""
    clock_s = np.arange(len(values)) / fps
    if len(values) == 1:
        return np.repeat(values, len(times_s), axis=0)
    return np.asarray(PchipInterpolator(clock_s, values)(np.clip(times_s, 0, clock_s[-1])), np.float32)

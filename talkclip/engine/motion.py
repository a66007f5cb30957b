"""From speech and style to a moving face: the interface, and the first path behind it.

The learned TalkCLIP decoder takes `FirstPassMotion`'s place behind `MotionModel`; pipeline, server and command
line do not know which one they hold.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from talkclip.coefficients import ARKIT52, CoefficientTrack, arkit_index
from talkclip.engine.layers.blinks import SNAP_S, apply_blinks, plan_blinks
from talkclip.engine.layers.head import head_known_s, head_motion, hold_gaze
from talkclip.engine.layers.lips import apply_lip_constraint
from talkclip.engine.layers.noise import drift
from talkclip.engine.models.mouth import REACH_S, MouthModel
from talkclip.engine.request import LayerGains
from talkclip.engine.speech.frontend import SpeechAnalysis
from talkclip.errors import TalkClipError
from talkclip.style import StyleTrack

STYLE_SPACE = "arkit52-pose"

# A held expression is alive: it swells and ebbs this much (deviation) around what the prompt asks ...
_SWELL, _SWELL_STEP_S = 0.07, 0.8
# ... and rises with emphasis, this much at the loudest syllable.
_EMPHASIS = 0.15
# Syllables swell over about this long (standard deviation), measured by the loudest of the last seconds.
_EMPHASIS_S, _LOUDEST_OVER_S = 0.12, 10.0
_EMPHASIS_REACH_S = 4 * _EMPHASIS_S + 0.1
# How far beyond a frame the sound must be known: the mouth's reach, emphasis, a blink that moves to a pause.
_AHEAD_S = REACH_S + _EMPHASIS_REACH_S + SNAP_S
# Rounded lips leave this share of the corners' pull (smile, stretch, dimple) at full rounding.
_CORNERS_WHILE_ROUND = 0.35
# Pressed or rolled lips leave this share of themselves while the mouth speaks.
_PRESS_WHILE_OPEN = 0.15

_ROUND = [arkit_index(n) for n in ("mouthPucker", "mouthFunnel")]
_CORNERS = [
    arkit_index(f"mouth{shape}{side}") for shape in ("Smile", "Stretch", "Dimple") for side in ("Left", "Right")
]
_PRESS = [arkit_index(f"mouthPress{side}") for side in ("Left", "Right")] + [
    arkit_index(n) for n in ("mouthRollLower", "mouthRollUpper", "mouthClose", "mouthShrugLower", "mouthPucker")
]
_JAW = arkit_index("jawOpen")


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

    def animate(
        self, analysis: SpeechAnalysis, style: StyleTrack, fps: float, seed: int, gains: LayerGains
    ) -> CoefficientTrack:
        """-> arkit52 track with head pose, as many frames as `style` has."""
        ...


class FirstPassMotion:
    """Mouth from speech, expression from the style code, lips kept correct, blinks and head on top.

    The style code is the sustained expression itself (`arkit52-pose`). Order: mouth, expression over it, lip
    constraint, head with eyes held on target, blinks.
    """

    style_space = STYLE_SPACE
    name = "first-pass (mouth model + sustained expression)"
    # A frame's style moves this frame alone.
    style_reach_s = 0.0

    def __init__(self, mouth: MouthModel) -> None:
        self._mouth = mouth

    def animate(
        self, analysis: SpeechAnalysis, style: StyleTrack, fps: float, seed: int, gains: LayerGains
    ) -> CoefficientTrack:
        """See `MotionModel.animate`.

        Raises:
            TalkClipError: the style code is of another space, or of another rate than `fps`.
        """
        return self.animate_stretch(analysis, style, fps, seed, gains, 0, style.n_frames)

    def known_s(self, heard_s: float, duration_s: float, gains: LayerGains) -> float:
        """See `talkclip.engine.streaming.StretchMotion`."""
        around_s = heard_s - _AHEAD_S
        return min(around_s, head_known_s(heard_s, duration_s)) if gains.head > 0 else around_s

    def animate_stretch(
        self,
        analysis: SpeechAnalysis,
        style: StyleTrack,
        fps: float,
        seed: int,
        gains: LayerGains,
        first_frame: int,
        end_frame: int,
    ) -> CoefficientTrack:
        """See `talkclip.engine.streaming.StretchMotion`."""
        if style.space != STYLE_SPACE or abs(style.fps - fps) > 1e-9:
            raise TalkClipError(
                f"This model takes {STYLE_SPACE} codes at {fps:g} fps, not {style.space} at {style.fps:g}."
            )
        # Emphasis is measured by the seconds before, and smooth to both sides.
        begin = max(first_frame - int(np.ceil((_LOUDEST_OVER_S + _EMPHASIS_REACH_S) * fps)), 0)
        end = min(end_frame + int(np.ceil(_EMPHASIS_REACH_S * fps)), style.n_frames)
        wanted = slice(first_frame - begin, end_frame - begin)
        spoken = gains.mouth * self._mouth.predict(analysis, fps, begin, end).values
        times_s = np.arange(begin, end) / fps
        alive = _alive(spoken, times_s, fps, seed)[wanted]
        spoken, times_s = spoken[wanted], times_s[wanted]
        expression = gains.expression * alive[:, None] * style.codes[first_frame:end_frame]
        values = speak_with_expression(spoken, expression)
        if gains.mouth > 0:
            values = apply_lip_constraint(values, analysis.phones, fps, first_frame)
        head = head_motion(analysis.clip, analysis.phones, times_s, seed, gains.head)
        values = hold_gaze(values, head)
        blinks = plan_blinks(analysis.clip.duration_s, analysis.phones, seed)
        values = apply_blinks(values, times_s, blinks, gains.blinks, fps)
        return CoefficientTrack("arkit52", ARKIT52, fps, np.clip(values, 0, 1), first_frame / fps, head)


def speak_with_expression(spoken: np.ndarray, expression: np.ndarray) -> np.ndarray:
    """Put a sustained expression over a speaking mouth.

    Positive parts add with saturation (1 - (1-a)(1-b)), so that nothing exceeds 1 and a small movement on top of a
    strong one stays visible; negative parts (from negative edits) take away. Corners give way to rounding, pressed
    lips give way to the opening mouth.

    Args:
        spoken: (T, 52) arkit52, neutral speech.
        expression: (T, 52), signed.

    Returns:
        (T, 52) in 0..1.
    """
    expression = expression.copy()
    rounding = np.clip(spoken[:, _ROUND].max(axis=1, keepdims=True) * 1.5, 0, 1)
    expression[:, _CORNERS] *= 1 - (1 - _CORNERS_WHILE_ROUND) * rounding
    opening = np.clip(spoken[:, [_JAW]] / 0.25, 0, 1)
    expression[:, _PRESS] *= 1 - (1 - _PRESS_WHILE_OPEN) * opening
    positive, negative = np.clip(expression, 0, 1), np.clip(expression, None, 0)
    together = 1 - (1 - np.clip(spoken, 0, 1)) * (1 - positive)
    return np.asarray(np.clip(together + negative, 0, 1), np.float32)


def _alive(spoken: np.ndarray, times_s: np.ndarray, fps: float, seed: int) -> np.ndarray:
    """(T,) slow swell and emphasis of the expression; a face that holds still looks like a mask."""
    rng = np.random.default_rng([seed, 0x5E])
    swell = 1 + _SWELL * drift(rng, times_s, _SWELL_STEP_S)
    loud = gaussian_filter1d(spoken[:, _JAW].astype(np.float64), _EMPHASIS_S * fps)
    before = int(np.ceil(_LOUDEST_OVER_S * fps))
    # The loudest so far, not the loudest to come: normalisation never looks ahead.
    loudest = maximum_filter1d(loud, before + 1, origin=before // 2, mode="constant")
    return np.asarray(swell * (1 + _EMPHASIS * (loud / np.maximum(loudest, 0.15) - 0.5)))

"""From speech and style to a moving face: the interface, and the first path behind it.

The learned TalkCLIP decoder takes `FirstPassMotion`'s place behind `MotionModel`; pipeline, server and command
line do not know which one they hold.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from scipy.ndimage import gaussian_filter1d

from talkclip.coefficients import ARKIT52, CoefficientTrack, arkit_index
from talkclip.engine.layers.blinks import apply_blinks, plan_blinks
from talkclip.engine.layers.head import head_motion, hold_gaze
from talkclip.engine.layers.lips import apply_lip_constraint
from talkclip.engine.layers.noise import drift
from talkclip.engine.models.mouth import MouthModel
from talkclip.engine.request import LayerGains
from talkclip.engine.speech.frontend import SpeechAnalysis
from talkclip.errors import TalkClipError
from talkclip.style import StyleTrack

STYLE_SPACE = "arkit52-pose"

# A held expression is alive: it swells and ebbs this much (deviation) around what the prompt asks ...
_SWELL, _SWELL_STEP_S = 0.07, 0.8
# ... and rises with emphasis, this much at the loudest syllable.
_EMPHASIS = 0.15
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

    def __init__(self, mouth: MouthModel) -> None:
        self._mouth = mouth

    def animate(
        self, analysis: SpeechAnalysis, style: StyleTrack, fps: float, seed: int, gains: LayerGains
    ) -> CoefficientTrack:
        """See `MotionModel.animate`.

        Raises:
            TalkClipError: the style code is of another space, or of another rate than `fps`.
        """
        if style.space != STYLE_SPACE or abs(style.fps - fps) > 1e-9:
            raise TalkClipError(
                f"This model takes {STYLE_SPACE} codes at {fps:g} fps, not {style.space} at {style.fps:g}."
            )
        mouth = self._mouth.predict(analysis, fps)
        times_s = np.arange(style.n_frames) / fps
        spoken, _ = mouth.sampled(times_s)
        spoken *= gains.mouth
        expression = gains.expression * _alive(style.codes, spoken, times_s, seed)
        values = speak_with_expression(spoken, expression)
        if gains.mouth > 0:
            values = apply_lip_constraint(values, analysis.phones, fps)
        head = head_motion(analysis.clip, analysis.phones, times_s, seed, gains.head)
        values = hold_gaze(values, head)
        blinks = plan_blinks(analysis.clip.duration_s, analysis.phones, seed)
        values = apply_blinks(values, times_s, blinks, gains.blinks)
        return CoefficientTrack("arkit52", ARKIT52, fps, np.clip(values, 0, 1), 0.0, head)


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


def _alive(codes: np.ndarray, spoken: np.ndarray, times_s: np.ndarray, seed: int) -> np.ndarray:
    """(T, 52) the expression with slow swell and emphasis; a face that holds still looks like a mask."""
    rng = np.random.default_rng([seed, 0x5E])
    swell = 1 + _SWELL * drift(rng, times_s, _SWELL_STEP_S)
    rate = 1 / (times_s[1] - times_s[0]) if len(times_s) > 1 else 1.0
    loud = gaussian_filter1d(spoken[:, _JAW].astype(np.float64), 0.12 * rate)
    emphasis = 1 + _EMPHASIS * (loud / max(loud.max(), 0.15) - 0.5)
    return np.asarray(codes * (swell * emphasis)[:, None])

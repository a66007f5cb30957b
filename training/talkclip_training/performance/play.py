"""The teacher: phones with exact times + a sustained expression + energy -> an ARKit performance.

What it teaches beyond adding an expression to a mouth: energetic speech moves more (Schulman 1989, "Articulatory
dynamics of loud and normal speech"), brows accent stressed syllables (Cave et al. 1996 found most pitch accents with a
brow movement; Flecha-Garcia 2010), a held expression breathes with the speech, and lips that round or close make the
expression give way for a moment. Amounts are ours, set on rendered faces.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.ndimage import gaussian_filter1d

from talkclip.coefficients import ARKIT52, arkit_index
from talkclip.engine.layers.lips import apply_lip_constraint
from talkclip.phones import VOWELS, PhoneTrack
from talkclip.style import CALM
from talkclip.timebase import frame_count, frame_times
from talkclip_training.mouth.visemes import CHANNELS, render_targets

# Share by which the mouth's motion grows from calm to fully aroused.
_ENERGY = 0.45
# A brow accent at the loudest stressed vowel of a calm speaker, and what arousal adds.
_ACCENT, _ACCENT_OF_AROUSAL = 0.07, 0.16
_ACCENTS_PER_S, _ACCENT_S = 0.8, 0.14
# The expression rises with emphasis and sinks in between, by this share at full arousal.
_EMPHASIS = 0.22

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
_BROWS_UP = [arkit_index(n) for n in ("browInnerUp", "browOuterUpLeft", "browOuterUpRight")]
_BROWS_DOWN = [arkit_index(n) for n in ("browDownLeft", "browDownRight")]
_WIDE = [arkit_index(n) for n in ("eyeWideLeft", "eyeWideRight")]
_MOUTH = [k for k, name in enumerate(ARKIT52) if name.startswith(("jaw", "mouth", "tongue"))]


@dataclasses.dataclass(frozen=True, eq=False)
class Condition:
    """How a line is played.

    Attributes:
        pose: float32 (52,), the sustained ARKit expression, -1..1 (negative takes away from the speech).
        arousal: 0..1; `CALM` is ordinary speech.
    """

    pose: np.ndarray
    arousal: float = CALM


@dataclasses.dataclass(frozen=True, eq=False)
class Spoken:
    """A line as a neutral face says it, with what an expression needs to know of the speech.

    Attributes:
        phones: with exact times.
        fps: frames per second of the arrays.
        mouth: float32 (T, 52), 0..1; frame k stands at k / fps.
        loud: (T,) 0..1, loudness over about a syllable.
        accents: (T,) 0..1, humps at stressed vowels.
    """

    phones: PhoneTrack
    fps: float
    mouth: np.ndarray
    loud: np.ndarray
    accents: np.ndarray


def speak(phones: PhoneTrack, loudness: np.ndarray, loudness_fps: float, fps: float) -> Spoken:
    """Say one line without feeling.

    Args:
        phones: with exact times.
        loudness: (F,) 0..1, as in `AcousticFeatures`, of the same sound.
        loudness_fps: frames per second of `loudness`.
        fps: frames per second of the result.
    """
    times_s = frame_times(frame_count(phones.duration_s, fps), fps)
    clock_s = np.arange(len(loudness)) / loudness_fps
    curves = render_targets(phones.phones, clock_s, loudness)
    mouth = np.zeros((len(times_s), len(ARKIT52)), np.float32)
    for name, curve in zip(CHANNELS, curves.T, strict=True):
        mouth[:, _columns(name)] = np.interp(times_s, clock_s, curve)[:, None]
    smooth = gaussian_filter1d(np.asarray(loudness, np.float64), 0.12 * loudness_fps)
    accents = _accents(phones, loudness, loudness_fps, times_s)
    return Spoken(phones, fps, mouth, np.interp(times_s, clock_s, smooth), accents)


def act(spoken: Spoken, condition: Condition) -> np.ndarray:
    """Play a line with an expression -> float32 (T, 52), 0..1."""
    mouth = spoken.mouth.copy()
    mouth[:, _MOUTH] *= 1 + _ENERGY * (condition.arousal - CALM)
    values = speak_with_expression(np.clip(mouth, 0, 1), _breathing(condition, spoken.loud))
    values = _accented(values, condition, spoken.accents)
    return apply_lip_constraint(values, spoken.phones, spoken.fps)


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


def _breathing(condition: Condition, loud: np.ndarray) -> np.ndarray:
    """(T, 52) the expression, stronger on emphasis and a little weaker in pauses."""
    relative = loud / max(float(np.percentile(loud, 95)), 0.2) - 0.6
    swing = 1 + _EMPHASIS * (0.3 + 0.7 * condition.arousal) * np.clip(relative, -0.6, 0.5)
    return np.asarray(condition.pose[None] * swing[:, None])


def _accented(values: np.ndarray, condition: Condition, accents: np.ndarray) -> np.ndarray:
    """Brows accent where the speech does: raised by most faces, knitted further by a frowning one."""
    size = (_ACCENT + _ACCENT_OF_AROUSAL * max(0.0, condition.arousal - CALM)) * accents[:, None]
    frown = float(condition.pose[_BROWS_DOWN].mean() - condition.pose[_BROWS_UP].mean())
    out = values.copy()
    if frown > 0.15:
        out[:, _BROWS_DOWN] += size
    else:
        out[:, _BROWS_UP] += size * (1 - out[:, _BROWS_UP])
        out[:, _WIDE] += 0.5 * size * (1 - out[:, _WIDE]) * float(condition.pose[_WIDE].mean() < 0.5)
    return np.clip(out, 0, 1)


def _accents(phones: PhoneTrack, loudness: np.ndarray, fps: float, times_s: np.ndarray) -> np.ndarray:
    """(T,) 0..1: humps at the loudest, longest vowels, at most one every 0.6 s."""
    clock_s = np.arange(len(loudness)) / fps
    vowels = [p for p in phones.phones if p.symbol in VOWELS]
    humps = np.zeros(len(times_s))
    if not vowels:
        return humps
    centres = np.array([(p.start_s + p.end_s) / 2 for p in vowels])
    spans_s = np.array([min(p.end_s - p.start_s, 0.25) for p in vowels])
    weight = np.interp(centres, clock_s, loudness) ** 2 * np.sqrt(spans_s)
    weight = weight / weight.max()
    taken: list[float] = []
    for k in np.argsort(-weight, kind="stable")[: max(1, int(_ACCENTS_PER_S * phones.duration_s))]:
        if all(abs(centres[k] - other) > 0.6 for other in taken):
            taken.append(float(centres[k]))
            humps += weight[k] * np.exp(-0.5 * ((times_s - centres[k]) / _ACCENT_S) ** 2)
    return np.minimum(humps, 1.0)


def _columns(name: str) -> list[int]:
    if name in ARKIT52:
        return [arkit_index(name)]
    return [arkit_index(f"{name}Left"), arkit_index(f"{name}Right")]

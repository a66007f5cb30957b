"""The lip constraint: whatever the style asks, P B M close and F V bite.

It runs last over the styled face. Around each bilabial the channels that hold the lips apart let go and the lips
press; what gap the style would still leave is closed by the chin. Emotion stays in the corners, weaker for the moment.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from talkclip.coefficients import arkit_index
from talkclip.phones import BILABIALS, LABIODENTALS, PhoneTrack

# Onset before and release after the closed part (s): lips close a little faster than they part.
ONSET_S, RELEASE_S = 0.055, 0.065
# A closure is at least this long (s); shorter phones come from recognisers, not from lips.
SHORTEST_S = 0.05

# Gap between the inner lips per unit weight, in distances between the outer eye corners: the larger of our default head
# (measured on its landmarks) and ICT FaceKit's neutral head (MIT). Both heads' lips touch at rest.
_GAP: Mapping[str, float] = {
    "jawOpen": 0.342, "mouthFunnel": 0.137, "mouthShrugUpper": 0.053, "mouthRollUpper": 0.018, "jawForward": 0.016,
    "tongueOut": 0.057, "mouthLowerDown": 0.034, "mouthUpperUp": 0.039, "noseSneer": 0.035, "mouthSmile": 0.004,
    "mouthStretch": 0.004, "mouthClose": -0.346, "mouthShrugLower": -0.060, "mouthPress": -0.012,
    "mouthRollLower": -0.022,
}  # fmt: skip
# What gives way where the chin cannot close the lips: not the corners, which carry the feeling.
_GIVE_WAY = ("noseSneer", "jawForward", "mouthRollUpper", "mouthFunnel")
# A little further than touching: rigs and interpolation between frames are not exact.
_MARGIN = 0.004


@dataclasses.dataclass(frozen=True)
class _Hold:
    """What happens to channels while a class of phones is spoken: share kept, least and most value."""

    keep: Mapping[str, float]
    least: Mapping[str, float]
    most: Mapping[str, float]


_CLOSED = _Hold(
    keep={
        "mouthLowerDown": 0.0, "mouthUpperUp": 0.0, "mouthShrugUpper": 0.0, "mouthFunnel": 0.1, "tongueOut": 0.0,
        "mouthSmile": 0.65, "mouthStretch": 0.5, "mouthDimple": 0.7, "mouthFrown": 0.75, "mouthPucker": 0.7,
        "noseSneer": 0.6,
    },
    least={"mouthPress": 0.28, "mouthRollLower": 0.10, "mouthRollUpper": 0.06},
    most={"jawOpen": 0.03, "jawForward": 0.3, "mouthClose": 0.03},
)  # fmt: skip
_BITTEN = _Hold(
    keep={
        "mouthLowerDown": 0.0, "mouthFunnel": 0.3, "mouthPucker": 0.4, "mouthShrugLower": 0.3, "mouthPress": 0.2,
        "mouthSmile": 0.75, "mouthStretch": 0.7, "tongueOut": 0.0, "mouthRollUpper": 0.3,
    },
    least={"mouthRollLower": 0.40, "mouthUpperUp": 0.14, "jawOpen": 0.05},
    most={"jawOpen": 0.11, "mouthClose": 0.0},
)  # fmt: skip


def apply_lip_constraint(values: np.ndarray, phones: PhoneTrack, fps: float, first_frame: int = 0) -> np.ndarray:
    """Close lips at P B M and bite at F V.

    Args:
        values: (T, 52) arkit52, 0..1; row k is frame first_frame + k, which stands at (first_frame + k) / fps.
        phones: phones of the line.
        fps: frames per second.
        first_frame: of a stretch of a longer line.

    Returns:
        (T, 52) float32 in 0..1. Equal to `values` away from these phones.
    """
    times_s = (first_frame + np.arange(len(values))) / fps
    bitten = _share(phones.spans(LABIODENTALS), times_s, fps)
    closed = _share(phones.spans(BILABIALS), times_s, fps)
    # Where both would act (m before f), the closure wins.
    out = _held(np.asarray(values, np.float32), _BITTEN, bitten * (1 - closed))
    out = _held(out, _CLOSED, closed)
    return _without_gap(out, closed)


def _share(spans: list[tuple[float, float]], times_s: np.ndarray, fps: float) -> np.ndarray:
    """(T, 1) 0..1: 1 while the phone lasts (at least one frame), smooth before and after."""
    share = np.zeros(len(times_s), np.float64)
    for start_s, end_s in spans:
        if end_s < times_s[0] - 1 or start_s > times_s[-1] + 1:
            continue  # of a longer line
        # Half a frame on each side, so that the closed part holds a frame even between two frames.
        half_s = max(end_s - start_s, SHORTEST_S, 1.0 / fps + 1e-6) / 2
        centre_s = (start_s + end_s) / 2
        first = max(int((centre_s - half_s - ONSET_S - times_s[0]) * fps), 0)
        last = min(max(int((centre_s + half_s + RELEASE_S - times_s[0]) * fps) + 2, 0), len(times_s))
        past = times_s[first:last] - centre_s
        outside = np.where(past < 0, (-past - half_s) / ONSET_S, (past - half_s) / RELEASE_S)
        x = np.clip(1 - outside, 0, 1)
        share[first:last] = np.maximum(share[first:last], x * x * (3 - 2 * x))
    return share[:, None].astype(np.float32)


def _held(values: np.ndarray, hold: _Hold, share: np.ndarray) -> np.ndarray:
    """Move every named channel towards what the hold wants, by `share`."""
    out = values.copy()
    for name in sorted({*hold.keep, *hold.least, *hold.most}):
        columns = _columns(name)
        wanted = values[:, columns] * hold.keep.get(name, 1.0)
        wanted = np.clip(wanted, hold.least.get(name, 0.0), hold.most.get(name, 1.0))
        out[:, columns] = values[:, columns] * (1 - share) + wanted * share
    return out


def _without_gap(values: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Close what gap is left at a closure: the chin lifts the lower lip; then what still holds it open gives way."""
    out = values.copy()
    chin = _columns("mouthShrugLower")
    left = np.maximum(lip_gap(out) + _MARGIN, 0)[:, None]
    out[:, chin] = np.minimum(out[:, chin] + share * left / -_GAP["mouthShrugLower"], np.maximum(out[:, chin], 0.45))
    left = np.maximum(lip_gap(out) + _MARGIN, 0)[:, None]
    opening = sum(_GAP[name] * out[:, _columns(name)].sum(axis=1, keepdims=True) for name in _GIVE_WAY)
    give = np.clip(left / np.maximum(opening, 1e-6), 0, 1) * share
    for name in _GIVE_WAY:
        out[:, _columns(name)] *= 1 - give
    return np.clip(out, 0, 1)


def lip_gap(values: np.ndarray) -> np.ndarray:
    """(T, 52) -> (T,) linear estimate of the gap between the inner lips, in distances between the outer eye corners.

    0 or less means that the lips touch.
    """
    return np.asarray(sum(gain * values[:, _columns(name)].sum(axis=1) for name, gain in _GAP.items()))


def _columns(name: str) -> list[int]:
    """Columns of a channel, or of both its sides."""
    try:
        return [arkit_index(name)]
    except ValueError:
        return [arkit_index(f"{name}Left"), arkit_index(f"{name}Right")]

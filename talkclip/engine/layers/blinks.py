"""Blinks: a layer of its own, seeded, placed where people blink while they speak.

Sources: speakers blink about every 2-4 s, more often in pauses and at phrase ends than inside words, and a
blink closes in about 80 ms and opens in about twice that (Cummins 2012, "Gaze and blinking in dyadic
conversation"; VanderWerf et al. 2003, "Eyelid movements: behavioral studies of blinking in humans").
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from talkclip.coefficients import arkit_index
from talkclip.phones import SIL, PhoneTrack

CLOSING_S, SHUT_S, OPENING_S = 0.08, 0.035, 0.17
MEAN_INTERVAL_S, SHORTEST_INTERVAL_S, FIRST_BLINK_S = 3.0, 1.0, 0.7
# A blink moves to a pause that starts this close.
SNAP_S = 0.45

_BLINK = [arkit_index(f"eyeBlink{side}") for side in ("Left", "Right")]
_YIELDS = [arkit_index(f"{shape}{side}") for shape in ("eyeWide", "eyeSquint") for side in ("Left", "Right")]


@dataclasses.dataclass(frozen=True)
class Blink:
    """One blink: lids shut from `shut_s` on, `strength` 0..1 (people do not always close fully)."""

    shut_s: float
    strength: float


def plan_blinks(duration_s: float, phones: PhoneTrack, seed: int) -> tuple[Blink, ...]:
    """When this face blinks; the same for equal arguments, at any frame rate."""
    rng = np.random.default_rng([seed, 0xB11])
    pauses = np.array([p.start_s for p in phones.phones if p.symbol == SIL and p.end_s - p.start_s > 0.12])
    blinks: list[Blink] = []
    at_s = FIRST_BLINK_S + float(rng.exponential(1.0))
    while at_s < duration_s - 0.1:
        shut_s = at_s
        if pauses.size:
            nearest = float(pauses[np.abs(pauses - at_s).argmin()])
            if abs(nearest - at_s) < SNAP_S:
                shut_s = nearest + 0.06
        if not blinks or shut_s - blinks[-1].shut_s >= SHORTEST_INTERVAL_S:
            blinks.append(Blink(shut_s, float(rng.uniform(0.92, 1.0))))
        at_s += SHORTEST_INTERVAL_S + float(rng.gamma(3.0, (MEAN_INTERVAL_S - SHORTEST_INTERVAL_S) / 3.0))
    return tuple(blinks)


def apply_blinks(
    values: np.ndarray, times_s: np.ndarray, blinks: tuple[Blink, ...], gain: float = 1.0, fps: float | None = None
) -> np.ndarray:
    """Close the lids over whatever the expression does with them.

    Args:
        values: (T, 52) arkit52.
        times_s: (T,) seconds.
        blinks: from `plan_blinks`.
        gain: 0 (off) .. 1 (fully) .. 2, the lids never close beyond 1.
        fps: frames per second; default: from the first two times.

    Returns:
        (T, 52) new array. Lids that the expression widens or squints let go during the blink, since both
        shapes together would push the lid through the eyeball or leave a slit.
    """
    shut = np.zeros(len(times_s), np.float32)
    if fps is None:
        fps = 1 / float(times_s[1] - times_s[0]) if len(times_s) > 1 else math.inf
    half_frame_s = 0.5 / fps
    for blink in blinks:
        if not times_s[0] - 1 < blink.shut_s < times_s[-1] + 1:
            continue  # of a longer line
        shut = np.maximum(shut, blink.strength * _lid_curve(times_s - blink.shut_s, half_frame_s))
    shut = np.clip(shut * gain, 0.0, 1.0)[:, None].astype(np.float32)
    out = values.copy()
    out[:, _BLINK] = np.maximum(values[:, _BLINK], shut)
    out[:, _YIELDS] = values[:, _YIELDS] * (1 - shut)
    return out


def _lid_curve(past_s: np.ndarray, half_frame_s: float) -> np.ndarray:
    """0..1 around the moment of closure; the shut plateau is at least a frame long so that no blink is lost."""
    plateau_s = max(SHUT_S, 2 * half_frame_s)
    closing = np.clip(1 + past_s / CLOSING_S, 0, 1)
    opening = np.clip(1 - (past_s - plateau_s) / OPENING_S, 0, 1)
    rise, fall = closing**2 * (3 - 2 * closing), opening**2 * (3 - 2 * opening)
    return np.asarray(np.where(past_s < 0, rise, np.where(past_s <= plateau_s, 1.0, fall)))

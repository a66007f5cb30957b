"""The one module that converts time.

Seconds are float64 on the audio's clock. Frame k of a track stands at `start_s + k / fps`. Rates are
floats and stay fractions: 29.97 means 30000/1001, as cameras and Blender (`fps / fps_base`) mean it.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from talkclip.errors import InputError

FPS_MIN, FPS_MAX = 1.0, 240.0

# What people type for the NTSC family, and what they mean.
_NTSC = {"23.976": Fraction(24000, 1001), "23.98": Fraction(24000, 1001), "29.97": Fraction(30000, 1001),
         "59.94": Fraction(60000, 1001), "47.95": Fraction(48000, 1001), "119.88": Fraction(120000, 1001)}  # fmt: skip


def parse_fps(text: str | float) -> float:
    """'25', '29.97', '30000/1001' or a number -> frames per second in [1, 240].

    Raises:
        InputError: not a number, or out of range.
    """
    word = f"{text:g}" if isinstance(text, (int, float)) else text.strip()
    try:
        rate = float(_NTSC[word]) if word in _NTSC else float(Fraction(word)) if "/" in word else float(text)
    except (ValueError, ZeroDivisionError):
        raise InputError(f"'{text}' is not a frame rate.", "Use for example 24, 25, 29.97 or 30000/1001.") from None
    if not math.isfinite(rate) or not FPS_MIN <= rate <= FPS_MAX:
        raise InputError(f"{text} frames per second is out of range.", f"Use {FPS_MIN:g} to {FPS_MAX:g}.")
    return rate


def fps_fraction(fps: float) -> Fraction:
    """The exact rate behind a float: 29.97002997 -> 30000/1001, 25.0 -> 25."""
    near = Fraction(round(fps * 1001 / 1000) * 1000, 1001)
    if abs(float(near) - fps) < 1e-6 * fps:
        return near
    return Fraction(fps).limit_denominator(1001)


def frame_count(duration_s: float, fps: float) -> int:
    """How many frames cover `duration_s`: frame k stands at k/fps, the last one at or before the end; at least 1."""
    return max(1, math.floor(duration_s * fps + 1e-6) + 1)


def frame_times(n_frames: int, fps: float, start_s: float = 0.0) -> np.ndarray:
    """-> (n_frames,) float64 seconds."""
    return start_s + np.arange(n_frames, dtype=np.float64) / fps


def seconds_to_frame(time_s: float, fps: float, start_s: float = 0.0) -> float:
    """-> fractional frame number; frame 0 stands at `start_s`."""
    return (time_s - start_s) * fps


def timecode(time_s: float, base: int) -> str:
    """Seconds -> 'HH:MM:SS:FF.mmm', Live Link Face's clock: FF counts `base` parts of a second, .mmm thousandths.

    It follows real seconds (not frame numbers), so 29.97 fps needs no drop-frame rule.
    """
    thousandths = round(time_s * base * 1000)
    rest, thousandth = divmod(thousandths, 1000)
    rest, part = divmod(rest, base)
    rest, second = divmod(rest, 60)
    hour, minute = divmod(rest, 60)
    return f"{hour:02d}:{minute:02d}:{second:02d}:{part:02d}.{thousandth:03d}"


def split_timecode(text: str) -> tuple[int, float]:
    """'HH:MM:SS:FF[.mmm]' -> (whole seconds, FF as a float), inverse of `timecode` up to the unknown base.

    Raises:
        InputError: not a time code.
    """
    try:
        hours, minutes, seconds, part = text.strip().replace(";", ":").split(":")
        return (int(hours) * 60 + int(minutes)) * 60 + int(seconds), float(part)
    except ValueError:
        raise InputError(f"'{text}' is not a time code.", "Expected HH:MM:SS:FF or HH:MM:SS:FF.mmm.") from None

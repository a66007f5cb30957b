"""CoefficientTrack: expression coefficients over time, with their space, names and frame rate.

Spaces
    arkit52   the 52 named weights of Apple's ARFaceAnchor.BlendShapeLocation, 0..1: what rigs speak
    flame     FLAME expression in standard deviations (exp0, exp1, ...) + jaw (and eye) rotations in radians
    bfm64     the 64 BFM09 expression coefficients of the paper
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from talkclip.errors import InputError
from talkclip.timebase import frame_times

# Apple's order. Left and right are the character's own.
ARKIT52: tuple[str, ...] = tuple(
    """
    eyeBlinkLeft eyeLookDownLeft eyeLookInLeft eyeLookOutLeft eyeLookUpLeft eyeSquintLeft eyeWideLeft
    eyeBlinkRight eyeLookDownRight eyeLookInRight eyeLookOutRight eyeLookUpRight eyeSquintRight eyeWideRight
    jawForward jawLeft jawRight jawOpen mouthClose mouthFunnel mouthPucker mouthLeft mouthRight
    mouthSmileLeft mouthSmileRight mouthFrownLeft mouthFrownRight mouthDimpleLeft mouthDimpleRight
    mouthStretchLeft mouthStretchRight mouthRollLower mouthRollUpper mouthShrugLower mouthShrugUpper
    mouthPressLeft mouthPressRight mouthLowerDownLeft mouthLowerDownRight mouthUpperUpLeft mouthUpperUpRight
    browDownLeft browDownRight browInnerUp browOuterUpLeft browOuterUpRight
    cheekPuff cheekSquintLeft cheekSquintRight noseSneerLeft noseSneerRight tongueOut
    """.split()  # noqa: SIM905 - fifty-two quoted names would be harder to check against Apple's list
)

# Columns of `CoefficientTrack.head`. Pitch > 0 looks down, yaw > 0 turns to the character's left,
# roll > 0 tips the top of the head towards the character's right shoulder; metres, +x is the character's left.
HEAD6: tuple[str, ...] = ("pitch_rad", "yaw_rad", "roll_rad", "x_m", "y_m", "z_m")


def arkit_index(name: str) -> int:
    """Position of an ARKit name in `ARKIT52`; ValueError for any other name."""
    return ARKIT52.index(name)


@dataclasses.dataclass(frozen=True, eq=False)
class CoefficientTrack:
    """Expression coefficients on a regular clock: frame k stands at `start_s + k / fps`.

    Attributes:
        space: id of the coefficient space (`arkit52`, `flame`, `bfm64`).
        names: (C,) unique channel names.
        fps: frames per second, > 0.
        values: float32 (T, C), T >= 1, finite. `arkit52`: 0..1.
        start_s: seconds of frame 0 on the audio's clock.
        head: float32 (T, 6) head pose in the columns of `HEAD6`, or None when nothing moves the head.

    Raises:
        InputError: shapes disagree, no frame, a value is not a number, names repeat.
    """

    space: str
    names: tuple[str, ...]
    fps: float
    values: np.ndarray
    start_s: float = 0.0
    head: np.ndarray | None = None

    def __post_init__(self) -> None:
        values = np.ascontiguousarray(self.values, dtype=np.float32)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "names", tuple(self.names))
        if values.ndim != 2 or values.shape[0] == 0 or values.shape[1] != len(self.names):
            raise InputError(
                f"track: {values.shape} values do not fit {len(self.names)} channels and at least one frame."
            )
        if len(set(self.names)) != len(self.names):
            raise InputError("track: a channel name occurs twice.")
        if not np.isfinite(self.fps) or self.fps <= 0 or not np.isfinite(self.start_s):
            raise InputError(f"track: {self.fps} frames per second from {self.start_s} s is no clock.")
        _require_finite(values, self.names)
        if self.head is not None:
            head = np.ascontiguousarray(self.head, dtype=np.float32)
            object.__setattr__(self, "head", head)
            if head.shape != (values.shape[0], len(HEAD6)):
                raise InputError(f"track: head pose {head.shape} does not fit {values.shape[0]} frames x {len(HEAD6)}.")
            _require_finite(head, HEAD6)

    @property
    def n_frames(self) -> int:
        """T."""
        return int(self.values.shape[0])

    @property
    def duration_s(self) -> float:
        """From the first frame to the last one, in seconds."""
        return (self.n_frames - 1) / self.fps

    @property
    def times_s(self) -> np.ndarray:
        """(T,) float64 seconds on the audio's clock."""
        return frame_times(self.n_frames, self.fps, self.start_s)

    def channel(self, name: str) -> np.ndarray:
        """-> (T,) float32 of one channel.

        Raises:
            InputError: no such channel.
        """
        try:
            return self.values[:, self.names.index(name)]
        except ValueError:
            raise InputError(f"track: no channel '{name}' in space {self.space}.") from None

    def with_values(self, values: np.ndarray) -> CoefficientTrack:
        """The same clock, names and head with other values (T, C)."""
        return dataclasses.replace(self, values=values)

    def sampled(self, times_s: Sequence[float] | np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Linear interpolation at any times, held at both ends -> (values (N, C), head (N, 6) or None)."""
        position = np.clip((np.asarray(times_s, np.float64) - self.start_s) * self.fps, 0, self.n_frames - 1)
        # A time that is meant to be frame k comes back as k +- 1e-12; snapping keeps equal rates bit-exact.
        nearest = np.round(position)
        position = np.where(np.abs(position - nearest) < 1e-6, nearest, position)
        low = np.floor(position).astype(np.int64)
        high = np.minimum(low + 1, self.n_frames - 1)
        share = (position - low).astype(np.float32)[:, None]

        def between(rows: np.ndarray) -> np.ndarray:
            return np.asarray(rows[low] * (1 - share) + rows[high] * share, np.float32)

        return between(self.values), None if self.head is None else between(self.head)

    def resampled(self, fps: float, n_frames: int | None = None) -> CoefficientTrack:
        """The same motion at another rate from the same start, linear between frames, held at the end.

        Args:
            fps: the new rate.
            n_frames: how many frames; default: as many as fit the track's duration.
        """
        if n_frames is None:
            n_frames = int(np.floor(self.duration_s * fps + 1e-6)) + 1
        values, head = self.sampled(frame_times(n_frames, fps, self.start_s))
        return dataclasses.replace(self, fps=fps, values=values, head=head)

    def slice_s(self, start_s: float, end_s: float) -> CoefficientTrack:
        """The frames that stand in [start_s, end_s].

        Raises:
            InputError: no frame stands there.
        """
        inside = np.flatnonzero((self.times_s >= start_s - 1e-9) & (self.times_s <= end_s + 1e-9))
        if inside.size == 0:
            raise InputError(f"track: no frame between {start_s:g} s and {end_s:g} s.")
        first, last = int(inside[0]), int(inside[-1]) + 1
        head = None if self.head is None else self.head[first:last]
        start = float(self.times_s[first])
        return dataclasses.replace(self, values=self.values[first:last], head=head, start_s=start)

    def blended(self, other: CoefficientTrack, weight: np.ndarray | float) -> CoefficientTrack:
        """(1 - weight) of this track + weight of `other`; weight is a number or (T,).

        Raises:
            InputError: the two differ in space, names, or number of frames.
        """
        if (self.space, self.names, self.n_frames) != (other.space, other.names, other.n_frames):
            raise InputError(
                "tracks of different spaces or lengths cannot be blended.", "Resample or convert one first."
            )
        share = np.broadcast_to(np.asarray(weight, np.float32), (self.n_frames,))[:, None]
        head = self.head
        if head is not None or other.head is not None:
            still = np.zeros((self.n_frames, len(HEAD6)), np.float32)
            head = (1 - share) * (still if head is None else head) + share * (
                still if other.head is None else other.head
            )
        return dataclasses.replace(self, values=(1 - share) * self.values + share * other.values, head=head)


def _require_finite(values: np.ndarray, names: Sequence[str]) -> None:
    bad = np.argwhere(~np.isfinite(values))
    if bad.size:
        frame, channel = bad[0]
        raise InputError(
            f"track: frame {frame}, channel {names[channel]} is not a number.", "Repair or re-export the track."
        )


@dataclasses.dataclass(frozen=True, eq=False)
class LayerValues:
    """A track's values as a sum of layers, so that each may be keyed and weighed apart.

    Their sum is the track's `values` within 1e-6 (where values are larger than 1, as in `flame`, relative to them).

    Attributes:
        mouth: neutral speech, its lips shut where they must be.
        expression: what the style adds to it.
        blinks: what blinks add: lids that close, and widened or squinting eyes that let go meanwhile.
        gaze: what the eyes do to hold their target while the head turns.

    Each is float32 (T, C) in the track's channels, and signed: a layer may take away what another one holds.

    Raises:
        InputError: shapes differ, or a value is not a number.
    """

    mouth: np.ndarray
    expression: np.ndarray
    blinks: np.ndarray
    gaze: np.ndarray

    def __post_init__(self) -> None:
        for name in LAYERS:
            values = np.ascontiguousarray(getattr(self, name), dtype=np.float32)
            object.__setattr__(self, name, values)
            if values.ndim != 2 or values.shape != np.shape(self.mouth) or not np.isfinite(values).all():
                raise InputError(f"layers: '{name}' of shape {values.shape} does not fit the others, or is no number.")

    @property
    def shape(self) -> tuple[int, int]:
        """(T, C)."""
        return self.mouth.shape[0], self.mouth.shape[1]

    def total(self) -> np.ndarray:
        """-> float32 (T, C), the sum."""
        return np.asarray(sum(getattr(self, name).astype(np.float64) for name in LAYERS), np.float32)

    def rows(self, frames: slice) -> LayerValues:
        """Some frames of each layer."""
        return LayerValues(*(getattr(self, name)[frames] for name in LAYERS))

    @staticmethod
    def joined(parts: Sequence[LayerValues]) -> LayerValues:
        """One after the other; at least one."""
        return LayerValues(*(np.concatenate([getattr(part, name) for part in parts]) for name in LAYERS))


LAYERS: tuple[str, ...] = tuple(field.name for field in dataclasses.fields(LayerValues))

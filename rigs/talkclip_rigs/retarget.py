"""Retargeting: a coefficient track becomes the channels of one rig, as a table (`RigProfile`) says.

A profile is data. It names every channel of the source space: either something drives the rig, or the channel is
listed in `ignored`; `retarget` refuses a track with a channel that is neither, so nothing is lost silently.

Rotations in a track are about the character's axes: +X to its left, +Y up, +Z the way the face looks. A rig's bone has
axes of its own, given by `RotationDrive.axes`; the curves hold Euler angles in the bone's own space and order.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from talkclip.coefficients import HEAD6, CoefficientTrack
from talkclip.errors import InputError
from talkclip_rigs.rotations import (
    euler_from_matrix,
    matrix_from_axis_angle,
    matrix_from_pitch_yaw_roll,
)

Floats = NDArray[np.float32]
EulerOrder = Literal["XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX"]
Axes = tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]

# Rows: the bone's X, Y, Z axis, in the character's axes.
CHARACTER_AXES: Final[Axes] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
"""A bone that stands up in a +Y-up model, as FLAME's joints do."""
BLENDER_WORLD_AXES: Final[Axes] = ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0), (0.0, 1.0, 0.0))
"""An object that faces Blender's -Y with Z up."""

HEAD_ROTATION: Final = ("pitch_rad", "yaw_rad", "roll_rad")
"""The head's rotation among the columns of `HEAD6`."""
HEAD_TRANSLATION: Final = ("x_m", "y_m", "z_m")
UNLIMITED: Final = (-np.inf, np.inf)


@dataclass(frozen=True)
class Drive:
    """One source channel moves one rig channel in proportion."""

    source: str
    """Channel of the track, or a column of `HEAD6`."""
    target: str
    """Rig channel, as in `Curves.channels`. Several drives may share a target: their contributions add."""
    gain: float = 1.0
    """Target units per source unit."""


@dataclass(frozen=True)
class RotationDrive:
    """Three source channels turn one bone (or object)."""

    sources: tuple[str, str, str]
    """Axis-angle vector (x, y, z), or `HEAD_ROTATION`: pitch, yaw, roll; radians."""
    bone: str
    """Name of the bone; "" is the object itself."""
    form: Literal["axis_angle", "pitch_yaw_roll"]
    """How to read the three numbers."""
    axes: Axes = CHARACTER_AXES
    """The bone's axes in the character's, one a row; orthonormal and right-handed."""
    order: EulerOrder = "XYZ"
    """Blender's `rotation_mode` of the bone."""
    gain: float = 1.0
    """Scales the angles before conversion; several bones may share a turn (neck 0.5, head 0.5)."""


@dataclass(frozen=True)
class RigProfile:
    """How one rig answers to one coefficient space."""

    name: str
    """For messages: "ARKit shapes", "FLAME"."""
    space: str
    """The space of tracks it accepts: `arkit52`, `flame`."""
    drives: tuple[Drive, ...]
    rotations: tuple[RotationDrive, ...] = ()
    limits: Mapping[str, tuple[float, float]] = dataclasses.field(default_factory=dict)
    """{shape channel: (lowest, highest)}; the key "*" holds for all that have no entry. Rotations have no limits."""
    ignored: tuple[str, ...] = ()
    """Source channels this rig cannot show, named on purpose."""
    overshoot: float = 1.0
    """Multiplies every gain of `drives`: 1.0 as predicted, more is broader acting (limits still hold)."""

    def __post_init__(self) -> None:
        bones = [turn.bone for turn in self.rotations]
        if len(set(bones)) != len(bones):
            raise ValueError(f"Rig profile {self.name}: two rotations for one bone; Euler angles do not add.")

    def sources(self) -> frozenset[str]:
        """Every source channel that is driven or ignored."""
        driven = {drive.source for drive in self.drives} | {name for turn in self.rotations for name in turn.sources}
        return frozenset(driven | set(self.ignored))

    def without_head(self) -> RigProfile:
        """The same face, with head motion ignored: for a rig whose head the animator moves."""
        head = set(HEAD6)
        return dataclasses.replace(
            self,
            drives=tuple(drive for drive in self.drives if drive.source not in head),
            rotations=tuple(turn for turn in self.rotations if not head & set(turn.sources)),
            ignored=tuple(dict.fromkeys((*self.ignored, *HEAD6))),
        )


@dataclass(frozen=True)
class ChannelTarget:
    """What a channel of `Curves` is on the rig."""

    kind: Literal["shape", "rotation"]
    """`shape`: a shape key's value. `rotation`: one Euler angle in radians."""
    name: str
    """Shape key, or bone ("" = the object)."""
    index: int = 0
    """Of a rotation: 0, 1, 2 for x, y, z, as Blender's `array_index`."""
    order: EulerOrder = "XYZ"
    """Of a rotation: the `rotation_mode` its bone must be in."""


@dataclass(frozen=True)
class Curves:
    """Values of a rig's channels over time."""

    times_s: NDArray[np.float64]
    """(T,) seconds on the audio's clock."""
    channels: Mapping[str, Floats]
    """{channel: (T,) float32}. Shapes go by their own names, rotations by `BONE.rotation_x` (`_y`, `_z`)."""
    targets: Mapping[str, ChannelTarget]
    """{channel: what to key}; same keys as `channels`."""


def retarget(track: CoefficientTrack, profile: RigProfile) -> Curves:
    """Convert a track to the channels of one rig.

    Args:
        track: any clock; `track.head` None means that head channels of the profile stay out of the curves.
        profile: of the track's space.

    Returns:
        One curve per rig channel of the profile, on the track's times.

    Raises:
        InputError: another space; a channel the profile neither drives nor ignores.
    """
    if track.space != profile.space:
        raise InputError(
            f"{profile.name}: drives from space {profile.space}, the track is {track.space}.",
            f"Ask for space {profile.space} when you animate.",
        )
    series = _source_series(track)
    unknown = [name for name in series if name not in profile.sources()]
    if unknown:
        raise InputError(
            f"{profile.name}: does not know the track's channel{'s' if len(unknown) > 1 else ''} {_listed(unknown)}.",
            "Drive or ignore them in the rig profile.",
        )
    channels: dict[str, Floats] = {}
    targets: dict[str, ChannelTarget] = {}
    _add_shapes(profile, series, channels, targets)
    _add_rotations(profile, series, channels, targets)
    return Curves(track.times_s, MappingProxyType(channels), MappingProxyType(targets))


def _source_series(track: CoefficientTrack) -> dict[str, Floats]:
    series = {name: track.values[:, column] for column, name in enumerate(track.names)}
    if track.head is not None:
        series |= {name: track.head[:, column] for column, name in enumerate(HEAD6)}
    return series


def _add_shapes(
    profile: RigProfile, series: Mapping[str, Floats], channels: dict[str, Floats], targets: dict[str, ChannelTarget]
) -> None:
    totals: dict[str, NDArray[np.float64]] = {}
    for drive in profile.drives:
        if drive.source in series:
            part = series[drive.source].astype(np.float64) * (drive.gain * profile.overshoot)
            totals[drive.target] = totals[drive.target] + part if drive.target in totals else part
    for name, total in totals.items():
        low, high = profile.limits.get(name, profile.limits.get("*", UNLIMITED))
        channels[name] = np.clip(total, low, high).astype(np.float32)
        targets[name] = ChannelTarget("shape", name)


def _add_rotations(
    profile: RigProfile, series: Mapping[str, Floats], channels: dict[str, Floats], targets: dict[str, ChannelTarget]
) -> None:
    for turn in profile.rotations:
        if not all(name in series for name in turn.sources):
            continue
        angles = np.stack([series[name] for name in turn.sources], axis=1).astype(np.float64) * turn.gain
        in_character = (
            matrix_from_axis_angle(angles) if turn.form == "axis_angle" else matrix_from_pitch_yaw_roll(angles)
        )
        axes = np.asarray(turn.axes, dtype=np.float64)
        euler = euler_from_matrix(axes @ in_character @ axes.T, turn.order)
        for index, letter in enumerate("xyz"):
            name = f"{turn.bone}.rotation_{letter}"
            channels[name] = euler[:, index].astype(np.float32)
            targets[name] = ChannelTarget("rotation", turn.bone, index, turn.order)


def _listed(names: Sequence[str], most: int = 4) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"

"""Rigs as data: how each is recognised by its names, and which channels move which of its shapes.

One rig is one file, `data/rigs/NAME.json`; adding a rig is adding a file. Keys of a file:

- `name`, `source`: for people; where the names come from
- `space`: the coefficient space it answers to, `arkit52` or `flame`
- `recognise`: `names` (the shapes that `drives` lists), `arkit_spelling` (the 52, however they are spelled) or
  `numbered` (a stem and a running number)
- `at_least`: so many different shapes must be there; fewer may be coincidence
- `drives`: of `names`, {channel: {shape: gain}}; gains are for a rig whose sliders go from 0 to 1
- `prefixes`: of `names`, what may stand before each shape; [""] without it
- `also`: of `names`, {shape: other names of it}
- `numbered`: of `numbered`, the stems and first numbers of shapes and channels
- `range`: [lowest, highest] value of its shapes; [0, 1] without it. `unit`: a shape's value where it is fully there
- `head_bone`, `turns`: {bone: its three channels, an axis-angle vector}

Names are compared without regard to case and separators. Of several rigs that fit, the one wins that answers to the
largest share of its space's channels.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal, cast

from talkclip.coefficients import ARKIT52
from talkclip_rigs.retarget import (
    BLENDER_WORLD_AXES,
    CHARACTER_AXES,
    HEAD_ROTATION,
    HEAD_TRANSLATION,
    Axes,
    Drive,
    EulerOrder,
    RigProfile,
    RotationDrive,
)
from talkclip_rigs.spelling import match_names, words

Space = Literal["arkit52", "flame"]
Triple = tuple[str, str, str]

_RIGS: Final = "data/rigs"
_REQUIRED: Final = frozenset(("name", "source", "space", "recognise", "at_least"))
_OPTIONAL: Final = frozenset(("drives", "prefixes", "also", "numbered", "range", "unit", "head_bone", "turns"))


@dataclass(frozen=True)
class Numbering:
    """Shapes `Exp1`, `Exp2`, ... that follow channels `exp0`, `exp1`, ..."""

    shape: str
    first_shape: int
    channel: str
    first_channel: int


@dataclass(frozen=True)
class Rig:
    """What one file of `data/rigs` says."""

    id: str
    """Its file's name without the ending."""
    name: str
    source: str
    space: Space
    recognise: Literal["names", "arkit_spelling", "numbered"]
    at_least: int
    drives: Mapping[str, Mapping[str, float]]
    prefixes: tuple[str, ...]
    also: Mapping[str, tuple[str, ...]]
    numbered: Numbering | None
    low: float
    high: float
    unit: float
    head_bone: str | None
    turns: Mapping[str, Triple]


@dataclass(frozen=True)
class MappedShape:
    """One channel moves one shape: a row of the mapping table."""

    channel: str
    shape: str
    """The rig's own name."""
    gain: float = 1.0
    """The shape's value where the channel is 1."""
    confidence: float = 1.0
    """0..1: how sure it is that this is the shape that is meant."""


@dataclass(frozen=True)
class RigMatch:
    """A rig that was recognised among names."""

    rig: Rig
    rows: tuple[MappedShape, ...]
    """In the order of the space's channels."""
    missing: tuple[str, ...]
    """Channels that no shape follows; () for a space without a fixed list."""
    unmatched: tuple[str, ...]
    """Names that nothing drives, in the order given."""
    confidence: float
    """0..1: the share of the space's channels that are answered, each as far as its row is believed."""


@functools.cache
def rigs() -> tuple[Rig, ...]:
    """All rigs known, by id.

    Raises:
        ValueError: a file has a key or value that means nothing; names the file.
    """
    folder = importlib.resources.files("talkclip_rigs").joinpath(_RIGS)
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".json")), key=lambda file: file.name)
    return tuple(parse_rig(file.name.removesuffix(".json"), json.loads(file.read_text("utf-8"))) for file in files)


def rig_by_id(rig_id: str) -> Rig | None:
    """The rig of that id, or None."""
    return next((rig for rig in rigs() if rig.id == rig_id), None)


def parse_rig(rig_id: str, data: Mapping[str, Any]) -> Rig:
    """One file's content -> the rig.

    Raises:
        ValueError: an unknown key, a missing one, or a rule without its table.
    """
    if unknown := set(data) - _REQUIRED - _OPTIONAL:
        raise ValueError(f"Rig {rig_id}: unknown keys {sorted(unknown)}; known are {sorted(_REQUIRED | _OPTIONAL)}.")
    if missing := _REQUIRED - set(data):
        raise ValueError(f"Rig {rig_id}: lacks {sorted(missing)}.")
    rule, drives = data["recognise"], data.get("drives", {})
    if rule not in ("names", "arkit_spelling", "numbered"):
        raise ValueError(f"Rig {rig_id}: cannot recognise by '{rule}'.")
    if (rule == "names") != bool(drives) or (rule == "numbered") != ("numbered" in data):
        raise ValueError(f"Rig {rig_id}: 'names' goes with 'drives', 'numbered' with 'numbered'.")
    if data["space"] == "arkit52" and not set(drives) <= set(ARKIT52):
        raise ValueError(f"Rig {rig_id}: no channels of arkit52: {sorted(set(drives) - set(ARKIT52))}.")
    low, high = data.get("range", (0.0, 1.0))
    return Rig(
        id=rig_id,
        name=data["name"],
        source=data["source"],
        space=data["space"],
        recognise=rule,
        at_least=data["at_least"],
        drives=MappingProxyType({channel: MappingProxyType(dict(shapes)) for channel, shapes in drives.items()}),
        prefixes=tuple(data.get("prefixes", ("",))),
        also=MappingProxyType({shape: tuple(names) for shape, names in data.get("also", {}).items()}),
        numbered=Numbering(**data["numbered"]) if "numbered" in data else None,
        low=float(low),
        high=float(high),
        unit=float(data.get("unit", 1.0)),
        head_bone=data.get("head_bone"),
        turns=MappingProxyType({bone: cast(Triple, tuple(names)) for bone, names in data.get("turns", {}).items()}),
    )


def recognise(names: Iterable[str]) -> RigMatch | None:
    """The rig that fits a face's shape names best, or None where none does."""
    given = tuple(dict.fromkeys(names))
    found = [match for rig in rigs() if (match := match_rig(rig, given)) is not None]
    return max(found, key=lambda match: match.confidence, default=None)


def match_rig(rig: Rig, names: Iterable[str], at_least: int | None = None) -> RigMatch | None:
    """One rig among names, or None where fewer than `at_least` (the rig's own, if None) of its shapes are there."""
    given = tuple(dict.fromkeys(names))
    rows = {"names": _by_names, "arkit_spelling": _by_spelling, "numbered": _by_number}[rig.recognise](rig, given)
    shapes = {row.shape for row in rows}
    if not rows or len(shapes) < (rig.at_least if at_least is None else at_least):
        return None
    channels = ARKIT52 if rig.space == "arkit52" else tuple(row.channel for row in rows)
    best = {channel: max(row.confidence for row in rows if row.channel == channel) for channel in channels_of(rows)}
    return RigMatch(
        rig=rig,
        rows=tuple(sorted(rows, key=lambda row: channels.index(row.channel))),
        missing=tuple(channel for channel in channels if channel not in best),
        unmatched=tuple(name for name in given if name not in shapes),
        confidence=sum(best.values()) / len(channels),
    )


def channels_of(rows: Iterable[MappedShape]) -> tuple[str, ...]:
    """The channels of a mapping table, each once."""
    return tuple(dict.fromkeys(row.channel for row in rows))


def rig_profile(
    rig: Rig,
    rows: Sequence[MappedShape],
    channels: Sequence[str],
    *,
    head_bone: str | None = None,
    head_axes: Axes | None = None,
    head_order: EulerOrder = "XYZ",
    overshoot: float = 1.0,
) -> RigProfile:
    """The profile that `retarget` takes.

    Args:
        rig: what was recognised.
        rows: the mapping table.
        channels: the track's; those no row drives are ignored on purpose.
        head_bone: bone that turns the head ("" = the object itself); None ignores head rotation.
        head_axes: that bone's axes in the character's, one a row; None: as the rig's makers lay them.
        head_order: that bone's `rotation_mode`.
        overshoot: see `RigProfile`.
    """
    rotations = turns_of(rig, head_bone, head_axes, head_order)
    turned = {name for turn in rotations for name in turn.sources}
    drives = tuple(drive for drive in drives_of(rows) if drive.source in channels)
    ignored = set(channels) - turned - {drive.source for drive in drives}
    ignored |= {*HEAD_TRANSLATION, *HEAD_ROTATION} - turned
    return RigProfile(rig.name, rig.space, drives, rotations, limits_of(rig), tuple(sorted(ignored)), overshoot)


def drives_of(rows: Iterable[MappedShape]) -> tuple[Drive, ...]:
    """What a mapping table drives."""
    return tuple(Drive(row.channel, row.shape, row.gain) for row in rows)


def limits_of(rig: Rig) -> dict[str, tuple[float, float]]:
    """The range of the rig's shapes, as `RigProfile.limits`."""
    return {"*": (rig.low, rig.high)}


def turns_of(
    rig: Rig, head_bone: str | None, head_axes: Axes | None = None, head_order: EulerOrder = "XYZ"
) -> tuple[RotationDrive, ...]:
    """What turns on a rig: its jaw and eyes, if they are bones, and the head; see `rig_profile`."""
    turns = [RotationDrive(names, bone, "axis_angle") for bone, names in rig.turns.items()]
    if head_bone is not None:
        axes = head_axes or (CHARACTER_AXES if rig.space == "flame" else BLENDER_WORLD_AXES)
        turns.append(RotationDrive(HEAD_ROTATION, head_bone, "pitch_yaw_roll", axes, head_order))
    return tuple(turns)


def _by_spelling(rig: Rig, names: tuple[str, ...]) -> list[MappedShape]:
    match = match_names(names)
    return [
        MappedShape(channel, shape, rig.unit, match.beliefs[channel])
        for channel in ARKIT52
        for shape in match.targets(channel)
    ]


def _by_names(rig: Rig, names: tuple[str, ...]) -> list[MappedShape]:
    found = max((_with_prefix(rig, names, prefix) for prefix in rig.prefixes), key=len)
    return [
        MappedShape(channel, found[plain], gain * rig.unit)
        for channel, shapes in rig.drives.items()
        for plain, gain in shapes.items()
        if plain in found
    ]


def _with_prefix(rig: Rig, names: tuple[str, ...], prefix: str) -> dict[str, str]:
    """{shape as the file spells it: as the rig does}."""
    there: dict[str, str] = {}
    for name in names:
        there.setdefault(_plain(name), name)
    found: dict[str, str] = {}
    for shape in dict.fromkeys(shape for shapes in rig.drives.values() for shape in shapes):
        spellings = [_plain(prefix + name) for name in (shape, *rig.also.get(shape, ()))]
        for spelled in spellings:
            if spelled in there:
                found.setdefault(shape, there[spelled])
    return found


def _plain(name: str) -> str:
    """A name without case and separators."""
    return "".join(words(name)) or name


def _by_number(rig: Rig, names: tuple[str, ...]) -> list[MappedShape]:
    assert rig.numbered is not None
    rule, rows = rig.numbered, []
    for name in names:
        number = name.removeprefix(rule.shape)
        if name.startswith(rule.shape) and number.isdecimal() and str(int(number)) == number:
            k = int(number) - rule.first_shape + rule.first_channel
            if k >= rule.first_channel:
                rows.append(MappedShape(f"{rule.channel}{k}", name, rig.unit))
    return sorted(rows, key=lambda row: int(row.channel.removeprefix(rule.channel)))

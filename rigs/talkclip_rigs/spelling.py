"""Recognise the 52 ARKit shapes among a rig's own names, however the rig spells them.

Rigs carry the same 52 shapes under many spellings: `jawOpen`, `JawOpen`, `jaw_open`, `Jaw Open`, `mouthSmile_L`,
`!ex-jawOpen` (MPFB2), `A25_Jaw_Open` (CC3), `head_jawOpen`, `blendShape1.jawOpen`, ... A name is cut into words; its
last words must be one ARKit shape, and what stands before them is the rig's prefix. Words of the face in the prefix
(`jawOpen_mouthClose`, `tongue_jawOpen`) mean another shape, unless most of the rig's names carry that very prefix.

Sources of the spellings: the lists in `tests/rigs/data/rig_names.json` with their origins, and Apple's names.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

from talkclip.coefficients import ARKIT52

# Shapes that some kits (ICT-FaceKit, Face Cap's relatives) split into a left and a right half.
SPLITTABLE: Final = ("browInnerUp", "cheekPuff")

# Here Left/Right is the direction of the movement, not the side of the face; `Jaw_L` still means `jawLeft`.
_DIRECTIONAL: Final = ("jawLeft", "jawRight", "mouthLeft", "mouthRight")
_SIDES: Final = {"Left": ("left", "l"), "Right": ("right", "r")}
_MAX_WORDS: Final = 7

# A prefix with one of these words is a different shape (a corrective, a combination, the other side), not a namespace.
_FACE_WORDS: Final = frozenset(
    """
    jaw mouth eye eyes eyelid brow brows cheek cheeks nose tongue lip lips lid teeth chin
    open close smile frown blink squint wide left right l r upper lower up down in out inner outer
    no not anti inverse inverted fix corrective correction combo half
    """.split()  # noqa: SIM905 - a word list reads better than fifty quoted words
)
# MPFB2 marks modelling keys so; animating one would change who the character is.
_NEVER_ANIMATED: Final = ("$md",)

# An alternative reading is believed less than Apple's own order of words.
_EXACT, _LOOSE, _DUPLICATE_NUMBER = 1.0, 0.8, 0.6


@dataclass(frozen=True)
class NameMatch:
    """Which name of a rig drives which ARKit shape."""

    mapping: Mapping[str, str]
    """{ARKit name: rig name}, in Apple's order; each rig name occurs once."""
    split: Mapping[str, tuple[str, str]]
    """{ARKit name: (left rig name, right rig name)} where the rig has two halves of one shape."""
    ambiguous: Mapping[str, tuple[str, ...]]
    """{ARKit name: other rig names that could be meant}; `mapping` holds the likelier one."""
    unmatched: tuple[str, ...]
    """Rig names that are none of the 52, in the rig's order; includes those of `ambiguous`."""
    missing: tuple[str, ...]
    """ARKit shapes the rig lacks, in Apple's order."""
    beliefs: Mapping[str, float]
    """{ARKit name: 0..1}, of those found: less for an unusual word order (0.8), a copy number (0.6), a rival (half)."""
    confidence: float
    """0..1: share of the 52 found, each counted as it is believed. 1.0 = all 52, spelled one way."""

    def targets(self, arkit_name: str) -> tuple[str, ...]:
        """Rig names driven by an ARKit shape: none, one, or the two halves of a split shape."""
        if arkit_name in self.split:
            return self.split[arkit_name]
        return (self.mapping[arkit_name],) if arkit_name in self.mapping else ()


class _Reading(NamedTuple):
    """One way to read a rig's name."""

    arkit: str
    half: str  # "" or, for a half of a splittable shape, "Left" / "Right"
    prefix: str
    name: str
    belief: float


def words(name: str) -> tuple[str, ...]:
    """Lower-case words of a name: `!ex-eyeBlink_L` -> ("ex", "eye", "blink", "l")."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return tuple(word.lower() for word in re.split(r"[^A-Za-z0-9]+", spaced) if word)


def match_names(names: Iterable[str]) -> NameMatch:
    """Recognise the 52 ARKit shapes among a rig's channel names (shape keys, morph targets, bones, properties).

    Args:
        names: the rig's names; order and repetition do not change the mapping.

    Returns:
        Every shape that was found; an empty mapping with confidence 0 when nothing is ARKit-like.
    """
    rig_names = tuple(dict.fromkeys(names))
    readings = [reading for name in rig_names for reading in _readings(name)]
    prefix_count = Counter(prefix for prefix, _ in {(r.prefix, r.arkit + r.half) for r in readings})
    allowed = [reading for reading in readings if _prefix_allowed(reading.prefix, prefix_count)]

    def rank(reading: _Reading) -> tuple[float, ...]:
        # The rig's commonest prefix first, then the plainest spelling; the last two make ties independent of order.
        return (-prefix_count[reading.prefix], -reading.belief, len(reading.prefix), len(reading.name))

    ranked = sorted(allowed, key=lambda reading: (rank(reading), reading.name))
    return _resolve(rig_names, ranked)


def _readings(name: str) -> list[_Reading]:
    """All readings of one name: its last words as an ARKit shape, the words before as a prefix."""
    if name.startswith(_NEVER_ANIMATED):
        return []
    parts = words(name)
    found = _readings_of_words(name, parts, 1.0)
    if not found and len(parts) > 1 and parts[-1].isdigit():  # Blender's "jawOpen.001"
        found = _readings_of_words(name, parts[:-1], _DUPLICATE_NUMBER)
    return found


def _readings_of_words(name: str, parts: tuple[str, ...], factor: float) -> list[_Reading]:
    found = []
    for length in range(1, min(len(parts), _MAX_WORDS) + 1):
        entry = _SPELLINGS.get("".join(parts[-length:]))
        if entry is not None:
            arkit, half, belief = entry
            prefix = " ".join(_without_numbering(parts[:-length]))
            found.append(_Reading(arkit, half, prefix, name, belief * factor))
    return found


def _without_numbering(prefix: tuple[str, ...]) -> tuple[str, ...]:
    """`A25_Jaw_Open` and `A26_Jaw_Forward` have one prefix: a letter and a running number."""
    return tuple(re.sub(r"\d+$", "#", word) for word in prefix)


def _prefix_allowed(prefix: str, prefix_count: Counter[str]) -> bool:
    if not any(word in _FACE_WORDS for word in prefix.split()):
        return True
    # `tongue_jawOpen`, `tongue_mouthClose`, ... on a tongue mesh: the whole set carries the word.
    return prefix_count[prefix] > len(ARKIT52) // 2 and prefix_count[prefix] == max(prefix_count.values())


def _resolve(rig_names: tuple[str, ...], ranked: list[_Reading]) -> NameMatch:
    """Take the best reading of each shape; never use a rig name twice."""
    whole: dict[str, _Reading] = {}
    halves: dict[tuple[str, str], _Reading] = {}
    rivals: dict[str, list[str]] = {}
    used: set[str] = set()
    for reading in ranked:
        if reading.name in used:
            continue
        if reading.half:
            halves.setdefault((reading.arkit, reading.half), reading)
        elif reading.arkit in whole:
            rivals.setdefault(reading.arkit, []).append(reading.name)
            continue
        else:
            whole[reading.arkit] = reading
        used.add(reading.name)

    split = {}
    for arkit in SPLITTABLE:
        pair = [halves.get((arkit, side)) for side in _SIDES]
        if arkit not in whole and pair[0] is not None and pair[1] is not None:
            split[arkit] = (pair[0].name, pair[1].name)
    mapping = {arkit: whole[arkit].name for arkit in ARKIT52 if arkit in whole}
    taken = set(mapping.values()) | {name for pair_names in split.values() for name in pair_names}
    beliefs = {arkit: whole[arkit].belief * (0.5 if arkit in rivals else 1.0) for arkit in mapping}
    beliefs |= dict.fromkeys(split, _LOOSE)
    return NameMatch(
        mapping=MappingProxyType(mapping),
        split=MappingProxyType(split),
        ambiguous=MappingProxyType({arkit: tuple(rivals[arkit]) for arkit in ARKIT52 if arkit in rivals}),
        unmatched=tuple(name for name in rig_names if name not in taken),
        missing=tuple(arkit for arkit in ARKIT52 if arkit not in mapping and arkit not in split),
        beliefs=MappingProxyType(beliefs),
        confidence=sum(beliefs.values()) / len(ARKIT52),
    )


def _build_spellings() -> dict[str, tuple[str, str, float]]:
    """{words run together: (ARKit name, half, belief)}."""
    table: dict[str, tuple[str, str, float]] = {}

    def add(spelling: str, arkit: str, half: str, belief: float) -> None:
        if spelling in table and table[spelling][:2] != (arkit, half):
            raise AssertionError(f"'{spelling}' would mean both {table[spelling][0]} and {arkit}")
        table.setdefault(spelling, (arkit, half, belief))

    for arkit in ARKIT52:
        add(arkit.lower(), arkit, "", _EXACT)
    for arkit in ARKIT52:
        side = next((side for side in _SIDES if arkit.endswith(side)), None)
        if side is None:
            continue
        stem = arkit.removesuffix(side).lower()
        for spelled in _SIDES[side]:
            add(stem + spelled, arkit, "", _EXACT)
            if arkit not in _DIRECTIONAL:
                add(spelled + stem, arkit, "", _LOOSE)
    for arkit in SPLITTABLE:
        for side, spellings in _SIDES.items():
            for spelled in spellings:
                add(arkit.lower() + spelled, arkit, side, _LOOSE)
                add(spelled + arkit.lower(), arkit, side, _LOOSE)
    return table


_SPELLINGS: Final = _build_spellings()

# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender knows of an animated property, given its datablock and data path: default, range, name for people."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Final

import bpy

_CUSTOM: Final = re.compile(r'(.*)\["((?:[^"\\]|\\.)*)"\]', re.DOTALL)
_ELEMENT: Final = re.compile(r"(.*)\[(\d+)\]", re.DOTALL)
_BONE: Final = re.compile(r'pose\.bones\["((?:[^"\\]|\\.)*)"\](?:\.(\w+)|(\[.*\]))', re.DOTALL)
_SHAPE: Final = re.compile(r'key_blocks\["((?:[^"\\]|\\.)*)"\]\.value', re.DOTALL)
# Blender's own limits of floats without a range.
_UNLIMITED: Final = 1e30


@dataclass(frozen=True)
class Place:
    """One animatable number."""

    owner: bpy.types.ID
    data_path: str
    """As an F-curve has it: from the datablock, without the index."""
    index: int = 0

    @property
    def label(self) -> str:
        """For messages and the panel: bone 'CTRL_jaw' location Z."""
        path = self.data_path
        if shape := _SHAPE.fullmatch(path):
            return f"shape '{bpy.utils.unescape_identifier(shape[1])}' of '{self.owner.name}'"
        axis = f" {'XYZ'[self.index]}" if path.endswith(("location", "rotation_euler", "scale")) else ""
        if bone := _BONE.fullmatch(path):
            return f"bone '{bpy.utils.unescape_identifier(bone[1])}' {_spoken(bone[2] or bone[3])}{axis}"
        return f"'{self.owner.name}' {_spoken(path)}{axis}"


def _spoken(path: str) -> str:
    custom = _CUSTOM.fullmatch(path)
    return f"property '{bpy.utils.unescape_identifier(custom[2])}'" if custom else path.replace("_euler", "")


def place_of(owner: bpy.types.ID, full_path: str) -> Place | None:
    """A path as drivers have it, `location[1]`, in the two parts of an F-curve.

    None where it leads to no number, or to one that Blender does not animate (the scene's frame, for one).
    """
    element = _ELEMENT.fullmatch(full_path)
    try:
        value = owner.path_resolve(full_path)
        in_array = element is not None and hasattr(owner.path_resolve(element[1]), "__len__")
        place = Place(owner, element[1], int(element[2])) if in_array else Place(owner, full_path)
        animated = _CUSTOM.fullmatch(place.data_path) is not None or _rna(place).is_animatable
    except (ValueError, TypeError, IndexError, AttributeError, KeyError):
        return None
    return place if animated and isinstance(value, (int, float)) and not isinstance(value, bool) else None


def value_of(place: Place) -> float:
    """What it holds now."""
    value = place.owner.path_resolve(place.data_path)
    return float(value[place.index] if hasattr(value, "__len__") else value)


def default_of(place: Place) -> float:
    """Its default, which the NLA gives it where no strip plays."""
    custom = _CUSTOM.fullmatch(place.data_path)
    if custom is not None and not _SHAPE.fullmatch(place.data_path):
        default = _custom_limits(place, custom).get("default", 0.0)
        return float(default[place.index] if hasattr(default, "__len__") else default)
    rna = _rna(place)
    return float(rna.default_array[place.index] if rna.is_array else rna.default)


def range_of(place: Place) -> tuple[float, float]:
    """The lowest and highest value that it may take; infinite where nothing limits it."""
    shape = _SHAPE.fullmatch(place.data_path)
    if shape is not None:
        block = place.owner.key_blocks[bpy.utils.unescape_identifier(shape[1])]
        return block.slider_min, block.slider_max
    custom = _CUSTOM.fullmatch(place.data_path)
    if custom is not None:
        limits = _custom_limits(place, custom)
        low, high = float(limits.get("min", -math.inf)), float(limits.get("max", math.inf))
    else:
        rna = _rna(place)
        low, high = rna.hard_min, rna.hard_max
    return (low if low > -_UNLIMITED else -math.inf), (high if high < _UNLIMITED else math.inf)


def _custom_limits(place: Place, custom: re.Match[str]) -> dict[str, Any]:
    holder = place.owner.path_resolve(custom[1]) if custom[1] else place.owner
    return holder.id_properties_ui(bpy.utils.unescape_identifier(custom[2])).as_dict()


def _rna(place: Place) -> bpy.types.Property:
    holder_path, _, name = place.data_path.rpartition(".")
    holder = place.owner.path_resolve(holder_path) if holder_path else place.owner
    return holder.bl_rna.properties[name]

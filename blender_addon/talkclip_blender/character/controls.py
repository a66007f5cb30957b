# SPDX-License-Identifier: GPL-3.0-or-later
"""What a driver's variable reads, as something that can be keyed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import bpy

from .. import compat
from . import axes
from .places import Place, default_of, place_of, range_of

_TRANSFORM: Final = {"LOC": "location", "ROT": "rotation_euler", "SCALE": "scale"}
_LIMITS: Final = {"location": "LIMIT_LOCATION", "rotation_euler": "LIMIT_ROTATION", "scale": "LIMIT_SCALE"}

Posed = bpy.types.PoseBone | bpy.types.Object


@dataclass(frozen=True)
class Control:
    """What the animator would move to move the shape."""

    place: Place
    """For a rotation: the Euler angle, also where the bone is in a quaternion mode (`is_turned`)."""
    rest: float
    bounds: tuple[float, float]
    posed: Posed | None = None
    """What has the rotation, if the control is one."""

    @property
    def is_turned(self) -> bool:
        """Whether the angle must be written as a quaternion or axis and angle."""
        return self.posed is not None and self.posed.rotation_mode in axes.ROTATION_PATH


class CannotFollowError(Exception):
    """Says why a driver cannot be turned around."""


def control_of(variable: bpy.types.DriverVariable) -> Control:
    """What the variable reads.

    Raises:
        CannotFollowError: it is nothing that can be keyed, or something stands between its keys and what is read.
    """
    target = variable.targets[0]
    if variable.type not in ("SINGLE_PROP", "TRANSFORMS"):
        raise CannotFollowError(f"a variable of the kind {variable.type.replace('_', ' ').lower()}")
    if target.id is None:
        raise CannotFollowError("the driver's target is missing")
    control = _transform(target) if variable.type == "TRANSFORMS" else _property(target)
    if not compat.is_editable(control.place.owner):
        raise CannotFollowError(f"{control.place.label} is linked from another file")
    return control


def _property(target: bpy.types.DriverTarget) -> Control:
    place = place_of(target.id, target.data_path)
    if place is None:
        raise CannotFollowError(f"'{target.data_path}' of '{target.id.name}' is no number that can be keyed")
    posed = _posed_of(place) if place.data_path.endswith("rotation_euler") else None
    if posed is not None and posed.rotation_mode in axes.ROTATION_PATH:
        raise CannotFollowError(f"{place.label} is not used in rotation mode {posed.rotation_mode}")
    return Control(place, default_of(place), range_of(place))


def _posed_of(place: Place) -> Posed:
    holder = place.data_path.rpartition(".")[0]
    return place.owner.path_resolve(holder) if holder else place.owner


def _transform(target: bpy.types.DriverTarget) -> Control:
    owner, kind, axis = target.id, *target.transform_type.split("_")
    if target.bone_target and target.bone_target not in owner.pose.bones:
        raise CannotFollowError(f"'{owner.name}' has no bone '{target.bone_target}'")
    posed = owner.pose.bones[target.bone_target] if target.bone_target else owner
    if kind not in _TRANSFORM or axis not in "XYZ":
        raise CannotFollowError(f"{target.transform_type} of '{posed.name}'")
    name = _TRANSFORM[kind]
    prefix = posed.path_from_id() + "." if target.bone_target else ""
    place = Place(owner, prefix + name, "XYZ".index(axis))
    bounds = _reach_of(posed, target, name, place)
    if name == "rotation_euler":
        _require_readable_angle(posed, target, place)
    return Control(place, default_of(place), bounds, posed if name == "rotation_euler" else None)


def _reach_of(posed: Posed, target: bpy.types.DriverTarget, name: str, place: Place) -> tuple[float, float]:
    """What the channel can be, where the driver reads just the channel."""
    is_bone = isinstance(posed, bpy.types.PoseBone)
    active = [each for each in posed.constraints if not each.mute and each.influence > 0]
    if target.transform_space == "TRANSFORM_SPACE":
        active = []
    elif target.transform_space == "WORLD_SPACE" and (is_bone or posed.parent is not None):
        raise CannotFollowError(f"{place.label} is read in world space")
    if not is_bone and any(abs(x) > 1e-9 for x in (*posed.delta_location, *posed.delta_rotation_euler)):
        raise CannotFollowError(f"'{posed.name}' has delta transforms")
    low, high = range_of(place)
    letter = "xyz"[place.index]
    for each in active:
        if each.type not in _LIMITS.values() or each.owner_space != "LOCAL":
            raise CannotFollowError(f"constraint '{each.name}' moves {place.label}")
        if each.type == _LIMITS[name]:
            both = getattr(each, f"use_limit_{letter}", False)  # angles have one switch for both ends
            if both or getattr(each, f"use_min_{letter}", False):
                low = max(low, getattr(each, f"min_{letter}"))
            if both or getattr(each, f"use_max_{letter}", False):
                high = min(high, getattr(each, f"max_{letter}"))
    return low, high


def _require_readable_angle(posed: Posed, target: bpy.types.DriverTarget, place: Place) -> None:
    """The driver must read the angle in the order in which it is keyed."""
    order = "XYZ" if posed.rotation_mode in axes.ROTATION_PATH else posed.rotation_mode
    if target.rotation_mode not in ("AUTO", order):
        raise CannotFollowError(f"{place.label} is read as {target.rotation_mode}, and turned as {order}")

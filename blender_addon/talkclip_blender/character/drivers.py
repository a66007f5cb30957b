# SPDX-License-Identifier: GPL-3.0-or-later
"""Shape keys that follow drivers: what each follows, and whether that control can be keyed in its stead.

A driver can be turned around when it has one variable that is a property, or one channel of a bone or object, and an
expression that is plain arithmetic (see `talkclip_rigs.driver_expression`). Nothing is run and nothing is changed to
find out.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Final

import bpy
import numpy as np

from talkclip_rigs.controls import Link, link
from talkclip_rigs.driver_expression import Function, read_expression

from .controls import CannotFollowError, Control, control_of
from .places import Place

_SHAPE_VALUE: Final = re.compile(r'key_blocks\["(.*)"\]\.value', re.DOTALL)
_PROBES: Final = (-100.0, -1.0, 0.0, 0.3, 1.0, 100.0)
# A control that is driven itself is followed to the end of the chain.
_MOST_STEPS: Final = 4


@dataclass(frozen=True)
class Driven:
    """A shape that follows a driver."""

    shape: str
    control: Control | None
    """None: it cannot be keyed in the shape's stead."""
    link: Link | None
    """How the shape answers to it; None with `control`."""
    why: str
    """What it follows, or why that cannot be keyed; for people."""


def shape_drivers(keys: bpy.types.Key) -> dict[str, bpy.types.FCurve]:
    """{shape: the driver its value follows}, also muted ones."""
    drivers = keys.animation_data.drivers if keys.animation_data else ()
    found = ((_SHAPE_VALUE.fullmatch(curve.data_path), curve) for curve in drivers)
    return {bpy.utils.unescape_identifier(match[1]): curve for match, curve in found if match}


def read(
    shape: str, curve: bpy.types.FCurve, wanted: tuple[float, float], cut: frozenset[Place] = frozenset()
) -> Driven:
    """What a shape follows.

    Args:
        shape: its name.
        curve: its driver.
        wanted: values the shape should be able to take.
        cut: driven places whose drivers are to be switched off, so that they are controls themselves.
    """
    try:
        control, response = _trace(curve, cut, _MOST_STEPS)
    except CannotFollowError as problem:
        return Driven(shape, None, None, str(problem))
    found = _link(response, control.rest, control.bounds, wanted)
    if found is None:
        return Driven(shape, None, None, f"{control.place.label} does not move it")
    return Driven(shape, control, found, control.place.label)


# The same text gives the same function, so that the way back is searched once for the many drivers that are alike.
_read_expression = functools.lru_cache(maxsize=256)(read_expression)
_link = functools.lru_cache(maxsize=256)(link)


def _trace(curve: bpy.types.FCurve, cut: frozenset[Place], steps: int) -> tuple[Control, Function]:
    """The control at the end of a driver, and how the driven value answers to it."""
    driver = curve.driver
    variable = _only_variable(driver)
    response = _answer(driver, variable, curve)
    control = control_of(variable)
    behind = _driver_of(control.place)
    if behind is None or control.place in cut:
        return control, response
    if steps == 0:
        raise CannotFollowError(f"{control.place.label} follows drivers in a long chain")
    control, inner = _trace(behind, cut, steps - 1)
    return control, lambda x: response(inner(x))


def _only_variable(driver: bpy.types.Driver) -> bpy.types.DriverVariable:
    used = list(driver.variables)
    if driver.type == "SCRIPTED":
        used = [each for each in used if re.search(rf"\b{re.escape(each.name)}\b", driver.expression)]
    if len(used) != 1:
        raise CannotFollowError(f"{len(used)} variables" if used else "a driver without a variable")
    return used[0]


def _answer(driver: bpy.types.Driver, variable: bpy.types.DriverVariable, curve: bpy.types.FCurve) -> Function:
    """The driven value as a function of the variable: the expression, then the driver's curve."""
    if driver.type == "SCRIPTED":
        response = _read_expression(driver.expression, variable.name)
        if response is None:
            raise CannotFollowError(f"expression '{driver.expression}' is not plain arithmetic")
    else:
        response = _read_expression(variable.name, variable.name)  # sum, average, ... of one
    if not (curve.keyframe_points or curve.modifiers) or _is_identity(curve):
        return response
    remap = np.vectorize(curve.evaluate, otypes=[np.float64])
    return lambda x: remap(response(x))


def _is_identity(curve: bpy.types.FCurve) -> bool:
    """Blender gives new drivers a curve that changes nothing."""
    return all(abs(curve.evaluate(x) - x) <= 1e-6 * max(1.0, abs(x)) for x in _PROBES)


def _driver_of(place: Place) -> bpy.types.FCurve | None:
    data = place.owner.animation_data
    curve = data.drivers.find(place.data_path, index=place.index) if data else None
    return None if curve is None or curve.mute else curve

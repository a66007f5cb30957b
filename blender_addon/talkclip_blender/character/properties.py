# SPDX-License-Identifier: GPL-3.0-or-later
"""What is saved of a character's rig: its mapping table, its objects, and what is done about driven shapes.

Without a table the rig is recognised anew each time; a table is made by *Recognise* or by hand, and then holds.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Final

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from talkclip.coefficients import ARKIT52
from talkclip_rigs.flame import flame_channels
from talkclip_rigs.profiles import rig_by_id

_GAIN_MAX: Final = 100.0
_FLAME_EXPRESSIONS: Final = 100
# What is edited on a library override is kept with the file.
_OVERRIDE: Final = {"LIBRARY_OVERRIDABLE"}
_OVERRIDE_ROWS: Final = {"LIBRARY_OVERRIDABLE", "USE_INSERTION"}
_WAYS: Final = (
    ("CONTROL", "Key the Control", "Key the slider or bone that the shape follows, where it can be found out how"),
    (
        "REPLACE",
        "Replace the Driver",
        "Switch the driver off and key the shape itself. Outside the line the shape rests, until you restore drivers",
    ),
    ("LEAVE", "Leave", "No keys: the shape goes on following its driver"),
)

# Recognise fills the table without its rows counting as made by hand.
_filling = False


@contextlib.contextmanager
def filling() -> Iterator[None]:
    """What is set meanwhile does not count as the animator's own choice."""
    global _filling
    before, _filling = _filling, True
    try:
        yield
    finally:
        _filling = before


def _by_hand(self: Any, _context: bpy.types.Context) -> None:
    if not _filling and not self.by_hand:
        self.by_hand = True


def _has_shapes(_self: Any, body: bpy.types.Object) -> bool:
    return body.type == "MESH" and body.data.shape_keys is not None


def _shape_names(self: TalkClipMapping, _context: bpy.types.Context, _text: str) -> list[str]:
    table = self.id_data.talkclip.rig
    bodies = [self.object] if self.object else [part.object for part in table.parts if part.object]
    blocks = [body.data.shape_keys.key_blocks for body in bodies or [self.id_data] if body.data.shape_keys]
    return sorted({block.name for each in blocks for block in each[1:]})


def _channel_names(self: TalkClipMapping, _context: bpy.types.Context, _text: str) -> list[str]:
    rig = rig_by_id(self.id_data.talkclip.rig.rig_id)
    return list(ARKIT52 if rig is None or rig.space == "arkit52" else flame_channels(_FLAME_EXPRESSIONS))


class TalkClipMapping(bpy.types.PropertyGroup):
    """One row of the mapping table: a channel moves a shape key."""

    channel: StringProperty(
        name="Channel", description="Which of the channels moves it (jawOpen, mouthSmileLeft, ...)",
        search=_channel_names, update=_by_hand,
        override=_OVERRIDE,
    )  # fmt: skip
    object: PointerProperty(
        name="Only On", description="Only this object's shape; empty: every object of the character that has it",
        type=bpy.types.Object, poll=_has_shapes, update=_by_hand,
        override=_OVERRIDE,
    )  # fmt: skip
    shape: StringProperty(
        name="Shape Key", description="The shape key it moves", search=_shape_names, update=_by_hand, override=_OVERRIDE
    )
    gain: FloatProperty(
        name="Gain", description="The shape key's value where the channel is full. Several rows may move one shape key",
        default=1.0, min=-_GAIN_MAX, max=_GAIN_MAX, soft_min=-2.0, soft_max=2.0, update=_by_hand,
        override=_OVERRIDE,
    )  # fmt: skip
    use: BoolProperty(
        name="Use",
        description="Off: the channel leaves this shape key alone",
        default=True,
        update=_by_hand,
        override=_OVERRIDE,
    )
    confidence: FloatProperty(
        name="Confidence",
        description="How sure it is that this shape key is meant",
        min=0.0,
        max=1.0,
        default=1.0,
        override=_OVERRIDE,
    )
    by_hand: BoolProperty(name="Made by Hand", description="Recognise Again keeps it as it is", override=_OVERRIDE)


class TalkClipBody(bpy.types.PropertyGroup):
    """One object of the character: the face, its teeth, tongue, brows, ..."""

    object: PointerProperty(name="Object", type=bpy.types.Object, poll=_has_shapes, update=_by_hand, override=_OVERRIDE)
    use: BoolProperty(
        name="Use",
        description="Whether this object's shape keys are keyed",
        default=True,
        update=_by_hand,
        override=_OVERRIDE,
    )
    by_hand: BoolProperty(name="Made by Hand", description="Recognise Again keeps it as it is", override=_OVERRIDE)


class TalkClipDriver(bpy.types.PropertyGroup):
    """One shape key that follows a driver, and what is done about it."""

    object: PointerProperty(name="Object", type=bpy.types.Object, override=_OVERRIDE)
    shape: StringProperty(name="Shape Key", override=_OVERRIDE)
    way: EnumProperty(
        name="Way",
        description="What is done about this driven shape key",
        items=(("DEFAULT", "As the Character", "As chosen for the character"), *_WAYS),
        default="DEFAULT",
        override=_OVERRIDE,
    )
    follows: StringProperty(
        name="Follows", description="What it follows, or why that cannot be keyed", override=_OVERRIDE
    )
    can_key: BoolProperty(
        name="Can Key", description="Whether the control can be keyed in the shape key's stead", override=_OVERRIDE
    )
    muted: BoolProperty(name="Switched Off", description="TalkCLIP has switched this driver off", override=_OVERRIDE)


class TalkClipRig(bpy.types.PropertyGroup):
    """The mapping table of one character."""

    rig_id: StringProperty(name="Recognised As", description="The rig whose names these are", override=_OVERRIDE)
    label: StringProperty(
        name="Rig", description="Name of the rig, or of the preset it was loaded from", override=_OVERRIDE
    )
    low: FloatProperty(name="Lowest", description="Shape keys are never set lower", default=0.0, override=_OVERRIDE)
    high: FloatProperty(name="Highest", description="Shape keys are never set higher", default=1.0, override=_OVERRIDE)
    rows: CollectionProperty(type=TalkClipMapping, override=_OVERRIDE_ROWS)
    active_row: IntProperty(name="Row", override=_OVERRIDE)
    parts: CollectionProperty(type=TalkClipBody, override=_OVERRIDE_ROWS)
    active_part: IntProperty(name="Object", override=_OVERRIDE)
    drivers: CollectionProperty(type=TalkClipDriver, override=_OVERRIDE_ROWS)
    active_driver: IntProperty(name="Driven Shape Key", override=_OVERRIDE)
    driver_way: EnumProperty(
        name="Driven Shape Keys",
        description="What is done about shape keys that follow drivers; one shape key may be told otherwise below",
        items=_WAYS,
        default="CONTROL",
        override=_OVERRIDE,
    )


class RigSettings:
    """The part of a character's properties that says what its face is made of."""

    rig: PointerProperty(type=TalkClipRig, override=_OVERRIDE)

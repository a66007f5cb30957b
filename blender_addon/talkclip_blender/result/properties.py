# SPDX-License-Identifier: GPL-3.0-or-later
"""What is saved of results: the takes, and how they are laid onto the character."""

from __future__ import annotations

from typing import Any

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

from . import gains, takes

_SEED_MAX = 2**31 - 1
_IN_OVERRIDES = {"LIBRARY_OVERRIDABLE"}


class TalkClipPart(bpy.types.PropertyGroup):
    """What one layer of a take keys on one datablock."""

    layer: StringProperty(name="Layer", override=_IN_OVERRIDES)
    kind: EnumProperty(
        name="Kind",
        items=(
            ("OWN", "Own", "The shape keys of the character's own mesh"),
            ("SHAPES", "Shape Keys", "The shape keys of the owner's mesh"),
            ("ITSELF", "Itself", "The owner"),
        ),
        override=_IN_OVERRIDES,
    )
    # To the object in place of its shape keys, because keys that something points to would outlive their mesh.
    owner: PointerProperty(name="Owner", type=bpy.types.ID, override=_IN_OVERRIDES)
    action: PointerProperty(name="Action", type=bpy.types.Action, override=_IN_OVERRIDES)
    slot: IntProperty(name="Slot", description="Handle of the Action's slot", override=_IN_OVERRIDES)


class TalkClipTake(bpy.types.PropertyGroup):
    """One result, kept so that takes can be compared. The pointers keep its Actions in the file."""

    uid: StringProperty(name="Identity", override=_IN_OVERRIDES)
    label: StringProperty(name="Name", description="Of the take; free", override=_IN_OVERRIDES)
    prompt: StringProperty(name="Prompt", description="How it is spoken", override=_IN_OVERRIDES)
    star: BoolProperty(name="Star", description="Mark this take as a good one", override=_IN_OVERRIDES)
    parts: CollectionProperty(type=TalkClipPart, override={"LIBRARY_OVERRIDABLE", "USE_INSERTION"})
    action: PointerProperty(
        name="Action", description="Of its lowest layer", type=bpy.types.Action, override=_IN_OVERRIDES
    )
    frame_start: IntProperty(name="Start", override=_IN_OVERRIDES)
    frame_end: IntProperty(name="End", override=_IN_OVERRIDES)
    fps: FloatProperty(name="Frame Rate", description="Of the scene when it was made", override=_IN_OVERRIDES)
    channels: StringProperty(name="Channels", description="Of the track it was made of", override=_IN_OVERRIDES)
    has_head: BoolProperty(name="Head", description="The track turns the head", override=_IN_OVERRIDES)
    engine: StringProperty(name="Engine", description="What computed it", override=_IN_OVERRIDES)
    request: StringProperty(
        name="Request", description="What was asked, but for prompts and style clips", override=_IN_OVERRIDES
    )
    timeline: StringProperty(name="Prompts", description="As played, as JSON", override=_IN_OVERRIDES)
    asked: StringProperty(name="Asked", description="The prompts as asked for, as JSON", override=_IN_OVERRIDES)
    styles: StringProperty(name="Styles", description="The style clips asked for, as JSON", override=_IN_OVERRIDES)
    digest: StringProperty(name="Digest", description="Of its keys as they were written", override=_IN_OVERRIDES)
    live: BoolProperty(name="Live", description="Changes while you type", override=_IN_OVERRIDES)
    notes: StringProperty(
        name="Notes", description="What the prompt was understood as; one note a line", override=_IN_OVERRIDES
    )


def _gain(name: str, description: str) -> Any:
    return FloatProperty(
        name=name, description=f"{description} Costs no request", default=1.0, min=0.0, max=1.0, subtype="FACTOR",
        update=gains.update, options=set(), override=_IN_OVERRIDES,
    )  # fmt: skip


def _mute(name: str, layer: str) -> Any:
    getter, setter = gains.mute_access(layer)
    return BoolProperty(
        name=f"Mute {name}", description=f"Switch the NLA tracks of this layer off: {name.lower()}", get=getter,
        set=setter, options=set(), override=_IN_OVERRIDES,
    )  # fmt: skip


class ResultSettings:
    """The part of a character's properties that says how results are made and kept."""

    takes: CollectionProperty(type=TalkClipTake, override={"LIBRARY_OVERRIDABLE", "USE_INSERTION"})
    active_take: IntProperty(
        name="Take", description="The take that is chosen in the list; it plays", update=takes.chosen,
        override=_IN_OVERRIDES,
    )  # fmt: skip
    side_by_side: PointerProperty(
        name="Side by Side", description="The copy that plays another take", type=bpy.types.Collection,
        override=_IN_OVERRIDES,
    )  # fmt: skip
    gain_mouth: _gain("Mouth", "How much of the spoken mouth plays over your own animation.")
    gain_expression: _gain("Expression", "How much of what the prompt asks for is added.")
    gain_blinks: _gain("Blinks", "How much of the blinks is added.")
    gain_head: _gain("Head", "How much the head turns, and the eyes against it.")
    mute_mouth: _mute("Mouth", "mouth")
    mute_expression: _mute("Expression", "expression")
    mute_blinks: _mute("Blinks", "blinks")
    mute_head: _mute("Head", "head")
    ease_s: FloatProperty(
        name="Ease", description="Seconds in which the face comes in from, and goes back to, your own animation",
        default=0.12, min=0.0, soft_max=1.0, unit="TIME_ABSOLUTE", update=gains.update_ease, options=set(),
        override=_IN_OVERRIDES,
    )  # fmt: skip
    seed: IntProperty(
        name="Seed", description="Another number gives other blinks and head movements", min=0, max=_SEED_MAX,
        override=_IN_OVERRIDES,
    )  # fmt: skip

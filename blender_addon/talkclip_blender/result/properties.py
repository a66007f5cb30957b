# SPDX-License-Identifier: GPL-3.0-or-later
"""What is saved of results: the takes, and how they are laid onto the character."""

from __future__ import annotations

import bpy
from bpy.props import CollectionProperty, FloatProperty, IntProperty, PointerProperty, StringProperty

_SEED_MAX = 2**31 - 1


class TalkClipTake(bpy.types.PropertyGroup):
    """One result, kept so that takes can be compared. The pointer keeps its Action in the file."""

    uid: StringProperty(name="Identity")
    prompt: StringProperty(name="Prompt")
    action: PointerProperty(name="Action", type=bpy.types.Action)
    frame_start: IntProperty(name="Start")
    frame_end: IntProperty(name="End")
    notes: StringProperty(name="Notes", description="What the prompt was understood as; one note a line")


class ResultSettings:
    """The part of a character's properties that says how results are made and kept."""

    takes: CollectionProperty(type=TalkClipTake)
    ease_s: FloatProperty(
        name="Ease", description="Seconds in which the face comes in from, and goes back to, your own animation",
        default=0.12, min=0.0, soft_max=1.0, unit="TIME_ABSOLUTE",
    )  # fmt: skip
    seed: IntProperty(
        name="Seed", description="Another number gives other blinks and head movements", min=0, max=_SEED_MAX
    )

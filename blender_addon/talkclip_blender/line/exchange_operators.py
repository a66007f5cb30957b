# SPDX-License-Identifier: GPL-3.0-or-later
"""Buttons that take prompts from markers and text strips, and give them back."""

from __future__ import annotations

from typing import Any

import bpy

from .. import report
from . import markers, text_strips
from .segment_operators import LineOperator
from .sound import Extent


class _FromElsewhere(LineOperator):
    """Replaces the segments."""

    def tell(self, line: Any, notes: list[str]) -> None:
        """What was made."""
        n = len(line.segments)
        report.notes(self, [f"{n} prompt segment{'s' * (n != 1)}.", *notes])


class _ToElsewhere(LineOperator):
    """Shows the segments somewhere."""

    @classmethod
    def why_not(cls, line: Any, context: bpy.types.Context) -> str:
        """See `LineOperator`."""
        return "" if line.segments else "There is no prompt yet: type or add one"


class TALKCLIP_OT_from_markers(_FromElsewhere, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Make prompts of the timeline's markers: a marker's name is the prompt from there to the next marker"""

    bl_idname = "talkclip.from_markers"
    bl_label = "Prompts from Markers"

    def change(self, line: Any, extent: Extent, context: bpy.types.Context) -> None:
        """See `LineOperator`."""
        self.tell(line, markers.from_markers(line, extent, context.scene))


class TALKCLIP_OT_to_markers(_ToElsewhere, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Put a timeline marker at the start of each prompt, with the prompt as its name"""

    bl_idname = "talkclip.to_markers"
    bl_label = "Prompts to Markers"

    def change(self, line: Any, extent: Extent, context: bpy.types.Context) -> None:
        """See `LineOperator`."""
        report.notes(self, [f"{markers.to_markers(line, extent, context.scene)} markers."])


class TALKCLIP_OT_from_strips(_FromElsewhere, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Make prompts of the selected text strips of the Video Sequencer, or of all where none is selected"""

    bl_idname = "talkclip.from_strips"
    bl_label = "Prompts from Text Strips"

    def change(self, line: Any, extent: Extent, context: bpy.types.Context) -> None:
        """See `LineOperator`."""
        self.tell(line, text_strips.from_strips(line, extent, context.scene))


class TALKCLIP_OT_to_strips(_ToElsewhere, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Show each prompt as a text strip of the Video Sequencer"""

    bl_idname = "talkclip.to_strips"
    bl_label = "Prompts to Text Strips"

    def change(self, line: Any, extent: Extent, context: bpy.types.Context) -> None:
        """See `LineOperator`."""
        report.notes(self, [f"{text_strips.to_strips(line, extent, context.scene)} text strips."])


class TALKCLIP_MT_exchange(bpy.types.Menu):  # noqa: N801 - Blender's naming rule
    """Prompts from and to other editors."""

    bl_label = "Markers and Text Strips"

    def draw(self, context: bpy.types.Context) -> None:
        """Blender draws this."""
        layout = self.layout
        layout.operator("talkclip.from_markers", icon="MARKER_HLT")
        layout.operator("talkclip.to_markers")
        layout.separator()
        layout.operator("talkclip.from_strips", icon="SEQUENCE")
        layout.operator("talkclip.to_strips")


CLASSES = (
    TALKCLIP_OT_from_markers,
    TALKCLIP_OT_to_markers,
    TALKCLIP_OT_from_strips,
    TALKCLIP_OT_to_strips,
    TALKCLIP_MT_exchange,
)

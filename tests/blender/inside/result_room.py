"""What the suites of the result room share."""

from __future__ import annotations

import sys
from types import ModuleType

import bpy
import numpy as np
from harness import MODULE, ask, posed


def room(name: str) -> ModuleType:
    """A module of the result room."""
    return sys.modules[f"{MODULE}.result.{name}"]


def server(address):
    bpy.context.preferences.addons[MODULE].preferences.server_address = address


def spoken(**changes):
    """What the head's settings get from the server, with layers."""
    return ask(layers=True, **changes)


def timeline_of(head):
    from talkclip.timeline import PromptEdit, PromptSegment, PromptTimeline

    return PromptTimeline(
        tuple(
            PromptSegment(
                segment.prompt, (segment.frame_start - 1) / 30, (segment.frame_end - 1) / 30, segment.intensity,
                tuple(PromptEdit(edit.text, edit.weight) for edit in segment.edits),
                segment.blend_in_s, segment.blend_out_s, uid=segment.uid,
            )
            for segment in head.talkclip.segments
        )
    )  # fmt: skip


def all_poses(head, n_frames):
    return np.stack([posed(head, 1 + k) for k in range(n_frames)])


def single(prompt):
    from talkclip.timeline import PromptTimeline

    return PromptTimeline.single(prompt, 86_400.0)

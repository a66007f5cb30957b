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


def style_clip(path, smile):
    """A track of four seconds of a face that smiles so much, as a style video -> its path."""
    from talkclip.coefficients import ARKIT52, CoefficientTrack
    from talkclip.track_io import write_track

    values = 0.1 + 0.1 * np.sin(np.arange(100)[:, None] * 0.7 + np.arange(52))
    values[:, [ARKIT52.index("mouthSmileLeft"), ARKIT52.index("mouthSmileRight")]] = smile
    write_track(CoefficientTrack("arkit52", ARKIT52, 25.0, values.astype(np.float32)), path)
    return str(path)

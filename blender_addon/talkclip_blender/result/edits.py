# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether changed prompts and style clips fit a take that is there: then only what changes is asked for and keyed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from talkclip.coefficients import HEAD6, CoefficientTrack
from talkclip.timeline import PromptTimeline

from ..character.face import Face
from . import parts, rekeying, strips, takes
from .asked import restyled
from .layering import layered

_SAME_FRAME = 1e-3


@dataclass(frozen=True)
class Base:
    """A take that holds what the request asks for, but for the prompts and style clips."""

    take: str
    """Its uid."""
    timeline: PromptTimeline
    """Its prompts, as played."""
    engine: str
    """What computed it; see `asked.engine_of`."""
    restyled: tuple[str, ...] = ()
    """uids of segments whose style clip is another one now, or new, or gone."""


@dataclass(frozen=True)
class NoBase:
    """There is no take to change."""

    reason: str
    is_news: bool = False
    """Whether somebody who speaks the line wants to know."""


def base_for(found: Face, asked: str, styles: str, start_frame: int, fps: float) -> Base | NoBase:
    """The take to change, or why there is none.

    Args:
        found: the character.
        asked: the request; see `asked.description`.
        styles: its style clips; see `asked.styles_said`.
        start_frame: of the line.
        fps: of the scene.
    """
    candidates = [take for take in takes.shown(found.mesh.talkclip) if take.frame_start == start_frame]
    if not candidates:
        return NoBase("This line has not been spoken yet, or its take is not shown.")
    take = candidates[-1]
    if take.request != asked or take.fps != np.float32(fps):
        return NoBase("Not only prompts have changed.")
    here = parts.of(take)
    if reason := _moved(take, here):
        return NoBase(reason, is_news=True)
    keys = rekeying.read(here)
    if rekeying.digest_of(keys) != take.digest:
        return NoBase(f"You have changed keys of {take.label}: it stays as it is.", is_news=True)
    if _addresses(here, keys) != _keyed_now(found, take):
        return NoBase("Other channels of the character are keyed now.")
    return Base(take.uid, PromptTimeline.from_json(take.timeline), take.engine, restyled(take.styles, styles))


def _moved(take: Any, here: list[parts.Part]) -> str:
    """Why the take's strips do not play it as it was made, or ""."""
    if len(here) != len(take.parts):
        return f"A part of {take.label} is gone."
    for part in here:
        playing = [strip for strip in strips.on_track(part.owner, part.layer.track) if strip.action == part.action]
        if len(playing) != 1:
            return f"A strip of {take.label} was deleted or copied."
        ends = playing[0].frame_start - take.frame_start, playing[0].frame_end - take.frame_end
        if take.frame_end > take.frame_start and max(map(abs, ends)) > _SAME_FRAME:
            return f"A strip of {take.label} was moved."
    return ""


def _addresses(here: list[parts.Part], keys: list[rekeying.Keys]) -> set[tuple[Any, ...]]:
    """What is keyed in the layers that hold all of it: the mouth's, and the head's."""
    return {
        (part.layer.name, part.owner, *address)
        for part, own in zip(here, keys, strict=True)
        if part.layer.blend == "REPLACE"
        for address in own.addresses
    }


def _keyed_now(found: Face, take: Any) -> set[tuple[Any, ...]]:
    """What would be keyed in these layers if the take were made now."""
    names = take.channels.split()
    still = np.zeros((1, len(names)), np.float32)
    head = np.zeros((1, len(HEAD6)), np.float32) if take.has_head else None
    made = layered(found, CoefficientTrack(found.space, tuple(names), take.fps, still, 0.0, head), None)
    return {(layer, channel.owner, *channel.address) for layer, channels in made.layers.items() for channel in channels}

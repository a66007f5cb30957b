# SPDX-License-Identifier: GPL-3.0-or-later
"""A track becomes layers: for each one, what it adds to the layers below it.

A layer is a difference: the channels of the track with it, less the channels of the track without it. So the layers add
up to the channels of the whole track whatever stands in between (limits, mapping tables, turns of bones), and at gains
of 1 the pose is that of the whole track.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from talkclip.coefficients import CoefficientTrack, LayerValues

from ..character.face import Face
from .channels import channels_of
from .keying import Address, Channel

# These have every channel of the face or the head, so that nothing below shows through.
_WHOLE = ("mouth", "head")


@dataclass(frozen=True)
class Layered:
    """What to key."""

    layers: dict[str, list[Channel]]
    """{layer: channels}, from the bottom up; those above `mouth` are what has to be added to what is below."""
    everything: list[Channel]
    """The channels of the whole track."""
    notes: list[str]
    """What cannot be keyed."""

    def moving(self) -> dict[str, list[Channel]]:
        """What of it has to be keyed: in layers that are added, only what moves."""
        return {
            layer: [channel for channel in channels if layer in _WHOLE or channel.moves]
            for layer, channels in self.layers.items()
        }


def layered(found: Face, track: CoefficientTrack, values: LayerValues | None) -> Layered:
    """A track's layers on one character.

    Args:
        found: the character.
        track: the whole movement, at the scene's rate.
        values: what it is made of; None: not known, then all but the head is in the layer `mouth`.

    Raises:
        InputError: none of it can be keyed.
    """
    everything, notes = channels_of(found, track)
    face_only = dataclasses.replace(track, head=None)
    sums = _sums(track, values)
    below, _ = channels_of(found, face_only.with_values(sums.pop("mouth")))
    known = {_name(channel) for channel in below}
    head = [channel for channel in everything if _name(channel) not in known]
    if not head:
        sums.pop("gaze", None)  # what the eyes do to hold a target while the head turns; it does not
    layers = {"mouth": below}
    for layer, total in sums.items():
        above, _ = channels_of(found, face_only.with_values(total))
        layers[layer] = _difference(below, above)
        below = above
    return Layered({**layers, "head": head}, everything, notes)


def _sums(track: CoefficientTrack, values: LayerValues | None) -> dict[str, np.ndarray]:
    """{layer: values (T, C) of it and all below it}, from the bottom up. The highest is exactly the track."""
    if values is None:
        return {"mouth": track.values}
    blinks = track.values - values.gaze
    expression = blinks - values.blinks
    mouth = expression - values.expression
    return {"mouth": mouth, "expression": expression, "blinks": blinks, "gaze": track.values}


def _name(channel: Channel) -> tuple[int, Address]:
    return channel.owner.as_pointer(), channel.address


def _difference(below: list[Channel], above: list[Channel]) -> list[Channel]:
    """What has to be added to come from one to the other."""
    before = {_name(channel): channel.values for channel in below}
    return [
        dataclasses.replace(channel, values=channel.values - before[_name(channel)])
        for channel in above
        if _name(channel) in before
    ]

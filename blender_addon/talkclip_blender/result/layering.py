# SPDX-License-Identifier: GPL-3.0-or-later
"""A track becomes layers: for each one, what it adds to the layers below it.

A layer is a difference: the channels of the track with it, less the channels of the track without it. So the layers add
up to the channels of the whole track whatever stands in between (limits, mapping tables, turns of bones), and at gains
of 1 the pose is that of the whole track.
"""

from __future__ import annotations

import dataclasses
import itertools
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
    sums = [channels_of(found, face_only.with_values(total))[0] for total in _sums(track, values)]
    known = {_name(channel) for channel in sums[0]}
    head = [channel for channel in everything if _name(channel) not in known]
    if head and values is not None:  # the eyes hold a target while the head turns; if it does not, they need not
        sums.append([channel for channel in everything if _name(channel) in known])
    layers = {"mouth": sums[0]}
    for layer, (below, above) in zip(("expression", "blinks", "gaze"), itertools.pairwise(sums), strict=False):
        layers[layer] = _difference(below, above)
    return Layered({**layers, "head": head}, everything, notes)


def _sums(track: CoefficientTrack, values: LayerValues | None) -> list[np.ndarray]:
    """(T, C) values of the mouth, with the expression, and with the blinks; all of the track where that is not known.

    What is left to the track is the gaze, so that the sum of all is the track exactly.
    """
    if values is None:
        return [track.values]
    with_blinks = track.values - values.gaze
    with_expression = with_blinks - values.blinks
    return [with_expression - values.expression, with_expression, with_blinks]


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

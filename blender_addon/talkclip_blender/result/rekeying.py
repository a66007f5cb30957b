# SPDX-License-Identifier: GPL-3.0-or-later
"""A stretch of a take is keyed anew, in place: all other keys stay as they are."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from . import keying
from .keying import STILL, Address, Channel
from .parts import Part


def digest_of(parts: Iterable[Part]) -> str:
    """Frames and values of all keys of a take, in a word. Another one, and somebody has changed them."""
    total = 0
    for number, part in enumerate(parts):
        for curve in part.curves:
            name = f"{number} {curve.data_path} {curve.array_index}".encode()
            total += zlib.crc32(keying.points_of(curve).tobytes(), zlib.crc32(name))
    return f"{total:x}"


def overwrite(curves: Any, frames: np.ndarray, first: int, channels: Sequence[Channel]) -> None:
    """Give the keys of a stretch other values.

    Args:
        curves: of one layer on one datablock, as `keying.write` made them: a key on each frame, or ends only.
        frames: (T,) scene frames of the whole line.
        first: index of the stretch's first frame.
        channels: the stretch's values, (n,) each. A channel without a curve was 0 all the time.
    """
    existing = {(curve.data_path, curve.array_index): curve for curve in curves}
    before = {address: _values(curve, len(frames)) for address, curve in existing.items()}
    for channel in _nearest(channels, before, first):
        stretch = slice(first, first + len(channel.values))
        values = before.get(channel.address)
        values = np.zeros(len(frames), np.float32) if values is None else values
        if np.abs(values[stretch] - channel.values).max() <= STILL:
            continue
        values[stretch] = channel.values
        curve = existing.get(channel.address) or curves.new(channel.data_path, index=channel.index)
        keying.write_all(curve, frames, values)


def _values(curve: Any, count: int) -> np.ndarray:
    """(T,) value at each frame of the line; of a still channel, its only one."""
    values = keying.points_of(curve)[:, 1]
    return values.copy() if len(values) == count else np.full(count, values[0], np.float32)


def _nearest(channels: Sequence[Channel], before: dict[Address, np.ndarray], first: int) -> list[Channel]:
    """Of the two quaternions of each rotation, the ones that are near to those keyed so far."""
    result = []
    for channel in channels:
        if channel.data_path.endswith("rotation_quaternion") and (channel.data_path, 0) in before:
            own = [each for each in channels if each.owner == channel.owner and each.data_path == channel.data_path]
            keyed = [before[each.address][first : first + len(each.values)] for each in own]
            if sum(float(np.dot(old, each.values)) for old, each in zip(keyed, own, strict=True)) < 0:
                channel = Channel(channel.owner, channel.data_path, channel.index, -channel.values, channel.group)
        result.append(channel)
    return result

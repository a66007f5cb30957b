# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys of a take are read, compared with how they were written, and keyed anew over a stretch, in place."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from . import keying
from .keying import STILL, Address, Channel
from .parts import Part


class Keys:
    """The keys of one part of a take, read once."""

    def __init__(self, curves: Any, copied_from: Keys | None = None) -> None:
        """Read them.

        Args:
            curves: the collection of the part's F-curves.
            copied_from: they are a fresh copy of these, and need not be read.
        """
        self._collection = curves
        self._curves = {(curve.data_path, curve.array_index): curve for curve in curves}
        if copied_from is not None:
            self._points = dict(copied_from._points)
        else:
            self._points = {address: keying.points_of(curve) for address, curve in self._curves.items()}

    @property
    def addresses(self) -> set[Address]:
        """What is keyed."""
        return set(self._curves)

    def checksum(self) -> int:
        """Another one, and somebody has changed frames or values."""
        return sum(
            zlib.crc32(points.tobytes(), zlib.crc32(f"{path} {index}".encode()))
            for (path, index), points in self._points.items()
        )

    def overwrite(self, frames: np.ndarray, first: int, channels: Sequence[Channel]) -> None:
        """Give the keys of a stretch other values; all other keys stay as they are.

        Each curve has a key on each frame, or keys at its ends only, as `keying.write` made them.

        Args:
            frames: (T,) scene frames of the whole line.
            first: index of the stretch's first frame.
            channels: the stretch's values, (n,) each. A channel without a curve was 0 all the time.
        """
        for channel in channels:
            values = self._values(channel.address, len(frames))
            stretch = slice(first, first + len(channel.values))
            if np.abs(values[stretch] - channel.values).max() <= STILL:
                continue
            values[stretch] = channel.values
            if channel.address not in self._curves:
                self._curves[channel.address] = self._collection.new(channel.data_path, index=channel.index)
            self._points[channel.address] = keying.write_all(self._curves[channel.address], frames, values)

    def turned_over(self, count: int, first: int, channels: Sequence[Channel]) -> set[str]:
        """The rotations that are keyed as one quaternion here and as its negative in a stretch: data paths.

        Args:
            count: frames of the whole line.
            first: index of the stretch's first frame.
            channels: the stretch's values, of whole rotations.
        """
        likeness: dict[str, float] = {}
        for channel in channels:
            if channel.data_path.endswith("rotation_quaternion"):
                keyed = self._values(channel.address, count)[first : first + len(channel.values)]
                path = channel.data_path
                likeness[path] = likeness.get(path, 0.0) + float(np.dot(keyed, channel.values))
        return {path for path, sum_of_products in likeness.items() if sum_of_products < 0}

    def _values(self, address: Address, count: int) -> np.ndarray:
        """(T,) value at each frame of the line; of a still channel, its only one."""
        if address not in self._points:
            return np.zeros(count, np.float32)
        values = self._points[address][:, 1]
        return values.copy() if len(values) == count else np.full(count, values[0], np.float32)


def read(parts: Iterable[Part]) -> list[Keys]:
    """The keys of each part."""
    return [Keys(part.curves) for part in parts]


def digest_of(keys: Iterable[Keys]) -> str:
    """All keys of a take in a word. Another one, and somebody has changed them."""
    return f"{sum((number + 1) * each.checksum() for number, each in enumerate(keys)):x}"

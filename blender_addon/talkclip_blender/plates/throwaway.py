# SPDX-License-Identifier: GPL-3.0-or-later
"""Datablocks that are made for a render and thrown away afterwards.

While Blender renders in a window, the user may undo: that takes them away, and every reference to them is invalid from
then on. So nothing is remembered but names and numbers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import bpy

from .. import compat


class Throwaway:
    """What is to be removed at the end of a `with`, in the order in which it was added."""

    def __init__(self) -> None:
        self._made: list[tuple[str, int, str]] = []

    def add(self, collection: str, block: Any) -> Any:
        """Remember a block of `bpy.data.<collection>` -> the block. It keeps its name."""
        self._made.append((collection, compat.session_id(block), block.name))
        return block

    def __enter__(self) -> Throwaway:
        return self

    def __exit__(self, *_: object) -> None:
        """Remove what is still there."""
        for collection, number, name in self._made:
            block = compat.with_session_id(getattr(bpy.data, collection), number, name)
            if block is not None:
                bpy.data.batch_remove((block,))


@contextlib.contextmanager
def sounds() -> Iterator[None]:
    """Remove the sounds that are loaded within."""
    before = {_identity(sound) for sound in bpy.data.sounds}
    try:
        yield
    finally:
        for sound in [sound for sound in bpy.data.sounds if _identity(sound) not in before]:
            bpy.data.sounds.remove(sound)


def _identity(block: bpy.types.ID) -> Any:
    return compat.session_id(block) or block.name

# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender's animation system makes of tracks, actions and gains: the values of channels, frame by frame."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import bpy
import numpy as np

from .keying import Address


def sampled(
    scene: bpy.types.Scene, wanted: Mapping[bpy.types.ID, Sequence[Address]], frames: Sequence[int]
) -> dict[bpy.types.ID, np.ndarray]:
    """Play some frames -> {datablock: float32 (T, N) its channels}.

    They are played in a scene of their own that holds the datablocks and what they depend on, and nothing else: a
    crowd and subdivided meshes would take a second for a frame.

    Args:
        scene: whose frames.
        wanted: {Key or Object: its channels}.
        frames: (T,) scene frames.
    """
    result = {owner: np.empty((len(frames), len(addresses)), np.float32) for owner, addresses in wanted.items()}
    with _stage(scene, list(wanted)) as (stage, stand_ins):
        for row, frame in enumerate(frames):
            stage.frame_set(frame)
            depsgraph = stage.view_layers[0].depsgraph
            for owner, addresses in wanted.items():
                evaluated = stand_ins[owner].evaluated_get(depsgraph)
                source = evaluated.data.shape_keys if isinstance(owner, bpy.types.Key) else evaluated
                result[owner][row] = [_value(source, address) for address in addresses]
    return result


@contextlib.contextmanager
def _stage(
    scene: bpy.types.Scene, owners: list[bpy.types.ID]
) -> Iterator[tuple[bpy.types.Scene, dict[bpy.types.ID, bpy.types.Object]]]:
    """A scene with the owners only -> (scene, {owner: object to look at})."""
    stage = bpy.data.scenes.new("TalkCLIP sampling")
    extras: list[bpy.types.Object] = []
    try:
        stage.render.fps, stage.render.fps_base = scene.render.fps, scene.render.fps_base
        stand_ins = {}
        for owner in owners:
            stand_in = owner
            if isinstance(owner, bpy.types.Key):
                stand_in = bpy.data.objects.new("TalkCLIP sampling", owner.user)
                extras.append(stand_in)
            stage.collection.objects.link(stand_in)
            stand_ins[owner] = stand_in
        yield stage, stand_ins
    finally:
        bpy.data.scenes.remove(stage)
        for extra in extras:
            bpy.data.objects.remove(extra)


def _value(source: Any, address: Address) -> float:
    path, index = address
    value = source.path_resolve(path)
    return float(value if isinstance(value, (int, float)) else value[index])

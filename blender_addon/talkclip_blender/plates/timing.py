# SPDX-License-Identifier: GPL-3.0-or-later
"""Which picture of a plate is shown at which scene frame.

Blender counts a sequence from `frame_start` on and adds `frame_offset` to get the number in the file's name, or the
frame of a movie. Two things it does not do: before the start it asks for a file that is not there, which renders as
flat magenta, and it knows no rate but the scene's. A driver on `frame_offset` does both. It is a plain expression of
`frame`, which runs without leave for scripts.
"""

from __future__ import annotations

import math
from typing import Any

import bpy

from ..frame_rate import scene_fps

# A picture whose time has come but for rounding is shown.
_ROUNDING = 1e-4


def play(user: Any, owner: bpy.types.ID, path: str, plate: Any, scene: bpy.types.Scene) -> None:
    """Let an image user, or a compositor's image node, play a plate from the line's first frame on.

    Before it the first picture stands, after it the last one.

    Args:
        user: has `frame_start`, `frame_duration`, `frame_offset`.
        owner: datablock that holds it, for the driver.
        path: of `user` from `owner`.
    """
    fps = scene_fps(scene)
    first = plate.first_number if plate.kind == "PNG" else 1
    user.frame_start = plate.frame_start
    user.frame_duration = end_frame(plate, fps) - plate.frame_start
    user.frame_offset = first - 1
    user.use_cyclic = False
    user.use_auto_refresh = True
    owner.driver_remove(f"{path}.frame_offset")
    driver = owner.driver_add(f"{path}.frame_offset").driver
    driver.type = "SCRIPTED"
    driver.expression = offset_expression(plate, fps, first)


def offset_expression(plate: Any, fps: float, first: int) -> str:
    """What `frame_offset` has to be at scene frame `frame`."""
    start = plate.frame_start
    if same_rate(plate, fps):
        return f"{first - 1} + (frame < {start})"
    rate, frames = plate.fps / fps, end_frame(plate, fps) - start
    wanted = f"{first} + min(max(floor((frame - {start}) * {rate!r} + {_ROUNDING}), 0), {plate.n_frames - 1})"
    return f"{wanted} - min(max(frame - {start - 1}, 0), {frames})"


def end_frame(plate: Any, fps: float) -> int:
    """Scene frame after the plate's last one."""
    if same_rate(plate, fps):
        return int(plate.frame_start + plate.n_frames)
    return plate.frame_start + max(1, math.ceil(plate.n_frames * fps / plate.fps - _ROUNDING))


def pictures_shown(plate: Any, fps: float) -> list[int]:
    """For each scene frame from the plate's start to its end: which of its pictures, from 0."""
    rate = 1.0 if same_rate(plate, fps) else plate.fps / fps
    frames = end_frame(plate, fps) - plate.frame_start
    return [min(math.floor(frame * rate + _ROUNDING), plate.n_frames - 1) for frame in range(frames)]


def set_fps(scene: bpy.types.Scene, fps: float) -> None:
    """Frames per second; NTSC's rates as Blender writes them (30 / 1.001)."""
    whole = round(fps)
    if abs(fps - whole) < 1e-4:
        scene.render.fps, scene.render.fps_base = whole, 1.0
    else:
        scene.render.fps = math.ceil(fps)
        scene.render.fps_base = math.ceil(fps) / fps


def same_rate(plate: Any, fps: float) -> bool:
    """Whether each picture stands for one frame of a scene with `fps`."""
    return abs(plate.fps - fps) < 1e-3

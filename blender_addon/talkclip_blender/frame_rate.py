# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames per second of a scene."""

from __future__ import annotations

import bpy

from talkclip.timebase import fps_fraction


def scene_fps(scene: bpy.types.Scene) -> float:
    """Frames per second; exactly 30000/1001 for NTSC, though Blender keeps 1.001 in single precision."""
    return float(fps_fraction(scene.render.fps / scene.render.fps_base))

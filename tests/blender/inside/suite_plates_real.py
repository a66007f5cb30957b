"""Plates of the real server: the head, and a portrait that Blender renders of the character."""

from __future__ import annotations

import os
from pathlib import Path

import bpy
import numpy as np
import pytest
from plates_harness import N_FRAMES


def pixels(path):
    """(H, W, 4) 0 to 1, from below."""
    image = bpy.data.images.load(str(path))
    values = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(values)
    size = tuple(image.size)
    bpy.data.images.remove(image)
    return values.reshape(size[1], size[0], 4)


@pytest.mark.parametrize("who", ["HEAD", "PORTRAIT"])
def test_somebody_speaks(saved_head, who):
    character = saved_head.talkclip
    character.plate_who, character.portrait_source = who, "FACE"
    character.plate_alpha = True
    assert bpy.ops.talkclip.render_plate() == {"FINISHED"}
    (plate,) = character.plates
    folder = Path(bpy.path.abspath(plate.path)).parent
    files = sorted(folder.glob("frame_*.png"))
    assert len(files) == N_FRAMES == plate.n_frames and (plate.width, plate.height) == (128, 128)
    frames = np.stack([pixels(file) for file in files])
    assert frames[:, -3:, :3, 3].max() == 0 and frames[:, 60, 60, 3].min() == 1, "the person alone"
    color = frames[:, 40:100, 40:90, :3]
    assert color.mean() > 0.15 and (color[..., 0] - color[..., 2]).mean() > 0.05, "skin"
    moved = np.ptp(frames[..., :3].max(-1), axis=0)
    assert moved[25:60, 40:90].max() > 0.15, "the mouth moves"
    assert np.median(np.ptp(frames[..., 3], axis=0)) < 0.01, "most of the picture rests"
    with Path(os.environ["TALKCLIP_TEST_PICTURES"]).open("a") as notes:
        notes.write(f"{files[3]}\n")

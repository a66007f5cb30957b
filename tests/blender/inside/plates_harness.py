"""What the suites of plates share: a saved file with half a second of the line, and pixels of pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from harness import MODULE, SAMPLE

# Half a second of the line, at 30 fps, from this scene frame on; a track has a frame at its end too.
START, SPOKEN = 21, 15
N_FRAMES = SPOKEN + 1
LAST = START + N_FRAMES - 1
DEFAULT_RED = 200


def green_of(number: int) -> int:
    """Green of picture `number`; as in rehearsal_plates.py."""
    return 40 + number * 5 % 200


@pytest.fixture
def saved_head(head: bpy.types.Object, scene: bpy.types.Scene, tmp_path: Path) -> Iterator[bpy.types.Object]:
    """The default head in a saved file; it speaks half a second of a strip, and the plate shows the default head."""
    folder = tmp_path / "Projekt äöü"
    folder.mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "shot.blend"))
    editor = scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    strip = strips.new_sound("line", str(SAMPLE), 1, START - 15)
    if bpy.app.version >= (5, 2, 0):
        strip.left_handle, strip.right_handle = START, START + SPOKEN
    else:
        strip.frame_final_start, strip.frame_final_end = START, START + SPOKEN
    character = head.talkclip
    character.sound_source, character.sound_strip = "STRIP", "line"
    character.plate_who, character.plate_size = "HEAD", 128
    yield head
    bpy.ops.wm.read_factory_settings(use_empty=True)  # lets go of the folder


@pytest.fixture
def plates_room(extension: object) -> SimpleNamespace:
    """The modules of the room."""
    names = ("running", "request", "portrait", "record", "timing", "colors", "studio", "export")
    import importlib

    return SimpleNamespace(**{name: importlib.import_module(f"{MODULE}.plates.{name}") for name in names})


def pixel(path: Path, x: float, y: float) -> tuple[int, ...]:
    """r, g, b, a, each 0 to 255, at a place of a picture file; x and y from 0 to 1, from above left."""
    image = bpy.data.images.load(str(path))
    try:
        width, height = image.size
        values = np.empty(width * height * 4, np.float32)
        image.pixels.foreach_get(values)
        rows = values.reshape(height, width, 4)
        color = rows[min(int((1 - y) * height), height - 1), min(int(x * width), width - 1)]
        return tuple(round(float(value) * 255) for value in color)
    finally:
        bpy.data.images.remove(image)


def rendered(scene: bpy.types.Scene, frame: int, x: float = 0.5, y: float = 0.5) -> tuple[int, ...]:
    """What Blender renders there at a frame, as its PNG file has it."""
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "IMAGE"
    settings.file_format, settings.color_mode = "PNG", "RGBA"
    path = Path(bpy.app.tempdir) / "rendered.png"
    scene.render.filepath = str(path)
    scene.frame_set(frame)
    bpy.ops.render.render(write_still=True)
    return pixel(path, x, y)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendering in a copy of the scene that is thrown away, so that no setting of the user's scene is touched.

A copy of a scene shares its objects; what it has of its own are the settings, the Sequencer, the marker list and the
top collection. So it shows the same characters at the same frames, whatever is set for its rendering.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import bpy
import numpy as np
from mathutils import Matrix, Vector

from talkclip.errors import InputError, TalkClipError

from .. import compat
from ..character import axes, face
from ..frame_rate import scene_fps
from . import colors
from .throwaway import Throwaway

_NAME: Final = "TalkCLIP Studio"
_MOST_PIXELS: Final = 2048
_VIEW_PIXELS: Final = 1024
_CLOSE_UP_PIXELS: Final = 768
# The viewport looks through a sensor of twice Blender's 36 mm.
_VIEWPORT_SENSOR_MM: Final = 72.0
_CLOSE_UP_LENS_MM: Final = 85.0
# The face fills this share of a close-up's height.
_FACE_SHARE: Final = 0.55
# Shape keys move the face, and little else: what moves by this share of the most is face.
_MOVED_SHARE: Final = 0.02


@dataclass(frozen=True)
class View:
    """How the scene is looked at."""

    camera: str
    """Name of a camera object; "" for one that is made from the rest."""
    place: Matrix
    """The camera's world matrix."""
    lens_mm: float
    sensor_mm: float
    ortho_scale: float
    """Width of an orthographic view; 0: perspective."""
    width: int
    height: int


def camera_view(scene: bpy.types.Scene) -> View:
    """Through the scene's camera, at the size the scene renders.

    Raises:
        InputError: the scene has no camera.
    """
    camera = scene.camera
    if camera is None:
        raise InputError(
            f"The scene '{scene.name}' has no camera.", "Add one (Add > Camera), or choose Close-Up or Viewport."
        )
    share = scene.render.resolution_percentage / 100
    size = scene.render.resolution_x * share, scene.render.resolution_y * share
    return View(camera.name, Matrix(), 0.0, 0.0, 0.0, *_even(*size, _MOST_PIXELS))


def viewport_view(context: bpy.types.Context) -> View:
    """As the active 3D viewport shows the scene, or the largest one.

    Raises:
        InputError: there is none, as in Blender without a window.
    """
    found = _viewport(context)
    if found is None:
        raise InputError("There is no 3D viewport.", "Choose Camera or Close-Up.")
    space, region = found
    seen = space.region_3d
    if seen.view_perspective == "CAMERA" and context.scene.camera is not None:
        return camera_view(context.scene)
    ortho = seen.view_distance * _VIEWPORT_SENSOR_MM / space.lens if seen.view_perspective == "ORTHO" else 0.0
    scale = _VIEW_PIXELS / max(region.width, region.height)
    size = _even(region.width * scale, region.height * scale, _VIEW_PIXELS)
    return View("", seen.view_matrix.inverted(), space.lens, _VIEWPORT_SENSOR_MM, ortho, *size)


def close_up(mesh: bpy.types.Object, context: bpy.types.Context) -> View:
    """The character's face from the front, with head and neck around it."""
    points = _face_points(mesh, context)
    side, up, forward = axes.upright(mesh)
    frame = np.array([side, up, forward])
    inside = points @ frame.T
    low, high = inside.min(0), inside.max(0)
    middle = Vector(((low + high) / 2) @ frame)
    height = float(high[1] - low[1]) / _FACE_SHARE
    distance = height * _CLOSE_UP_LENS_MM / 36.0 + float(high[2] - low[2]) / 2
    place = Matrix((side, up, forward)).transposed().to_4x4()
    place.translation = middle + forward * distance
    return View("", place, _CLOSE_UP_LENS_MM, 36.0, 0.0, _CLOSE_UP_PIXELS, _CLOSE_UP_PIXELS)


@contextlib.contextmanager
def copy_of(scene: bpy.types.Scene, view: View | None, engine: str) -> Iterator[bpy.types.Scene]:
    """A copy of the scene that looks as `view` says and renders with `engine` (WORKBENCH, or SCENE as it is set).

    The copy and all that was made for it are gone afterwards. None for `view` leaves camera and size as they are.
    """
    with Throwaway() as made:
        copy = scene.copy()
        copy.name = _NAME
        made.add("scenes", copy)
        if copy.sequence_editor is not None:
            copy.sequence_editor_clear()
        if engine == "WORKBENCH":
            copy.render.engine = "BLENDER_WORKBENCH"
            copy.render.use_compositing = False
            colors.show_exactly(copy)  # as the viewport's solid mode does
        if view is not None and not view.camera:
            copy.timeline_markers.clear()  # they may be bound to cameras, and would switch to these
        copy.render.use_border = False
        copy.render.use_overwrite, copy.render.use_placeholder = True, False
        copy.render.use_stamp = False
        copy.render.use_multiview = False
        if view is not None:
            copy.render.resolution_x, copy.render.resolution_y = view.width, view.height
            copy.render.resolution_percentage = 100
            copy.render.pixel_aspect_x = copy.render.pixel_aspect_y = 1.0
            copy.camera = _camera(copy, view, made)
        yield copy


def render_picture(copy: bpy.types.Scene, path: Path) -> None:
    """Render the copy's current frame to a PNG file.

    Raises:
        TalkClipError: Blender did not.
    """
    render = copy.render
    compat.picture_output(render, alpha=False)
    render.filepath, render.use_file_extension = str(path), False
    render.use_sequencer = False
    _run(copy, write_still=True)
    if not path.is_file():
        raise TalkClipError("Blender rendered no picture.", "See its console for the reason.", "no_picture")


def video_output(copy: bpy.types.Scene, path: Path, frames: tuple[int, int]) -> None:
    """Let the copy render an MP4 with sound: scene frames `frames`, both included."""
    render = copy.render
    compat.video_output(render)
    render.filepath, render.use_file_extension = str(path), False
    # Sound reaches the file only with the Sequencer on; strips of sound alone do not replace the picture.
    render.use_sequencer = True
    copy.frame_start, copy.frame_end = frames
    copy.frame_step = 1
    # Neither players nor the encoder take odd sizes.
    share = render.resolution_percentage / 100
    render.resolution_x, render.resolution_y = _even(render.resolution_x * share, render.resolution_y * share)
    render.resolution_percentage = 100


def add_sound(copy: bpy.types.Scene, path: Path, start_s: float, frames: tuple[int, int]) -> None:
    """Put a sound into the copy's Sequencer; the caller removes its datablock.

    Args:
        start_s: where the part that is heard begins in the file.
        frames: first and last scene frame in which it is heard.

    Raises:
        InputError: Blender cannot read it.
    """
    editor = copy.sequence_editor or copy.sequence_editor_create()
    try:
        strip = compat.top_strips(editor).new_sound("Line", str(path), 1, frames[0])
    except RuntimeError as error:
        raise InputError(f"{path}: cannot be heard by Blender ({error}).", "Convert it to WAV.") from None
    compat.place_strip(strip, frames[0] - start_s * scene_fps(copy), frames[0], frames[1] + 1)


def _run(copy: bpy.types.Scene, **what: Any) -> None:
    try:
        bpy.ops.render.render(scene=copy.name, **what)
    except RuntimeError as error:
        text = str(error).removeprefix("Error: ").strip()
        raise TalkClipError(f"Blender could not render: {text}", "Try the other engine.", "no_picture") from None


def _camera(copy: bpy.types.Scene, view: View, made: Throwaway) -> bpy.types.Object:
    if view.camera:
        return bpy.data.objects[view.camera]
    data = bpy.data.cameras.new(_NAME)
    camera = made.add("objects", bpy.data.objects.new(_NAME, data))
    made.add("cameras", data)
    copy.collection.objects.link(camera)
    camera.matrix_world = view.place
    data.sensor_width, data.clip_end = view.sensor_mm, 10_000.0
    data.clip_start = 0.001
    if view.ortho_scale:
        data.type, data.ortho_scale = "ORTHO", view.ortho_scale
    else:
        data.lens = view.lens_mm
    return camera


def _viewport(context: bpy.types.Context) -> tuple[Any, Any] | None:
    """(space, region) of a 3D viewport."""
    areas = [area for window in context.window_manager.windows for area in window.screen.areas]
    views = [area for area in areas if area.type == "VIEW_3D"]
    if not views:
        return None
    area = context.area if context.area in views else max(views, key=lambda area: area.width * area.height)
    return area.spaces.active, next(region for region in area.regions if region.type == "WINDOW")


def _face_points(mesh: bpy.types.Object, context: bpy.types.Context) -> np.ndarray:
    """(N, 3) world places of the vertices that the face's shape keys move; of all, where that cannot be told."""
    blocks = mesh.data.shape_keys.key_blocks
    names = _face_shapes(mesh)
    rest = _coordinates(blocks[0].data)
    most = np.zeros(len(rest), np.float32)
    for block in (block for block in blocks[1:] if block.name in names):
        np.maximum(most, np.linalg.norm(_coordinates(block.data) - rest, axis=1), out=most)
    moved = most > _MOVED_SHARE * most.max()
    seen = mesh.evaluated_get(context.evaluated_depsgraph_get())
    shown = seen.to_mesh()
    # A modifier may have changed the number of vertices; then the rest shape stands for it.
    points = _coordinates(shown.vertices) if len(shown.vertices) == len(rest) else rest
    seen.to_mesh_clear()
    points = points[moved] if moved.any() else points
    world = np.array(mesh.matrix_world)
    return points @ world[:3, :3].T + world[:3, 3]


def _face_shapes(mesh: bpy.types.Object) -> set[str]:
    """Names of the shape keys that belong to the face; of a character that cannot be keyed, all."""
    try:
        return {row.shape for row in face.recognise(mesh).rows.get(mesh.name, ())}
    except InputError:
        return set(mesh.data.shape_keys.key_blocks.keys())


def _coordinates(vertices: Any) -> np.ndarray:
    flat = np.empty(len(vertices) * 3, np.float32)
    vertices.foreach_get("co", flat)
    return flat.reshape(-1, 3)


def _even(width: float, height: float, most: float = math.inf) -> tuple[int, int]:
    """Size in whole, even pixels, scaled down to at most `most`."""
    scale = min(1.0, most / max(width, height))
    return tuple(max(2, 2 * round(side * scale / 2)) for side in (width, height))  # type: ignore[return-value]

# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture that speaks: a file, an image of the .blend, or a render."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy

from talkclip.errors import InputError

from .. import compat
from . import colors, studio

_RENDERED = ("CAMERA", "VIEW", "FACE")


def why_none(character: Any, scene: bpy.types.Scene) -> str:
    """What is missing for a portrait, or "". Cheap."""
    source = character.portrait_source
    if source == "FILE" and not character.portrait_path.strip():
        return "Choose a picture of a face first"
    if source == "IMAGE" and character.portrait_image is None:
        return "Choose an image first"
    if source == "CAMERA" and scene.camera is None:
        return "The scene has no camera: add one, or choose Close-Up"
    return ""


def picture_of(character: Any, mesh: bpy.types.Object, context: bpy.types.Context, folder: Path) -> Path:
    """The portrait as a file; what has to be written for that goes into `folder`.

    Raises:
        InputError: nothing chosen, it is not there, or it has no pixels.
        TalkClipError: Blender could not render it.
    """
    source = character.portrait_source
    if source in _RENDERED:
        return _rendered(source, character, mesh, context, folder / "portrait.png")
    if source == "IMAGE":
        return _of_image(character.portrait_image, folder / "portrait.png")
    path = character.portrait_path.strip()
    if not path:
        raise InputError("No portrait is chosen.", "Choose a picture that shows a face, or another kind of portrait.")
    file = Path(bpy.path.abspath(path))
    if not file.is_file():
        raise InputError(f"{file}: there is no such file.", "Choose a picture that exists.")
    return file


def view_of(source: str, mesh: bpy.types.Object, context: bpy.types.Context) -> studio.View:
    """How CAMERA, VIEW or FACE looks at the scene.

    Raises:
        InputError: there is no camera or no viewport.
    """
    if source == "CAMERA":
        return studio.camera_view(context.scene)
    return studio.viewport_view(context) if source == "VIEW" else studio.close_up(mesh, context)


def _rendered(source: str, character: Any, mesh: bpy.types.Object, context: bpy.types.Context, target: Path) -> Path:
    view = view_of(source, mesh, context)
    with studio.copy_of(context.scene, view, character.studio_engine) as copy:
        studio.render_picture(copy, target)
    return target


def _of_image(image: bpy.types.Image | None, target: Path) -> Path:
    if image is None:
        raise InputError("No image is chosen.", "Choose an image of this file.")
    if image.source in ("SEQUENCE", "MOVIE"):
        raise InputError(f"The image '{image.name}' is no still.", "Choose a picture.")
    writer = bpy.data.scenes.new("TalkCLIP Portrait")
    try:
        colors.show_exactly(writer)
        compat.picture_output(writer.render, alpha=True)
        len(image.pixels)  # loads them
        image.save_render(str(target), scene=writer)
    except RuntimeError as error:
        text = str(error).removeprefix("Error: ").strip()
        raise InputError(f"The image '{image.name}' cannot be used: {text}", "Choose another one.") from None
    finally:
        bpy.data.scenes.remove(writer)
    return target

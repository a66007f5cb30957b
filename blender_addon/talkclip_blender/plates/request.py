# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of the server's `render`: planned from the scene; no Blender object is kept."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import bpy

from talkclip.client import Drawing, SequencePlace, SpeakRequest
from talkclip.client.sequence_job import MAX_NUMBER
from talkclip.errors import InputError
from talkclip.gains import LayerGains

from .. import compat
from ..character import face
from ..frame_rate import scene_fps
from ..line import sound
from ..result.request import request_of
from . import portrait
from .properties import DEFAULT_FOLDER

_MOST_VIDEOS: Final = 10_000


@dataclass(frozen=True)
class PlatePlan:
    """What is asked for, and where it goes."""

    request: SpeakRequest
    drawing: Drawing
    kind: str
    """PNG or MP4."""
    place: SequencePlace
    line: sound.Line
    mesh: str
    """Name of the object whose line it is."""
    mesh_id: int
    """It stays when the object is renamed."""
    fps: float
    prompt: str
    temporary: Path
    """Folder with the rendered portrait, to be deleted afterwards."""

    def mesh_now(self) -> bpy.types.Object | None:
        """The object whose line it is, unless it is gone."""
        return compat.with_session_id(bpy.data.objects, self.mesh_id, self.mesh)


def why_not(character: Any, scene: bpy.types.Scene) -> str:
    """What is missing for a plate, or "". Cheap: Blender asks on every redraw."""
    if character.sound_source == "FILE" and not character.sound_path:
        return "Choose a sound file first"
    if character.sound_source == "STRIP" and not character.sound_strip:
        return "Choose a sound strip first"
    if character.plate_folder.startswith("//") and not bpy.data.filepath:
        return "Save the .blend file first, or choose another folder: plates are kept beside it"
    return portrait.why_none(character, scene) if character.plate_who == "PORTRAIT" else ""


def plan(context: bpy.types.Context) -> PlatePlan:
    """Collect a request from the scene; renders the portrait where it is a render.

    Raises:
        InputError: no character, sound, portrait or folder.
        TalkClipError: Blender could not render the portrait.
    """
    mesh, scene = face.face_mesh(context.active_object), context.scene
    if mesh is None:
        raise InputError("No character is selected.", "Select one, or use Add Default Head.")
    character = mesh.talkclip
    if problem := why_not(character, scene):
        raise InputError(f"{problem}.")
    if character.plate_size % 2:
        raise InputError(f"A plate of {character.plate_size} pixels is not possible.", "Choose an even number.")
    line, fps = sound.line_of(character, scene), scene_fps(scene)
    prompt = " | ".join(segment.prompt for segment in character.segments if segment.prompt) or "neutral"
    temporary = Path(tempfile.mkdtemp(prefix="talkclip-plate-"))
    try:
        drawing = _drawing(character, mesh, context, temporary)
        request = _request(character, line, fps)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    # Blender counts files from 0 on; a line that begins before frame 0 is numbered from 1.
    number = line.start_frame if 0 <= line.start_frame <= MAX_NUMBER else 1
    place = SequencePlace(folder_of(character), bpy.path.clean_name(mesh.name) or "plate", number)
    return PlatePlan(
        request=request,
        drawing=drawing,
        kind=character.plate_format,
        place=place,
        line=line,
        mesh=mesh.name,
        mesh_id=compat.session_id(mesh),
        fps=fps,
        prompt=prompt,
        temporary=temporary,
    )


def folder_of(character: Any) -> Path:
    """Where a character's plates are kept."""
    return Path(bpy.path.abspath(character.plate_folder.strip() or DEFAULT_FOLDER))


def new_video_path(place: SequencePlace) -> Path:
    """A file name that is free; makes the folder.

    Raises:
        InputError: the folder cannot be made.
    """
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{place.parent}: cannot be made ({error.strerror}).", "Choose another folder for plates."
        ) from None
    names = (place.name if count == 1 else f"{place.name}_{count:03d}" for count in range(1, _MOST_VIDEOS))
    for path in (place.parent / f"{name}.mp4" for name in names):
        if not path.exists():
            return path
    raise InputError(f"{place.parent}: is full of plates named {place.name}.", "Delete old ones.")


def _drawing(character: Any, mesh: bpy.types.Object, context: bpy.types.Context, temporary: Path) -> Drawing:
    pictures, size = character.plate_format == "PNG", character.plate_size
    alpha = character.plate_alpha and pictures
    if character.plate_who == "HEAD":
        return Drawing("head", size, alpha=alpha)
    picture = portrait.picture_of(character, mesh, context, temporary)
    full = character.plate_full and not alpha
    return Drawing("portrait", size, picture, alpha=alpha, full=full, face=character.portrait_face or None)


def _request(character: Any, line: sound.Line, fps: float) -> SpeakRequest:
    """The line as it is keyed, with the gains of its layers, in the space that is drawn."""
    gains = LayerGains(character.gain_mouth, character.gain_expression, character.gain_blinks, character.gain_head)
    asked = request_of(character, line, fps, "arkit52")
    return dataclasses.replace(asked, layers=False, gains=gains)

# SPDX-License-Identifier: GPL-3.0-or-later
"""The plates of a character: what the file knows of the pictures on disk."""

from __future__ import annotations

import itertools
import os
import uuid
from pathlib import Path
from typing import Any, Final

import bpy

from talkclip.audio import AudioClip
from talkclip.client import picture_path, wav_bytes
from talkclip.errors import InputError
from talkclip.files import atomic_write

from ..character import face
from . import colors
from .request import PlatePlan
from .running import Arrived

_NAME_LENGTH: Final = 60


def keep(planned: PlatePlan, arrived: Arrived, scene: bpy.types.Scene) -> Any:
    """Add what has arrived to the character's plates, and make it the chosen one, as `scene` shows it -> the plate.

    A plate that was rendered once more into the same files is not added again.

    Raises:
        InputError: the character is gone, or a packed sound cannot be written.
    """
    mesh = planned.mesh_now()
    if mesh is None or face.face_mesh(mesh) is None:
        raise InputError(
            f"'{planned.mesh}' is gone; the plate is in {arrived.path.parent}.", "Undo its removal, and render again."
        )
    plates = mesh.talkclip.plates
    path = _stored(arrived.path)
    plate = next((known for known in plates if known.path == path), None)
    if plate is None:
        name = _free_name(plates, arrived.path.parent.name if planned.kind == "PNG" else arrived.path.name)
        plate = plates.add()
        plate.uid, plate.name = uuid.uuid4().hex[:12], name
    plate.prompt = planned.prompt
    mesh.talkclip.active_plate = list(plates).index(plate)
    plate.kind, plate.path, plate.first_number = planned.kind, path, arrived.first_number
    plate.frame_start, plate.n_frames, plate.fps = planned.line.start_frame, arrived.n_frames, planned.fps
    plate.width, plate.height = arrived.size
    plate.has_alpha = arrived.alpha
    plate.notes = "\n".join(arrived.notes)
    plate.sound_path, plate.sound_start_s = _stored(_sound_file(planned, arrived)), planned.line.start_s
    plate.image = image_of(plate)
    colors.make_exact(scene, plate.image.colorspace_settings)
    return plate


def image_of(plate: Any) -> bpy.types.Image:
    """The plate as an image of this .blend; loaded when it is not there.

    Raises:
        InputError: its file is missing or cannot be read.
    """
    file = require_files(plate)
    image = plate.image
    if image is not None and on_disk(image.filepath) == file:
        image.reload()
        return image
    try:
        image = bpy.data.images.load(str(file))
    except RuntimeError as error:
        raise InputError(f"{file}: cannot be read by Blender ({error}).", "Render the plate again.") from None
    image.name = f"Plate {plate.name}"[:_NAME_LENGTH]
    image.source = "SEQUENCE" if plate.kind == "PNG" else "MOVIE"
    image.filepath = plate.path
    # Plates come with straight alpha, as PNG files do.
    image.alpha_mode = "STRAIGHT"
    return image


def require_files(plate: Any) -> Path:
    """The plate's file, or its first picture.

    Raises:
        InputError: files are missing; says which.
    """
    first = on_disk(plate.path)
    files = [first] if plate.kind == "MP4" else pictures_of(plate)
    missing = [file for file in files if not file.is_file()]
    if missing:
        text = f"{missing[0]}: there is no such file"
        more = f", nor {len(missing) - 1} others" if len(missing) > 1 else ""
        raise InputError(f"{text}{more}.", "Render the plate again: only what is missing is drawn.")
    return first


def pictures_of(plate: Any) -> list[Path]:
    """The files of a sequence, in order."""
    folder = on_disk(plate.path).parent
    return [picture_path(folder, plate.first_number + k) for k in range(plate.n_frames)]


def on_disk(path: str) -> Path:
    """A path as it is kept in the .blend -> where it leads."""
    return Path(os.path.normpath(bpy.path.abspath(path)))


def active(character: Any) -> Any | None:
    """The plate that is chosen in the list."""
    plates = character.plates
    return plates[character.active_plate] if 0 <= character.active_plate < len(plates) else None


def _free_name(plates: Any, wanted: str) -> str:
    """A name that no plate has yet: on a library override, Blender tells rows apart by their names."""
    taken = {plate.name for plate in plates}
    names = (wanted if count == 1 else f"{wanted} ({count})" for count in itertools.count(1))
    return next(name for name in names if name not in taken)


def _stored(path: Path) -> str:
    """As it is kept in the .blend: relative to it, where both are on one drive and the file has a place."""
    if not bpy.data.filepath:
        return str(path)
    try:
        return bpy.path.relpath(str(path))
    except ValueError:  # another drive
        return str(path)


def _sound_file(planned: PlatePlan, arrived: Arrived) -> Path:
    """The line's sound; samples of a packed one are written beside the plate."""
    audio = planned.line.audio
    if not isinstance(audio, AudioClip):
        return audio
    beside = arrived.path.parent / ("audio.wav" if planned.kind == "PNG" else f"{arrived.path.stem}.wav")
    with atomic_write(beside) as temporary:
        temporary.write_bytes(wav_bytes(audio))
    return beside

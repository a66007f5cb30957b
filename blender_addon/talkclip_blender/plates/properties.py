# SPDX-License-Identifier: GPL-3.0-or-later
"""What is saved of plates: how they are rendered, and those that are there."""

from __future__ import annotations

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from .. import compat

_IN_OVERRIDES = {"LIBRARY_OVERRIDABLE"}
SIZE_MIN, SIZE_MAX = 128, 2048
DEFAULT_FOLDER = "//talkclip_plates"


class TalkClipPlate(bpy.types.PropertyGroup):
    """One rendered plate: a file, or a numbered sequence, on disk."""

    uid: StringProperty(name="Identity", override=_IN_OVERRIDES)
    name: StringProperty(name="Name", description="Of the plate; free", override=_IN_OVERRIDES)
    prompt: StringProperty(name="Prompt", description="How the line is spoken", override=_IN_OVERRIDES)
    kind: EnumProperty(
        name="Kind",
        items=(("PNG", "Pictures", "A numbered sequence of PNG files"), ("MP4", "Video", "One MP4 file with sound")),
        override=_IN_OVERRIDES,
    )
    path: StringProperty(
        name="File", description="The video, or the first picture", subtype="FILE_PATH", options=compat.FILE_OPTIONS,
        override=_IN_OVERRIDES,
    )  # fmt: skip
    first_number: IntProperty(name="First Number", description="In the first picture's name", override=_IN_OVERRIDES)
    frame_start: IntProperty(
        name="Start", description="Scene frame at which the plate begins: the line's first", override=_IN_OVERRIDES
    )
    n_frames: IntProperty(name="Frames", override=_IN_OVERRIDES)
    fps: FloatProperty(name="Frame Rate", description="Of the plate", override=_IN_OVERRIDES)
    width: IntProperty(name="Width", override=_IN_OVERRIDES)
    height: IntProperty(name="Height", override=_IN_OVERRIDES)
    has_alpha: BoolProperty(name="Alpha", description="Transparent around the person", override=_IN_OVERRIDES)
    sound_path: StringProperty(
        name="Sound", description="What is spoken", subtype="FILE_PATH", options=compat.FILE_OPTIONS,
        override=_IN_OVERRIDES,
    )  # fmt: skip
    sound_start_s: FloatProperty(
        name="Sound Start", description="Seconds of the sound before it", override=_IN_OVERRIDES
    )
    notes: StringProperty(name="Notes", description="One note a line", override=_IN_OVERRIDES)
    # So that Blender keeps it with the file, and what shows the plate can be found.
    image: PointerProperty(name="Image", type=bpy.types.Image, override=_IN_OVERRIDES)


class PlateSettings:
    """The part of a character's properties that says how its plates are rendered."""

    plates: CollectionProperty(type=TalkClipPlate, override={"LIBRARY_OVERRIDABLE", "USE_INSERTION"})
    active_plate: IntProperty(name="Plate", description="The plate that is chosen in the list", override=_IN_OVERRIDES)

    plate_who: EnumProperty(
        name="Who Speaks",
        description="Whose face the plate shows",
        items=(
            ("PORTRAIT", "Portrait", "A picture of a face: a photograph, a painting, a render of the character"),
            ("HEAD", "Default Head", "TalkCLIP's own head, to see the line without a rig"),
        ),
        override=_IN_OVERRIDES,
    )
    portrait_source: EnumProperty(
        name="Portrait",
        description="Where the picture of the face comes from",
        items=(
            ("FILE", "Picture File", "A picture on disk"),
            ("IMAGE", "Blender Image", "An image of this .blend file"),
            ("CAMERA", "Camera", "A render through the scene's camera, at the current frame"),
            ("VIEW", "Viewport", "A render of what a 3D viewport shows, at the current frame"),
            ("FACE", "Close-Up", "A render of the character's face from the front, at the current frame"),
        ),
        override=_IN_OVERRIDES,
    )
    portrait_path: StringProperty(
        name="Picture", description="A picture that shows one face from the front, its mouth shut if possible",
        subtype="FILE_PATH", options=compat.FILE_OPTIONS, override=_IN_OVERRIDES,
    )  # fmt: skip
    portrait_image: PointerProperty(
        name="Image", description="An image of this file that shows one face from the front", type=bpy.types.Image,
        override=_IN_OVERRIDES,
    )  # fmt: skip
    portrait_face: IntProperty(
        name="Face", description="Which face of the picture, from the left and from 1; 0: the only one", min=0,
        max=1000, override=_IN_OVERRIDES,
    )  # fmt: skip
    studio_engine: EnumProperty(
        name="Engine",
        description="What renders the portrait and the character's video",
        items=(
            ("WORKBENCH", "Workbench", "Fast, as in the viewport's solid mode"),
            ("SCENE", "Scene", "The scene's render engine and its settings"),
        ),
        override=_IN_OVERRIDES,
    )
    plate_format: EnumProperty(
        name="Format",
        items=(
            ("PNG", "Pictures", "PNG files, numbered by scene frame, that arrive as they are drawn and can be resumed"),
            ("MP4", "Video", "One MP4 file with the line's sound, which arrives when all of it is drawn"),
        ),
        override=_IN_OVERRIDES,
    )
    plate_size: IntProperty(
        name="Size", description="Pixels of the square around the face; even numbers", default=512, min=SIZE_MIN,
        max=SIZE_MAX, step=16, subtype="PIXEL", override=_IN_OVERRIDES,
    )  # fmt: skip
    plate_alpha: BoolProperty(
        name="Transparent", description="The person alone, transparent around. Pictures only", override=_IN_OVERRIDES
    )
    plate_full: BoolProperty(
        name="Whole Picture", description="The whole portrait comes back, with the acting face in its place",
        override=_IN_OVERRIDES,
    )  # fmt: skip
    plate_folder: StringProperty(
        name="Folder", description="Where plates are kept; // is the folder of the .blend file",
        default=DEFAULT_FOLDER, subtype="DIR_PATH", options=compat.FILE_OPTIONS, override=_IN_OVERRIDES,
    )  # fmt: skip

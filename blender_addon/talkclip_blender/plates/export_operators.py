# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons that write videos."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import bpy
from bpy.props import BoolProperty, EnumProperty, IntProperty, StringProperty

from .. import compat, modal, report
from ..character import face
from . import export, record
from .operators import PlateOperator, busy_or_nobody, character_of


class VideoOperator(modal.ModalWork):
    """An operator that asks for a file and renders a video into it."""

    bl_options: ClassVar[set[str]] = {"REGISTER"}
    default_ending: ClassVar[str]
    _asked = False

    filepath: StringProperty(
        name="File", description="The video; empty: beside the .blend file", subtype="FILE_PATH",
        options=compat.FILE_OPTIONS,
    )  # fmt: skip
    check_existing: BoolProperty(default=True, options={"HIDDEN"})
    filter_glob: StringProperty(default="*.mp4", options={"HIDDEN"})

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Ask where to, and render while the user looks on."""
        if bpy.app.background:
            return self.execute(context)
        self._asked = True
        if not self.filepath:
            self.filepath = self.default_path(context)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def check(self, _context: bpy.types.Context) -> bool:
        """Keep the ending, in the file browser."""
        fitting = str(Path(self.filepath).with_suffix(".mp4")) if self.filepath else ""
        changed, self.filepath = fitting != self.filepath, fitting
        return changed

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Render: in steps when a window asked for the file, else blocking."""
        return self.in_steps(context) if self._asked else self.blocking(context)

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """See `ModalWork.modal`. ESC stops Blender's own render; until that has ended, its scene cannot go."""
        return {"PASS_THROUGH"} if event.type == "ESC" else super().modal(context, event)

    def default_path(self, context: bpy.types.Context) -> str:
        """Beside the .blend file."""
        name = bpy.path.clean_name(face.face_mesh(context.active_object).name)
        folder = Path(bpy.path.abspath("//")) if bpy.data.filepath else Path.home()
        return str(folder / f"{name}{self.default_ending}.mp4")

    def target(self, context: bpy.types.Context) -> Path:
        """Where to."""
        path = Path(bpy.path.abspath(self.filepath or self.default_path(context)))
        return path if path.suffix else path.with_suffix(".mp4")

    def finish(self, context: bpy.types.Context, work: Any) -> list[str]:
        """See `ModalWork.finish`."""
        return [f"{work.result()}: written."]


class TALKCLIP_OT_plate_export(VideoOperator, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Write the chosen plate as an MP4 file with the line's sound"""

    bl_idname = "talkclip.plate_export"
    bl_label = "Export Plate"
    default_ending = "_plate"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Cheap: Blender asks on every redraw."""
        reason = busy_or_nobody(context) or PlateOperator.why_not(context)
        return report.allowed(cls, reason)

    def start(self, context: bpy.types.Context, in_window: bool) -> modal.Work:
        """See `ModalWork.start`."""
        plate, target = record.active(character_of(context)), self.target(context)
        if plate.kind == "MP4":
            return export.VideoCopy(plate, target)
        return export.VideoExport(export.of_plate(plate), target, in_window)


class TALKCLIP_OT_export_video(VideoOperator, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Render the character over the frames of its line, as an MP4 file with the line's sound. The scene's own render
    settings are not touched"""

    bl_idname = "talkclip.export_video"
    bl_label = "Export Character"
    default_ending = ""

    view: EnumProperty(
        name="View",
        items=(
            ("CAMERA", "Camera", "Through the scene's camera, at the size the scene renders"),
            ("VIEW", "Viewport", "As a 3D viewport shows it now"),
            ("FACE", "Close-Up", "The character's face from the front"),
        ),
    )
    percentage: IntProperty(
        name="Size", description="Of the view's size", default=100, min=10, max=100, subtype="PERCENTAGE"
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Cheap: Blender asks on every redraw."""
        reason = busy_or_nobody(context)
        return report.allowed(cls, reason)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """See `VideoOperator.invoke`; without a camera, look at the face."""
        if self.view == "CAMERA" and context.scene.camera is None:
            self.view = "FACE"
        return super().invoke(context, event)

    def start(self, context: bpy.types.Context, in_window: bool) -> modal.Work:
        """See `ModalWork.start`."""
        mesh = face.face_mesh(context.active_object)
        shoot = export.of_character(mesh, context, self.view, self.percentage)
        return export.VideoExport(shoot, self.target(context), in_window)


CLASSES = (TALKCLIP_OT_plate_export, TALKCLIP_OT_export_video)

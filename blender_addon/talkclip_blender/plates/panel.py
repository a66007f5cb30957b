# SPDX-License-Identifier: GPL-3.0-or-later
"""The panels that render plates, show them, and bring them into the scene."""

from __future__ import annotations

from typing import Any, ClassVar

import bpy

from .. import modal
from ..character import face
from ..frame_rate import scene_fps
from ..panel import CharacterPanel, draw_progress
from . import colors, previews, record, timing
from .export_operators import VideoOperator
from .operators import TALKCLIP_OT_render_plate
from .running import PlateRun

_ICON_SCALE = 6.0


class TALKCLIP_PT_plates(CharacterPanel, bpy.types.Panel):  # noqa: N801 - Blender's naming rule
    """How plates are rendered, or how far the one is that is being rendered."""

    bl_label = "Plates"
    bl_order = 5
    bl_options: ClassVar[set[str]] = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Blender draws this."""
        layout = self.layout
        work = modal.running(TALKCLIP_OT_render_plate) or modal.running(VideoOperator)
        if work is not None:
            _draw_work(layout, work)
            return
        character = face.face_mesh(context.active_object).talkclip
        layout.row(align=True).prop(character, "plate_who", expand=True)
        if character.plate_who == "PORTRAIT":
            _draw_portrait(layout, character)
        column = layout.column(align=True)
        column.row(align=True).prop(character, "plate_format", expand=True)
        column.prop(character, "plate_size")
        row = column.row(align=True)
        row.active = character.plate_format == "PNG"
        row.prop(character, "plate_alpha", toggle=True)
        if character.plate_who == "PORTRAIT":
            whole = row.row(align=True)
            whole.active = not (character.plate_alpha and character.plate_format == "PNG")
            whole.prop(character, "plate_full", toggle=True)
        layout.prop(character, "plate_folder", text="")
        row = layout.row()
        row.scale_y = 1.4
        row.operator("talkclip.render_plate", icon="RENDER_ANIMATION")


class TALKCLIP_UL_plates(bpy.types.UIList):  # noqa: N801 - Blender's naming rule
    """The plates of a character."""

    def draw_item(
        self, context: Any, layout: Any, data: Any, item: Any, icon: Any, active_data: Any, active_property: Any,
        index: int = 0, flags: int = 0,
    ) -> None:  # fmt: skip
        """Blender draws one line."""
        row = layout.split(factor=0.68, align=True)
        row.prop(item, "name", text="", emboss=False, icon="RENDERLAYERS" if item.kind == "PNG" else "FILE_MOVIE")
        row.label(text=f"{item.frame_start}-{item.frame_start + item.n_frames - 1}")


class _OfPlates(CharacterPanel):
    """A part of the panel that is there when a character has plates."""

    bl_parent_id = "TALKCLIP_PT_plates"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Cheap: Blender asks on every redraw."""
        mesh = face.face_mesh(context.active_object)
        return mesh is not None and len(mesh.talkclip.plates) > 0


class TALKCLIP_PT_plate_list(_OfPlates, bpy.types.Panel):  # noqa: N801 - Blender's naming rule
    """The plates that are there, and where the chosen one goes."""

    bl_label = "Into the Scene"

    def draw(self, context: bpy.types.Context) -> None:
        """Blender draws this."""
        layout, scene = self.layout, context.scene
        character = face.face_mesh(context.active_object).talkclip
        row = layout.row()
        row.template_list("TALKCLIP_UL_plates", "", character, "plates", character, "active_plate", rows=2)
        row.column(align=True).operator("talkclip.plate_forget", text="", icon="REMOVE")
        plate = record.active(character)
        if plate is None:
            return
        _draw_plate(layout, plate, scene)
        column = layout.column(align=True)
        column.operator("talkclip.plate_background", icon="CAMERA_DATA")
        column.operator("talkclip.plate_plane", text="Plane at Cursor", icon="CURSOR").where = "CURSOR"
        column.operator("talkclip.plate_plane", text="Plane before Camera", icon="OUTLINER_OB_CAMERA").where = "CAMERA"
        column.operator("talkclip.plate_strip", icon="SEQ_SEQUENCER")
        column.operator_menu_enum("talkclip.plate_compositor", "layer", icon="NODE_COMPOSITING")


class TALKCLIP_PT_videos(CharacterPanel, bpy.types.Panel):  # noqa: N801 - Blender's naming rule
    """Videos of the plate and of the character."""

    bl_label = "Export Video"
    bl_parent_id = "TALKCLIP_PT_plates"
    bl_options: ClassVar[set[str]] = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Blender draws this."""
        layout = self.layout
        layout.prop(face.face_mesh(context.active_object).talkclip, "studio_engine")
        column = layout.column(align=True)
        column.operator("talkclip.export_video", icon="FILE_MOVIE")
        column.operator("talkclip.plate_export", icon="RENDER_RESULT")


def _draw_work(layout: Any, work: modal.Work) -> None:
    draw_progress(layout, *work.progress)
    latest = work.latest if isinstance(work, PlateRun) else None
    if latest is not None:
        layout.template_icon(icon_value=previews.icon_of_latest(latest), scale=_ICON_SCALE)
    layout.label(text="ESC stops it", icon="CANCEL")


def _draw_portrait(layout: Any, character: Any) -> None:
    column = layout.column(align=True)
    column.prop(character, "portrait_source", text="")
    source = character.portrait_source
    if source == "FILE":
        column.prop(character, "portrait_path", text="")
    elif source == "IMAGE":
        column.template_ID(character, "portrait_image", open="image.open")
    else:
        column.prop(character, "studio_engine", text="")
    if source in ("FILE", "IMAGE"):
        column.prop(character, "portrait_face")
        row = layout.row()
        row.label(text="Your face, one that agreed, or nobody's", icon="INFO")
        row.operator("talkclip.whose_face", text="", icon="QUESTION")


def _draw_plate(layout: Any, plate: Any, scene: bpy.types.Scene) -> None:
    file = record.on_disk(plate.path)
    if not file.is_file():
        layout.label(text=f"{file.name} is not there: render again", icon="ERROR")
        return
    layout.template_icon(icon_value=previews.icon_of(file), scale=_ICON_SCALE)
    layout.label(text=plate.prompt, icon="OUTLINER_DATA_SPEAKER")
    alpha = ", transparent" if plate.has_alpha else ""
    layout.label(text=f"{plate.width} x {plate.height}, {plate.n_frames} frames at {plate.fps:g}{alpha}")
    if not timing.same_rate(plate, scene_fps(scene)):
        layout.label(text=f"Scene has {scene_fps(scene):g} fps", icon="INFO")
    if text := colors.warning(scene, plate.image):
        layout.label(text=text, icon="ERROR")
        column = layout.column(align=True)
        column.operator("talkclip.plate_colors", text="Exact Colours").of = "PLATE"
        column.operator("talkclip.plate_colors", text="Scene to Standard").of = "SCENE"


CLASSES = (
    TALKCLIP_PT_plates,
    TALKCLIP_UL_plates,
    TALKCLIP_PT_plate_list,
    TALKCLIP_PT_videos,
)

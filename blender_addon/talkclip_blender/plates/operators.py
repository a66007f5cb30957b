# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons that render plates and bring them into the scene."""

from __future__ import annotations

from typing import Any, ClassVar

import bpy
from bpy.props import EnumProperty

from talkclip.errors import TalkClipError

from .. import compat, modal, report
from ..character import face
from ..service import connection
from . import colors, placing, record, request
from .running import PlateRun

_NO_CHARACTER = "Select a character: a mesh with face shape keys, or its rig"


def character_of(context: bpy.types.Context) -> Any | None:
    """The settings of the active character, or None."""
    mesh = face.face_mesh(context.active_object)
    return None if mesh is None else mesh.talkclip


def busy_or_nobody(context: bpy.types.Context) -> str:
    """Why nothing can be rendered now, or ""."""
    return modal.why_busy() or (_NO_CHARACTER if character_of(context) is None else "")


def why_not_kept(context: bpy.types.Context) -> str:
    """Why a plate could not be kept with the active character, or ""."""
    mesh = face.face_mesh(context.active_object)
    if mesh is None or compat.is_editable(mesh):
        return ""
    return f"'{mesh.name}' is linked from another file: make a library override of it first"


class TALKCLIP_OT_render_plate(modal.ModalWork, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Let the server draw the line as a plate: the portrait, or the default head, speaks it. ESC stops; pictures that
    are there stay, and the next time only the missing ones are drawn"""

    bl_idname = "talkclip.render_plate"
    bl_label = "Render Plate"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}
    stopped_text = "Stopped. Pictures that are there stay; Render Plate goes on with the rest."

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Cheap: Blender asks on every redraw."""
        reason = busy_or_nobody(context) or why_not_kept(context)
        reason = reason or request.why_not(character_of(context), context.scene)
        return report.allowed(cls, reason)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Blocking: scripts and headless Blender, where no timer fires."""
        return self.blocking(context)

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """With a window: goes on in small steps while the user works."""
        return self.execute(context) if bpy.app.background else self.in_steps(context)

    def start(self, context: bpy.types.Context, in_window: bool) -> PlateRun:
        """See `ModalWork.start`."""
        client = connection.open_client(context)
        return PlateRun(request.plan(context), client)

    def finish(self, context: bpy.types.Context, work: PlateRun) -> list[str]:
        """See `ModalWork.finish`."""
        arrived = work.plate()
        plate = record.keep(work.plan, arrived, context.scene)
        there = arrived.n_frames - arrived.drawn
        known = f"; {there} of them were there already" if there else ""
        return [f"{arrived.n_frames} frames in {bpy.path.abspath(plate.path)}{known}.", *arrived.notes]


class PlateOperator:
    """An operator that uses the chosen plate."""

    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}
    needs_camera: ClassVar[bool] = False

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Cheap: Blender asks on every redraw."""
        reason = cls.why_not(context)
        return report.allowed(cls, reason)

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        """Why the button is greyed out, or ""."""
        character = character_of(context)
        if character is None:
            return _NO_CHARACTER
        if record.active(character) is None:
            return "Render a plate first"
        if cls.needs_camera and context.scene.camera is None:
            return "The scene has no camera: add one first"
        return ""

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Use it."""
        try:
            notes = self.use(record.active(character_of(context)), context)
        except TalkClipError as problem:
            return report.error(self, problem)
        report.notes(self, notes)
        return {"FINISHED"}


class TALKCLIP_OT_plate_background(PlateOperator, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Show the plate behind the view through the scene's camera, from the line's first frame on"""

    bl_idname = "talkclip.plate_background"
    bl_label = "Camera Background"
    needs_camera = True

    def use(self, plate: Any, context: bpy.types.Context) -> list[str]:
        """See `placing.behind_camera`."""
        return [f"'{plate.name}' is behind the camera.", *placing.behind_camera(plate, context.scene)]


class TALKCLIP_OT_plate_plane(PlateOperator, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Add a plane of the plate's shape that shines with its colours, with transparency where the plate has it"""

    bl_idname = "talkclip.plate_plane"
    bl_label = "Plane"

    where: EnumProperty(
        name="Where",
        items=(
            ("CURSOR", "At the Cursor", "Upright at the 3D cursor, one metre high"),
            ("CAMERA", "Before the Camera", "Filling the camera's view as far as its shape allows, and moving with it"),
        ),
    )

    def use(self, plate: Any, context: bpy.types.Context) -> list[str]:
        """See `placing.plane`."""
        body, notes = placing.plane(plate, context.scene, context.collection, self.where)
        return [f"'{body.name}' shows '{plate.name}'.", *notes]


class TALKCLIP_OT_plate_strip(PlateOperator, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Add the plate to the Video Sequencer, with the line's sound, at the line's first frame"""

    bl_idname = "talkclip.plate_strip"
    bl_label = "Sequencer Strip"

    def use(self, plate: Any, context: bpy.types.Context) -> list[str]:
        """See `placing.into_sequencer`."""
        return [f"'{plate.name}' is in the Sequencer.", *placing.into_sequencer(plate, context.scene)]


class TALKCLIP_OT_plate_compositor(PlateOperator, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Add the plate to the scene's compositor"""

    bl_idname = "talkclip.plate_compositor"
    bl_label = "Compositor"

    layer: EnumProperty(
        name="Layer",
        items=(
            ("OVER", "Over the Render", "The plate is laid over what the scene renders"),
            ("UNDER", "Under the Render", "What the scene renders is laid over the plate"),
            ("INPUT", "Input Only", "A node to connect yourself"),
        ),
    )

    def use(self, plate: Any, context: bpy.types.Context) -> list[str]:
        """See `placing.into_compositor`."""
        return [f"'{plate.name}' is in the compositor.", *placing.into_compositor(plate, context.scene, self.layer)]


class TALKCLIP_OT_plate_colors(PlateOperator, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Show the plate's colours as they are in its file"""

    bl_idname = "talkclip.plate_colors"
    bl_label = "Exact Colours"

    of: EnumProperty(
        name="Change",
        items=(
            ("PLATE", "Plate", "Read the plate in the colour space that undoes the scene's view transform"),
            ("SCENE", "Scene", "Set the scene to Standard: everything in it looks different then"),
        ),
    )

    def use(self, plate: Any, context: bpy.types.Context) -> list[str]:
        """Change the plate, wherever it is shown, or the scene."""
        scene = context.scene
        if self.of == "SCENE":
            colors.show_exactly(scene)
        image = record.image_of(plate)
        strips = [strip for strip in compat.picture_strips(scene) if placing.shows(strip, plate)]
        texts = [colors.make_exact(scene, shown.colorspace_settings) for shown in (image, *strips)]
        return [f"'{plate.name}' shows its own colours.", *filter(None, texts[:1])]


class TALKCLIP_OT_plate_forget(PlateOperator, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Take the plate off the list. Its files stay, and what shows them"""

    bl_idname = "talkclip.plate_forget"
    bl_label = "Forget Plate"

    def use(self, plate: Any, context: bpy.types.Context) -> list[str]:
        """Remove it from the list."""
        character, name = character_of(context), plate.name
        character.plates.remove(character.active_plate)
        character.active_plate = max(0, min(character.active_plate, len(character.plates) - 1))
        return [f"'{name}' is off the list; its files stay."]


class TALKCLIP_OT_whose_face(bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Whose face may be used, and what the files say of themselves"""

    bl_idname = "talkclip.whose_face"
    bl_label = "Whose Face?"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    texts: ClassVar[tuple[str, ...]] = (
        "Use your own face, faces of people who agreed, or faces of nobody.",
        "Each file says in its metadata that it is synthetic, and from which prompts, with what and when it was made.",
        "More: docs/portraits.md in TalkCLIP's documentation.",
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Say it in a small window, or in the Info editor where there is none."""
        if bpy.app.background:
            report.notes(self, self.texts)
            return {"FINISHED"}

        def draw(menu: Any, _context: bpy.types.Context) -> None:
            for text in self.texts:
                menu.layout.label(text=text)

        context.window_manager.popup_menu(draw, title=self.bl_label, icon="INFO")
        return {"FINISHED"}


CLASSES = (
    TALKCLIP_OT_whose_face,
    TALKCLIP_OT_render_plate,
    TALKCLIP_OT_plate_background,
    TALKCLIP_OT_plate_plane,
    TALKCLIP_OT_plate_strip,
    TALKCLIP_OT_plate_compositor,
    TALKCLIP_OT_plate_colors,
    TALKCLIP_OT_plate_forget,
)

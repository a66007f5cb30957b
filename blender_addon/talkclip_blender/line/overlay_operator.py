# SPDX-License-Identifier: GPL-3.0-or-later
"""The mouse on the overlay's bars. Where it is over none, Blender's own actions get the click."""

from __future__ import annotations

from typing import Any, ClassVar

import bpy

from .. import redraw
from . import cutting, overlay, prompts_panel, sound, words
from .overlay_drag import Drag
from .overlay_layout import Hit, View, hit

_SNAP_PX = 12.0
_CLICK_PX = 3
_STATUS = "Ctrl: snap to words, playhead and markers   |   Shift: later ones too   |   Alt: this border alone"

_keymap_items: list[tuple[Any, Any]] = []


def register() -> None:
    """Ahead of the Dope Sheet's own keymap; there is none without a window."""
    config = bpy.context.window_manager.keyconfigs.addon
    if config is None:
        return
    keymap = config.keymaps.new(name="Dopesheet", space_type="DOPESHEET_EDITOR")
    for name, mouse, value in (
        ("talkclip.overlay_drag", "LEFTMOUSE", "PRESS"),
        ("talkclip.overlay_edit", "LEFTMOUSE", "DOUBLE_CLICK"),
        ("talkclip.overlay_menu", "RIGHTMOUSE", "PRESS"),
    ):
        # `any`: Ctrl, Shift and Alt have a meaning while dragging.
        item = keymap.keymap_items.new(name, mouse, value, any=name == "talkclip.overlay_drag", head=True)
        _keymap_items.append((keymap, item))


def unregister() -> None:
    """Undo `register`."""
    for keymap, item in _keymap_items:
        keymap.keymap_items.remove(item)
    _keymap_items.clear()


class _OverBar:
    """An operator on the bar under the mouse."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Cheap: Blender asks on every click in a Dope Sheet."""
        line = overlay.shown_line(context)
        return line is not None and context.region is not None and context.region.type == "WINDOW"

    def under(self, context: bpy.types.Context, event: bpy.types.Event) -> tuple[Any, View, Hit | None]:
        """(line, view, what the mouse is over)."""
        line, view = overlay.shown_line(context), overlay.view_of(context)
        picture = overlay.picture_of(line, sound.extent_of(line, context.scene), view, with_words=False)
        return line, view, hit(picture, view, event.mouse_region_x, event.mouse_region_y)


class TALKCLIP_OT_overlay_drag(_OverBar, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Choose a prompt, move its bar, or drag its borders"""

    bl_idname = "talkclip.overlay_drag"
    bl_label = "Drag Prompt"
    bl_options: ClassVar[set[str]] = {"UNDO", "INTERNAL", "BLOCKING"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Grab the bar under the mouse; pass the click on where there is none."""
        line, view, over = self.under(context, event)
        if over is None or not getattr(line.id_data, "is_editable", True):
            return {"PASS_THROUGH"}
        extent = sound.extent_of(line, context.scene)
        self.drag = Drag(line, extent, over, view.frame(event.mouse_region_x))
        self.owner = line.id_data.name
        self.start_x = event.mouse_region_x
        self.moving = False
        heard = words.belong(line, context.scene)
        self.snaps = _snaps(line, extent, context.scene, heard)
        context.workspace.status_text_set(_STATUS)
        context.window_manager.modal_handler_add(self)
        redraw.lines()
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Follow the mouse until the button is released; ESC or the right button put everything back."""
        if bpy.data.objects.get(self.owner) is None:
            return self._leave(context, {"CANCELLED"})
        if event.type in {"ESC", "RIGHTMOUSE"}:
            self.drag.cancel()
            self.drag.finish()
            return self._leave(context, {"CANCELLED"})
        if event.type == "LEFTMOUSE" and event.value == "RELEASE":
            self.drag.finish(event.shift)
            return self._leave(context, {"FINISHED"})
        self.moving = self.moving or abs(event.mouse_region_x - self.start_x) > _CLICK_PX
        if self.moving and event.type in {"MOUSEMOVE", "LEFT_CTRL", "LEFT_SHIFT", "LEFT_ALT"}:
            view = overlay.view_of(context)
            near = _SNAP_PX * view.scale / view.px_per_frame
            frame = view.frame(event.mouse_region_x)
            target = self.drag.grabbed + frame - self.drag.frame
            snaps = [at for at in self.snaps if abs(at - target) <= near] if event.ctrl else []
            self.drag.to(frame, alone=event.alt, ripple=event.shift, snaps=snaps)
            redraw.lines()
        return {"RUNNING_MODAL"}

    def cancel(self, context: bpy.types.Context) -> None:
        """Blender closes the window or loads another file."""
        context.workspace.status_text_set(None)

    def _leave(self, context: bpy.types.Context, result: set[str]) -> set[str]:
        context.workspace.status_text_set(None)
        redraw.lines()
        return result


class TALKCLIP_OT_overlay_edit(_OverBar, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Edit the prompt under the mouse"""

    bl_idname = "talkclip.overlay_edit"
    bl_label = "Edit Prompt"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Open the fields beside the mouse."""
        line, _, over = self.under(context, event)
        if over is None:
            return {"PASS_THROUGH"}
        cutting.activate(line, over.uid)
        return context.window_manager.invoke_popup(self, width=340)

    def draw(self, context: bpy.types.Context) -> None:
        """Blender draws the popup with this."""
        line = overlay.shown_line(context)
        if line is not None:
            prompts_panel.draw_active(self.layout, line)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """The fields have done it."""
        return {"FINISHED"}


class TALKCLIP_OT_overlay_menu(_OverBar, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """What can be done with the prompt under the mouse"""

    bl_idname = "talkclip.overlay_menu"
    bl_label = "Prompt Menu"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Open the menu."""
        line, _, over = self.under(context, event)
        if over is None:
            return {"PASS_THROUGH"}
        cutting.activate(line, over.uid)
        redraw.lines()
        bpy.ops.wm.call_menu(name="TALKCLIP_MT_segments")
        return {"FINISHED"}


def _snaps(line: Any, extent: sound.Extent, scene: bpy.types.Scene, heard: bool) -> list[float]:
    """Frames of interest: the playhead, markers, the line's ends and borders of words."""
    borders = [second for row in line.words for second in (row.start_s, row.end_s)] if heard else []
    frames = [extent.first + second * extent.fps for second in borders]
    return [
        *frames,
        scene.frame_current,
        extent.first,
        extent.end,
        *(marker.frame for marker in scene.timeline_markers),
    ]


CLASSES = (TALKCLIP_OT_overlay_drag, TALKCLIP_OT_overlay_edit, TALKCLIP_OT_overlay_menu)

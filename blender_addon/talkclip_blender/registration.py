# SPDX-License-Identifier: GPL-3.0-or-later
"""Which classes Blender is told about, in which order."""

from __future__ import annotations

import bpy

from . import head_operator, panel, preferences, properties, server_operator, speak_operator

CLASSES: tuple[type, ...] = (
    preferences.TalkClipPreferences,
    properties.TalkClipSegment,
    properties.TalkClipTake,
    properties.TalkClipCharacter,
    head_operator.TALKCLIP_OT_add_default_head,
    server_operator.TALKCLIP_OT_check_server,
    speak_operator.TALKCLIP_OT_speak,
    panel.TALKCLIP_PT_main,
    panel.TALKCLIP_PT_details,
)


def register() -> None:
    """Register all classes and the character's data on objects."""
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    bpy.types.Object.talkclip = bpy.props.PointerProperty(type=properties.TalkClipCharacter)
    bpy.types.VIEW3D_MT_mesh_add.append(panel.draw_add_menu)


def unregister() -> None:
    """Undo `register`; what is saved in files stays there."""
    bpy.types.VIEW3D_MT_mesh_add.remove(panel.draw_add_menu)
    speak_operator.cancel_running()
    del bpy.types.Object.talkclip
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)

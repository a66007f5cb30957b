# SPDX-License-Identifier: GPL-3.0-or-later
"""Which classes Blender is told about, in which order."""

from __future__ import annotations

import bpy

from . import preferences, properties
from .character import head_operator
from .character import panel as character_panel
from .line import overlay, overlay_operator, prompts_panel, segment_operators, word_properties, words_panel
from .line import panel as line_panel
from .line import properties as line
from .line import saving as line_saving
from .plates import export_operators, modal, previews
from .plates import operators as plate_operators
from .plates import panel as plates_panel
from .plates import properties as plates
from .result import panel as result_panel
from .result import properties as result
from .result import speak_operator
from .service import panel as service_panel
from .service import server_operator

CLASSES: tuple[type, ...] = (
    preferences.TalkClipPreferences,
    # What is saved; parts before the whole.
    line.TalkClipEdit,
    line.TalkClipSegment,
    word_properties.TalkClipWord,
    result.TalkClipPart,
    result.TalkClipTake,
    plates.TalkClipPlate,
    properties.TalkClipCharacter,
    # Character
    head_operator.TALKCLIP_OT_add_default_head,
    character_panel.TALKCLIP_PT_character,
    # Line
    *segment_operators.CLASSES,
    line_panel.TALKCLIP_PT_line,
    *words_panel.CLASSES,
    *prompts_panel.CLASSES,
    *overlay_operator.CLASSES,
    # Result
    speak_operator.TALKCLIP_OT_speak,
    result_panel.TALKCLIP_PT_speak,
    result_panel.TALKCLIP_PT_details,
    # Plates
    *plate_operators.CLASSES,
    *export_operators.CLASSES,
    *plates_panel.CLASSES,
    # Server
    server_operator.TALKCLIP_OT_check_server,
    service_panel.TALKCLIP_PT_server,
)


def register() -> None:
    """Register all classes and the character's data on objects."""
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    bpy.types.Object.talkclip = bpy.props.PointerProperty(
        type=properties.TalkClipCharacter, override={"LIBRARY_OVERRIDABLE"}
    )
    bpy.types.VIEW3D_MT_mesh_add.append(character_panel.draw_add_menu)
    line_saving.register()
    overlay.register()
    overlay_operator.register()


def unregister() -> None:
    """Undo `register`; what is saved in files stays there."""
    overlay_operator.unregister()
    overlay.unregister()
    line_saving.unregister()
    bpy.types.VIEW3D_MT_mesh_add.remove(character_panel.draw_add_menu)
    speak_operator.cancel_running()
    modal.cancel_running()
    previews.forget()
    del bpy.types.Object.talkclip
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Which classes Blender is told about, in which order."""

from __future__ import annotations

import bpy

from . import modal, overrides, preferences, properties
from .character import driver_operators, head_operator, linked_operator, lists, mapping_operators, preset_operators
from .character import panel as character_panel
from .character import properties as character
from .line import (
    exchange_operators,
    intensity_groups,
    overlay,
    overlay_operator,
    prompts_panel,
    reading,
    script_panel,
    segment_operators,
    word_properties,
    words_panel,
)
from .line import panel as line_panel
from .line import properties as line
from .line import saving as line_saving
from .plates import export_operators, previews
from .plates import operators as plate_operators
from .plates import panel as plates_panel
from .plates import properties as plates
from .result import bake_operators, link, live, speak_operator, take_operators
from .result import panel as result_panel
from .result import properties as result
from .service import install_operator, server_operator
from .service import panel as service_panel
from .service import state as service_state

CLASSES: tuple[type, ...] = (
    preferences.TalkClipPreferences,
    # What is saved; parts before the whole.
    line.TalkClipEdit,
    line.TalkClipSegment,
    word_properties.TalkClipWord,
    result.TalkClipPart,
    result.TalkClipTake,
    character.TalkClipMapping,
    character.TalkClipBody,
    character.TalkClipDriver,
    character.TalkClipRig,
    plates.TalkClipPlate,
    properties.TalkClipCharacter,
    # Character
    head_operator.TALKCLIP_OT_add_default_head,
    linked_operator.TALKCLIP_OT_override_shapes,
    mapping_operators.TALKCLIP_OT_recognise,
    mapping_operators.TALKCLIP_OT_map_by_hand,
    mapping_operators.TALKCLIP_OT_forget_mapping,
    mapping_operators.TALKCLIP_OT_add_mapping,
    mapping_operators.TALKCLIP_OT_remove_mapping,
    mapping_operators.TALKCLIP_OT_add_parts,
    mapping_operators.TALKCLIP_OT_remove_part,
    mapping_operators.TALKCLIP_OT_widen_sliders,
    driver_operators.TALKCLIP_OT_find_drivers,
    driver_operators.TALKCLIP_OT_restore_drivers,
    preset_operators.TALKCLIP_OT_save_rig_preset,
    preset_operators.TALKCLIP_OT_load_rig_preset,
    preset_operators.TALKCLIP_OT_delete_rig_preset,
    preset_operators.TALKCLIP_OT_export_mapping,
    preset_operators.TALKCLIP_OT_import_mapping,
    lists.TALKCLIP_UL_mapping,
    lists.TALKCLIP_UL_parts,
    lists.TALKCLIP_UL_drivers,
    character_panel.TALKCLIP_MT_rig_presets,
    character_panel.TALKCLIP_PT_character,
    character_panel.TALKCLIP_PT_mapping,
    character_panel.TALKCLIP_PT_drivers,
    character_panel.TALKCLIP_PT_parts,
    # Line
    *segment_operators.CLASSES,
    line_panel.TALKCLIP_PT_line,
    *words_panel.CLASSES,
    *prompts_panel.CLASSES,
    script_panel.TALKCLIP_PT_script,
    *overlay_operator.CLASSES,
    *exchange_operators.CLASSES,
    # Result
    speak_operator.TALKCLIP_OT_speak,
    take_operators.TALKCLIP_OT_show_take,
    take_operators.TALKCLIP_OT_duplicate_take,
    take_operators.TALKCLIP_OT_compare_takes,
    take_operators.TALKCLIP_OT_delete_take,
    take_operators.TALKCLIP_OT_keep_take,
    bake_operators.TALKCLIP_OT_bake,
    bake_operators.TALKCLIP_OT_clean_take,
    result_panel.TALKCLIP_UL_takes,
    result_panel.TALKCLIP_PT_speak,
    result_panel.TALKCLIP_PT_takes,
    result_panel.TALKCLIP_PT_layers,
    result_panel.TALKCLIP_PT_bake,
    result_panel.TALKCLIP_PT_details,
    # Plates
    *plate_operators.CLASSES,
    *export_operators.CLASSES,
    *plates_panel.CLASSES,
    # Server
    *install_operator.CLASSES,
    *server_operator.CLASSES,
    *service_panel.CLASSES,
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
    intensity_groups.register()
    overrides.register()
    overlay.register()
    overlay_operator.register()
    live.register()
    service_state.register()


def unregister() -> None:
    """Undo `register`; what is saved in files stays there."""
    service_state.unregister()
    live.unregister()
    overrides.unregister()
    reading.unregister()
    overlay_operator.unregister()
    overlay.unregister()
    intensity_groups.unregister()
    line_saving.unregister()
    bpy.types.VIEW3D_MT_mesh_add.remove(character_panel.draw_add_menu)
    modal.cancel_running()
    link.close()
    previews.forget()
    del bpy.types.Object.talkclip
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Keyed intensities bear their prompts' words in the Dope Sheet: each curve lies in a group of that name.

Blender calls a custom property's channel like the property, and that is the prompt's identity. A curve which the
animator has put into a group of their own stays there.
"""

from __future__ import annotations

import re
from typing import Final

import bpy
from bpy.app.handlers import persistent

from .. import compat
from ..character import face
from . import intensity

_START: Final = "Intensity: "
_BYTES: Final = 56  # a group's name has 63, and Blender makes it unique by a number


def register() -> None:
    """Watch keys being set."""
    bpy.app.handlers.depsgraph_update_post.append(_after_update)


def unregister() -> None:
    """Undo `register`."""
    bpy.app.handlers.depsgraph_update_post.remove(_after_update)


def name_groups(owner: bpy.types.Object) -> None:
    """Give the curves of a character's intensities their groups, and the groups their names."""
    curves = intensity.curves_of(owner)
    for segment in owner.talkclip.segments if curves else ():
        curve = curves.get(segment.uid)
        if curve is None or not compat.is_editable(curve.id_data):
            continue
        name = _name_for(segment.prompt)
        if curve.group is None:
            compat.put_into_group(curve, name)
        elif curve.group.name.startswith(_START) and not re.fullmatch(rf"{re.escape(name)}(\.\d+)?", curve.group.name):
            curve.group.name = name


@persistent
def _after_update(_scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph) -> None:
    if depsgraph.mode != "VIEWPORT" or not depsgraph.id_type_updated("ACTION"):
        return
    layer = getattr(bpy.context, "view_layer", None)
    mesh = face.face_mesh(layer.objects.active) if layer else None
    if mesh is not None and mesh.library is None:
        name_groups(mesh)


def _name_for(prompt: str) -> str:
    return f"{_START}{prompt.strip() or 'neutral'}".encode()[:_BYTES].decode(errors="ignore").rstrip()

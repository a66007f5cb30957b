# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of the character that stands beside it and goes on playing the take that played when it was made.

What is copied: the objects that takes move, their armature, and all that hangs on them. Meshes with shape keys get a
mesh of their own, everything else is linked; modifiers, constraints and drivers among them point at the copies. The
Actions are the character's own. A copy is never rendered, cannot be selected, and hangs on an empty that can.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import bpy
from mathutils import Matrix, Vector

from ..character import axes
from ..character.face import COPY_MARK, Face
from . import parts, strips

_NAME: Final = "TalkCLIP Side by Side"
_NOT_SHOWN: Final = frozenset({"CAMERA", "LIGHT", "LIGHT_PROBE", "SPEAKER"})
# The copy stands this many of the character's widths away, and its empty so much above its middle, in heights.
_APART, _ABOVE = 1.2, 0.6
_SMALLEST: Final = 1e-3


def begin(found: Face, label: str, context: bpy.types.Context) -> None:
    """Put the copy there.

    Args:
        found: the character; its takes say what moves.
        label: what the empty is called.
        context: whose scene it comes into.
    """
    owners = [owner for owner in parts.owners(found.mesh.talkclip) if isinstance(owner, bpy.types.Object)]
    shown = _with_all_below([*found.objects, *(body.find_armature() for body in found.objects), found.armature])
    cast = list(dict.fromkeys([*shown, *_with_all_below(owners)]))
    collection = bpy.data.collections.new(_NAME)
    context.scene.collection.children.link(collection)
    copies = {original: _copy_of(original, collection) for original in cast}
    _relink({**copies, **_own_shape_keys(copies)})
    context.view_layer.update()
    for original, copy in copies.items():
        # A board of controls beside the face would lie upon the one it was copied from.
        copy.hide_set(original not in shown or not original.visible_get())
    handle, home = _handle(found, shown, label, collection)
    for original in shown:
        if original.parent not in copies:  # whatever animates it, the empty comes on top of that
            moved = copies[original].constraints.new("CHILD_OF")
            moved.target, moved.inverse_matrix = handle, Matrix.Translation(-home)
    found.mesh.talkclip.side_by_side = collection


def end(character: Any) -> None:
    """Take the copy away, with what was made for it. Whatever else was put into its collection stays in the scene."""
    collection, character.side_by_side = character.side_by_side, None
    copies = [body for body in collection.all_objects if COPY_MARK in body]
    meshes = [body.data for body in copies if body.data is not None and COPY_MARK in body.data]
    animated = [*copies, *(mesh.shape_keys for mesh in meshes)]
    actions = {
        strip.action for owner in animated for name in strips.OURS for strip in strips.on_track(owner, name)
    }  # fmt: skip
    bpy.data.batch_remove([*copies, *dict.fromkeys(meshes)])
    for action in actions - {None}:
        if action.users == 0:  # its take was deleted meanwhile
            bpy.data.actions.remove(action)
    if not collection.all_objects:
        bpy.data.collections.remove(collection)


def _with_all_below(tops: Iterable[bpy.types.Object | None]) -> list[bpy.types.Object]:
    """The objects and all that hang on them, without what has no shape."""
    found = [body for top in tops if top is not None for body in (top, *top.children_recursive)]
    return [body for body in dict.fromkeys(found) if body.type not in _NOT_SHOWN and COPY_MARK not in body]


def _copy_of(original: bpy.types.Object, collection: bpy.types.Collection) -> bpy.types.Object:
    copy = original.copy()
    copy.property_unset("talkclip")  # takes that two objects hold could not be deleted
    copy[COPY_MARK] = True
    copy.hide_select = copy.hide_render = True
    collection.objects.link(copy)
    return copy


def _own_shape_keys(copies: dict[bpy.types.Object, bpy.types.Object]) -> dict[bpy.types.ID, bpy.types.ID]:
    """Give the copies meshes of their own where a take moves shapes -> {shape keys: the copy's}."""
    made: dict[bpy.types.ID, bpy.types.ID] = {}
    keys: dict[bpy.types.ID, bpy.types.ID] = {}
    for original, copy in copies.items():
        mesh = original.data
        if original.type != "MESH" or mesh.shape_keys is None:
            continue
        if mesh not in made:
            made[mesh] = mesh.copy()
            made[mesh][COPY_MARK] = True
        copy.data = made[mesh]
        keys[mesh.shape_keys] = made[mesh].shape_keys
    return keys


def _relink(copies: dict[bpy.types.ID, bpy.types.ID]) -> None:
    """Let the copies point at each other where the originals do."""
    for copy in copies.values():
        if isinstance(copy, bpy.types.Object):
            if copy.parent in copies:
                copy.parent = copies[copy.parent]
            bones = copy.pose.bones if copy.pose else ()
            for each in (*copy.modifiers, *copy.constraints, *(c for bone in bones for c in bone.constraints)):
                _relink_pointers(each, copies)
                for target in getattr(each, "targets", ()):
                    _relink_pointers(target, copies)
        for driver in copy.animation_data.drivers if copy.animation_data else ():
            for variable in driver.driver.variables:
                for target in variable.targets:
                    if target.id in copies:
                        target.id = copies[target.id]


def _relink_pointers(holder: bpy.types.bpy_struct, copies: dict[bpy.types.ID, bpy.types.ID]) -> None:
    for field in holder.bl_rna.properties:
        if field.type == "POINTER" and not field.is_readonly:
            pointed = getattr(holder, field.identifier)
            if isinstance(pointed, bpy.types.ID) and pointed in copies:
                setattr(holder, field.identifier, copies[pointed])


def _handle(
    found: Face, shown: Sequence[bpy.types.Object], label: str, collection: bpy.types.Collection
) -> tuple[bpy.types.Object, Vector]:
    """The empty on which the copy hangs: above it, with the take's name -> (it, the place above the character)."""
    side, up, _ = axes.upright(found.mesh)
    corners = [body.matrix_world @ Vector(corner) for body in shown if body.type == "MESH" for corner in body.bound_box]
    middle = sum(corners, Vector()) / len(corners)

    def extent(direction: Vector) -> float:
        along = [corner.dot(direction) for corner in corners]
        return max(max(along) - min(along), _SMALLEST)

    handle = bpy.data.objects.new(label, None)
    handle[COPY_MARK] = True
    handle.empty_display_size, handle.show_name, handle.hide_render = extent(side) / 8, True, True
    home = middle + up * extent(up) * _ABOVE
    handle.location = home + side * extent(side) * _APART
    collection.objects.link(handle)
    return handle, home

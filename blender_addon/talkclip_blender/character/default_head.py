# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the default head as Blender data: mesh, 52 shape keys, materials, and a neck and head bone."""

from __future__ import annotations

from typing import Any, Final

import bpy
import numpy as np
from mathutils import Vector

from talkclip_rigs.head import DefaultHead, Material

from .. import compat

NAME: Final = "TalkCLIP Head"
COLORS: Final = "Color"
HEAD_BONE, NECK_BONE = "head", "neck"
# Metres below the pivot between which the skin passes from the head bone to the neck bone.
_NECK_FROM_M, _NECK_TO_M = 0.02, 0.10
_BONE_M: Final = 0.12
# A little light goes under skin. Hair and brows fade into it, so they share it: else a border would show.
_SUBSURFACE: Final = {"skin": 0.08, "hair": 0.08, "brows": 0.08, "lips": 0.10, "tongue": 0.10, "gum": 0.08}
_SUBSURFACE_RADIUS_M: Final = 0.006


def build(collection: bpy.types.Collection, location: Vector) -> bpy.types.Object:
    """Make the head -> its mesh object; the armature is its parent, at `location`."""
    head = DefaultHead.load()
    mesh = bpy.data.meshes.new(NAME)
    mesh.from_pydata(_to_blender(head.vertices).tolist(), [], head.polygons)
    _uv_map(mesh, head)
    _colors(mesh, head)
    for material in head.materials:
        mesh.materials.append(_material(material))
    mesh.polygons.foreach_set("material_index", head.face_material)
    compat.smooth_shading(mesh)
    mesh.update()
    body = bpy.data.objects.new(NAME, mesh)
    collection.objects.link(body)
    _shape_keys(body, head)
    _rig(body, head, collection, location)
    return body


def _to_blender(points: np.ndarray) -> np.ndarray:
    """(..., 3) +Y up, +Z forward -> Blender's +Z up, facing -Y."""
    return np.stack([points[..., 0], -points[..., 2], points[..., 1]], axis=-1)


def _shape_keys(body: bpy.types.Object, head: DefaultHead) -> None:
    body.shape_key_add(name="Basis", from_mix=False)
    for name, delta in zip(head.names, head.deltas, strict=True):
        block = body.shape_key_add(name=name, from_mix=False)
        block.value = 0.0  # Blender 5.2 adds them at 1
        block.data.foreach_set("co", _to_blender(head.vertices + delta).astype(np.float32).ravel())
    body.data.shape_keys.name = NAME


def _uv_map(mesh: bpy.types.Mesh, head: DefaultHead) -> None:
    layer = mesh.uv_layers.new(name="UVMap")
    corners = [
        corner for face, corner_uv in zip(head.polygons, head.face_uv, strict=True) for corner in corner_uv[: len(face)]
    ]
    layer.data.foreach_set("uv", head.uv[corners].astype(np.float32).ravel())


def _colors(mesh: bpy.types.Mesh, head: DefaultHead) -> None:
    attribute = compat.vertex_colors(mesh, COLORS)
    rgba = np.ones((len(head.colors), 4), np.float32)
    rgba[:, :3] = head.colors / np.float32(255)
    attribute.data.foreach_set("color_srgb", rgba.ravel())


def _material(look: Material) -> bpy.types.Material:
    """A material of this look; one that an earlier head brought along is used again."""
    name = f"{NAME} {look.name}"
    material = bpy.data.materials.get(name)
    if material is not None:
        return material
    material = bpy.data.materials.new(name)
    material.diffuse_color = (*_linear(look.base_color), 1.0)
    material.roughness = look.roughness
    compat.use_nodes(material)
    shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    colors = material.node_tree.nodes.new("ShaderNodeVertexColor")
    colors.layer_name = COLORS
    colors.location = (-250, 200)
    material.node_tree.links.new(colors.outputs["Color"], shader.inputs["Base Color"])
    _set(shader, "Roughness", look.roughness)
    _set(shader, "Subsurface Weight", _SUBSURFACE.get(look.name, 0.0))
    _set(shader, "Subsurface Scale", _SUBSURFACE_RADIUS_M)
    return material


def _set(shader: Any, socket: str, value: float) -> None:
    """Set a socket where this version's shader has it."""
    if socket in shader.inputs:
        shader.inputs[socket].default_value = value


def _linear(color: tuple[float, float, float]) -> tuple[float, ...]:
    """sRGB -> linear, by the curve of IEC 61966-2-1."""
    return tuple(c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color)


def _rig(body: bpy.types.Object, head: DefaultHead, collection: bpy.types.Collection, location: Vector) -> None:
    """An armature at the head's pivot: the head turns, the neck's base stays."""
    data = bpy.data.armatures.new(f"{NAME} Rig")
    rig = bpy.data.objects.new(f"{NAME} Rig", data)
    collection.objects.link(rig)
    data.display_type = "STICK"
    view_layer = bpy.context.view_layer
    view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    neck, top = data.edit_bones.new(NECK_BONE), data.edit_bones.new(HEAD_BONE)
    neck.head, neck.tail = (0.0, 0.0, -_NECK_TO_M), (0.0, 0.0, 0.0)
    top.head, top.tail = (0.0, 0.0, 0.0), (0.0, 0.0, _BONE_M)
    top.parent = neck
    bpy.ops.object.mode_set(mode="OBJECT")

    rig.location = location
    body.parent = rig
    share = np.clip((-head.vertices[:, 1] - _NECK_FROM_M) / (_NECK_TO_M - _NECK_FROM_M), 0.0, 1.0)
    share = np.where(_is_skin(head), share * share * (3 - 2 * share), 0.0)
    _weights(body, NECK_BONE, share)
    _weights(body, HEAD_BONE, 1.0 - share)
    modifier = body.modifiers.new("Armature", "ARMATURE")
    modifier.object = rig


def _is_skin(head: DefaultHead) -> np.ndarray:
    """(V,) True for the skin; teeth, eyes and tongue follow the head bone alone."""
    return head.part == head.part_names.index("skin")


def _weights(body: bpy.types.Object, bone: str, weights: np.ndarray) -> None:
    group = body.vertex_groups.new(name=bone)
    for weight in np.unique(weights.astype(np.float32)):
        if weight > 0:
            group.add(np.flatnonzero(weights.astype(np.float32) == weight).tolist(), float(weight), "REPLACE")

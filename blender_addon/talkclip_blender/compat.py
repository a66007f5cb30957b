# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that differs between Blender versions. No other module looks at `bpy.app.version`.

Supported: 4.5 LTS to 5.2 LTS. 3.4 is kept working as far as it costs nothing, because it is the Blender in which a
real window can be looked at on a machine without a display.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bpy

HAS_SLOTS = bpy.app.version >= (4, 4, 0)
HAS_PROGRESS_BAR = bpy.app.version >= (4, 0, 0)
HAS_PLACEHOLDER = bpy.app.version >= (4, 1, 0)
# Says that a path may start with "//", the folder of the .blend; Blender warns of such paths elsewhere since 4.5.
FILE_OPTIONS = {"ANIMATABLE"} | ({"PATH_SUPPORTS_BLEND_RELATIVE"} if bpy.app.version >= (4, 5, 0) else set())
_SLOT_NAME_LENGTH = 60
_STRIPS_RENAMED = bpy.app.version >= (5, 0, 0)


def online_access() -> bool:
    """Whether the user lets extensions use the internet; Blender asks this since 4.2."""
    return bool(getattr(bpy.app, "online_access", True))


def is_editable(datablock: bpy.types.ID) -> bool:
    """Whether it belongs to this file, itself or as a library override."""
    return getattr(datablock, "is_editable", datablock.library is None)


def session_id(block: bpy.types.ID) -> int:
    """A number that stays with a datablock when it is renamed; 0 where Blender has none to show."""
    return getattr(block, "session_uid", 0)


def with_session_id(collection: Any, wanted: int, name: str) -> Any:
    """The datablock of that number, or None when it is gone; by its name where there are no numbers."""
    named = collection.get(name)
    if not wanted or (named is not None and named.session_uid == wanted):
        return named
    return next((block for block in collection if block.session_uid == wanted), None)


def push_undo(window: bpy.types.Window | None, message: str) -> None:
    """Make an undo step outside of an operator."""
    if window is None or not hasattr(bpy.context, "temp_override"):
        bpy.ops.ed.undo_push(message=message)
        return
    with bpy.context.temp_override(window=window):
        bpy.ops.ed.undo_push(message=message)


def open_action(action: bpy.types.Action, owner: bpy.types.ID, name: str) -> tuple[Any, Any]:
    """Where F-curves of `owner` go in an action -> (collection of F-curves, slot or None).

    Since 4.4 one action serves several datablocks and layers, each through a new slot (`name`); before, it serves one.
    """
    if not HAS_SLOTS:
        action.id_root = "KEY" if isinstance(owner, bpy.types.Key) else "OBJECT"
        return action.fcurves, None
    slot = action.slots.new(owner.id_type, name[:_SLOT_NAME_LENGTH])
    layer = action.layers[0] if action.layers else action.layers.new("TalkCLIP")
    strip = layer.strips[0] if layer.strips else layer.strips.new(type="KEYFRAME")
    return strip.channelbag(slot, ensure=True).fcurves, slot


def fcurves_of(action: bpy.types.Action | None, slot: Any = None) -> list[bpy.types.FCurve]:
    """The F-curves an action holds for one slot; [] without an action. Before 4.4 `slot` is not looked at."""
    return [curve for curves in curve_collections(action, slot) for curve in curves]


def curve_collections(action: bpy.types.Action | None, slot: Any = None) -> list[Any]:
    """The collections, to add to and remove from, with the F-curves an action holds for one slot."""
    if action is None:
        return []
    if not HAS_SLOTS:
        return [action.fcurves]
    if slot is None:
        return []
    bags = [strip.channelbag(slot) for layer in action.layers for strip in layer.strips]
    return [bag.fcurves for bag in bags if bag is not None]


def curves_in(action: bpy.types.Action, slot: Any) -> Any:
    """The collection of F-curves that an action of one layer and one strip holds for one slot."""
    return action.layers[0].strips[0].channelbag(slot, ensure=True).fcurves if HAS_SLOTS else action.fcurves


def put_into_group(curve: bpy.types.FCurve, name: str) -> None:
    """Put an F-curve into a new group of its Action."""
    holders = [curve.id_data]
    if HAS_SLOTS:
        holders = [bag for layer in curve.id_data.layers for strip in layer.strips for bag in strip.channelbags]
    for holder in holders:
        if any(each == curve for each in holder.fcurves):
            curve.group = holder.groups.new(name)
            return


def slot_handle(slot: Any) -> int:
    """A number that stays with a slot when it is renamed or its action copied; 0 where there are no slots."""
    return slot.handle if HAS_SLOTS else 0


def slot_with_handle(action: bpy.types.Action | None, handle: int) -> Any:
    """The slot of that handle, or None."""
    if action is None or not HAS_SLOTS:
        return None
    return next((slot for slot in action.slots if slot.handle == handle), None)


def slot_of(user: Any) -> Any:
    """The slot that animation data or an NLA strip uses, or None."""
    return getattr(user, "action_slot", None)


def set_slot(user: Any, slot: Any) -> None:
    """Make animation data or an NLA strip use `slot` of its action."""
    if HAS_SLOTS and slot is not None:
        user.action_slot = slot


def sound_strips(scene: bpy.types.Scene) -> list[Any]:
    """The scene's VSE sound strips, also those inside meta strips."""
    return _strips_of_type(scene, "SOUND")


def text_strips(scene: bpy.types.Scene) -> list[Any]:
    """The scene's VSE text strips, also those inside meta strips."""
    return _strips_of_type(scene, "TEXT")


def new_text_strip(strips: Any, name: str, channel: int, first: int, end: int) -> Any:
    """A text strip in `top_strips`, from a scene frame up to another."""
    last = {"length": end - first} if _STRIPS_RENAMED else {"frame_end": end}
    return strips.new_effect(name=name, type="TEXT", channel=channel, frame_start=first, **last)


def _strips_of_type(scene: bpy.types.Scene, wanted: str) -> list[Any]:
    editor = scene.sequence_editor
    if editor is None:
        return []
    strips = editor.strips_all if _STRIPS_RENAMED else editor.sequences_all
    return [strip for strip in strips if strip.type == wanted]


def picture_strips(scene: bpy.types.Scene) -> list[Any]:
    """The scene's VSE strips of pictures and movies, also those inside meta strips."""
    editor = scene.sequence_editor
    if editor is None:
        return []
    strips = editor.strips_all if _STRIPS_RENAMED else editor.sequences_all
    return [strip for strip in strips if strip.type in ("IMAGE", "MOVIE")]


def top_strips(editor: Any) -> Any:
    """The collection that new strips are added to."""
    return editor.strips if _STRIPS_RENAMED else editor.sequences


@dataclass(frozen=True)
class StripTiming:
    """Where a VSE strip stands, in scene frames."""

    content: float
    """Frame at which the untrimmed media would start."""
    first: int
    """First frame that is heard."""
    end: int
    """Frame after the last one that is heard."""
    trim: float
    """Frames cut from the media's own start, before `content`; 0 for a strip without media."""


def strip_timing(strip: Any) -> StripTiming:
    """Where a VSE strip stands. 5.x renamed these properties and warns of the old names."""
    if hasattr(strip, "content_start"):
        trim = getattr(strip, "content_trim_start", 0.0)
        return StripTiming(strip.content_start, strip.left_handle, strip.right_handle, trim)
    trim = getattr(strip, "animation_offset_start", 0.0)
    return StripTiming(strip.frame_start, strip.frame_final_start, strip.frame_final_end, trim)


def use_nodes(material: bpy.types.Material) -> None:
    """Give a material its node tree; since 5.0 it always has one."""
    if material.node_tree is None:
        material.use_nodes = True


def smooth_shading(mesh: bpy.types.Mesh) -> None:
    """Shade every face of a mesh smooth."""
    mesh.polygons.foreach_set("use_smooth", [True] * len(mesh.polygons))


def vertex_colors(mesh: bpy.types.Mesh, name: str) -> Any:
    """A new byte-colour attribute, one colour per vertex, made the active one."""
    attribute = mesh.color_attributes.new(name, "BYTE_COLOR", "POINT")
    mesh.color_attributes.active_color = attribute
    return attribute


def place_strip(strip: Any, content: float, first: int, end: int) -> None:
    """Let a VSE strip's untrimmed media start at frame `content`; it is seen or heard from `first` until before `end`.

    All three may lie outside the media; Blender then holds the first or last picture, or is silent.
    """
    if hasattr(strip, "content_start"):
        strip.content_start = content
        strip.left_handle, strip.right_handle = first, end
    else:
        strip.frame_start = content
        strip.frame_final_start, strip.frame_final_end = first, end


def picture_output(render: bpy.types.RenderSettings, alpha: bool) -> None:
    """Let a scene render PNG files."""
    if hasattr(render.image_settings, "media_type"):
        render.image_settings.media_type = "IMAGE"
    render.image_settings.file_format = "PNG"
    render.image_settings.color_mode = "RGBA" if alpha else "RGB"
    render.image_settings.color_depth = "8"


def video_output(render: bpy.types.RenderSettings) -> None:
    """Let a scene render MP4 files with H.264 and AAC."""
    if hasattr(render.image_settings, "media_type"):
        render.image_settings.media_type = "VIDEO"
    render.image_settings.file_format = "FFMPEG"
    render.image_settings.color_mode = "RGB"
    ffmpeg = render.ffmpeg
    ffmpeg.format, ffmpeg.codec = "MPEG4", "H264"
    ffmpeg.constant_rate_factor, ffmpeg.ffmpeg_preset = "HIGH", "GOOD"
    ffmpeg.use_autosplit = False
    ffmpeg.audio_codec, ffmpeg.audio_bitrate = "AAC", 192


def compositor(scene: bpy.types.Scene) -> tuple[Any, Any]:
    """The scene's compositor and the node whose first input is its result; made where they are missing.

    Since 5.0 it is a node group with an output; before, the scene's own tree with a Composite node.
    """
    if hasattr(scene, "compositing_node_group"):
        tree, kind = scene.compositing_node_group, "NodeGroupOutput"
        if tree is None:
            tree = scene.compositing_node_group = bpy.data.node_groups.new("Compositing", "CompositorNodeTree")
        if not any(item.item_type == "SOCKET" and item.in_out == "OUTPUT" for item in tree.interface.items_tree):
            tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
    else:
        kind = "CompositorNodeComposite"
        if not scene.use_nodes:
            scene.use_nodes = True
        tree = scene.node_tree
    output = next((node for node in tree.nodes if node.bl_idname == kind), None)
    return tree, output or tree.nodes.new(kind)


def alpha_over_inputs(node: Any) -> tuple[Any, Any]:
    """(background, foreground) of an Alpha Over node."""
    if "Background" in node.inputs:
        return node.inputs["Background"], node.inputs["Foreground"]
    return node.inputs[1], node.inputs[2]


def blended_alpha(material: bpy.types.Material) -> None:
    """Let EEVEE draw soft edges of a transparent material."""
    if hasattr(material, "surface_render_method"):
        material.surface_render_method = "BLENDED"
    elif hasattr(material, "blend_method"):
        material.blend_method = "BLEND"

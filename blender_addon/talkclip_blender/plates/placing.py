# SPDX-License-Identifier: GPL-3.0-or-later
"""A plate into the scene: behind the camera's view, on a plane, into the Sequencer, into the compositor."""

from __future__ import annotations

from typing import Any, Final

import bpy
from mathutils import Matrix, Vector

from talkclip.errors import InputError

from .. import compat
from ..frame_rate import scene_fps
from . import colors, record, timing

_NAME: Final = "TalkCLIP Plate"
# A plane in front of the camera: this far away, in multiples of the near clipping distance at least.
_PLANE_DISTANCE_M: Final = 1.0


def behind_camera(plate: Any, scene: bpy.types.Scene) -> list[str]:
    """Show the plate as background image of the scene's camera -> notes.

    The same plate is not added twice.

    Raises:
        InputError: no camera, a linked one, or the plate's files are missing.
    """
    data = _camera(scene).data
    _require_editable(data)
    image = plate.image = record.image_of(plate)
    background = next((known for known in data.background_images if known.image == image), None)
    if background is None:
        background = data.background_images.new()
        background.image = image
    data.show_background_images = True
    background.source, background.frame_method = "IMAGE", "FIT"
    background.alpha = 1.0
    background.display_depth = "BACK"
    index = list(data.background_images).index(background)
    timing.play(background.image_user, data, f"background_images[{index}].image_user", plate, scene)
    # The viewport shows a background as it is in its file, whatever the view transform.
    image.use_view_as_render = False
    return ["It is shown in the viewport only; a render shows it as a plane, strip or compositor input."]


def plane(plate: Any, scene: bpy.types.Scene, collection: bpy.types.Collection, where: str) -> tuple[Any, list[str]]:
    """Add a plane that shines with the plate's colours -> (object, notes).

    Args:
        where: CAMERA: it fills the camera's view as far as its shape allows, and moves with the camera; CURSOR: it
            stands upright at the 3D cursor, one metre high.

    Raises:
        InputError: no camera, or the plate's files are missing.
    """
    camera = _camera(scene) if where == "CAMERA" else None
    image = plate.image = record.image_of(plate)
    aspect = plate.width / plate.height
    mesh = bpy.data.meshes.new(_NAME)
    half = aspect / 2
    mesh.from_pydata([(-half, -0.5, 0), (half, -0.5, 0), (half, 0.5, 0), (-half, 0.5, 0)], [], [(0, 1, 2, 3)])
    for corner, uv in zip(mesh.uv_layers.new(name="UVMap").data, ((0, 0), (1, 0), (1, 1), (0, 1)), strict=True):
        corner.uv = uv
    body = bpy.data.objects.new(_NAME, mesh)
    (collection if compat.is_editable(collection) else scene.collection).objects.link(body)
    mesh.materials.append(_material(plate, image, scene))
    if camera is None:
        body.matrix_world = Matrix.Translation(scene.cursor.location) @ Matrix.Rotation(1.5707963, 4, "X")
    else:
        _fill_view(body, camera, scene, aspect)
    _cast_nothing(body)
    return body, _notes(colors.make_exact(scene, image.colorspace_settings))


def into_sequencer(plate: Any, scene: bpy.types.Scene) -> list[str]:
    """Add the plate as a strip, with the line's sound where that is not there yet -> notes.

    Raises:
        InputError: the plate's files are missing, or a video has another rate than the scene.
    """
    first = record.require_files(plate)
    fps = scene_fps(scene)
    if plate.kind == "MP4" and abs(plate.fps - fps) > 1e-3:
        raise InputError(f"The video has {plate.fps:g} frames a second, the scene {fps:g}.", "Render the plate again.")
    editor = scene.sequence_editor or scene.sequence_editor_create()
    strips = compat.top_strips(editor)
    channel = 1 + max((strip.channel for strip in strips), default=0)
    if plate.kind == "MP4":
        strip = strips.new_movie(plate.name, str(first), channel, plate.frame_start)
    else:
        names = [path.name for path in record.pictures_of(plate)]
        shown = [names[k] for k in timing.pictures_shown(plate, fps)]
        strip = strips.new_image(plate.name, str(first.with_name(shown[0])), channel, plate.frame_start)
        for name in shown[1:]:
            strip.elements.append(name)
    strip.blend_type = "ALPHA_OVER"
    if plate.has_alpha:
        strip.alpha_mode = "STRAIGHT"
    notes = _notes(colors.make_exact(scene, strip.colorspace_settings))
    if add_sound(plate, scene):
        notes.append("The line's sound is in the Sequencer too.")
    return notes


def add_sound(plate: Any, scene: bpy.types.Scene) -> bool:
    """Put the line's sound into the Sequencer, unless it is heard there already -> whether it was added.

    Raises:
        InputError: it is missing.
    """
    path = record.on_disk(plate.sound_path)
    fps = scene_fps(scene)
    content = plate.frame_start - plate.sound_start_s * fps
    for strip in compat.sound_strips(scene):
        same_file = strip.sound is not None and record.on_disk(strip.sound.filepath) == path
        placed = compat.strip_timing(strip)
        if same_file and abs(placed.content - placed.trim - content) < 1.0:
            return False
    if not path.is_file():
        raise InputError(f"{path}: the plate's sound is not there.", "Put it back, or render the plate again.")
    editor = scene.sequence_editor or scene.sequence_editor_create()
    strips = compat.top_strips(editor)
    channel = 1 + max((strip.channel for strip in strips), default=0)
    strip = strips.new_sound(path.stem, str(path), channel, plate.frame_start)
    compat.place_strip(strip, content, plate.frame_start, timing.end_frame(plate, fps))
    return True


def shows(strip: Any, plate: Any) -> bool:
    """Whether a VSE strip of pictures shows the plate."""
    name = f"{strip.directory}/{strip.elements[0].filename}" if strip.type == "IMAGE" else strip.filepath
    return record.on_disk(name) == record.on_disk(plate.path)


def into_compositor(plate: Any, scene: bpy.types.Scene, layer: str) -> list[str]:
    """Add the plate to the scene's compositor -> notes.

    Args:
        layer: OVER or UNDER: laid over, or under, what is rendered; INPUT: a node that is left unconnected.

    Raises:
        InputError: the plate's files are missing.
    """
    image = plate.image = record.image_of(plate)
    if group := getattr(scene, "compositing_node_group", None):
        _require_editable(group)
    tree, output = compat.compositor(scene)
    node = tree.nodes.new("CompositorNodeImage")
    node.name = node.label = plate.name
    node.image = image
    timing.play(node, tree, f'nodes["{bpy.utils.escape_identifier(node.name)}"]', plate, scene)
    node.location = output.location + Vector((-700.0, -250.0))
    notes = _notes(colors.make_exact(scene, image.colorspace_settings))
    if layer != "INPUT":
        _lay(tree, output, node, over=layer == "OVER")
        scene.render.use_compositing = True
        if layer == "UNDER" and not scene.render.film_transparent:
            notes.append("To see the plate behind the render, switch on Render > Film > Transparent.")
    return notes


def _lay(tree: Any, output: Any, node: Any, over: bool) -> None:
    """Join the plate with what the compositor puts out so far."""
    target = output.inputs[0]
    before = target.links[0].from_socket if target.links else None
    if before is None:
        layers = tree.nodes.new("CompositorNodeRLayers")
        layers.location = output.location + Vector((-700.0, 100.0))
        before = layers.outputs[0]
    joined = tree.nodes.new("CompositorNodeAlphaOver")
    joined.location = output.location + Vector((-220.0, 0.0))
    background, foreground = compat.alpha_over_inputs(joined)
    tree.links.new(before, background if over else foreground)
    tree.links.new(node.outputs[0], foreground if over else background)
    tree.links.new(joined.outputs[0], target)


def _material(plate: Any, image: bpy.types.Image, scene: bpy.types.Scene) -> bpy.types.Material:
    material = bpy.data.materials.new(_NAME)
    compat.use_nodes(material)
    tree = material.node_tree
    tree.nodes.clear()
    texture, shine, output = (
        tree.nodes.new(kind) for kind in ("ShaderNodeTexImage", "ShaderNodeEmission", "ShaderNodeOutputMaterial")
    )
    texture.image, texture.extension = image, "CLIP"
    texture.location, shine.location, output.location = (-400, 0), (0, -100), (400, 0)
    timing.play(texture.image_user, tree, f'nodes["{texture.name}"].image_user', plate, scene)
    tree.links.new(texture.outputs["Color"], shine.inputs["Color"])
    if not plate.has_alpha:
        tree.links.new(shine.outputs[0], output.inputs["Surface"])
        return material
    clear, mix = tree.nodes.new("ShaderNodeBsdfTransparent"), tree.nodes.new("ShaderNodeMixShader")
    clear.location, mix.location = (0, 100), (200, 0)
    tree.links.new(texture.outputs["Alpha"], mix.inputs[0])
    tree.links.new(clear.outputs[0], mix.inputs[1])
    tree.links.new(shine.outputs[0], mix.inputs[2])
    tree.links.new(mix.outputs[0], output.inputs["Surface"])
    compat.blended_alpha(material)
    return material


def _fill_view(body: bpy.types.Object, camera: bpy.types.Object, scene: bpy.types.Scene, aspect: float) -> None:
    """In front of the camera, as large as its view allows, and moving with it."""
    corners = camera.data.view_frame(scene=scene)
    depth = -corners[0].z
    distance = max(_PLANE_DISTANCE_M, 2 * camera.data.clip_start)
    grow = 1.0 if camera.data.type == "ORTHO" else distance / depth
    xs, ys = ([corner[axis] * grow for corner in corners] for axis in (0, 1))
    width, height = max(xs) - min(xs), max(ys) - min(ys)
    size = min(height, width / aspect)
    body.parent = camera
    body.matrix_parent_inverse = Matrix()
    body.location = ((max(xs) + min(xs)) / 2, (max(ys) + min(ys)) / 2, -distance)
    body.scale = (size, size, size)


def _cast_nothing(body: bpy.types.Object) -> None:
    """The plate is seen, and lights nothing."""
    for ray in ("diffuse", "glossy", "transmission", "volume_scatter", "shadow"):
        setattr(body, f"visible_{ray}", False)


def _camera(scene: bpy.types.Scene) -> bpy.types.Object:
    if scene.camera is None:
        raise InputError(f"The scene '{scene.name}' has no camera.", "Add one: Add > Camera.")
    return scene.camera


def _require_editable(block: bpy.types.ID) -> None:
    """Raises InputError when it belongs to another file."""
    if not compat.is_editable(block):
        raise InputError(f"'{block.name}' is linked from another file.", "Make a library override of it first.")


def _notes(text: str) -> list[str]:
    return [text] if text else []

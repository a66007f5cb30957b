"""Plates in the scene: the right picture at the right frame, in its own colours; and videos."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import aud
import bpy
import numpy as np
import pytest
from harness import MODULE, SAMPLE, drawn
from plates_harness import DEFAULT_RED, LAST, N_FRAMES, START, green_of, pixel, rendered


@pytest.fixture
def plated(saved_head, scene):
    """A head with a plate with alpha, in a scene whose camera renders 64 pixels with Cycles, colours as they are."""
    saved_head.talkclip.plate_alpha = True
    assert bpy.ops.talkclip.render_plate() == {"FINISHED"}
    camera = bpy.data.objects.new("Cam", bpy.data.cameras.new("Cam"))
    scene.collection.objects.link(camera)
    camera.location, camera.rotation_euler = (0.3, -4.0, 1.0), (1.4, 0.1, 0.2)
    scene.camera = camera
    render = scene.render
    render.resolution_x = render.resolution_y = 64
    render.resolution_percentage, render.film_transparent = 100, True
    render.engine, scene.cycles.samples, scene.cycles.use_denoising = "CYCLES", 1, False
    scene.view_settings.view_transform = "Standard"
    saved_head.hide_render = True
    return saved_head.talkclip


def blue_of(character):
    return pixel(Path(bpy.path.abspath(character.plates[0].path)), 0.8, 0.8)[2]


def shown_at(scene, character, frames, tolerance=1):
    """The plate's picture stands in the middle of the render at each {scene frame: number of the picture}."""
    blue = blue_of(character)
    for frame, number in frames.items():
        color = rendered(scene, frame, 0.6, 0.6)
        want = (DEFAULT_RED, green_of(number), blue, 255)
        assert np.abs(np.array(color) - want).max() <= tolerance, (frame, number, color, want)


WHEN = {START - 10: 0, START - 1: 0, START: 0, START + 1: 1, START + 9: 9, LAST: N_FRAMES - 1, LAST + 30: N_FRAMES - 1}


def test_a_plane_before_the_camera_shows_every_picture_at_its_frame(plated, scene):
    assert bpy.ops.talkclip.plate_plane(where="CAMERA") == {"FINISHED"}
    shown_at(scene, plated, WHEN)
    assert rendered(scene, START, 0.3, 0.3)[3] == 0, "clear where the plate is"
    scene.camera.location.x += 5.0
    shown_at(scene, plated, {START: 0})


def test_a_plane_has_the_plates_shape_and_stands_at_the_cursor(plated, scene, tmp_path):
    plate = plated.plates[0]
    plate.width, plate.height = 256, 128
    scene.cursor.location = (1.0, 2.0, 3.0)
    assert bpy.ops.talkclip.plate_plane(where="CURSOR") == {"FINISHED"}
    body = bpy.data.objects["TalkCLIP Plate"]
    bpy.context.view_layer.update()
    corners = np.array([body.matrix_world @ vertex.co for vertex in body.data.vertices])
    np.testing.assert_allclose(corners.min(0), (0.0, 2.0, 2.5), atol=1e-5)
    np.testing.assert_allclose(corners.max(0), (2.0, 2.0, 3.5), atol=1e-5)
    normal = body.matrix_world.to_3x3() @ body.data.polygons[0].normal
    assert normal.y == pytest.approx(-1.0), "it faces the front view"
    assert not body.visible_shadow and not body.visible_diffuse


@pytest.mark.parametrize("transform", ["AgX", "Filmic", "Khronos PBR Neutral"])
def test_colours_come_out_as_they_are_under_any_view_transform(plated, scene, transform):
    scene.view_settings.view_transform = transform
    bpy.ops.talkclip.plate_plane(where="CAMERA")
    shown_at(scene, plated, {START: 0, START + 12: 12}, tolerance=6)
    panels = sys.modules[MODULE + ".plates.panel"]
    bpy.context.view_layer.objects.active = plated.id_data
    assert not any("Colours changed" in text for text in drawn(panels.TALKCLIP_PT_plate_list))

    scene.view_settings.view_transform = "Standard"
    assert any("Colours changed" in text for text in drawn(panels.TALKCLIP_PT_plate_list))
    assert bpy.ops.talkclip.plate_colors(of="PLATE") == {"FINISHED"}
    shown_at(scene, plated, {START: 0})


def test_what_no_colour_space_undoes_is_said(plated, scene):
    scene.view_settings.view_transform, scene.view_settings.exposure = "AgX", 1.0
    panels = sys.modules[MODULE + ".plates.panel"]
    assert "Colours changed by exposure" in drawn(panels.TALKCLIP_PT_plate_list)
    bpy.ops.talkclip.plate_plane(where="CAMERA")
    bpy.context.view_layer.objects.active = plated.id_data
    assert bpy.ops.talkclip.plate_colors(of="SCENE") == {"FINISHED"}
    assert (scene.view_settings.view_transform, scene.view_settings.exposure) == ("Standard", 0.0)
    shown_at(scene, plated, {START: 0})


def test_a_scene_of_another_rate_shows_the_picture_of_the_same_second(plated, scene):
    scene.render.fps = 45  # the plate has 30
    bpy.ops.talkclip.plate_plane(where="CAMERA")
    shown_at(scene, plated, {START - 5: 0, START: 0, START + 1: 0, START + 2: 1, START + 3: 2, START + 21: 14, 200: 15})
    image_user = bpy.data.materials["TalkCLIP Plate"].node_tree.nodes["Image Texture"].image_user
    assert (image_user.frame_start, image_user.frame_duration) == (START, 24)
    bpy.context.view_layer.objects.active = plated.id_data
    bpy.ops.talkclip.plate_strip()
    strip = next(strip for strip in scene.sequence_editor.strips_all if strip.type == "IMAGE")
    shown = [int(element.filename[6:11]) - START for element in strip.elements]
    assert len(shown) == 24 and shown[:6] == [0, 0, 1, 2, 2, 3] and shown[-1] == 15
    panels = sys.modules[MODULE + ".plates.panel"]
    assert "Scene has 45 fps" in drawn(panels.TALKCLIP_PT_plate_list)


def test_behind_the_camera(plated, scene):
    for _ in range(2):
        assert bpy.ops.talkclip.plate_background() == {"FINISHED"}
    data = scene.camera.data
    (background,) = data.background_images
    assert data.show_background_images and background.image == plated.plates[0].image
    assert not background.image.use_view_as_render
    user = background.image_user
    for frame, offset in ((START - 3, START), (START, START - 1), (LAST, START - 1)):
        scene.frame_set(frame)
        assert (user.frame_start, user.frame_duration, user.frame_offset) == (START, N_FRAMES, offset), frame
    scene.camera = None
    assert not bpy.ops.talkclip.plate_background.poll()
    with pytest.raises(RuntimeError, match="no camera"):
        bpy.ops.talkclip.plate_plane(where="CAMERA")


def test_a_camera_of_another_file_is_left_alone(plated, scene, tmp_path):
    bpy.data.libraries.write(str(tmp_path / "set.blend"), {scene.camera})
    with bpy.data.libraries.load(str(tmp_path / "set.blend"), link=True) as (_, into):
        into.objects = ["Cam"]
    scene.camera = into.objects[0]
    with pytest.raises(RuntimeError, match=r"is linked from another file.*library override"):
        bpy.ops.talkclip.plate_background()
    assert bpy.ops.talkclip.plate_plane(where="CAMERA") == {"FINISHED"}


def strips_of(scene, kind):
    return [strip for strip in scene.sequence_editor.strips_all if strip.type == kind]


def span(strip):
    if bpy.app.version >= (5, 2, 0):
        return strip.left_handle, strip.right_handle
    return strip.frame_final_start, strip.frame_final_end


@pytest.mark.parametrize("transform", ["Standard", "AgX"])
def test_in_the_sequencer_with_sound(plated, scene, transform):
    scene.view_settings.view_transform = transform
    plated.plates[0].sound_path = str(SAMPLE)
    assert bpy.ops.talkclip.plate_strip() == {"FINISHED"}
    (strip,) = strips_of(scene, "IMAGE")
    assert span(strip) == (START, LAST + 1)
    assert len(strips_of(scene, "SOUND")) == 1, "the line was there already"
    frames = {START: 0, START + 7: 7, LAST: N_FRAMES - 1}
    shown_at(scene, plated, frames, tolerance=1 if transform == "Standard" else 6)

    shown = strips_of(scene, "SOUND")[0]
    scene.sequence_editor.strips.remove(shown)
    bpy.ops.talkclip.plate_strip()
    (sound,) = strips_of(scene, "SOUND")
    assert span(sound) == (START, LAST + 1)
    offset = plated.plates[0].sound_start_s * 30
    start = sound.content_start if bpy.app.version >= (5, 2, 0) else sound.frame_start
    assert offset == pytest.approx(15.0, abs=1e-3) and start == pytest.approx(START - offset, abs=1e-3)
    assert sound.channel != strip.channel


def test_a_video_in_the_sequencer_and_on_a_plane(plated, scene):
    plated.plate_format = "MP4"
    bpy.ops.talkclip.render_plate()
    assert bpy.ops.talkclip.plate_strip() == {"FINISHED"}
    (strip,) = strips_of(scene, "MOVIE")
    assert span(strip) == (START, LAST + 1)
    shown_at(scene, plated, {START: 0, START + 7: 7}, tolerance=6)  # H.264 is not exact
    scene.sequence_editor.strips.remove(strip)
    bpy.ops.talkclip.plate_plane(where="CAMERA")
    shown_at(scene, plated, {START - 4: 0, START: 0, START + 7: 7, LAST: 15, LAST + 9: 15}, tolerance=6)
    bpy.context.view_layer.objects.active = plated.id_data
    scene.render.fps = 24
    with pytest.raises(RuntimeError, match="30 frames a second, the scene 24"):
        bpy.ops.talkclip.plate_strip()


@pytest.mark.parametrize("transform", ["Standard", "AgX"])
def test_in_the_compositor(plated, scene, transform):
    scene.view_settings.view_transform = transform
    assert bpy.ops.talkclip.plate_compositor(layer="UNDER") == {"FINISHED"}
    tolerance = 1 if transform == "Standard" else 6
    scene.render.resolution_x = scene.render.resolution_y = 128
    scene.render.engine = "BLENDER_WORKBENCH"
    shown_at(scene, plated, {START - 8: 0, START: 0, START + 4: 4, LAST + 5: 15}, tolerance)
    tree = scene.compositing_node_group if bpy.app.version >= (5, 0, 0) else scene.node_tree
    (node,) = [node for node in tree.nodes if node.bl_idname == "CompositorNodeImage"]
    assert (node.frame_start, node.frame_duration) == (START, N_FRAMES)
    links = len(tree.links)
    assert bpy.ops.talkclip.plate_compositor(layer="INPUT") == {"FINISHED"}
    assert len(tree.links) == links, "left to be connected"


def test_the_compositor_that_was_there_goes_on_below_the_plate(plated, scene):
    scene.render.resolution_x = scene.render.resolution_y = 128
    scene.render.engine = "BLENDER_WORKBENCH"
    bpy.ops.talkclip.plate_compositor(layer="INPUT")
    tree = scene.compositing_node_group if bpy.app.version >= (5, 0, 0) else scene.node_tree
    output = next(node for node in tree.nodes if node.bl_idname in ("NodeGroupOutput", "CompositorNodeComposite"))
    mine = tree.nodes.new("CompositorNodeRGB")
    mine.outputs[0].default_value = (0.0, 0.0, 1.0, 1.0)
    tree.links.new(mine.outputs[0], output.inputs[0])
    bpy.ops.talkclip.plate_compositor(layer="OVER")
    shown_at(scene, plated, {START: 0})
    assert rendered(scene, START, 0.2, 0.2)[:3] == (0, 0, 255), "through the clear quarter"


def loudest(path):
    return float(np.abs(aud.Sound(str(path)).data()).max())


def settings(scene):
    render = scene.render
    return {
        "engine": render.engine, "path": render.filepath, "format": render.image_settings.file_format,
        "size": (render.resolution_x, render.resolution_y, render.resolution_percentage),
        "frames": (scene.frame_start, scene.frame_end, scene.frame_current), "camera": scene.camera,
        "transform": scene.view_settings.view_transform, "sequencer": render.use_sequencer,
        "strips": [strip.name for strip in scene.sequence_editor.strips_all],
        "codec": (render.ffmpeg.format, render.ffmpeg.codec, render.ffmpeg.audio_codec),
        "data": [len(getattr(bpy.data, kind)) for kind in ("scenes", "sounds", "cameras", "objects", "actions")],
        "display": bpy.context.preferences.view.render_display_type, "shown": bpy.context.scene.name,
    }  # fmt: skip


def film(path):
    """(frames, width, height) of a video, as Blender reads it."""
    clip = bpy.data.movieclips.load(str(path))
    try:
        return clip.frame_duration, *clip.size
    finally:
        bpy.data.movieclips.remove(clip)


def expect(path, **facts):
    """Facts of a video that only the test outside can look at."""
    with Path(os.environ["TALKCLIP_TEST_VIDEOS"]).open("a") as notes:
        kept = Path(os.environ["TALKCLIP_TEST_VIDEOS"]).with_name(f"{path.stem}.mp4")
        shutil.copy(path, kept)
        notes.write(json.dumps({"path": str(kept), **facts}) + "\n")


def test_a_plate_as_a_video_with_sound(plated, scene, tmp_path):
    scene.view_settings.view_transform = "AgX"
    before = settings(scene)
    target = tmp_path / "plate äöü.mp4"
    assert bpy.ops.talkclip.plate_export(filepath=str(target)) == {"FINISHED"}
    assert settings(scene) == before
    assert film(target) == (N_FRAMES, 128, 128)
    assert loudest(target) > 0.1 and [path.name for path in tmp_path.glob("*.mp4")] == [target.name]
    expect(
        target, frames=N_FRAMES, fps=30, comment=f"synthetic face.*{plated.plates[0].prompt}",
        color=[DEFAULT_RED, green_of(0), blue_of(plated)], start_s=0.5,
    )  # fmt: skip
    with pytest.raises(RuntimeError, match="no such folder"):
        bpy.ops.talkclip.plate_export(filepath=str(tmp_path / "nowhere" / "a.mp4"))
    with pytest.raises(RuntimeError, match="is no MP4"):
        bpy.ops.talkclip.plate_export(filepath=str(tmp_path / "a.avi"))

    plated.plate_format = "MP4"
    bpy.ops.talkclip.render_plate()
    copy = tmp_path / "copy.mp4"
    assert bpy.ops.talkclip.plate_export(filepath=str(copy)) == {"FINISHED"}
    assert copy.read_bytes() == Path(bpy.path.abspath(plated.plates[1].path)).read_bytes()


@pytest.mark.parametrize("view", ["CAMERA", "FACE", "VIEW"])
def test_the_character_as_a_video_with_sound(plated, scene, tmp_path, view):
    plated.id_data.hide_render = False
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    scene.frame_set(40)
    scene.sequence_editor.strips.new_sound("other", str(SAMPLE), 5, 1)
    scene.timeline_markers.new("cut", frame=START).camera = scene.camera
    before = settings(scene)
    target = tmp_path / f"speaks {view}.mp4"
    assert bpy.ops.talkclip.export_video(filepath=str(target), view=view, percentage=25) == {"FINISHED"}
    assert settings(scene) == before
    frames, width, height = film(target)
    assert frames == 15 and loudest(target) > 0.1
    if view == "VIEW":  # as large as the window happens to be
        assert 100 < max(width, height) <= 256 and width % 2 == height % 2 == 0
    else:
        assert width == height == (16 if view == "CAMERA" else 192)
    expect(target, frames=15, fps=30, comment="animation.*TalkCLIP Head", start_s=0.5, moves=view == "FACE")


def test_a_packed_sound_is_kept_beside_the_plate(plated, scene, tmp_path):
    sound = strips_of(scene, "SOUND")[0].sound
    sound.pack()
    plated.seed = 3
    assert bpy.ops.talkclip.render_plate() == {"FINISHED"}
    plate = plated.plates[-1]
    beside = Path(bpy.path.abspath(plate.sound_path))
    assert beside.name == "audio.wav" and beside.parent == Path(bpy.path.abspath(plate.path)).parent
    assert loudest(beside) > 0.1
    assert bpy.ops.talkclip.export_video(filepath=str(tmp_path / "p.mp4"), view="FACE", percentage=10) == {"FINISHED"}
    assert loudest(tmp_path / "p.mp4") > 0.1


def test_an_undo_in_the_middle_of_an_export_leaves_the_users_own_alone(plated, scene, extension):
    """It takes away what was made for the render; every reference to it is invalid then."""
    studio = sys.modules[MODULE + ".plates.studio"]
    throwaway = sys.modules[MODULE + ".plates.throwaway"]
    own = bpy.data.sounds.load(str(SAMPLE))
    before = {kind: list(getattr(bpy.data, kind)) for kind in ("scenes", "objects", "cameras", "sounds")}
    view = studio.close_up(bpy.data.objects["TalkCLIP Head"], bpy.context)
    with throwaway.sounds(), studio.copy_of(scene, view, "WORKBENCH") as copy:
        camera = copy.camera
        bpy.data.sounds.load(str(SAMPLE))
        bpy.data.batch_remove((copy, camera.data, camera))
    assert own in list(bpy.data.sounds)
    assert before == {kind: list(getattr(bpy.data, kind)) for kind in before}


def test_a_video_that_is_stopped_keeps_its_scene_until_blender_has_stopped(plated, extension, monkeypatch, tmp_path):
    """A scene that is taken away while Blender renders it ends Blender."""
    export = sys.modules[MODULE + ".plates.export"]
    operator = sys.modules[MODULE + ".plates.export_operators"].TALKCLIP_OT_plate_export
    escape = type("Event", (), {"type": "ESC", "value": "PRESS"})()
    assert operator.modal(None, bpy.context, escape) == {"PASS_THROUGH"}, "Blender's own render hears it"
    work = export.VideoExport(export.of_plate(plated.plates[0]), tmp_path / "v.mp4", in_window=False)
    work._in_window = True
    app = type("App", (), {"timers": bpy.app.timers, "is_job_running": staticmethod(lambda _: True)})
    with monkeypatch.context() as patch:
        patch.setattr(export, "bpy", type("Bpy", (), {"app": app}))
        work.close()
        assert "TalkCLIP Video" in bpy.data.scenes
    assert work._close_later() is None, "and then it goes"
    assert "TalkCLIP Video" not in bpy.data.scenes and not list(tmp_path.glob(".v*"))

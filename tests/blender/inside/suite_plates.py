"""Plates: rendered into files beside the .blend, resumed, and described in it."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from harness import MODULE, SAMPLE, drawn
from mathutils import Euler
from plates_harness import DEFAULT_RED, LAST, N_FRAMES, START, green_of, pixel


def test_pictures_lie_beside_the_file_numbered_by_scene_frame(saved_head, scene):
    character = saved_head.talkclip
    character.plate_alpha = True
    assert bpy.ops.talkclip.render_plate() == {"FINISHED"}
    (plate,) = character.plates
    folder = Path(bpy.data.filepath).parent / "talkclip_plates" / "TalkCLIP_Head"
    names = sorted(path.name for path in folder.iterdir())
    assert names == [*(f"frame_{START + k:05d}.png" for k in range(N_FRAMES)), "plate.json"]
    for k in (0, 7, N_FRAMES - 1):
        color = pixel(folder / f"frame_{START + k:05d}.png", 0.8, 0.2)
        assert (*color[:2], color[3]) == (DEFAULT_RED, green_of(k), 255), k
    assert pixel(folder / names[0], 0.2, 0.2)[3] == 0, "clear above left"
    assert plate.path == f"//talkclip_plates/TalkCLIP_Head/frame_{START:05d}.png"
    assert (plate.kind, plate.first_number, plate.frame_start, plate.n_frames) == ("PNG", START, START, N_FRAMES)
    assert (plate.fps, plate.width, plate.height, plate.has_alpha) == (30.0, 128, 128, True)
    assert plate.prompt == "a furious man speaks with brows lowered"
    assert (plate.image.source, plate.image.alpha_mode) == ("SEQUENCE", "STRAIGHT")
    assert Path(bpy.path.abspath(plate.image.filepath)) == folder / names[0]


def test_what_decides_the_face_reaches_the_server(saved_head):
    character = saved_head.talkclip
    blues = []
    for change in ({}, {"prompt": "a happy woman"}, {"seed": 7}, {"gain_mouth": 0.5}):
        for name, value in change.items():
            setattr(character, name, value)
        bpy.ops.talkclip.render_plate()
        plate = character.plates[-1]
        blues.append(pixel(Path(bpy.path.abspath(plate.path)), 0.5, 0.5)[2])
    assert len(character.plates) == 4 and len(set(blues)) == 4
    assert [plate.name for plate in character.plates] == [
        "TalkCLIP_Head",
        *(f"TalkCLIP_Head_{k:03d}" for k in (2, 3, 4)),
    ]


def test_the_same_plate_again_draws_nothing_and_a_lost_picture_alone_comes_back(saved_head):
    bpy.ops.talkclip.render_plate()
    (plate,) = saved_head.talkclip.plates
    folder = Path(bpy.path.abspath(plate.path)).parent
    (folder / f"frame_{START + 3:05d}.png").unlink()
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*.png")}
    with pytest.raises(
        RuntimeError, match=rf"frame_{START + 3:05d}\.png: there is no such file.*Render the plate again"
    ):
        bpy.ops.talkclip.plate_strip()
    bpy.ops.talkclip.render_plate()
    assert len(saved_head.talkclip.plates) == 1
    after = {path: path.stat().st_mtime_ns for path in folder.glob("*.png")}
    assert len(after) == N_FRAMES and {path: after[path] for path in before} == before


def test_stopped_in_the_middle_and_continued(saved_head, plates_room):
    from talkclip.client import Client

    run = plates_room.running.PlateRun(
        plates_room.request.plan(bpy.context), Client(os.environ["TALKCLIP_TEST_STALLING_SERVER"])
    )
    deadline = time.monotonic() + 30
    while run.latest is None or len(run.job.pictures) < 5:
        assert not run.pump() and time.monotonic() < deadline
        time.sleep(0.005)
    assert 0 < run.progress[0] < 1 and "frame" in run.progress[1] and run.latest.is_file()
    folder = run.job.folder
    run.close()
    assert not run.plan.temporary.exists() and not saved_head.talkclip.plates
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*")}
    assert len(before) == 6 and not list(folder.glob(".*"))
    assert bpy.ops.talkclip.render_plate() == {"FINISHED"}
    pictures = list(folder.glob("*.png"))
    assert len(pictures) == N_FRAMES
    assert all(path.stat().st_mtime_ns == changed for path, changed in before.items() if path.suffix == ".png")


def test_the_server_dies_in_the_middle(saved_head):
    bpy.context.preferences.addons[MODULE].preferences.server_address = os.environ["TALKCLIP_TEST_DYING_SERVER"]
    with pytest.raises(RuntimeError, match=r"closed the connection.*talkclip serve"):
        bpy.ops.talkclip.render_plate()
    assert not saved_head.talkclip.plates
    folder = Path(bpy.data.filepath).parent / "talkclip_plates" / "TalkCLIP_Head"
    assert {path.suffix for path in folder.iterdir()} == {".png", ".json"} and not list(folder.glob(".*"))
    assert all(pixel(path, 0.5, 0.5)[0] == DEFAULT_RED for path in folder.glob("*.png")), "whole pictures only"


def test_a_video(saved_head):
    character = saved_head.talkclip
    character.plate_format = "MP4"
    bpy.ops.talkclip.render_plate()
    bpy.ops.talkclip.render_plate()
    assert [plate.path for plate in character.plates] == [
        "//talkclip_plates/TalkCLIP_Head.mp4",
        "//talkclip_plates/TalkCLIP_Head_002.mp4",
    ]
    plate = character.plates[0]
    assert (plate.kind, plate.image.source, plate.image.frame_duration) == ("MP4", "MOVIE", N_FRAMES)
    assert (plate.width, plate.height, plate.has_alpha) == (128, 128, False)
    assert not list(Path(bpy.data.filepath).parent.rglob(".*"))


def portraits(character, scene, tmp_path):
    """One picture of each kind; -> {kind: red in the plate}"""
    file = tmp_path / "face äöü.png"
    image = bpy.data.images.new("painted", 16, 8)
    image.generated_color = (0.5, 0.2, 0.1, 1.0)
    image.save(filepath=str(file), save_copy=True)
    character.portrait_path, character.portrait_image = str(file), image
    character.plate_who = "PORTRAIT"
    reds = {}
    for source in ("FILE", "IMAGE", "CAMERA", "FACE"):
        character.portrait_source = source
        assert bpy.ops.talkclip.render_plate() == {"FINISHED"}
        reds[source] = pixel(Path(bpy.path.abspath(character.plates[-1].path)), 0.5, 0.5)[0]
    return reds


def blocks():
    kinds = ("scenes", "objects", "cameras", "meshes", "sounds", "collections", "worlds")
    return {kind: {block.name for block in getattr(bpy.data, kind)} for kind in kinds}


def test_every_kind_of_portrait_and_nothing_left_behind(saved_head, scene, tmp_path):
    camera = bpy.data.objects.new("Cam", bpy.data.cameras.new("Cam"))
    scene.collection.objects.link(camera)
    camera.location, camera.rotation_euler = (0.0, -1.0, 0.0), (1.5708, 0.0, 0.0)
    scene.camera = camera
    scene.render.resolution_x, scene.render.resolution_y = 200, 100
    scene.render.engine, scene.render.filepath = "CYCLES", "//mine.exr"
    settings = (scene.render.engine, scene.render.filepath, scene.render.image_settings.file_format, scene.camera.name)
    before = blocks()
    reds = portraits(saved_head.talkclip, scene, tmp_path)
    assert blocks() == before
    assert set(reds.values()) <= set(range(100, 164)), "the portrait was sent"
    assert reds["CAMERA"] != reds["FACE"]
    after = (scene.render.engine, scene.render.filepath, scene.render.image_settings.file_format, scene.camera.name)
    assert after == settings and bpy.context.scene == scene


@pytest.mark.parametrize("turned", [0.0, 2.0])
def test_a_close_up_shows_the_face_wherever_the_character_stands(saved_head, scene, plates_room, tmp_path, turned):
    rig = saved_head.parent
    rig.location, rig.rotation_euler.z = (1.0, -2.0, 3.0), turned
    bpy.context.view_layer.update()
    character = saved_head.talkclip
    character.portrait_source = "FACE"
    path = plates_room.portrait.picture_of(character, saved_head, bpy.context, tmp_path)
    nose, corner = pixel(path, 0.5, 0.48), pixel(path, 0.03, 0.03)
    assert nose[0] > nose[2] + 20 and nose[0] > 80, f"skin in the middle, not {nose}"
    assert max(corner[:3]) < 40, f"nothing in the corner, not {corner}"
    left, right = pixel(path, 0.40, 0.37), pixel(path, 0.60, 0.37)
    assert np.abs(np.array(left) - right).max() < 60, "the face looks straight at us"


def test_a_portrait_as_the_viewport_shows_the_character(saved_head, plates_room, tmp_path):
    from talkclip.errors import InputError

    (space,) = [area.spaces.active for area in bpy.context.window.screen.areas if area.type == "VIEW_3D"]
    view = space.region_3d
    view.view_perspective, space.lens = "PERSP", 50.0
    view.view_location, view.view_distance = (0.0, -0.05, 0.02), 0.6
    view.view_rotation = Euler((1.5708, 0.0, 0.0)).to_quaternion()
    view.update()
    saved_head.talkclip.portrait_source = "VIEW"
    path = plates_room.portrait.picture_of(saved_head.talkclip, saved_head, bpy.context, tmp_path)
    nose, corner = pixel(path, 0.5, 0.5), pixel(path, 0.01, 0.01)
    assert nose[0] > nose[2] + 20 and nose[0] > 80, f"skin in the middle, not {nose}"
    assert max(corner[:3]) < 40
    nowhere = SimpleNamespace(window_manager=SimpleNamespace(windows=()), area=None, scene=bpy.context.scene)
    with pytest.raises(InputError, match="no 3D viewport"):
        plates_room.studio.viewport_view(nowhere)


def test_a_picture_that_cannot_speak_is_said(saved_head, tmp_path):
    character = saved_head.talkclip
    character.plate_who, character.portrait_source = "PORTRAIT", "FILE"
    assert not bpy.ops.talkclip.render_plate.poll()
    character.portrait_path = str(tmp_path / "gone.png")
    with pytest.raises(RuntimeError, match=r"gone\.png: there is no such file"):
        bpy.ops.talkclip.render_plate()
    character.portrait_source = "CAMERA"
    assert not bpy.ops.talkclip.render_plate.poll()
    character.portrait_source, character.portrait_image = "IMAGE", bpy.data.images.new("film", 4, 4)
    character.portrait_image.source = "MOVIE"
    with pytest.raises(RuntimeError, match="'film' is no still"):
        bpy.ops.talkclip.render_plate()
    character.plate_who, character.plate_size = "HEAD", 131
    with pytest.raises(RuntimeError, match=r"131 pixels.*even number"):
        bpy.ops.talkclip.render_plate()


def test_a_file_without_a_place_keeps_its_plates_elsewhere_or_not_at_all(head, tmp_path):
    character = head.talkclip
    character.plate_who = "HEAD"
    assert not bpy.ops.talkclip.render_plate.poll()
    operators = sys.modules[MODULE + ".plates.request"]
    assert "Save the .blend file first" in operators.why_not(character, bpy.context.scene)
    character.plate_folder = str(tmp_path / "new folder")
    character.sound_path, character.plate_size = str(short_sound(tmp_path)), 128
    assert bpy.ops.talkclip.render_plate() == {"FINISHED"}
    assert Path(character.plates[0].path).parent == tmp_path / "new folder" / "TalkCLIP_Head"


def short_sound(folder):
    path = folder / "short.wav"
    import aud

    aud.Sound(str(SAMPLE)).limit(0.3, 0.5).write(str(path), container=aud.CONTAINER_WAV, codec=aud.CODEC_PCM)
    return path


def test_saved_moved_and_opened_again(saved_head, scene, tmp_path):
    bpy.ops.talkclip.render_plate()
    assert bpy.ops.talkclip.plate_plane(where="CURSOR") == {"FINISHED"}
    bpy.context.view_layer.objects.active = saved_head
    bpy.ops.wm.save_mainfile()
    elsewhere = tmp_path / "moved"
    shutil.copytree(Path(bpy.data.filepath).parent, elsewhere)
    bpy.ops.wm.open_mainfile(filepath=str(elsewhere / Path(bpy.data.filepath).name))
    (plate,) = bpy.data.objects["TalkCLIP Head"].talkclip.plates
    assert Path(bpy.path.abspath(plate.path)).parent.parent.parent == elsewhere
    assert Path(bpy.path.abspath(plate.image.filepath)).is_file() and plate.image.source == "SEQUENCE"
    user = bpy.data.materials["TalkCLIP Plate"].node_tree.nodes["Image Texture"].image_user
    bpy.context.scene.frame_set(LAST)
    assert (user.frame_start, user.frame_duration, user.frame_offset) == (START, N_FRAMES, START - 1)


def test_the_panel_says_what_is_missing_and_what_is_there(saved_head, extension):
    panels = sys.modules[MODULE + ".plates.panel"]
    character = saved_head.talkclip
    character.plate_who = "PORTRAIT"
    texts = drawn(panels.TALKCLIP_PT_plates)
    assert "portrait_path" in texts and "Your face, one that agreed, or nobody's" in texts
    assert not panels.TALKCLIP_PT_plate_list.poll(bpy.context)
    assert bpy.ops.talkclip.whose_face() == {"FINISHED"}
    character.plate_who = "HEAD"
    assert "portrait_path" not in drawn(panels.TALKCLIP_PT_plates)
    bpy.ops.talkclip.render_plate()
    assert panels.TALKCLIP_PT_plate_list.poll(bpy.context)
    texts = drawn(panels.TALKCLIP_PT_plate_list)
    assert "128 x 128, 16 frames at 30" in texts and "a furious man speaks with brows lowered" in texts
    assert not any("Colours changed" in text for text in texts)
    bpy.context.scene.view_settings.view_transform = "Standard"
    assert "Colours changed by Standard" in drawn(panels.TALKCLIP_PT_plate_list)
    bpy.ops.talkclip.plate_colors(of="PLATE")
    assert not any("Colours changed" in text for text in drawn(panels.TALKCLIP_PT_plate_list))
    Path(bpy.path.abspath(character.plates[0].path)).unlink()
    assert any("is not there: render again" in text for text in drawn(panels.TALKCLIP_PT_plate_list))
    assert {"talkclip.export_video", "talkclip.plate_export"} <= set(drawn(panels.TALKCLIP_PT_videos))
    bpy.ops.talkclip.plate_forget()
    assert not character.plates and not bpy.ops.talkclip.plate_strip.poll()


def test_every_button_explains_itself(extension):
    registration = sys.modules[MODULE + ".registration"]
    ours = [cls for cls in registration.CLASSES if cls.__module__.startswith(MODULE + ".plates")]
    operators = [cls for cls in ours if issubclass(cls, bpy.types.Operator)]
    assert len(operators) >= 9
    for cls in operators:
        rna = cls.bl_rna if hasattr(cls, "bl_rna") else cls
        assert rna.description and not rna.description.endswith("."), cls
    for name, described in registration.properties.TalkClipCharacter.bl_rna.properties.items():
        if name.startswith(("plate_", "portrait_", "studio_")):
            assert described.description or described.type == "ENUM", name
    changing = [cls for cls in operators if "UNDO" not in cls.bl_options]
    assert {cls.bl_idname for cls in changing} == {
        "talkclip.whose_face", "talkclip.plate_export", "talkclip.export_video"
    }  # fmt: skip


def test_a_linked_character_says_why_not_and_an_override_keeps_its_plates(saved_head, tmp_path):
    collection = bpy.data.collections.new("Hero")
    bpy.context.scene.collection.children.link(collection)
    for body in (saved_head, saved_head.parent):
        collection.objects.link(body)
        bpy.context.collection.objects.unlink(body)
    library = tmp_path / "library.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(library))
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True, load_ui=False)
    with bpy.data.libraries.load(str(library), link=True) as (_, into):
        into.collections = ["Hero"]
    scene, linked = bpy.context.scene, bpy.data.collections["Hero"]
    scene.collection.children.link(linked)
    scene.render.fps = 30
    shot = tmp_path / "shot.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(shot))
    bpy.context.view_layer.objects.active = next(body for body in linked.objects if body.type == "MESH")
    operators = sys.modules[MODULE + ".plates.operators"]
    assert "make a library override" in operators.why_not_kept(bpy.context) and not bpy.ops.talkclip.render_plate.poll()

    linked.override_hierarchy_create(scene, bpy.context.view_layer, do_fully_editable=True)
    (head,) = [body for body in bpy.data.objects if body.override_library and body.type == "MESH"]
    bpy.context.view_layer.objects.active = head
    character = head.talkclip
    character.sound_source, character.sound_path = "FILE", str(short_sound(tmp_path))
    for seed in (1, 2, 3):
        character.seed = seed
        assert bpy.ops.talkclip.render_plate() == {"FINISHED"}
    character.plate_format = "MP4"
    assert bpy.ops.talkclip.render_plate() == {"FINISHED"}
    names = ["TalkCLIP_Head", "TalkCLIP_Head_002", "TalkCLIP_Head_003", "TalkCLIP_Head.mp4"]
    assert [plate.name for plate in character.plates] == names
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=str(shot))
    (head,) = [body for body in bpy.data.objects if body.override_library and body.type == "MESH"]
    assert [plate.name for plate in head.talkclip.plates] == names
    for plate in head.talkclip.plates:
        assert plate.image is not None and Path(bpy.path.abspath(plate.path)).is_file()

"""Two takes side by side: a copy of the character goes on playing one while the character plays another."""

from __future__ import annotations

import sys

import bpy
import numpy as np
import pytest
from characters import body_with, speaking
from harness import MODULE, drawn, points, posed, shown
from suite_driven import board, follow  # noqa: F401 - fixtures
from suite_overrides import library  # noqa: F401

KINDS = ("objects", "meshes", "shape_keys", "armatures", "actions", "collections", "constraints")
FRAMES = (20, 120, 200)


def two_takes(head):
    """Take 1 and take 2, which plays."""
    head.talkclip.prompt = "a furious man speaks with brows lowered"
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    head.talkclip.prompt = "a sad woman, inner brows raised"
    assert bpy.ops.talkclip.speak() == {"FINISHED"}


@pytest.fixture
def compared(head, scene):
    """Teeth and an eyeball hang on the head; take 1 stands beside it, and it plays take 2."""
    teeth = body_with(scene, "Teeth", ["jawOpen", "mouthClose"], head.parent)
    eye = bpy.data.objects.new("Eyeball", bpy.data.meshes.new("Eyeball"))
    scene.collection.objects.link(eye)
    eye.parent, eye.location = head, (0.0, 0.0, 0.05)
    bpy.context.view_layer.objects.active = head
    bpy.ops.talkclip.recognise()
    two_takes(head)
    bpy.ops.talkclip.show_take(index=0)
    assert bpy.ops.talkclip.compare_takes() == {"FINISHED"}
    bpy.ops.talkclip.show_take(index=1)
    return {body.name: copy_of(head, body) for body in (head, teeth, eye, head.parent)}


def copy_of(head, body):
    (copy,) = [each for each in head.talkclip.side_by_side.objects if each.name.startswith(f"{body.name}.")]
    return copy


def points_of(body, frame):
    """(N, 3) world places of the vertices at a frame."""
    seen = shown(body, frame)
    mesh = seen.to_mesh()
    flat = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", flat)
    seen.to_mesh_clear()
    world = np.array(seen.matrix_world)
    return flat.reshape(-1, 3) @ world[:3, :3].T + world[:3, 3]


def test_each_plays_its_own_take(compared, head):
    copies = [(bpy.data.objects[name], compared[name]) for name in ("TalkCLIP Head", "Teeth")]
    now = {frame: [(points_of(own, frame), points_of(copy, frame)) for own, copy in copies] for frame in FRAMES}
    bpy.ops.talkclip.show_take(index=0)
    apart = points_of(copies[0][1], 1)[0] - points_of(head, 1)[0]
    assert head.dimensions.x < apart[0] < 2 * head.dimensions.x and abs(apart[1:]).max() < 1e-5
    for frame in FRAMES:
        for (own, copy), (_, beside) in zip(copies, now[frame], strict=True):
            np.testing.assert_allclose(beside - apart, points_of(own, frame), atol=2e-6)
            np.testing.assert_array_equal(points_of(copy, frame), beside, "it goes on as it did")
    assert np.abs(now[120][0][1] - apart - now[120][0][0]).max() > 1e-3, "the two takes differ"


def test_the_copy_is_only_to_be_looked_at(compared, head, extension):
    for name, copy in compared.items():
        own = bpy.data.objects[name]
        assert copy.hide_select and copy.hide_render and not own.hide_select and not own.hide_render
        assert not copy.talkclip.takes and not copy.talkclip.segments
        assert (copy.data == own.data) == (name in ("Eyeball", "TalkCLIP Head Rig")), name
    face = sys.modules[MODULE + ".character.face"]
    assert face.face_mesh(compared["TalkCLIP Head"]) is None and face.face_mesh(head.parent) == head
    assert {body.name for body in face.recognise(head).objects} == {"TalkCLIP Head", "Teeth"}
    panel = sys.modules[MODULE + ".result.panel"].TALKCLIP_PT_takes
    assert "Remove the Copy beside It" in drawn(panel)
    (handle,) = [body for body in head.talkclip.side_by_side.objects if body.type == "EMPTY"]
    assert handle.name == "Take 1" and handle.show_name and not handle.hide_select
    place = points_of(compared["Teeth"], 50)
    handle.location.x += 2.0
    np.testing.assert_allclose(points_of(compared["Teeth"], 50), place + np.array((2.0, 0.0, 0.0)), atol=1e-5)


def counts():
    return {kind: len(getattr(bpy.data, kind)) for kind in KINDS if hasattr(bpy.data, kind)}


def test_the_same_button_takes_it_away_and_nothing_else(head, scene, tmp_path):
    two_takes(head)
    keys = [points(take.action) for take in head.talkclip.takes]
    before, poses = counts(), [posed(head, frame) for frame in FRAMES]
    assert bpy.ops.talkclip.compare_takes() == {"FINISHED"}
    assert counts()["objects"] == before["objects"] + 3, "head, rig, and the empty"
    own = bpy.data.objects.new("Mine", None)
    head.talkclip.side_by_side.objects.link(own)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "compared.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "compared.blend"))
    head = bpy.data.objects["TalkCLIP Head"]
    assert bpy.ops.talkclip.compare_takes() == {"FINISHED"}
    assert head.talkclip.side_by_side is None and bpy.data.objects["Mine"].users_collection
    left = bpy.data.objects["Mine"].users_collection[0]
    bpy.data.batch_remove((bpy.data.objects["Mine"], left))
    assert counts() == before
    np.testing.assert_array_equal([posed(head, frame) for frame in FRAMES], poses)
    assert [points(take.action) for take in head.talkclip.takes] == keys
    bpy.ops.talkclip.compare_takes()
    assert bpy.ops.talkclip.compare_takes() == {"FINISHED"} and counts() == before


def test_a_take_that_is_deleted_plays_beside_until_the_copy_goes(head):
    two_takes(head)
    bpy.ops.talkclip.compare_takes(index=0)
    copy, actions = copy_of(head, head), len(bpy.data.actions)
    pose = points_of(copy, 120)
    bpy.ops.talkclip.show_take(index=1)
    bpy.ops.talkclip.delete_take(index=0)
    np.testing.assert_array_equal(points_of(copy, 120), pose)
    assert len(bpy.data.actions) == actions
    bpy.ops.talkclip.compare_takes()
    assert len(bpy.data.actions) == actions - 1 and len(head.talkclip.takes) == 1


def test_a_driven_rig_on_an_animated_stage(head, board, scene):  # noqa: F811
    """The board moves the jaw, the animator moves a stage; the copy's jaw follows the copy's board, which is hidden."""
    stage = bpy.data.objects.new("Stage", None)
    scene.collection.objects.link(stage)
    head.parent.parent = stage
    for frame, x in ((1, 0.0), (200, 3.0)):
        stage.location.x = x
        stage.keyframe_insert("location", index=0, frame=frame)
    follow(head.data.shape_keys.key_blocks["jawOpen"], board, bone="jaw", channel="LOC_Z", expression="var / 0.02")
    two_takes(head)
    mine = points(stage.animation_data.action)
    bpy.ops.talkclip.compare_takes(index=0)
    bpy.ops.talkclip.show_take(index=1)
    copy, board_copy = copy_of(head, head), copy_of(head, board)
    (driver,) = copy.data.shape_keys.animation_data.drivers
    assert driver.driver.variables[0].targets[0].id == board_copy and board_copy.hide_get()
    beside = {frame: points_of(copy, frame) for frame in FRAMES}
    bpy.ops.talkclip.show_take(index=0)
    apart = points_of(copy, 1)[0] - points_of(head, 1)[0]
    for frame in FRAMES:
        np.testing.assert_allclose(beside[frame] - apart, points_of(head, frame), atol=2e-5)
    assert points(stage.animation_data.action) == mine and copy_of(head, head.parent).parent == stage
    bpy.ops.talkclip.compare_takes()
    assert board.name in bpy.data.objects and not board.hide_get()


def test_a_library_override_has_a_copy_too(library):  # noqa: F811
    scene = bpy.context.scene
    scene.render.fps = 30
    library.override_hierarchy_create(scene, bpy.context.view_layer, do_fully_editable=True)
    (head,) = [body for body in bpy.data.objects if body.override_library and body.type == "MESH"]
    speaking(head)
    assert bpy.ops.talkclip.override_shapes() == {"FINISHED"}
    two_takes(head)
    before = counts()
    bpy.ops.talkclip.compare_takes(index=0)
    copy = copy_of(head, head)
    pose = points_of(copy, 120)
    bpy.ops.talkclip.show_take(index=1)
    np.testing.assert_array_equal(points_of(copy, 120), pose)
    apart = points_of(copy, 1)[0] - points_of(head, 1)[0]
    assert np.abs(points_of(head, 120) + apart - pose).max() > 1e-3, "they play different takes"
    assert bpy.ops.talkclip.compare_takes() == {"FINISHED"} and counts() == before

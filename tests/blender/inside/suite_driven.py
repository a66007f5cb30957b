"""Rigs whose shape keys follow sliders and bones: these are keyed, the shapes move; a replaced driver comes back."""

from __future__ import annotations

import bpy
import numpy as np
import pytest
from harness import ask, curves_of, shapes, shown, strip_of

ALIKE = 3e-3


def follow(block, source, path=None, expression="var", bone="", channel="LOC_X", space="LOCAL_SPACE"):
    """Let a shape key follow a property (`path`) or a channel of a bone or object."""
    curve = block.driver_add("value")
    variable = curve.driver.variables.new()
    variable.name = "var"
    target = variable.targets[0]
    if path is not None:
        variable.type = "SINGLE_PROP"
        target.id_type = source.id_type
        target.id, target.data_path = source, path
    else:
        variable.type = "TRANSFORMS"
        target.id, target.bone_target = source, bone
        target.transform_type, target.transform_space = channel, space
    curve.driver.expression = expression
    return curve


def slider(owner, name, low=0.0, high=1.0, default=0.0):
    owner[name] = float(default)
    owner.id_properties_ui(name).update(min=float(low), max=float(high), default=float(default))
    return f'["{name}"]'


@pytest.fixture
def board(scene, head):
    """An armature with control bones beside the head."""
    data = bpy.data.armatures.new("Board")
    board = bpy.data.objects.new("Board", data)
    scene.collection.objects.link(board)
    bpy.context.view_layer.objects.active = board
    bpy.ops.object.mode_set(mode="EDIT")
    for i, name in enumerate(("jaw", "brow", "smile", "squint", "lid")):
        bone = data.edit_bones.new(name)
        bone.head, bone.tail = (1.0 + 0.1 * i, 0, 0), (1.0 + 0.1 * i, 0.05, 0.05)
    bpy.ops.object.mode_set(mode="OBJECT")
    for bone in board.pose.bones:
        bone.rotation_mode = "XYZ"
    bpy.context.view_layer.objects.active = head
    return board


def assert_moves_like_the_track(head, names, atol=ALIKE):
    track = ask().track
    for k in (4, track.n_frames // 3, track.n_frames // 2, track.n_frames - 6):
        at = shapes(head, 1 + k)
        for name in names:
            assert at[name] == pytest.approx(float(track.channel(name)[k]), abs=atol), (name, k)


def test_shapes_move_through_properties(head, board, capfd):
    blocks = head.data.shape_keys.key_blocks
    follow(blocks["jawOpen"], board, slider(board, "jaw"))
    follow(blocks["mouthPucker"], board, slider(board, "pucker", 0, 100), "var / 100")
    follow(blocks["browDownLeft"], board, slider(board, "odd one", -1, 1), "max(0, -var)")
    follow(blocks["browDownRight"], board, 'pose.bones["brow"].location[2]', "(var - 0.1) * 5")
    follow(blocks["cheekPuff"], board, slider(board, "inverted", 0, 1, 1), "1 - var")
    whole = board.pose.bones["jaw"]
    whole["steps"] = 0
    whole.id_properties_ui("steps").update(min=0, max=1000)
    follow(blocks["mouthFunnel"], board, 'pose.bones["jaw"]["steps"]', "smoothstep(0, 1000, var)")
    bent = follow(blocks["noseSneerLeft"], board, slider(board, "sneer"))
    while bent.modifiers:
        bent.modifiers.remove(bent.modifiers[0])
    bent.keyframe_points.clear()
    for point in ((0.0, 0.0), (0.5, 0.9), (1.0, 1.0)):
        bent.keyframe_points.insert(*point).interpolation = "LINEAR"
    moved = ["jawOpen", "mouthPucker", "browDownLeft", "browDownRight", "cheekPuff", "mouthFunnel", "noseSneerLeft"]
    board["pucker"], whole["steps"] = 30.0, 200  # where the animator left them
    board.update_tag()
    rest = shapes(head, 0)
    assert rest["mouthPucker"] == pytest.approx(0.3) and rest["mouthFunnel"] > 0.05
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    assert "7 driven shape keys through 7 controls" in capfd.readouterr().out
    assert_moves_like_the_track(head, [*moved, "mouthClose"])
    keyed = {path for path, _ in curves_of(strip_of(board))}
    assert keyed == {'["jaw"]', '["pucker"]', '["odd one"]', 'pose.bones["brow"].location', '["inverted"]',
                     'pose.bones["jaw"]["steps"]', '["sneer"]'}  # fmt: skip
    assert not [path for path, _ in curves_of(strip_of(head.data.shape_keys)) if any(f'"{m}"' in path for m in moved)]
    assert shapes(head, 5000) == pytest.approx(rest, abs=1e-6)


@pytest.mark.parametrize("mode", ["XYZ", "ZYX", "QUATERNION", "AXIS_ANGLE"])
def test_shapes_move_through_bones(head, board, mode):
    blocks = head.data.shape_keys.key_blocks
    board.pose.bones["jaw"].rotation_mode = mode
    board.pose.bones["brow"].rotation_mode = mode
    follow(blocks["jawOpen"], board, bone="jaw", channel="ROT_X", expression="degrees(var) / 25")
    follow(blocks["browInnerUp"], board, bone="brow", channel="ROT_Z", expression="-var * 2", space="TRANSFORM_SPACE")
    follow(blocks["cheekSquintLeft"], board, bone="squint", channel="LOC_Y", expression="var / 0.03")
    follow(blocks["eyeWideLeft"], board, bone="lid", channel="SCALE_X", expression="2 * (var - 1)")
    limit = board.pose.bones["squint"].constraints.new("LIMIT_LOCATION")
    limit.owner_space, limit.use_min_y, limit.use_max_y, limit.max_y = "LOCAL", True, True, 0.03
    empty = bpy.data.objects.new("Slider", None)
    bpy.context.collection.objects.link(empty)
    follow(blocks["mouthLeft"], empty, channel="LOC_Z", space="WORLD_SPACE")
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    assert_moves_like_the_track(head, ["jawOpen", "browInnerUp", "cheekSquintLeft", "eyeWideLeft", "mouthLeft"])
    name = {"QUATERNION": "rotation_quaternion", "AXIS_ANGLE": "rotation_axis_angle"}.get(mode, "rotation_euler")
    assert f'pose.bones["jaw"].{name}' in {path for path, _ in curves_of(strip_of(board))}
    assert {path for path, _ in curves_of(strip_of(empty))} == {"location"}


@pytest.mark.parametrize("mode", ["XYZ", "QUATERNION", "AXIS_ANGLE"])
def test_a_changed_prompt_is_keyed_onto_the_controls(head, board, mode, capfd):
    blocks = head.data.shape_keys.key_blocks
    board.pose.bones["jaw"].rotation_mode = mode
    follow(blocks["jawOpen"], board, bone="jaw", channel="ROT_X", expression="degrees(var) / 25")
    follow(blocks["eyeWideLeft"], board, bone="lid", channel="SCALE_X", expression="2 * (var - 1)")
    follow(blocks["mouthPucker"], board, slider(board, "pucker"))
    prompt = head.talkclip.prompt
    head.talkclip.prompt = "a sad woman, inner brows raised"
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    head.talkclip.prompt = prompt
    capfd.readouterr()
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    assert "Take 2: frames" in capfd.readouterr().out
    assert_moves_like_the_track(head, ["jawOpen", "eyeWideLeft", "mouthPucker", "browInnerUp"])


def test_a_slider_that_ends_early_is_named(head, board, capfd):
    follow(head.data.shape_keys.key_blocks["jawOpen"], board, slider(board, "jaw", 0, 0.5))
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    jaw = ask().track.channel("jawOpen")
    said = f"'Board' property 'jaw' moves jawOpen: it reaches no farther, off by up to {jaw.max() - 0.5:.2f}."
    assert said in capfd.readouterr().out
    k = int(np.argmax(jaw[10:-10])) + 10
    assert shapes(head, 1 + k)["jawOpen"] == pytest.approx(0.5, abs=1e-4)


def test_one_slider_of_two_shapes_and_a_chain(head, board, capfd):
    blocks = head.data.shape_keys.key_blocks
    both = slider(board, "smile", -1, 1)
    for side in ("Left", "Right"):
        follow(blocks[f"mouthSmile{side}"], board, both, "max(0, var)")
    inner = slider(head, "wide")
    follow(blocks["eyeWideRight"], head, inner)
    curve = head.driver_add(inner)
    variable = curve.driver.variables.new()
    variable.targets[0].id, variable.targets[0].data_path = board, slider(board, "eyes", 0, 10)
    curve.driver.expression = "var / 10"
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    track = ask().track
    left, right = track.channel("mouthSmileLeft"), track.channel("mouthSmileRight")
    middle = track.n_frames // 2
    at = shapes(head, 1 + middle)
    assert at["mouthSmileLeft"] == pytest.approx(float(left[middle] + right[middle]) / 2, abs=ALIKE)
    worst = float(np.abs(left - right).max()) / 2
    assert f"they share its value, off by up to {worst:.2f}" in capfd.readouterr().out
    assert_moves_like_the_track(head, ["eyeWideRight"])
    assert {path for path, _ in curves_of(strip_of(board))} == {'["smile"]', '["eyes"]'}


def test_the_animators_keys_on_a_control_stay_and_hold_outside(head, board):
    follow(head.data.shape_keys.key_blocks["jawOpen"], board, bone="jaw", channel="LOC_Z")
    bone = board.pose.bones["jaw"]
    for frame, value in ((1, 0.1), (400, 0.6)):
        bone.location.z = value
        bone.keyframe_insert("location", index=2, frame=frame)
    action = board.animation_data.action
    before = {frame: shapes(head, frame) for frame in (1, 20, 900)}
    head.talkclip.use_scene_start, head.talkclip.start_frame = False, 100
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    track = ask().track
    k = track.n_frames // 2
    assert shapes(head, 100 + k)["jawOpen"] == pytest.approx(float(track.channel("jawOpen")[k]), abs=ALIKE)
    for frame, values in before.items():
        assert shapes(head, frame) == pytest.approx(values, abs=1e-6), frame
    (curve,) = action.layers[0].strips[0].channelbags[0].fcurves
    np.testing.assert_allclose([tuple(point.co) for point in curve.keyframe_points], [(1, 0.1), (400, 0.6)], atol=1e-6)


def test_what_cannot_be_followed_is_named_and_can_be_replaced(head, board, capfd):
    blocks = head.data.shape_keys.key_blocks
    two = follow(blocks["jawOpen"], board, slider(board, "a"), "var * other")
    second = two.driver.variables.new()
    second.name = "other"
    second.targets[0].id, second.targets[0].data_path = board, slider(board, "b", default=1)
    follow(blocks["mouthPucker"], board, bone="jaw", channel="LOC_X", space="WORLD_SPACE")
    follow(blocks["mouthFunnel"], board, slider(board, "c"), "var + frame * 0")
    follow(blocks["cheekPuff"], bpy.context.scene, "frame_current", "var * 0")
    board["a"], board["b"] = 0.3, 1.0
    board.update_tag()
    outside = shapes(head, 4000)
    assert outside["jawOpen"] == pytest.approx(0.3)
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    assert "jawOpen, mouthFunnel, mouthPucker and 1 more follow drivers and did not get keys" in capfd.readouterr().out
    assert shapes(head, 60)["jawOpen"] == pytest.approx(0.3)

    head.talkclip.rig.driver_way = "REPLACE"
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    assert "4 drivers are switched off" in capfd.readouterr().out
    assert_moves_like_the_track(head, ["jawOpen", "mouthPucker", "mouthFunnel"], 1e-5)
    assert shapes(head, 4000) == pytest.approx(outside, abs=1e-6), "a still control's shape stays where it was"
    board["a"] = 0.9
    board.update_tag()
    assert shapes(head, 4000)["jawOpen"] == pytest.approx(0.3)

    assert bpy.ops.talkclip.restore_drivers() == {"FINISHED"}
    assert shapes(head, 4000)["jawOpen"] == pytest.approx(0.9)
    assert not bpy.ops.talkclip.restore_drivers.poll()


def test_a_choice_for_one_shape(head, board):
    blocks = head.data.shape_keys.key_blocks
    follow(blocks["jawOpen"], board, slider(board, "jaw"))
    follow(blocks["mouthPucker"], board, slider(board, "pucker"))
    follow(blocks["mouthFunnel"], board, slider(board, "funnel"))
    assert bpy.ops.talkclip.recognise() == {"FINISHED"}
    rows = {row.shape: row for row in head.talkclip.rig.drivers}
    assert set(rows) == {"jawOpen", "mouthPucker", "mouthFunnel"} and all(row.can_key for row in rows.values())
    rows["mouthPucker"].way, rows["mouthFunnel"].way = "REPLACE", "LEAVE"
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    assert_moves_like_the_track(head, ["jawOpen"])
    assert_moves_like_the_track(head, ["mouthPucker"], 1e-5)
    assert shapes(head, 60)["mouthFunnel"] == 0
    assert {path for path, _ in curves_of(strip_of(board))} == {'["jaw"]'}
    # A change of mind: the driver is on again, and its control is keyed.
    {row.shape: row for row in head.talkclip.rig.drivers}["mouthPucker"].way = "CONTROL"
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    assert not head.data.shape_keys.animation_data.drivers.find('key_blocks["mouthPucker"].value').mute
    assert_moves_like_the_track(head, ["mouthPucker"])


def test_a_driver_the_animator_switched_off_is_none(head, board):
    follow(head.data.shape_keys.key_blocks["jawOpen"], board, slider(board, "jaw")).mute = True
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    assert_moves_like_the_track(head, ["jawOpen"], 1e-5)
    assert board.animation_data is None
    assert not bpy.ops.talkclip.restore_drivers.poll()


def test_a_bone_that_turns_the_head_is_keyed_once(head, board):
    """It also drives a shape: it turns as the head, and the shape goes along."""
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    turned = [np.array(shown(head.parent, frame).pose.bones["head"].matrix) for frame in (20, 60)]
    follow(head.data.shape_keys.key_blocks["browInnerUp"], head.parent, bone="head", channel="ROT_X")
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    again = [np.array(shown(head.parent, frame).pose.bones["head"].matrix) for frame in (20, 60)]
    np.testing.assert_allclose(again, turned, atol=1e-6)

"""Bake: the layers become one ordinary Action; clean-up: fewer keys; glTF keeps the movement."""

from __future__ import annotations

import json
import struct

import bpy
import numpy as np
import pytest
from harness import points, posed, said, shown

import addon_utils  # isort: skip


def own_keys(owner, values, name="Mine"):
    """The animator's own action: {(data path, index): [(frame, value), ...]}; it becomes the active one."""
    action = bpy.data.actions.new(name)
    slot = action.slots.new(owner.id_type, owner.name)
    curves = action.layers.new("Layer").strips.new(type="KEYFRAME").channelbag(slot, ensure=True).fcurves
    for (path, index), keys in values.items():
        curve = curves.new(path, index=index)
        for frame, value in keys:
            curve.keyframe_points.insert(frame, value)
    data = owner.animation_data or owner.animation_data_create()
    data.action, data.action_slot = action, slot
    return action


def shape(name):
    return f'key_blocks["{name}"].value', 0


def all_of(head, frames):
    """(T, 52 + 4) shape keys and the head bone's quaternion at some frames, as Blender evaluates them."""
    rows = []
    for frame in frames:
        pose = posed(head, frame)
        bone = head.parent.evaluated_get(bpy.context.evaluated_depsgraph_get()).pose.bones["head"]
        rows.append([*pose, *bone.matrix_basis.to_quaternion()])
    return np.array(rows)


def test_a_bake_is_one_ordinary_action_and_the_pose_stays(head):
    head.talkclip.use_scene_start, head.talkclip.start_frame = False, 40
    head.data.shape_keys.key_blocks["browInnerUp"].value = 0.35
    head.talkclip.ease_s = 0.0
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    frames = range(1, 330)
    full = all_of(head, frames)
    head.talkclip.gain_expression, head.talkclip.gain_head = 0.6, 0.5
    before = all_of(head, frames)
    assert bpy.ops.talkclip.bake() == {"FINISHED"}
    np.testing.assert_allclose(all_of(head, frames), before, atol=1e-4)
    keys, rig = head.data.shape_keys.animation_data, head.parent.animation_data
    assert keys.action == rig.action and not keys.nla_tracks and not rig.nla_tracks
    assert keys.action_slot.target_id_type == "KEY" and rig.action_slot.target_id_type == "OBJECT"
    assert bpy.data.scenes.keys() == ["Scene"] and not [o for o in bpy.data.objects if "sampling" in o.name]
    assert bpy.context.scene.frame_current == 329
    # The takes are still there, to be played above it.
    head.talkclip.gain_expression, head.talkclip.gain_head = 1.0, 1.0
    assert bpy.ops.talkclip.show_take(index=0) == {"FINISHED"}
    np.testing.assert_allclose(all_of(head, frames), full, atol=1e-4)


def test_a_bake_leaves_the_animators_keys_as_they_are(head):
    keys, rig = head.data.shape_keys, head.parent
    mine = own_keys(keys, {shape("jawOpen"): [(1, 0.1), (400, 0.6)], shape("cheekPuff"): [(1, 0.0), (330, 0.4)]})
    dance = own_keys(rig, {("location", 0): [(1, 0.0), (300, 1.0)]}, "Dance")
    keys.key_blocks["browInnerUp"].value = 0.35
    head.talkclip.use_scene_start, head.talkclip.start_frame = False, 40
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    own, frames = (points(mine), points(dance)), range(1, 420, 3)
    before, place = all_of(head, frames), shown(rig, 200).location.copy()
    assert bpy.ops.talkclip.bake() == {"FINISHED"}
    np.testing.assert_allclose(all_of(head, frames), before, atol=1e-4)
    assert (points(mine), points(dance)) == own and rig.animation_data.action == dance
    tracks = [track.name for track in keys.animation_data.nla_tracks]
    assert tracks == ["Mine", "TalkCLIP rest", "TalkCLIP Head baked"]
    assert shown(rig, 200).location == place


def test_a_bake_with_the_animators_own_animation(head):
    keys, rig = head.data.shape_keys, head.parent
    mine = own_keys(keys, {shape("jawOpen"): [(1, 0.1), (400, 0.6)], shape("cheekPuff"): [(1, 0.0), (330, 0.4)]})
    dance = own_keys(
        rig, {("location", 0): [(1, 0.0), (300, 1.0)], ('pose.bones["gone"].scale', 1): [(1, 1.0)]}, "Dance"
    )
    keys.key_blocks["browInnerUp"].value = 0.35
    head.talkclip.use_scene_start, head.talkclip.start_frame = False, 40
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    own, frames = (points(mine), points(dance)), range(-20, 420, 3)
    before, place = all_of(head, frames), shown(rig, 200).location.x
    assert bpy.ops.talkclip.bake(with_own=True) == {"FINISHED"}
    np.testing.assert_allclose(all_of(head, frames), before, atol=1e-4)
    assert shown(rig, 200).location.x == pytest.approx(place, abs=1e-4)
    assert (points(mine), points(dance)) == own
    assert keys.animation_data.action == rig.animation_data.action
    assert all(track.mute for data in (keys, rig) for track in data.animation_data.nla_tracks)
    assert {track.name for data in (keys, rig) for track in data.animation_data.nla_tracks} == {"Mine", "Dance"}


def test_clean_up_stays_within_the_error_and_says_it(head, capfd):
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    frames = range(1, head.talkclip.takes[0].frame_end + 1)
    before = all_of(head, frames)
    said(capfd)
    assert bpy.ops.talkclip.bake(clean=True, max_error=0.005) == {"FINISHED"}
    text = said(capfd)
    left, of = (int(text.split(" keys are left")[0].split()[i]) for i in (-3, -1))
    assert left * 4 < of
    after = all_of(head, frames)
    assert 1e-4 < np.abs(after - before).max() < 0.0051
    assert float(text.split("largest error is ")[1].split()[0].rstrip(".")) < 0.00501
    action = head.data.shape_keys.animation_data.action
    assert sum(len(keys) for keys in points(action).values()) == left


def test_a_take_is_cleaned_up_within_the_error_of_the_sum(head, capfd):
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    frames = range(1, head.talkclip.takes[0].frame_end + 1)
    before = all_of(head, frames)
    assert bpy.ops.talkclip.duplicate_take() == {"FINISHED"}
    assert bpy.ops.talkclip.clean_take(max_error=0.01) == {"FINISHED"}
    assert 1e-4 < np.abs(all_of(head, frames) - before).max() < 0.0101
    bpy.ops.talkclip.show_take(index=0)
    np.testing.assert_array_equal(all_of(head, frames), before)
    bpy.ops.talkclip.show_take(index=1)
    head.talkclip.prompt = "a sad woman whispers"
    said(capfd)
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    assert "You have changed keys of Take 2" in said(capfd)


def test_nothing_to_bake_is_said(head):
    assert not bpy.ops.talkclip.bake.poll() and not bpy.ops.talkclip.clean_take.poll()


def test_gltf_has_the_baked_movement(head, tmp_path):
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    assert bpy.ops.talkclip.bake() == {"FINISHED"}
    addon_utils.enable("io_scene_gltf2", default_set=True)
    frames = range(250)  # the bake has a frame more on each side
    wanted = np.array([posed(head, frame) for frame in frames])
    bpy.context.scene.frame_end = 249
    target = tmp_path / "head.glb"
    bpy.ops.export_scene.gltf(filepath=str(target), export_format="GLB", export_optimize_animation_size=False)
    data = target.read_bytes()
    (length,) = struct.unpack_from("<I", data, 12)
    model, binary = json.loads(data[20 : 20 + length]), data[28 + length :]

    def numbers(accessor):
        accessor = model["accessors"][accessor]
        view = model["bufferViews"][accessor["bufferView"]]
        width = {"SCALAR": 1, "VEC4": 4}[accessor["type"]]
        start = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
        return np.frombuffer(binary, np.float32, accessor["count"] * width, start).reshape(-1, width)

    names = model["meshes"][0]["extras"]["targetNames"]
    found = {}
    for animation in model["animations"]:
        for channel in [c for c in animation["channels"] if c["target"]["path"] in ("weights", "rotation")]:
            sampler = animation["samplers"][channel["sampler"]]
            found[channel["target"]["path"]] = numbers(sampler["input"])[:, 0], numbers(sampler["output"])
    times, weights = found["weights"]
    weights = weights.reshape(len(times), -1)
    order = [list(head.data.shape_keys.key_blocks.keys()[1:]).index(name) for name in names]
    assert "rotation" in found and len(names) == 52
    at = np.round(times * 30).astype(int)
    at -= at[0]
    np.testing.assert_allclose(weights[: len(frames)], wanted[at[: len(frames)]][:, order], atol=1e-4)
    assert np.ptp(weights, axis=0).max() > 0.2

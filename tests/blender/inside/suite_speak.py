"""The default head speaks: keys equal the server's track, and nothing of the animator's is touched."""

from __future__ import annotations

import bpy
import numpy as np
import pytest
from harness import SAMPLE, ask, curves_of, keyed, shapes, shown, strip_of
from mathutils import Euler, Vector

ARKIT = 52


def test_default_head_has_the_52_shapes_and_moves_like_the_library_says(head):
    from talkclip_rigs.head import DefaultHead

    library = DefaultHead.load()
    blocks = head.data.shape_keys.key_blocks
    assert [block.name for block in blocks] == ["Basis", *library.names]
    assert [block.value for block in blocks[1:]] == [0.0] * ARKIT
    assert len(head.data.vertices) == len(library.vertices)
    assert all(polygon.use_smooth for polygon in head.data.polygons)
    assert [slot.material.name.removeprefix("TalkCLIP Head ") for slot in head.material_slots] == [
        material.name for material in library.materials
    ]
    rng = np.random.default_rng(3)
    values = rng.uniform(0, 1, ARKIT) * (rng.uniform(0, 1, ARKIT) < 0.3)
    for name, value in zip(library.names, values, strict=True):
        blocks[name].value = value
    mesh = shown(head, 1).to_mesh()
    got = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", got)
    want = library.blend(values)
    np.testing.assert_allclose(got.reshape(-1, 3), np.stack([want[:, 0], -want[:, 2], want[:, 1]], 1), atol=2e-6)


def test_keys_equal_the_track(head, scene):
    words = SAMPLE.with_suffix(".txt").read_text(encoding="utf-8").strip()
    head.talkclip.transcript = words
    head.talkclip.seed = 7
    head.talkclip.intensity = 0.8
    scene.frame_start = 11
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    from talkclip.timeline import PromptTimeline

    timeline = PromptTimeline.single(head.talkclip.prompt, 86_400.0, 0.8)
    assert head.talkclip.segments[0].uid
    track = ask(timeline=timeline, text=words, seed=7).track
    strip = strip_of(head.data.shape_keys)
    frames = 11 + np.arange(track.n_frames)
    values = keyed(head.data.shape_keys, frames)
    assert strip.action.name.startswith("TalkCLIP")
    assert len(values) == ARKIT
    for name in track.names:
        np.testing.assert_allclose(
            values[f'key_blocks["{name}"].value', 0], track.channel(name), atol=1e-5, err_msg=name
        )
    assert (strip.frame_start, strip.frame_end) == (11, frames[-1])
    middle = int(frames[len(frames) // 2])
    at = shapes(head, middle)
    for index, name in enumerate(track.names):
        assert at[name] == pytest.approx(float(track.values[len(frames) // 2, index]), abs=1e-5)


def test_head_turns_as_the_track_says(head):
    """Independent of the add-on's own conversion: where the nose and the left ear point, seen from outside."""
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    track = ask().track
    rig = head.parent
    for k in (5, track.n_frames // 2, track.n_frames - 6):
        pitch, yaw, roll = (float(a) for a in track.head[k, :3])
        matrix = (
            shown(rig, 1 + k).pose.bones["head"].matrix.to_3x3()
            @ rig.data.bones["head"].matrix_local.to_3x3().inverted()
        )
        forward, left = (matrix @ v for v in (Vector((0, -1, 0)), Vector((1, 0, 0))))
        cos, sin = np.cos, np.sin
        # yaw turns to the character's left (+X), pitch looks down (-Z): facing -Y in Blender.
        np.testing.assert_allclose(forward, [sin(yaw) * cos(pitch), -cos(yaw) * cos(pitch), -sin(pitch)], atol=1e-4)
        # roll tips the top towards the right shoulder: the left ear goes up.
        assert left.z == pytest.approx(sin(roll) * cos(pitch), abs=1e-4)
        assert np.linalg.det(np.array(matrix)) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("mode", ["XYZ", "QUATERNION", "AXIS_ANGLE"])
def test_an_empty_turns_the_head_from_where_it_stands(head, scene, mode):
    empty = bpy.data.objects.new("Hero head", None)
    scene.collection.objects.link(empty)
    empty.rotation_mode = mode
    stand = Euler((0.0, 0.0, 0.5)).to_matrix()
    empty.rotation_euler = stand.to_euler()
    empty.rotation_quaternion = stand.to_quaternion()
    empty.rotation_axis_angle = (0.5, 0.0, 0.0, 1.0)
    head.modifiers.clear()
    head.parent = empty
    for _ in range(2):  # the second time it stands turned by the first
        bpy.context.scene.frame_set(70)
        assert bpy.ops.talkclip.speak() == {"FINISHED"}
    track = ask().track
    for k in (20, track.n_frames // 2):
        pitch, yaw, _ = (float(a) for a in track.head[k, :3])
        forward = shown(empty, 1 + k).matrix_world.to_3x3() @ Vector((0, -1, 0))
        want = stand @ Vector((np.sin(yaw) * np.cos(pitch), -np.cos(yaw) * np.cos(pitch), -np.sin(pitch)))
        np.testing.assert_allclose(forward, want, atol=1e-4)
    for frame in (0, 5000):
        np.testing.assert_allclose(shown(empty, frame).matrix_world.to_3x3(), stand, atol=1e-6)


def test_ntsc_rate_and_strip_of_the_sequencer_with_trimmed_start(head, scene):
    scene.render.fps, scene.render.fps_base = 30, 1.001
    fps = 30000 / 1001
    editor = scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    strip = strips.new_sound("line", str(SAMPLE), 1, 40)
    if bpy.app.version >= (5, 2, 0):
        strip.left_handle_offset = 12
        first = strip.left_handle
    else:
        strip.frame_offset_start = 12
        first = strip.frame_final_start
    assert first == 52
    head.talkclip.sound_source = "STRIP"
    head.talkclip.sound_strip = "line"
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    end = strip.right_handle if bpy.app.version >= (5, 2, 0) else strip.frame_final_end
    track = ask(fps=fps, start_s=12 / fps, end_s=(end - 40) / fps).track
    frames = 52 + np.arange(track.n_frames)
    assert frames[-1] <= end
    values = keyed(head.data.shape_keys, frames)
    for name in ("jawOpen", "browDownLeft"):
        np.testing.assert_allclose(values[f'key_blocks["{name}"].value', 0], track.channel(name), atol=1e-5)
    assert len(scene.sequence_editor.strips_all if hasattr(editor, "strips_all") else editor.sequences_all) == 1


def user_action(keys, name, values):
    """The animator's own action on shape keys: {shape: [(frame, value), ...]}."""
    action = bpy.data.actions.new(name)
    slot = action.slots.new("KEY", keys.name)
    bag = action.layers.new("Layer").strips.new(type="KEYFRAME").channelbag(slot, ensure=True)
    for shape, points in values.items():
        curve = bag.fcurves.new(f'key_blocks["{shape}"].value')
        for frame, value in points:
            curve.keyframe_points.insert(frame, value)
    data = keys.animation_data_create()
    data.action, data.action_slot = action, slot
    return action


def all_keys(action):
    return [
        (curve.data_path, [(*point.co, point.interpolation) for point in curve.keyframe_points])
        for layer in action.layers for strip in layer.strips for bag in strip.channelbags for curve in bag.fcurves
    ]  # fmt: skip


def test_the_animators_keys_and_the_face_outside_the_line_are_as_before(head):
    keys = head.data.shape_keys
    action = user_action(keys, "Mine", {"jawOpen": [(1, 0.1), (400, 0.6)], "mouthPucker": [(1, 0.0), (500, 1.0)]})
    keys.key_blocks["browInnerUp"].value = 0.35  # a brow the animator left raised
    outside = (1, 20, 900, 1200)
    before, own = {frame: shapes(head, frame) for frame in outside}, all_keys(action)
    head.talkclip.use_scene_start = False
    head.talkclip.start_frame = 100
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    assert all_keys(action) == own
    for frame in outside:
        assert shapes(head, frame) == pytest.approx(before[frame], abs=1e-6), frame
    track = ask().track
    middle = track.n_frames // 2
    assert shapes(head, 100 + middle)["jawOpen"] == pytest.approx(float(track.channel("jawOpen")[middle]), abs=1e-5)
    names = [track.name for track in keys.animation_data.nla_tracks]
    layers = ["TalkCLIP mouth", "TalkCLIP expression", "TalkCLIP blinks", "TalkCLIP gaze"]
    assert names == ["Mine", "TalkCLIP rest", *layers]

    # Once more with another prompt: the same again, and one strip only.
    bpy.context.scene.frame_set(100 + middle)
    head.talkclip.prompt = "a sad woman whispers"
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    assert all_keys(action) == own
    for frame in outside:
        assert shapes(head, frame) == pytest.approx(before[frame], abs=1e-6), frame
    strip_of(keys)
    assert len(head.talkclip.takes) == 2
    assert {take.action.name for take in head.talkclip.takes} <= set(bpy.data.actions.keys())


def test_a_cycle_of_the_animators_goes_on_for_ever(head):
    keys = head.data.shape_keys
    user_action(keys, "Chewing", {"jawOpen": [(1, 0.0), (6, 0.8), (12, 0.0)], "jawLeft": [(1, 0.0), (10, 0.2)]})
    bag = keys.animation_data.action.layers[0].strips[0].channelbag(keys.animation_data.action_slot)
    bag.fcurves[0].modifiers.new("CYCLES")
    bag.fcurves[1].extrapolation = "LINEAR"
    outside = (-300, -7, 40, 333, 2001)
    before = {frame: shapes(head, frame) for frame in outside}
    assert before[333]["jawOpen"] > 0.01
    head.talkclip.use_scene_start = False
    head.talkclip.start_frame = 50
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    for frame in outside:
        assert shapes(head, frame) == pytest.approx(before[frame], abs=1e-5), frame


def test_an_action_on_other_channels_stays_active(head):
    keys = head.data.shape_keys
    extra = head.shape_key_add(name="Hat")
    action = user_action(keys, "Hat dance", {extra.name: [(1, 0.0), (50, 1.0)]})
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    assert keys.animation_data.action == action
    assert shapes(head, 50)["Hat"] == pytest.approx(1.0)


def test_driven_shapes_are_named_and_get_no_keys(head):
    keys = head.data.shape_keys
    for name in ("jawOpen", "mouthPucker"):
        keys.key_blocks[name].driver_add("value").driver.expression = "0.25"
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    paths = {path for path, _ in curves_of(strip_of(keys))}
    assert 'key_blocks["jawOpen"].value' not in paths and len(paths) == ARKIT - 2
    assert shapes(head, 30)["jawOpen"] == pytest.approx(0.25)

    for block in keys.key_blocks[1:]:
        block.driver_add("value")
    with pytest.raises(RuntimeError, match="follow drivers"):
        bpy.ops.talkclip.speak()


def test_a_shape_set_free_later_keeps_its_rest_too(head):
    blocks = head.data.shape_keys.key_blocks
    blocks["browInnerUp"].value = 0.35
    blocks["jawLeft"].driver_add("value")
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    blocks["jawLeft"].driver_remove("value")
    blocks["jawLeft"].value = 0.4
    bpy.context.scene.frame_set(60)
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    at = shapes(head, 4000)
    assert (at["browInnerUp"], at["jawLeft"]) == pytest.approx((0.35, 0.4), abs=1e-6)
    assert len([action for action in bpy.data.actions if action.name.startswith("TalkCLIP rest")]) == 1


def test_other_spellings_and_halves(scene):
    mesh = bpy.data.meshes.new("Someone")
    mesh.from_pydata([(0, 0, 0)], [], [])
    body = bpy.data.objects.new("Someone", mesh)
    scene.collection.objects.link(body)
    bpy.context.view_layer.objects.active = body
    names = {"jawOpen": ["!ex-jawOpen"], "eyeBlinkLeft": ["eyeBlink_L"], "eyeBlinkRight": ["eyeBlink_R"],
             "mouthSmileLeft": ["MouthSmileLeft"], "mouthSmileRight": ["MouthSmileRight"],
             "mouthPucker": ["Mouth Pucker"],
             "browInnerUp": ["browInnerUp_L", "browInnerUp_R"], "mouthClose": ["mouth_close"],
             "noseSneerLeft": ["noseSneer.L"], "mouthFunnel": ['odd"name\\.mouthFunnel']}  # fmt: skip
    body.shape_key_add(name="Basis")
    for spelled in names.values():
        for name in spelled:
            body.shape_key_add(name=name)
    body.data.shape_keys.key_blocks["mouth_close"].slider_max = 0.5  # the animator's own limit
    body.talkclip.sound_path = str(SAMPLE)
    body.talkclip.prompt = "a furious man speaks with brows lowered"
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    track = ask().track
    middle = track.n_frames // 2
    at = shapes(body, 1 + middle)
    for arkit, spelled in names.items():
        want = float(track.channel(arkit)[middle])
        for name in spelled:
            assert at[name] == pytest.approx(min(want, 0.5) if name == "mouth_close" else want, abs=1e-5), name
    assert body.data.shape_keys.key_blocks["mouth_close"].slider_max == 0.5


def test_the_rig_may_be_selected_instead_of_the_mesh(head):
    bpy.context.view_layer.objects.active = head.parent
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    assert len(curves_of(strip_of(head.data.shape_keys))) == ARKIT
    assert len(head.talkclip.takes) == 1 and not head.parent.talkclip.takes


def test_speak_is_greyed_out_with_a_reason(scene):
    assert not bpy.ops.talkclip.speak.poll()
    bpy.ops.talkclip.add_default_head()
    assert not bpy.ops.talkclip.speak.poll()
    bpy.context.object.talkclip.sound_path = str(SAMPLE)
    assert bpy.ops.talkclip.speak.poll()
    with pytest.raises(RuntimeError, match="there is no such file"):
        bpy.context.object.talkclip.sound_path = "//nowhere.wav"
        bpy.ops.talkclip.speak()


def test_server_is_checked(scene):
    assert bpy.ops.talkclip.check_server() == {"FINISHED"}

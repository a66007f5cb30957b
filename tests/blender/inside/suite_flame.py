"""A FLAME-shaped head speaks: keys equal the track, and the mesh moves as FLAME's skinning formula says."""

from __future__ import annotations

import os

import bpy
import numpy as np
import pytest
from harness import SAMPLE, ask, curves_of, keyed, shown, strip_of
from mathutils import Euler, Matrix, Quaternion

N_KEYS = 50
JOINTS = ("root", "neck", "jaw", "left_eye", "right_eye")
PARENTS = {"neck": "root", "jaw": "neck", "left_eye": "neck", "right_eye": "neck"}
Y_UP_TO_Z_UP = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], float)


@pytest.fixture(scope="module")
def model():
    """The FLAME-shaped model's arrays."""
    with np.load(os.environ["TALKCLIP_TEST_FLAME"]) as archive:
        return {key: archive[key] for key in archive.files}


def make(scene, model, applied, mode):
    """The head as FLAME's Blender add-on lays it out: keys Exp1.., bones along +Y.

    `applied` False: the data is Y-up and the armature stands up by a quarter turn. True: the turn is in the data.
    """
    turn = Y_UP_TO_Z_UP if applied else np.eye(3)
    template = model["v_template"].astype(float)
    mesh = bpy.data.meshes.new("FLAME-generic")
    mesh.from_pydata((template @ turn.T).tolist(), [], model["f"].tolist())
    body = bpy.data.objects.new("FLAME-generic", mesh)
    scene.collection.objects.link(body)
    body.shape_key_add(name="Base")
    for k in range(N_KEYS):
        block = body.shape_key_add(name=f"Exp{k + 1}")
        moved = (template + model["shapedirs"][:, :, 300 + k]) @ turn.T
        block.data.foreach_set("co", moved.astype(np.float32).ravel())
    armature = bones(scene, model, turn)
    if not applied:
        armature.rotation_euler = (np.pi / 2, 0, 0)
    for j, name in enumerate(JOINTS):
        group = body.vertex_groups.new(name=name)
        for vertex in np.flatnonzero(model["weights"][:, j] > 0).tolist():
            group.add([vertex], float(model["weights"][vertex, j]), "REPLACE")
    body.modifiers.new("Armature", "ARMATURE").object = armature
    body.parent = armature
    for bone in armature.pose.bones:
        bone.rotation_mode = mode
    bpy.context.view_layer.objects.active = body
    bpy.context.view_layer.update()
    body.talkclip.prompt, body.talkclip.sound_path = "a furious man speaks with brows lowered", str(SAMPLE)
    return body, armature


def bones(scene, model, turn):
    data = bpy.data.armatures.new("FLAME")
    armature = bpy.data.objects.new("FLAME", data)
    scene.collection.objects.link(armature)
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    for name, joint in zip(JOINTS, (model["J_regressor"] @ model["v_template"]) @ turn.T, strict=True):
        bone = data.edit_bones.new(name)
        bone.head, bone.tail = joint, joint + turn @ [0, 0.03, 0]
        bone.roll = 0.4 if name == "jaw" else 0.0  # artists turn bones; the motion must not care
        if name in PARENTS:
            bone.parent = data.edit_bones[PARENTS[name]]
    bpy.ops.object.mode_set(mode="OBJECT")
    return armature


def rotation(vector):
    """Axis-angle -> matrix, by Blender's own mathematics."""
    angle = float(np.linalg.norm(vector))
    return np.array(Matrix.Rotation(angle, 3, vector)) if angle > 1e-9 else np.eye(3)


def keyed_turns(armature, bone, frames, mode):
    """(T, 3, 3) what the keys on a bone do, in FLAME's axes."""
    name = {"QUATERNION": "rotation_quaternion", "AXIS_ANGLE": "rotation_axis_angle"}.get(mode, "rotation_euler")
    path = f'pose.bones["{bone}"].{name}'
    size = 3 if name == "rotation_euler" else 4
    values = keyed(armature, frames)
    rows = np.stack([values[path, i] for i in range(size)], axis=1)
    rest = np.array(armature.data.bones[bone].matrix_local.to_3x3())
    to_flame = np.array(armature.matrix_world.to_3x3())
    turns = []
    for row in rows:
        if mode == "QUATERNION":
            own = Quaternion(row).to_matrix()
        elif mode == "AXIS_ANGLE":
            own = Matrix.Rotation(row[0], 3, row[1:])
        else:
            own = Euler(row, mode).to_matrix()
        in_world = to_flame @ rest @ np.array(own) @ (to_flame @ rest).T
        turns.append(Y_UP_TO_Z_UP.T @ in_world @ Y_UP_TO_Z_UP)
    return np.stack(turns)


@pytest.mark.parametrize(
    ("applied", "mode"),
    [(False, "XYZ"), (False, "QUATERNION"), (True, "ZXY"), (True, "QUATERNION"), (True, "AXIS_ANGLE")],
)
def test_expression_jaw_and_eyes_equal_the_track(scene, model, applied, mode):
    body, armature = make(scene, model, applied, mode)
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    track = ask(space="flame").track
    frames = 1 + np.arange(track.n_frames)
    values = keyed(body.data.shape_keys, frames)
    for k in range(N_KEYS):
        got = values[f'key_blocks["Exp{k + 1}"].value', 0]
        np.testing.assert_allclose(got, track.channel(f"exp{k}"), rtol=2e-6, atol=2e-6, err_msg=f"Exp{k + 1}")
    assert strip_of(armature).action == strip_of(body.data.shape_keys).action, "one action, many slots"
    for bone in ("jaw", "left_eye", "right_eye"):
        vectors = np.stack([track.channel(f"{bone}_{axis}") for axis in "xyz"], axis=1)
        got = keyed_turns(armature, bone, frames, mode)
        np.testing.assert_allclose(got, np.stack([rotation(v) for v in vectors]), atol=2e-5, err_msg=bone)


@pytest.mark.parametrize("applied", [False, True])
def test_the_mesh_moves_as_the_skinning_formula_says(scene, model, applied):
    body, _ = make(scene, model, applied, "XYZ")
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    track = ask(space="flame").track
    k = int(np.argmax(np.abs(track.channel("jaw_x"))[10:-10])) + 10
    at = shown(body, 1 + k)
    mesh = at.to_mesh()
    got = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", got)
    got = got.reshape(-1, 3) @ np.array(at.matrix_world.to_3x3()).T @ Y_UP_TO_Z_UP
    np.testing.assert_allclose(got, posed(model, track, k), atol=3e-5)


def posed(model, track, k):
    """(V, 3) linear blend skinning about the bones' places, which in Blender do not move with the expression."""
    template = model["v_template"].astype(float)
    joints = model["J_regressor"] @ template
    coefficients = np.array([track.channel(f"exp{i}")[k] for i in range(N_KEYS)], float)
    shaped = template + model["shapedirs"][:, :, 300 : 300 + N_KEYS] @ coefficients
    pitch, yaw, roll = track.head[k, :3] if track.head is not None else (0, 0, 0)
    neck = rotation([0, yaw, 0]) @ rotation([pitch, 0, 0]) @ rotation([0, 0, roll])
    on_neck = (shaped - joints[1]) @ neck.T + joints[1]
    result = model["weights"][:, [0]] * shaped + model["weights"][:, [1]] * on_neck
    for j, name in ((2, "jaw"), (3, "left_eye"), (4, "right_eye")):
        own = rotation([float(track.channel(f"{name}_{axis}")[k]) for axis in "xyz"])
        moved = (shaped - joints[j]) @ own.T + joints[j]
        result += model["weights"][:, [j]] * ((moved - joints[1]) @ neck.T + joints[1])
    return result


def test_slider_ranges_make_room_for_standard_deviations(scene, model):
    body, _ = make(scene, model, False, "XYZ")
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    track = ask(space="flame").track
    k = track.n_frames // 2
    blocks = shown(body, 1 + k).data.shape_keys.key_blocks
    for i in range(N_KEYS):
        assert blocks[f"Exp{i + 1}"].value == pytest.approx(float(track.channel(f"exp{i}")[k]), abs=1e-4)


def test_a_head_the_animator_has_keyed_is_left_alone(scene, model):
    _, armature = make(scene, model, False, "XYZ")
    armature.pose.bones["neck"].rotation_euler = (0.1, 0, 0)
    armature.pose.bones["neck"].keyframe_insert("rotation_euler", frame=1)
    mine = armature.animation_data.action
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    assert armature.animation_data.action == mine
    assert "TalkCLIP head" not in armature.animation_data.nla_tracks
    assert not [path for path, _ in curves_of(strip_of(armature)) if "neck" in path]
    assert shown(armature, 40).pose.bones["neck"].rotation_euler.x == pytest.approx(0.1, abs=1e-6)


def test_without_an_armature_the_expression_is_keyed_and_the_rest_is_said(scene, model, capfd):
    body, armature = make(scene, model, False, "XYZ")
    body.modifiers.clear()
    body.parent = None
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    assert len(curves_of(strip_of(body.data.shape_keys))) == N_KEYS
    assert armature.animation_data is None
    assert "no bone 'jaw'" in capfd.readouterr().out


@pytest.mark.parametrize("mode", ["XYZ", "QUATERNION", "AXIS_ANGLE"])
def test_a_changed_segment_is_keyed_alone(scene, model, mode, capfd):
    body, armature = make(scene, model, True, mode)
    segments = body.talkclip.segments
    segments.clear()
    spans = ((1, 100, "a furious man speaks"), (100, 250, "a sad woman, inner brows raised"))
    for start, end, prompt in spans:
        segment = segments.add()
        segment.uid, segment.whole_line, segment.prompt = str(start), False, prompt
        segment.frame_start, segment.frame_end = start, end
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    frames = 1 + np.arange(body.talkclip.takes[0].frame_end)
    before = keyed(armature, frames)
    segments[1].prompt = "a delighted man smiles"
    capfd.readouterr()
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    assert "Take 2: frames" in capfd.readouterr().out
    after = keyed(armature, frames)
    for address, values in after.items():
        np.testing.assert_array_equal(values[:85], before[address][:85], err_msg=str(address))
    from talkclip.timeline import PromptSegment, PromptTimeline

    timeline = PromptTimeline(
        tuple(PromptSegment(s.prompt, (s.frame_start - 1) / 30, (s.frame_end - 1) / 30, uid=s.uid) for s in segments)
    )
    track = ask(space="flame", timeline=timeline).track
    for bone in ("jaw", "left_eye"):
        vectors = np.stack([track.channel(f"{bone}_{axis}") for axis in "xyz"], axis=1)
        turns = keyed_turns(armature, bone, frames, mode)
        np.testing.assert_allclose(turns, np.stack([rotation(v) for v in vectors]), atol=3e-5, err_msg=bone)
    k = 150
    blocks = shown(body, 1 + k).data.shape_keys.key_blocks
    for i in range(N_KEYS):
        assert blocks[f"Exp{i + 1}"].value == pytest.approx(float(track.channel(f"exp{i}")[k]), abs=1e-4)

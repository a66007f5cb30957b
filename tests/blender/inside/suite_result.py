"""Results: layers with gains, takes, changed ranges keyed in place, bake, live preview."""

from __future__ import annotations

import os

import bpy
import numpy as np
import pytest
from harness import MODULE, ask, curves_of, shapes, shown, strip_of

LAYERS = ("mouth", "expression", "blinks", "gaze")


def server(address):
    bpy.context.preferences.addons[MODULE].preferences.server_address = address


def spoken(**changes):
    """What the head's settings get from the server, with layers."""
    return ask(layers=True, **changes)


def posed(head, frame):
    """(52,) evaluated shape keys."""
    return np.array(list(shapes(head, frame).values())[1:])


def turned(head, frame):
    """By how much the head bone is turned, radians."""
    return shown(head.parent, frame).pose.bones["head"].matrix_basis.to_quaternion().angle


def test_at_gains_of_one_the_pose_is_the_track_and_each_layer_holds_its_own(head):
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    reply = spoken()
    keys = head.data.shape_keys
    tracks = [track.name for track in keys.animation_data.nla_tracks]
    assert tracks == ["TalkCLIP rest", *(f"TalkCLIP {layer}" for layer in LAYERS)]
    assert [strip_of(keys, layer).blend_type for layer in LAYERS] == ["REPLACE", "ADD", "ADD", "ADD"]
    assert strip_of(head.parent, "head").blend_type == "REPLACE"
    for k in range(8, reply.track.n_frames - 8, 7):
        np.testing.assert_allclose(posed(head, 1 + k), reply.track.values[k], atol=1e-5, err_msg=str(k))
    # Only what moves in a layer is keyed in it, and what keeps still has two keys.
    for layer in ("expression", "blinks", "gaze"):
        moving = np.abs(getattr(reply.layers, layer)).max(axis=0) > 1e-5
        wanted = {f'key_blocks["{name}"].value' for name, moves in zip(reply.track.names, moving, strict=True) if moves}
        assert wanted <= {path for path, _ in curves_of(strip_of(keys, layer))}
    blinks = {path for path, _ in curves_of(strip_of(keys, "blinks"))}
    assert 'key_blocks["jawOpen"].value' not in blinks
    for column in np.flatnonzero(np.ptp(reply.layers.mouth, axis=0) < 1e-7):
        curve = curves_of(strip_of(keys))[f'key_blocks["{reply.track.names[column]}"].value', 0]
        assert len(curve.keyframe_points) == 2


def test_a_gain_weighs_its_layer_and_asks_nobody(head):
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    reply = spoken()
    server("tcp://127.0.0.1:1")
    character, layers = head.talkclip, reply.layers
    start, end = 1, reply.track.n_frames
    middle, easing = reply.track.n_frames // 2, 2  # the fade lasts 0.12 s, 3.6 frames
    for gain in (0.5, 0.25, 0.0, 1.0):
        character.gain_expression = gain
        sums = layers.mouth + gain * layers.expression + layers.blinks + layers.gaze
        np.testing.assert_allclose(posed(head, start + middle), np.clip(sums[middle], 0, 1), atol=1e-5)
        np.testing.assert_allclose(posed(head, start + easing), np.clip(sums[easing] * easing / 3.6, 0, 1), atol=1e-5)
        assert not posed(head, end + 1).any() and not posed(head, start).any()
    character.gain_mouth, character.gain_blinks = 0.3, 0.6
    sums = 0.3 * layers.mouth + layers.expression + 0.6 * layers.blinks + layers.gaze
    np.testing.assert_allclose(posed(head, start + middle), np.clip(sums[middle], 0, 1), atol=1e-5)


def test_eyes_follow_the_gain_of_the_head(head):
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    reply = spoken()
    k = int(np.argmax(np.abs(reply.track.head[10:-10, 1]))) + 10
    full = turned(head, 1 + k)
    assert full > 0.01
    head.talkclip.gain_head = 0.5
    assert turned(head, 1 + k) == pytest.approx(full / 2, rel=0.01)
    layers = reply.layers
    wanted = layers.mouth[k] + layers.expression[k] + layers.blinks[k] + 0.5 * layers.gaze[k]
    np.testing.assert_allclose(posed(head, 1 + k), np.clip(wanted, 0, 1), atol=1e-5)
    head.talkclip.gain_head = 0.0
    assert turned(head, 1 + k) == pytest.approx(0, abs=1e-3)


def test_muting_switches_a_layer_off_and_shows_what_the_nla_editor_did(head):
    character, keys = head.talkclip, head.data.shape_keys
    assert not character.mute_expression
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    layers = spoken().layers
    middle = len(layers.mouth) // 2
    character.mute_expression = True
    assert keys.animation_data.nla_tracks["TalkCLIP expression"].mute and not character.mute_mouth
    wanted = layers.mouth + layers.blinks + layers.gaze
    np.testing.assert_allclose(posed(head, 1 + middle), np.clip(wanted[middle], 0, 1), atol=1e-5)
    keys.animation_data.nla_tracks["TalkCLIP expression"].mute = False
    assert not character.mute_expression
    character.mute_head = True
    assert keys.animation_data.nla_tracks["TalkCLIP gaze"].mute
    assert head.parent.animation_data.nla_tracks["TalkCLIP head"].mute


def test_gains_never_reach_outside_the_line(head):
    keys = head.data.shape_keys
    keys.key_blocks["jawOpen"].keyframe_insert("value", frame=1)
    keys.key_blocks["jawOpen"].value = 0.7
    keys.key_blocks["jawOpen"].keyframe_insert("value", frame=900)
    keys.key_blocks["browInnerUp"].value = 0.35
    outside = (1, 40, 360, 900, 1500)
    before = {frame: posed(head, frame) for frame in outside}
    head.talkclip.use_scene_start, head.talkclip.start_frame = False, 100
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    head.talkclip.gain_mouth, head.talkclip.gain_expression, head.talkclip.gain_blinks = 0.4, 0.0, 0.7
    for frame in outside:
        np.testing.assert_allclose(posed(head, frame), before[frame], atol=1e-6, err_msg=str(frame))


def test_a_sliders_range_cuts_the_sum_not_the_layers(head):
    """Blender adds the layers up first: what one layer gives beyond the range, another may take away again."""
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    reply = spoken()
    jaw = reply.track.names.index("jawOpen")
    limit = float(np.sort(reply.track.values[10:-10, jaw])[-20])
    over = 10 + int(np.argmax(reply.track.values[10:-10, jaw]))
    under = 10 + int(np.argmin(reply.track.values[10:-10, jaw]))
    head.data.shape_keys.key_blocks["jawOpen"].slider_max = limit
    assert shapes(head, 1 + over)["jawOpen"] == pytest.approx(limit, abs=1e-6)
    assert shapes(head, 1 + under)["jawOpen"] == pytest.approx(float(reply.track.values[under, jaw]), abs=1e-5)


def test_without_a_head_the_eyes_do_not_turn_against_it(head):
    head.modifiers.clear()
    head.parent = None
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    layers = spoken().layers
    middle = len(layers.mouth) // 2
    assert "TalkCLIP gaze" not in head.data.shape_keys.animation_data.nla_tracks
    wanted = (layers.mouth + layers.expression + layers.blinks)[middle]
    np.testing.assert_allclose(posed(head, 1 + middle), np.clip(wanted, 0, 1), atol=1e-5)


def test_a_server_without_layers_gives_one_track_and_the_head(head):
    if "TALKCLIP_TEST_FLAT_SERVER" not in os.environ:
        pytest.skip("only beside the rehearsal server")
    track = spoken().track
    server(os.environ["TALKCLIP_TEST_FLAT_SERVER"])
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    tracks = [each.name for each in head.data.shape_keys.animation_data.nla_tracks]
    assert tracks == ["TalkCLIP rest", "TalkCLIP mouth"]
    strip_of(head.parent, "head")
    middle = track.n_frames // 2
    np.testing.assert_allclose(posed(head, 1 + middle), track.values[middle], atol=1e-5)


# --- takes and changed ranges -----------------------------------------------------------------------------------------

PROMPTS = ("a furious man speaks with brows lowered", "a sad woman, inner brows raised", "a delighted man smiles")
BORDERS = (1, 80, 160, 250)


@pytest.fixture
def three(head):
    """Three prompt segments that follow each other."""
    character = head.talkclip
    character.segments.clear()
    for number, prompt in enumerate(PROMPTS):
        segment = character.segments.add()
        segment.uid, segment.prompt, segment.whole_line = f"segment{number}", prompt, False
        segment.frame_start, segment.frame_end = BORDERS[number], BORDERS[number + 1]
    return head


def timeline_of(head):
    from talkclip.timeline import PromptEdit, PromptSegment, PromptTimeline

    return PromptTimeline(
        tuple(
            PromptSegment(
                segment.prompt, (segment.frame_start - 1) / 30, (segment.frame_end - 1) / 30, segment.intensity,
                tuple(PromptEdit(edit.text, edit.weight) for edit in segment.edits),
                segment.blend_in_s, segment.blend_out_s, uid=segment.uid,
            )
            for segment in head.talkclip.segments
        )
    )  # fmt: skip


def all_poses(head, n_frames):
    return np.stack([posed(head, 1 + k) for k in range(n_frames)])


def points(action):
    """Every key of an action."""
    return {
        (bag.slot_handle, curve.data_path, curve.array_index): [
            (*key.co, key.interpolation) for key in curve.keyframe_points
        ]
        for bag in action.layers[0].strips[0].channelbags for curve in bag.fcurves
    }  # fmt: skip


def said(capfd):
    return capfd.readouterr().out


def test_a_changed_segment_is_keyed_alone_into_a_new_take(three, capfd):
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    first = three.talkclip.takes[0].action
    n_frames = three.talkclip.takes[0].frame_end
    before, keys = all_poses(three, n_frames), points(first)
    three.talkclip.segments[1].prompt = "a frightened man stares"
    three.talkclip.segments[1].edits.add().text = "wrinkle the nose"
    said(capfd)
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    assert "Take 2: frames" in said(capfd)
    after = all_poses(three, n_frames)
    reach = 5 * 30 / 25 + 0.2 * 30 / 2  # 5 model frames, and half of the blend
    frames = 1 + np.arange(n_frames)
    outside = (frames < BORDERS[1] - reach) | (frames > BORDERS[2] + reach)
    np.testing.assert_array_equal(after[outside], before[outside])
    assert np.abs(after[~outside] - before[~outside]).max() > 0.02
    track = ask(timeline=timeline_of(three)).track
    np.testing.assert_allclose(after[8:-8], track.values[8:-8], atol=2e-5)
    takes = three.talkclip.takes
    assert [take.name for take in takes] == ["Take 1", "Take 2"] and takes[0].action == first != takes[1].action
    assert points(first) == keys
    assert takes[1].prompt == f"{PROMPTS[0]} | a frightened man stares | {PROMPTS[2]}"


def test_a_stretch_that_comes_to_life_or_falls_still(three):
    """Curves with two keys get one a frame where they begin to move; what stops moving is keyed too."""
    character = three.talkclip
    for segment in character.segments:
        segment.intensity = 0.0
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    n_frames = character.takes[0].frame_end
    for intensity in (1.5, 0.0):
        character.segments[1].intensity = intensity
        assert bpy.ops.talkclip.speak() == {"FINISHED"}
        values = ask(timeline=timeline_of(three)).track.values
        np.testing.assert_allclose(all_poses(three, n_frames)[8:-8], values[8:-8], atol=2e-5)


def test_nothing_changed_makes_no_take(three, capfd):
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    actions = len(bpy.data.actions)
    said(capfd)
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    assert "Nothing has changed since Take 1." in said(capfd)
    assert len(three.talkclip.takes) == 1 and len(bpy.data.actions) == actions


def test_keys_the_animator_changed_are_never_lost(three, capfd):
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    take = three.talkclip.takes[0]
    curve = curves_of(strip_of(three.data.shape_keys))['key_blocks["jawOpen"].value', 0]
    curve.keyframe_points[100].co[1] += 0.25
    curve.update()
    mine, action = points(take.action), take.action
    three.talkclip.segments[1].prompt = "a frightened man stares"
    said(capfd)
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    assert "You have changed keys of Take 1: it stays as it is." in said(capfd)
    assert points(action) == mine
    track = ask(timeline=timeline_of(three)).track
    np.testing.assert_allclose(posed(three, 101), track.values[100], atol=1e-5)
    bpy.ops.talkclip.show_take(index=0)
    assert shapes(three, 101)["jawOpen"] > track.channel("jawOpen")[100] + 0.05


@pytest.mark.parametrize("change", ["seed", "sound start", "strip moved", "strip deleted", "rate", "driver"])
def test_whatever_else_changes_asks_for_the_whole_line(three, scene, change):
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    character, keys = three.talkclip, three.data.shape_keys
    if change == "seed":
        character.seed = 5
    elif change == "sound start":
        character.use_scene_start, character.start_frame = False, 20
    elif change == "strip moved":
        strip_of(keys).frame_start += 10
    elif change == "strip deleted":
        track = keys.animation_data.nla_tracks["TalkCLIP expression"]
        track.strips.remove(track.strips[0])
    elif change == "rate":
        scene.render.fps = 24
    else:
        keys.key_blocks["jawOpen"].driver_add("value").driver.expression = "0.25"
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    takes = character.takes
    assert len(takes) == 2 and strip_of(keys).action == takes[1].action
    start = 20 if change == "sound start" else 1
    assert (takes[1].frame_start, round(strip_of(keys).frame_start)) == (start, start)
    track = ask(
        timeline=timeline_of(three) if change not in ("sound start", "rate") else _shifted(three, start, takes[1].fps),
        seed=character.seed, fps=takes[1].fps,
    ).track  # fmt: skip
    middle = track.n_frames // 2
    wanted = track.values[middle].copy()
    if change == "driver":
        wanted[track.names.index("jawOpen")] = 0.25
    np.testing.assert_allclose(posed(three, start + middle), wanted, atol=1e-5)


def _shifted(head, start, fps):
    import dataclasses

    from talkclip.timeline import PromptTimeline

    moved = [
        dataclasses.replace(
            segment, start_s=(segment.start_s * 30 + 1 - start) / fps, end_s=(segment.end_s * 30 + 1 - start) / fps
        )
        for segment in timeline_of(head).segments
    ]
    return PromptTimeline(tuple(moved))


def test_takes_are_shown_by_one_click_copied_and_thrown_away(three, scene):
    character, keys = three.talkclip, three.data.shape_keys
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    first = posed(three, 120)
    character.segments[1].prompt = "a frightened man stares"
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    second, neutral = posed(three, 120), posed(three, 0)
    assert np.abs(first - second).max() > 0.02 and character.active_take == 1
    place = strip_of(keys)
    place.blend_in = 7.5
    character.active_take = 0  # a click into the list
    np.testing.assert_array_equal(posed(three, 120), first)
    assert bpy.ops.talkclip.show_take(index=1) == {"FINISHED"}
    np.testing.assert_array_equal(posed(three, 120), second)
    assert strip_of(keys).blend_in == 7.5 and character.active_take == 1

    character.takes[1].name, character.takes[1].star = "The good one", True
    assert bpy.ops.talkclip.duplicate_take() == {"FINISHED"}
    names = [take.name for take in character.takes]
    assert names == ["Take 1", "The good one", "Take 3"] and character.active_take == 2
    np.testing.assert_array_equal(posed(three, 120), second)
    curve = curves_of(strip_of(keys))['key_blocks["jawOpen"].value', 0]
    for key in curve.keyframe_points:
        key.co[1] = 0.0
    curve.update()
    bpy.ops.talkclip.show_take(index=1)
    np.testing.assert_array_equal(posed(three, 120), second)

    actions = [take.action.name for take in character.takes]
    assert bpy.ops.talkclip.delete_take(index=1) == {"FINISHED"}
    assert actions[1] not in bpy.data.actions and actions[0] in bpy.data.actions
    np.testing.assert_array_equal(posed(three, 120), first)
    assert bpy.ops.talkclip.keep_take(index=0) == {"FINISHED"}
    assert [take.name for take in character.takes] == ["Take 1"]
    assert [action.name for action in bpy.data.actions if action.name.startswith("TalkCLIP")] == [actions[0]]
    assert bpy.ops.talkclip.delete_take() == {"FINISHED"}
    np.testing.assert_array_equal(posed(three, 120), neutral)
    assert not character.takes and not [a for a in bpy.data.actions if a.name.startswith("TalkCLIP")]
    assert not bpy.ops.talkclip.delete_take.poll()


def test_takes_of_another_place_stay(three):
    character = three.talkclip
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    character.use_scene_start, character.start_frame = False, 400
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    there = posed(three, 120)
    assert len(three.data.shape_keys.animation_data.nla_tracks["TalkCLIP mouth"].strips) == 2
    assert bpy.ops.talkclip.keep_take() == {"FINISHED"}
    assert len(character.takes) == 2
    np.testing.assert_array_equal(posed(three, 120), there)
    bpy.ops.talkclip.delete_take(index=1)
    np.testing.assert_array_equal(posed(three, 120), there)
    assert len(three.data.shape_keys.animation_data.nla_tracks["TalkCLIP mouth"].strips) == 1


def test_a_take_of_another_frame_rate_keeps_its_pace(three, scene):
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    at = {seconds: posed(three, 1 + round(30 * seconds)) for seconds in (1.0, 3.0, 5.0)}
    scene.render.fps = 60
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    assert len(three.talkclip.takes) == 2
    assert bpy.ops.talkclip.show_take(index=0) == {"FINISHED"}
    for seconds, pose in at.items():
        np.testing.assert_allclose(posed(three, 1 + round(60 * seconds)), pose, atol=1e-5)
    assert len(three.data.shape_keys.animation_data.nla_tracks["TalkCLIP mouth"].strips) == 1


def test_takes_survive_saving_and_go_on_from_there(three, tmp_path, capfd):
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    first = posed(three, 120)
    three.talkclip.segments[1].prompt = "a frightened man stares"
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    second, name = posed(three, 120), three.name
    three.talkclip.gain_expression, three.talkclip.mute_blinks = 0.5, True
    weak = posed(three, 120)
    for _ in range(2):
        path = str(tmp_path / "takes.blend")
        bpy.ops.wm.save_as_mainfile(filepath=path)
        bpy.ops.wm.open_mainfile(filepath=path)
    head = bpy.data.objects[name]
    bpy.context.view_layer.objects.active = head
    np.testing.assert_array_equal(posed(head, 120), weak)
    assert head.talkclip.gain_expression == 0.5 and head.talkclip.mute_blinks
    head.talkclip.gain_expression, head.talkclip.mute_blinks = 1.0, False
    np.testing.assert_array_equal(posed(head, 120), second)
    bpy.ops.talkclip.show_take(index=0)
    np.testing.assert_array_equal(posed(head, 120), first)
    head.talkclip.segments[1].prompt = "a frightened man stares more"
    said(capfd)
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    assert "Take 3: frames" in said(capfd), "what the take was made of is in the file"


# --- bake and clean-up ------------------------------------------------------------------------------------------------


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
    import json
    import struct

    import addon_utils

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

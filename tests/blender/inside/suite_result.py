"""Results: layers with gains, takes, changed ranges keyed in place, bake, live preview."""

from __future__ import annotations

import os
import sys
import time

import bpy
import numpy as np
import pytest
from harness import (
    MODULE,
    SAMPLE,
    Paper,
    ask,
    curves_of,
    drawn,
    new_file,
    points,
    posed,
    said,
    shapes,
    shown,
    strip_of,
)  # fmt: skip

LAYERS = ("mouth", "expression", "blinks", "gaze")


def server(address):
    bpy.context.preferences.addons[MODULE].preferences.server_address = address


def spoken(**changes):
    """What the head's settings get from the server, with layers."""
    return ask(layers=True, **changes)


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
    server(os.environ["TALKCLIP_TEST_FLAT_SERVER"])
    track = ask("FLAT").track
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


def single(prompt):
    from talkclip.timeline import PromptTimeline

    return PromptTimeline.single(prompt, 86_400.0)


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
    assert [take.label for take in takes] == ["Take 1", "Take 2"] and takes[0].action == first != takes[1].action
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

    character.takes[1].label, character.takes[1].star = "The good one", True
    assert bpy.ops.talkclip.duplicate_take() == {"FINISHED"}
    names = [take.label for take in character.takes]
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
    assert [take.label for take in character.takes] == ["Take 1"]
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


# --- live preview -----------------------------------------------------------------------------------------------------


class Typing:
    """The live preview, looked at as its timer would, with a clock of our own."""

    def __init__(self, head):
        self.module = sys.modules[MODULE + ".result.live"]
        self.now_s = 0.0
        self.preview = self.module.Preview(clock=lambda: self.now_s)
        self.head = head

    def look(self, seconds=0.1):
        self.now_s += seconds
        begin = time.perf_counter()
        again_s = self.preview.look(self.module.View.now())
        assert 0 < again_s <= 0.1
        return time.perf_counter() - begin

    def settle(self):
        """Until there is nothing more to do."""
        deadline = time.monotonic() + 20
        for _ in range(5):
            self.look()
        while self.preview.state == "Asking":
            assert time.monotonic() < deadline
            time.sleep(0.01)
            self.look()


@pytest.fixture
def typing(three):
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    yield (typing := Typing(three))
    typing.preview.stop()


def test_the_face_follows_what_is_typed(three, typing):
    character = three.talkclip
    before = posed(three, 120)
    typing.settle()
    assert len(character.takes) == 1, "nothing was typed yet"
    for text in ("a f", "a frightened", "a frightened man"):
        character.segments[1].prompt = text
        typing.look(0.2)
        assert typing.preview.state == ""
    np.testing.assert_array_equal(posed(three, 120), before)
    typing.settle()
    track = ask(timeline=timeline_of(three)).track
    np.testing.assert_allclose(posed(three, 120), track.values[119], atol=1e-5)
    assert [take.live for take in character.takes] == [False, True]
    # More typing changes the same take; the one that was spoken stays.
    character.segments[1].edits.add().text = "wrinkle the nose"
    typing.settle()
    character.segments[1].intensity = 0.5
    typing.settle()
    track = ask(timeline=timeline_of(three)).track
    np.testing.assert_allclose(posed(three, 120), track.values[119], atol=1e-5)
    assert len(character.takes) == 2
    # Speak keeps it; what is typed then is a take of its own again.
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    assert [take.live for take in character.takes] == [False, False]
    character.segments[1].prompt = "a proud king"
    typing.settle()
    assert [take.live for take in character.takes] == [False, False, True]
    bpy.ops.talkclip.show_take(index=0)
    np.testing.assert_array_equal(posed(three, 120), before)


def test_an_answer_that_typing_overtook_is_dropped(three, typing):
    character = three.talkclip
    character.segments[1].prompt = "a frightened man"
    for _ in range(5):
        typing.look()
    assert typing.preview.state == "Asking" and len(character.takes) == 1
    character.segments[1].prompt = "a proud king"
    time.sleep(0.5)  # the answer is there
    typing.look()
    assert typing.preview.state == "" and len(character.takes) == 1
    typing.settle()
    assert len(character.takes) == 2 and "a proud king" in character.takes[1].prompt
    track = ask(timeline=timeline_of(three)).track
    np.testing.assert_allclose(posed(three, 120), track.values[119], atol=1e-5)


def test_one_undo_step_for_what_settled(three, typing, monkeypatch):
    steps = []
    monkeypatch.setattr(sys.modules[MODULE + ".compat"], "push_undo", lambda _window, message: steps.append(message))
    for text in ("a frightened man", "a proud king"):
        for end in range(4, len(text) + 1):
            three.talkclip.segments[1].prompt = text[:end]
            typing.look(0.05)
        typing.settle()
    assert steps == ["TalkCLIP Live"] * 2


def test_live_says_why_it_waits(three, typing, scene):
    character = three.talkclip
    character.seed = 3
    character.segments[1].prompt = "a frightened man"
    typing.settle()
    assert typing.preview.state == "Not only prompts have changed. Press Speak."
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    typing.settle()
    assert typing.preview.state == ""
    curve = curves_of(strip_of(three.data.shape_keys))['key_blocks["jawOpen"].value', 0]
    curve.keyframe_points[100].co[1] += 0.25
    curve.update()
    mine = points(character.takes[1].action)
    character.segments[1].prompt = "a proud king"
    typing.settle()
    assert typing.preview.state == "You have changed keys of Take 2: it stays as it is. Press Speak."
    assert points(character.takes[1].action) == mine
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    sys.modules[MODULE + ".result.link"].close()
    server("tcp://127.0.0.1:1")
    character.segments[1].prompt = "a sad woman"
    typing.look()
    typing.look(0.4)
    deadline = time.monotonic() + 20
    while typing.preview.state == "Asking":
        assert typing.look() < 0.5 and time.monotonic() < deadline
        time.sleep(0.02)
    assert "No TalkCLIP server answers" in typing.preview.state
    assert len(character.takes) == 3


def test_looking_costs_little(three, typing):
    typing.settle()
    assert sorted(typing.look(0.0) for _ in range(50))[25] < 0.01


def test_the_switch_is_off_and_draws(three, extension):
    manager = bpy.context.window_manager
    assert not manager.talkclip_live
    panel = sys.modules[MODULE + ".result.panel"].TALKCLIP_PT_speak
    assert "talkclip_live" in drawn(panel)
    manager.talkclip_live = True
    live = sys.modules[MODULE + ".result.live"]
    assert bpy.app.timers.is_registered(live._tick)
    live.preview.state = "Not only prompts have changed. Press Speak."
    assert live.preview.state in drawn(panel)
    manager.talkclip_live = False
    assert live._tick() is None and live.preview.state == ""


# --- what goes wrong --------------------------------------------------------------------------------------------------


def test_a_server_of_another_version_is_named(head):
    server(os.environ["TALKCLIP_TEST_OLD_SERVER"])
    with pytest.raises(RuntimeError, match=r"protocol 1, this side 0\. Update the older one"):
        bpy.ops.talkclip.speak()
    assert not head.talkclip.takes and not [a for a in bpy.data.actions if a.name.startswith("TalkCLIP")]


def test_a_server_that_was_restarted_is_found_again(three):
    """The connection is kept between requests; nobody has to notice that it broke meanwhile."""
    server(os.environ["TALKCLIP_TEST_RESTARTING_SERVER"])
    for number in range(3):
        three.talkclip.segments[1].prompt = f"a frightened man, number {number}"
        assert bpy.ops.talkclip.speak() == {"FINISHED"}
        time.sleep(0.8)
    assert len(three.talkclip.takes) == 3


def test_stopping_leaves_the_connection_for_the_next_request(head, extension):
    speech, link = (sys.modules[f"{MODULE}.result.{name}"] for name in ("speech", "link"))
    server(os.environ["TALKCLIP_TEST_STALLING_SERVER"])
    client = link.client(bpy.context)
    run = speech.Run(speech.plan(head, bpy.context.scene), client, keep_open=True)
    deadline = time.monotonic() + 20
    while run.progress[1] != "Listening":
        assert not run.pump() and time.monotonic() < deadline
        time.sleep(0.005)
    run.close()
    assert client.connected and link.client(bpy.context) is client and client.status().jobs_running == 0
    server(os.environ["TALKCLIP_TEST_SERVER"])
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    assert not client.connected, "the other server's connection was closed"


def test_a_character_renamed_while_it_is_spoken(head, extension):
    speech, link = (sys.modules[f"{MODULE}.result.{name}"] for name in ("speech", "link"))
    run = speech.Run(speech.plan(head, bpy.context.scene), link.client(bpy.context), keep_open=True)
    head.name, bpy.context.scene.name = "Somebody", "Shot 7"
    while not run.pump():
        time.sleep(0.005)
    texts = speech.apply(run.plan, run.result(), run.engine)
    assert "shape keys of 'Somebody'" in texts[0] and len(head.talkclip.takes) == 1
    head.name = "Somebody else"
    head.talkclip.prompt = "a sad woman whispers"
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    bpy.ops.talkclip.show_take(index=0)
    assert strip_of(head.data.shape_keys).action == head.talkclip.takes[0].action


def test_a_take_deleted_while_its_changes_are_asked_for(three, extension):
    speech, link = (sys.modules[f"{MODULE}.result.{name}"] for name in ("speech", "link"))
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    three.talkclip.segments[1].prompt = "a frightened man"
    run = speech.Run(speech.plan(three, bpy.context.scene, True), link.client(bpy.context), keep_open=True)
    while not run.pump():
        time.sleep(0.005)
    assert bpy.ops.talkclip.delete_take() == {"FINISHED"}
    with pytest.raises(speech.Outdated):
        speech.apply(run.plan, run.result(), run.engine)
    assert not three.talkclip.takes


def test_nothing_is_changed_in_tweak_mode(three):
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    three.talkclip.segments[1].prompt = "a frightened man"
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    data = three.data.shape_keys.animation_data
    track = data.nla_tracks["TalkCLIP expression"]
    data.nla_tracks.active, track.strips[0].select = track, True
    data.use_tweak_mode = True
    assert data.use_tweak_mode
    for operator in ("speak", "show_take", "duplicate_take", "delete_take", "keep_take", "bake", "clean_take"):
        with pytest.raises(RuntimeError, match="tweak mode"):
            getattr(bpy.ops.talkclip, operator)()
    three.talkclip.active_take = 0
    assert len(three.talkclip.takes) == 2 and strip_of(three.data.shape_keys).action == three.talkclip.takes[1].action
    data.use_tweak_mode = False
    assert bpy.ops.talkclip.show_take(index=0) == {"FINISHED"}


def test_results_on_a_library_override_are_kept(head, scene, tmp_path):
    collection = bpy.data.collections.new("Character")
    scene.collection.children.link(collection)
    for body in (head, head.parent, *head.parent.children):
        if body.name not in collection.objects:
            collection.objects.link(body)
    library = str(tmp_path / "library.blend")
    bpy.ops.wm.save_as_mainfile(filepath=library)
    scene = new_file()
    with bpy.data.libraries.load(library, link=True) as (_, target):
        target.collections = ["Character"]
    override = target.collections[0].override_hierarchy_create(scene, bpy.context.view_layer, do_fully_editable=True)
    head = next(body for body in override.objects if body.name.startswith("TalkCLIP Head") and body.type == "MESH")
    bpy.context.view_layer.objects.active = head
    assert bpy.ops.talkclip.override_shapes() == {"FINISHED"}
    for prompt in ("a furious man speaks", "a sad woman whispers", "a proud king"):
        head.talkclip.prompt = prompt
        assert bpy.ops.talkclip.speak() == {"FINISHED"}
    head.talkclip.takes[0].label = head.talkclip.takes[1].label = "The same"
    bpy.ops.talkclip.show_take(index=1)
    head.talkclip.gain_expression, name = 0.5, head.name
    before = posed(head, 120)
    path = str(tmp_path / "shot.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    (head,) = [body for body in bpy.data.objects if body.override_library and body.name == name]
    bpy.context.view_layer.objects.active = head
    np.testing.assert_allclose(posed(head, 120), before, atol=1e-6)
    assert [take.label for take in head.talkclip.takes] == ["The same", "The same", "Take 3"]
    assert head.talkclip.gain_expression == 0.5
    bpy.ops.talkclip.show_take(index=2)
    head.talkclip.gain_expression = 1.0
    track = ask(timeline=single("a proud king")).track
    np.testing.assert_allclose(posed(head, 120), track.values[119], atol=1e-5)


def test_a_muted_sound_is_spoken_and_that_is_said(head, scene, capfd):
    strips = scene.sequence_editor_create()
    strips = strips.strips if hasattr(strips, "strips") else strips.sequences
    strip = strips.new_sound("line", str(SAMPLE), 1, 1)
    strip.mute = True
    head.talkclip.sound_source, head.talkclip.sound_strip = "STRIP", "line"
    said(capfd)
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    assert "'line' is muted" in said(capfd) and len(head.talkclip.takes) == 1


def test_panels_draw_what_there_is(three, extension):
    panels = sys.modules[MODULE + ".result.panel"]
    assert not panels.TALKCLIP_PT_takes.poll(bpy.context) and not panels.TALKCLIP_PT_layers.poll(bpy.context)
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    assert {"talkclip.duplicate_take", "talkclip.keep_take", "takes"} <= {*drawn(panels.TALKCLIP_PT_takes), "takes"}
    assert {"gain_head", "mute_expression"} <= set(drawn(panels.TALKCLIP_PT_layers))
    assert drawn(panels.TALKCLIP_PT_bake) == ["talkclip.bake", "talkclip.clean_take"]
    row = Paper()
    panels.TALKCLIP_UL_takes.draw_item(None, bpy.context, row, three.talkclip, three.talkclip.takes[0], 0, None, "", 0)
    assert [text for _, text in row.lines if text] == ["star", "label", three.talkclip.takes[0].prompt]

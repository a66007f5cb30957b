"""Takes: kept and shown; only what changed is asked for and keyed, and nothing of the animator's is lost."""

from __future__ import annotations

import bpy
import numpy as np
import pytest
from harness import BORDERS, PROMPTS, ask, curves_of, points, posed, said, shapes, strip_of
from result_room import all_poses, room, style_clip, timeline_of


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


def test_a_changed_style_clip_asks_for_its_prompts_frames_alone(three, capfd, tmp_path):
    """A clip, another share of it, another film in its file, and none again."""
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    segment, n_frames = three.talkclip.segments[1], three.talkclip.takes[0].frame_end
    poses = [all_poses(three, n_frames)]

    def again():
        said(capfd)
        assert bpy.ops.talkclip.speak() == {"FINISHED"}
        assert f"Take {len(poses) + 1}: frames" in said(capfd), "not all of the line"
        poses.append(all_poses(three, n_frames))
        reach = 5 * 30 / 25 + 0.2 * 30 / 2
        frames = 1 + np.arange(n_frames)
        outside = (frames < BORDERS[1] - reach) | (frames > BORDERS[2] + reach)
        np.testing.assert_array_equal(poses[-1][outside], poses[0][outside])
        return np.abs(poses[-1] - poses[-2]).max()

    segment.style_video, segment.style_weight = style_clip(tmp_path / "style.csv", smile=0.9), 0.5
    assert again() > 0.01
    segment.style_weight = 1.0
    assert again() > 0.01
    style_clip(tmp_path / "style.csv", smile=0.1)
    assert again() > 0.01
    assert bpy.ops.talkclip.speak() == {"FINISHED"} and "Nothing has changed since Take 4." in said(capfd)
    segment.style_video = ""
    again()
    np.testing.assert_allclose(poses[4], poses[0], atol=2e-5)


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


def test_of_the_two_quaternions_of_a_turn_the_near_one_is_kept(head):
    """A stretch may come as the negative of what is keyed: played as it is, the head would spin at its ends."""
    keying, rekeying = room("keying"), room("rekeying")
    frames = np.arange(1.0, 41.0)
    angles = np.linspace(3.0, 3.3, 40)  # about half a turn: there the sign is not plain
    quaternions = np.stack([np.cos(angles / 2), 0 * angles, 0 * angles, np.sin(angles / 2)]).astype(np.float32)

    def channels(values):
        return [keying.Channel(head, "rotation_quaternion", i, values[i], "") for i in range(4)]

    (written,) = keying.write("Turn", frames, {"head": channels(quaternions)})
    bag = written.action.layers[0].strips[0].channelbag(written.slot)
    keys = rekeying.Keys(bag.fcurves)
    stretch = quaternions[:, 10:20]
    assert keys.turned_over(40, 10, channels(stretch)) == set()
    assert keys.turned_over(40, 10, channels(-stretch)) == {"rotation_quaternion"}

"""A day of an animator, from the first click to the last, against a real server: the rooms together."""

from __future__ import annotations

import bpy
import numpy as np
import pytest
from harness import MODULE, SAMPLE, new_file, shapes, shown

import addon_utils  # isort: skip

PROMPTS = ("a furious man speaks with brows lowered", "pleading, close to tears", "delighted, brows up")
BORDERS = (1, 90, 170, 250)


@pytest.fixture(scope="module")
def head(extension):
    """The default head with a line in three prompts, spoken once; the tests below go on from there, in order."""
    scene = new_file()
    assert bpy.ops.talkclip.add_default_head() == {"FINISHED"}
    head = bpy.context.object
    line = head.talkclip
    line.sound_path, line.prompt = str(SAMPLE), PROMPTS[0]
    for frame, prompt in zip(BORDERS[1:3], PROMPTS[1:], strict=True):
        scene.frame_set(frame)
        assert bpy.ops.talkclip.segment_split() == {"FINISHED"}
        line.segments[line.active_segment].prompt = prompt
    action = bpy.data.actions.new("Mine")
    slot = action.slots.new("KEY", head.data.shape_keys.name)
    curve = (
        action.layers.new("Layer").strips.new(type="KEYFRAME").channelbag(slot, ensure=True).fcurves.new(
            'key_blocks["browInnerUp"].value'
        )
    )  # fmt: skip
    for frame, value in ((1, 0.3), (400, 0.1)):
        curve.keyframe_points.insert(frame, value)
    data = head.data.shape_keys.animation_data_create()
    data.action, data.action_slot = action, slot
    head["before"] = [shapes(head, frame)["browInnerUp"] for frame in (320, 400)]
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    return head


def face(head, frames):
    """(frames, shapes) evaluated."""
    return np.array([list(shapes(head, int(frame)).values()) for frame in frames])


def test_three_prompts_are_three_faces_and_the_users_keys_stay(head):
    assert [segment.prompt for segment in head.talkclip.segments] == list(PROMPTS)
    mean = {
        prompt: np.mean([[v for k, v in shapes(head, f).items() if k.startswith(("brow", "mouthSmile"))]
                         for f in range(start + 15, end - 15, 5)], axis=0)
        for prompt, start, end in zip(PROMPTS, BORDERS, BORDERS[1:], strict=False)
    }  # fmt: skip
    for one, other in (PROMPTS[:2], PROMPTS[1:]):
        assert np.abs(mean[one] - mean[other]).max() > 0.25
    after = [shapes(head, frame)["browInnerUp"] for frame in (320, 400)]
    assert after == pytest.approx(list(head["before"]), abs=1e-6)


def test_another_prompt_changes_only_its_part(head):
    line = head.talkclip
    frames = np.arange(1, 250, 3)
    before = face(head, frames)
    line.segments[2].prompt = "a sad woman whispers"
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    moved = np.abs(face(head, frames) - before).max(axis=1)
    reach = 30 * line.segments[2].blend_in_s + 5 * 30 / 25
    assert moved[frames < BORDERS[2] - reach].max() < 1e-5
    assert moved[frames > BORDERS[2] + 10].max() > 0.2


def test_a_keyed_intensity_goes_with_its_prompt(head):
    line = head.talkclip
    uid = line.segments[1].uid
    path = f'["talkclip_intensity_{uid}"]'
    for frame, value in ((90, 0.0), (169, 2.0)):
        line.segments[1].intensity = value
        assert head.keyframe_insert(path, frame=frame)
    line.active_segment = 0
    assert bpy.ops.talkclip.segment_delete() == {"FINISHED"}
    (segment,) = (segment for segment in line.segments if segment.uid == uid)
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    brows = [abs(shapes(head, f)["browInnerUp"] - shapes(head, f)["browDownLeft"]) for f in (100, 160)]
    assert segment.prompt == PROMPTS[1] and brows[1] > brows[0] + 0.2


def test_takes_are_kept_and_nothing_is_lost_by_saving(head, tmp_path_factory):
    frames = np.arange(1, 250, 10)
    before, takes = face(head, frames), len(head.talkclip.takes)
    path = str(tmp_path_factory.mktemp("files") / "Szene mit Ümlaut.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    again = bpy.data.objects["TalkCLIP Head"]
    np.testing.assert_allclose(face(again, frames), before, atol=1e-6)
    assert takes == len(again.talkclip.takes) >= 2
    assert all(part.action for take in again.talkclip.takes for part in take.parts)


def test_a_bake_looks_the_same_and_needs_nothing_of_ours(extension):
    head = bpy.data.objects["TalkCLIP Head"]
    bpy.context.view_layer.objects.active = head
    frames = np.arange(1, 320, 7)
    before = face(head, frames)
    turned = np.array(shown(head.parent, 60).pose.bones["head"].matrix)
    assert bpy.ops.talkclip.bake() == {"FINISHED"}
    np.testing.assert_allclose(face(head, frames), before, atol=1e-4)
    np.testing.assert_allclose(np.array(shown(head.parent, 60).pose.bones["head"].matrix), turned, atol=1e-4)
    tracks = {track.name for track in head.data.shape_keys.animation_data.nla_tracks}
    assert not tracks & {f"TalkCLIP {layer}" for layer in ("mouth", "expression", "blinks", "gaze", "head")}
    addon_utils.disable(MODULE, default_set=True)
    np.testing.assert_allclose(face(head, frames), before, atol=1e-4)
    addon_utils.enable(MODULE, default_set=True)


def test_it_can_be_uninstalled(extension):
    repos = bpy.context.preferences.extensions.repos
    index = next(i for i, repo in enumerate(repos) if repo.module == "user_default")
    bpy.ops.extensions.package_uninstall(repo_index=index, pkg_id="talkclip_blender")
    assert not hasattr(bpy.types.Object, "talkclip")

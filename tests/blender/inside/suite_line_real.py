"""The line room against the real engine: scripts, keyed intensities and corrected words do what they say."""

from __future__ import annotations

import importlib

import bpy
import numpy as np
import pytest
from harness import MODULE, SAMPLE, ask, shapes

SAID = SAMPLE.with_suffix(".txt").read_text(encoding="utf-8").strip()
SCRIPT = SAID.replace("What do", "[furious] What do").replace("Please", "[breaking, close to tears] Please")


@pytest.fixture
def line(head):
    return head.talkclip


def module(name):
    return importlib.import_module(f"{MODULE}.line.{name}")


def word(line, text):
    return next(row for row in line.words if row.spelled.lower() == text)


def test_a_script_is_cut_where_its_words_are_heard(line):
    line.script = "[cold] " + SCRIPT
    assert bpy.ops.talkclip.speak(from_script=True) == {"FINISHED"}
    assert [s.prompt for s in line.segments] == ["cold", "furious", "breaking, close to tears"]
    assert line.transcript == SAID
    for segment, first in zip(list(line.segments)[1:], ("what", "please"), strict=True):
        spoken = 1 + word(line, first).start_s * 30
        assert spoken - 0.12 * 30 - 1 <= segment.frame_start <= spoken + 0.5, first
    times = [row.start_s for row in line.words if row.spelled]
    assert times == sorted(times) and len(times) == len(SAID.split())
    assert all(row.phones for row in line.words if row.spelled)


def test_keyed_intensities_and_changes_are_what_is_animated(head, line):
    line.transcript = SAID
    line.prompt = "furious, brows lowered"
    scene = bpy.context.scene
    for frame, prompt in ((90, "furious, brows lowered"), (170, "")):
        scene.frame_set(frame)
        assert bpy.ops.talkclip.segment_add(prompt=prompt) == {"FINISHED"}
    keyed = line.segments[1]
    edit = line.segments[2].edits.add()
    edit.text, edit.weight = "wrinkle the nose", 0.8
    path = module("intensity").data_path(keyed.uid)
    for frame, value in ((105, 0.0), (165, 1.6)):
        keyed.intensity = value
        head.keyframe_insert(path, frame=frame)
    assert bpy.ops.talkclip.speak() == {"FINISHED"}

    spoken = module("sound").line_of(line, scene)
    track = ask(timeline=module("segments").timeline_of(line, spoken, 30.0), text=SAID).track
    for frame in (40, 110, 140, 160, 230):
        at = shapes(head, frame)
        for name in ("browDownLeft", "noseSneerLeft", "jawOpen", "mouthFrownLeft"):
            assert at[name] == pytest.approx(float(track.channel(name)[frame - 1]), abs=2e-3), (frame, name)
    brow, nose = track.channel("browDownLeft"), track.channel("noseSneerLeft")
    assert brow[102:108].mean() < 0.15 < 0.4 < brow[155:160].mean()
    assert brow[155:160].mean() > brow[130:135].mean() + 0.1
    assert nose[190:240].mean() > 0.25  # the prompt there is neutral: it is the change that wrinkles it


def test_one_wrong_word_is_mended_where_it_stands(line):
    line.transcript = SAID.replace("years", "ears")
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    before = [(row.spelled, row.start_s, row.end_s, row.phones) for row in line.words]
    index = [name.lower() for name, *_ in before].index("ears")
    line.words[index].text = "years"
    assert line.transcript == SAID
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    after = [(row.spelled, row.start_s, row.end_s, row.phones) for row in line.words]
    assert len(after) == len(before) and after[index][0].lower() == "years" and after[index][3].startswith("Y")
    for k, (old, new) in enumerate(zip(before, after, strict=True)):
        if abs(k - index) > 2:
            assert new[0] == old[0] and new[3] == old[3], old
            np.testing.assert_allclose(new[1:3], old[1:3], atol=1e-3, err_msg=old[0])


def test_sounds_respelled_by_hand_are_spoken(head, line):
    line.transcript = SAID
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    row = word(line, "door")
    middle = 1 + round((row.start_s + row.end_s) / 2 * 30)
    before = shapes(head, middle)["mouthClose"], shapes(head, middle)["jawOpen"]
    row.phones_text = "m m m"
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    assert word(line, "door").phones == "M M M"
    after = shapes(head, middle)["mouthClose"], shapes(head, middle)["jawOpen"]
    assert after[1] - after[0] < before[1] - before[0] - 0.05  # the lips are shut where a vowel was


def test_prompts_may_begin_before_the_sound_and_end_after_it(head, line):
    scene = bpy.context.scene
    line.use_scene_start, line.start_frame = False, 40
    scene.frame_set(120)
    assert bpy.ops.talkclip.segment_add(prompt="sad") == {"FINISHED"}
    line.segments[0].frame_start, line.segments[1].frame_end = -30, 900
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    spoken = module("sound").line_of(line, scene)
    track = ask(timeline=module("segments").timeline_of(line, spoken, 30.0)).track
    assert shapes(head, 80)["browDownLeft"] == pytest.approx(float(track.channel("browDownLeft")[40]), abs=2e-3)
    assert track.channel("browDownLeft")[40] > 0.3

"""Prompts from and to timeline markers, VSE text strips and scripts."""

from __future__ import annotations

import importlib
from types import SimpleNamespace

import bpy
import pytest
from harness import MODULE, SAMPLE, drawn

END = 250
ops = bpy.ops.talkclip


@pytest.fixture
def room(extension):
    names = ("cutting", "intensity", "sound", "scripts")
    parts = {name: importlib.import_module(f"{MODULE}.line.{name}") for name in names}
    return SimpleNamespace(**parts, speech=importlib.import_module(f"{MODULE}.result.speech"))


def spans(head):
    return [(s.prompt, s.frame_start, s.frame_end) for s in head.talkclip.segments]


def three(head):
    scene = bpy.context.scene
    head.talkclip.prompt = "furious"
    for frame, prompt in ((100, "breaking"), (180, "")):
        scene.frame_set(frame)
        assert ops.segment_add(prompt=prompt) == {"FINISHED"}


def key(head, room, uid, keys):
    for frame, value in keys:
        head[room.intensity.property_name(uid)] = value
        head.keyframe_insert(room.intensity.data_path(uid), frame=frame)


def keys(head, room, uid):
    curve = room.intensity.curve_of(head, uid)
    return None if curve is None else [(round(p.co[0], 3), round(p.co[1], 3)) for p in curve.keyframe_points]


def markers(scene):
    return sorted((marker.frame, marker.name) for marker in scene.timeline_markers)


def test_prompts_from_markers(head, scene):
    for frame, name in ((20, "furious"), (90, "breaking"), (150, "F_150"), (200, "over it"), (900, "too late")):
        scene.timeline_markers.new(name, frame=frame)
    assert ops.from_markers() == {"FINISHED"}
    assert spans(head) == [("furious", 20, 90), ("breaking", 90, 150), ("over it", 200, END)]
    blends = [(s.blend_in_s, s.blend_out_s) for s in head.talkclip.segments]
    assert blends[0][0] == pytest.approx(0.2) and blends[2][1] == 0.0


def test_markers_there_and_back(head, scene, room):
    long = "a furious man who can hardly hold his voice speaks with brows lowered and lips pressed"
    three(head)
    head.talkclip.segments[1].prompt = long
    head.talkclip.segments[2].frame_end = 220
    scene.timeline_markers.new("camera", frame=5)
    uids = [s.uid for s in head.talkclip.segments]
    key(head, room, uids[1], [(100, 0.5), (150, 2.0)])
    before = spans(head)
    assert ops.to_markers() == {"FINISHED"}
    assert [frame for frame, _ in markers(scene)] == [1, 5, 100, 180, 220]
    assert ops.to_markers() == {"FINISHED"} and len(markers(scene)) == 5  # once more: the same ones
    scene.timeline_markers.remove(scene.timeline_markers["camera"])
    moved = next(marker for marker in scene.timeline_markers if marker.frame == 100)
    moved.frame = 110
    assert ops.from_markers() == {"FINISHED"}
    assert spans(head) == [("furious", 1, 110), (long, 110, 180)] and before[2][0] == ""
    assert [s.uid for s in head.talkclip.segments] == uids[:2]
    assert keys(head, room, uids[1]) == [(110, 0.5), (160, 2.0)]  # the keys went with their prompt


def test_markers_that_are_none(head, scene):
    with pytest.raises(RuntimeError, match=r"No named marker stands over the line \(frames 1 to 250\)"):
        ops.from_markers()
    scene.timeline_markers.new("F_30", frame=30)
    with pytest.raises(RuntimeError, match="No named marker"):
        ops.from_markers()
    assert len(head.talkclip.segments) == 1 and head.talkclip.segments[0].whole_line


def test_two_markers_on_one_frame_are_said(head, scene):
    for frame, name in ((20, "furious"), (20, "sad"), (90, "breaking")):
        scene.timeline_markers.new(name, frame=frame)
    assert ops.from_markers() == {"FINISHED"}
    assert len(head.talkclip.segments) == 2 and spans(head)[1] == ("breaking", 90, END)


def strips_of(scene):
    strips = scene.sequence_editor.strips if hasattr(scene.sequence_editor, "strips") else None
    strips = strips if bpy.app.version >= (5, 0, 0) else scene.sequence_editor.sequences
    return {strip.text: strip for strip in strips if strip.type == "TEXT"}


def test_text_strips_there_and_back(head, scene, room):
    three(head)
    uids = [s.uid for s in head.talkclip.segments]
    key(head, room, uids[1], [(100, 0.5), (150, 2.0)])
    before = spans(head)
    assert ops.to_strips() == {"FINISHED"} and ops.to_strips() == {"FINISHED"}
    made = strips_of(scene)
    assert set(made) == {"furious", "breaking", ""}
    for strip in made.values():
        strip.select = False
    assert ops.from_strips() == {"FINISHED"} and spans(head) == before
    strip = made["breaking"]
    strip.text = "breaking,\nclose to tears"
    start = "content_start" if hasattr(strip, "content_start") else "frame_start"
    setattr(strip, start, getattr(strip, start) + 10)
    assert ops.from_strips() == {"FINISHED"}
    assert spans(head)[1] == ("breaking, close to tears", 110, 190)
    assert [s.uid for s in head.talkclip.segments] == uids
    assert keys(head, room, uids[1]) == [(110, 0.5), (160, 2.0)]
    for strip in made.values():
        strip.mute = True
    with pytest.raises(RuntimeError, match="No text strip lies over the line"):
        ops.from_strips()


def test_a_strip_of_ones_own(head, scene):
    editor = scene.sequence_editor_create()
    if bpy.app.version >= (5, 0, 0):
        strip = editor.strips.new_effect(name="t", type="TEXT", channel=1, frame_start=40, length=50)
    else:
        strip = editor.sequences.new_effect(name="t", type="TEXT", channel=1, frame_start=40, frame_end=90)
    strip.text = "whispering"
    assert ops.from_strips() == {"FINISHED"} and spans(head) == [("whispering", 40, 90)]


def test_the_sound_strip_says_where_the_line_is(head, scene, room):
    editor = scene.sequence_editor_create()
    strips = editor.strips if bpy.app.version >= (5, 0, 0) else editor.sequences
    strip = strips.new_sound("voice", str(SAMPLE), 1, 50)
    head.talkclip.sound_source, head.talkclip.sound_strip = "STRIP", "voice"
    scene.frame_set(100)
    assert ops.segment_add(prompt="sad") == {"FINISHED"}
    assert spans(head)[0][1:] == (50, 100) and spans(head)[1][2] == 50 + 249
    assert strip.name == "voice"


SCRIPT = "[furious] Get out! Now! [breaking, close to tears] Please. And again [furious] go."


@pytest.mark.parametrize("typed", [True, False])
def test_a_script_is_cut_where_its_words_are(head, scene, room, typed):
    if typed:
        head.talkclip.script = SCRIPT
    else:
        head.talkclip.script_text = bpy.data.texts.new("scene 4")
        head.talkclip.script_text.write(SCRIPT.replace(" [", "\n["))
    scene.frame_start = 11
    assert ops.speak(from_script=True) == {"FINISHED"}
    line = head.talkclip
    assert line.transcript == "Get out! Now! Please. And again go."
    assert [s.prompt for s in line.segments] == ["furious", "breaking, close to tears", "furious"]
    words = {row.text: 11 + row.start_s * 30 for row in line.words}
    starts = [s.frame_start for s in line.segments]
    assert starts[0] == 11 and line.segments[2].frame_end == 11 + END - 1
    for frame, word in zip(starts[1:], ("please", "go"), strict=True):
        assert words[word] - 0.12 * 30 - 1 <= frame <= words[word], word  # shortly before its first word
    assert len({s.uid for s in line.segments}) == 3 and len(line.takes) == 1

    # The next prompt is an edit of this take: the words are known, and nothing else has changed.
    line.segments[1].prompt = "whispering"
    planned = room.speech.plan(head, scene, changes_only=True)
    assert planned.request.text == line.transcript and not planned.request.script
    assert planned.base.take == line.takes[0].uid


def test_a_script_spoken_again_keeps_what_was_keyed(head, room):
    head.talkclip.script = SCRIPT
    assert ops.speak(from_script=True) == {"FINISHED"}
    uids = [s.uid for s in head.talkclip.segments]
    start = head.talkclip.segments[2].frame_start
    key(head, room, uids[2], [(start, 0.5), (start + 10, 2.0)])
    head.talkclip.script = SCRIPT.replace("breaking, close to tears", "sad")
    assert ops.speak(from_script=True) == {"FINISHED"}
    now = [s.uid for s in head.talkclip.segments]
    assert (now[0], now[2]) == (uids[0], uids[2]) and now[1] != uids[1]
    assert keys(head, room, uids[2]) == [(start, 0.5), (start + 10, 2.0)]


def test_a_wrong_script_is_said_before_anything_is_sent(head, room):
    panel = importlib.import_module(f"{MODULE}.line.script_panel").TALKCLIP_PT_script
    with pytest.raises(RuntimeError, match="There is no script"):
        ops.speak(from_script=True)
    head.talkclip.script = "[furious Get out!"
    assert any("has no partner" in text for text in drawn(panel))
    with pytest.raises(RuntimeError, match="has no partner"):
        ops.speak(from_script=True)
    assert len(head.talkclip.segments) == 1 and not head.talkclip.takes
    head.talkclip.script = SCRIPT
    shown = drawn(panel)
    assert "breaking, close to tears" in shown and "Please. And again" in shown and "Cut and Speak" in shown

"""The buttons and panels of the line room."""

from __future__ import annotations

import importlib

import bpy
import pytest
from harness import MODULE, drawn, new_file

END = 250  # 8.2946 s at 30 fps, from frame 1

segment = bpy.ops.talkclip


def spans(head):
    return [(s.prompt, s.frame_start, s.frame_end) for s in head.talkclip.segments]


@pytest.fixture
def panels(extension):
    return importlib.import_module(f"{MODULE}.line.prompts_panel")


def three(head):
    scene = bpy.context.scene
    head.talkclip.prompt = "one"
    for frame, prompt in ((100, "two"), (180, "three")):
        scene.frame_set(frame)
        assert segment.segment_add(prompt=prompt) == {"FINISHED"}
    assert spans(head) == [("one", 1, 100), ("two", 100, 180), ("three", 180, END)]


def test_cutting_at_the_playhead(head, scene):
    three(head)
    scene.frame_set(140)
    assert segment.segment_split() == {"FINISHED"}  # the one that plays, not the active one
    assert spans(head)[1:3] == [("two", 100, 140), ("two", 140, 180)] and head.talkclip.active_segment == 2
    scene.frame_set(150)
    assert segment.segment_border(side="START") == {"FINISHED"}
    assert spans(head)[1:3] == [("two", 100, 150), ("two", 150, 180)]
    with pytest.raises(RuntimeError, match="would span frames 150 to 150"):
        segment.segment_border(side="END")
    assert segment.segment_delete() == {"FINISHED"}
    assert segment.segment_duplicate() == {"FINISHED"}
    assert ("two", 180, 260) in spans(head)
    assert segment.segment_delete(gap="KEEP") == {"FINISHED"}
    assert spans(head) == [("one", 1, 100), ("two", 100, 180), ("three", 180, END)]


def test_merging_and_moving(head, scene):
    three(head)
    head.talkclip.active_segment = 1
    assert segment.segment_move(frames=5, ripple=True) == {"FINISHED"}
    assert spans(head) == [("one", 1, 100), ("two", 105, 185), ("three", 185, END + 5)]
    assert segment.segment_swap(step="EARLIER") == {"FINISHED"}
    assert [prompt for prompt, *_ in spans(head)] == ["two", "one", "three"]
    assert head.talkclip.active_segment == 0
    assert segment.segment_merge() == {"FINISHED"}
    assert head.talkclip.segments[0].prompt == "two, one"
    assert segment.segments_clear() == {"FINISHED"} and not head.talkclip.segments
    assert not segment.segment_merge.poll()


def test_jumping_and_picking(head, scene):
    three(head)
    scene.frame_set(120)
    assert segment.segment_pick() == {"FINISHED"} and head.talkclip.active_segment == 1
    for to, frame in (("END", 179), ("START", 100), ("NEXT", 180), ("PREVIOUS", 100)):
        assert segment.segment_jump(to=to) == {"FINISHED"} and scene.frame_current == frame
    scene.frame_set(400)
    with pytest.raises(RuntimeError, match="No prompt plays at the playhead"):
        segment.segment_pick()


def test_what_fails_leaves_the_line_as_it_was(head, scene):
    scene.frame_set(1)
    for failing in (lambda: segment.segment_split(), lambda: segment.segment_merge()):
        with pytest.raises(RuntimeError):
            failing()
        assert head.talkclip.segments[0].whole_line and len(head.talkclip.segments) == 1


def test_edits(head):
    assert segment.edit_add() == {"FINISHED"} and segment.edit_add() == {"FINISHED"}
    edits = head.talkclip.segments[0].edits
    edits[0].text, edits[1].text = "wrinkle the nose", "smile"
    assert segment.edit_remove(index=0) == {"FINISHED"}
    assert [edit.text for edit in edits] == ["smile"]
    with pytest.raises(RuntimeError, match="gone"):
        segment.edit_remove(index=5)


def test_empty_segments_are_shown_and_removed(head, panels):
    three(head)
    head.talkclip.segments[1].frame_end = 90
    head.talkclip.active_segment = 1
    assert "It ends before it begins" in drawn(panels.TALKCLIP_PT_prompt_time)
    with pytest.raises(RuntimeError, match="'two' spans frames 100 to 90"):
        bpy.ops.talkclip.speak()
    assert segment.segments_clean() == {"FINISHED"}
    assert spans(head) == [("one", 1, 100), ("three", 180, END)]
    assert not segment.segments_clean.poll()


def test_the_frame_rate_changes(head, scene, panels):
    assert not segment.segments_rate.poll()
    three(head)
    scene.render.fps = 60
    assert "Made at 30 fps, the scene has 60" in drawn(panels.TALKCLIP_PT_prompts)
    assert segment.segments_rate(keep="TIMES") == {"FINISHED"}
    assert spans(head) == [("one", 1, 199), ("two", 199, 359), ("three", 359, 499)]
    scene.render.fps = 30
    assert segment.segments_rate(keep="FRAMES") == {"FINISHED"}
    assert spans(head)[0] == ("one", 1, 199) and not segment.segments_rate.poll()


def test_one_prompt_is_one_field(head, panels):
    shown = drawn(panels.TALKCLIP_PT_prompts)
    assert shown[:2] == ["prompt", "Intensity"] and "segments" not in shown
    three(head)
    shown = drawn(panels.TALKCLIP_PT_prompts)
    assert "segments" in shown and "Split" in shown and "Intensity" in shown
    drawn(panels.TALKCLIP_MT_segments)


def test_the_active_prompts_fields(head, panels):
    assert drawn(panels.TALKCLIP_PT_prompt_time) == ["whole_line"]
    head.talkclip.segments[0].whole_line = False
    assert spans(head)[0][1:] == (1, END)
    assert {"frame_start", "frame_end", "blend_in_s", "blend_out_s"} <= set(drawn(panels.TALKCLIP_PT_prompt_time))
    head.talkclip.segments[0].edits.add()
    assert drawn(panels.TALKCLIP_PT_prompt_edits)[:2] == ["text", "weight"]
    assert drawn(panels.TALKCLIP_PT_prompt_style) == ["style_video", "style_weight"]


def test_nothing_is_offered_without_a_character(scene, panels):
    bpy.ops.object.empty_add()
    assert not segment.segment_add.poll() and not panels.TALKCLIP_PT_prompts.poll(bpy.context)
    assert not panels.TALKCLIP_PT_prompt_time.poll(bpy.context)


def test_the_list_finds_and_sorts(head, panels):
    three(head)
    head.talkclip.segments.move(2, 0)  # as typed frames may leave it

    class Rows:
        bitflag_filter_item = 1 << 30
        filter_name = "T"

    shown, order = panels.TALKCLIP_UL_segments.filter_items(Rows(), bpy.context, head.talkclip, "segments")
    assert [bool(flag) for flag in shown] == [True, False, True] and order == [2, 0, 1]


def test_a_linked_character_is_greyed_out_with_a_reason(head, panels, tmp_path):
    library = str(tmp_path / "character.blend")
    bpy.ops.wm.save_as_mainfile(filepath=library)
    scene = new_file()
    with bpy.data.libraries.load(library, link=True) as (_, linked):
        linked.objects = ["TalkCLIP Head"]
    scene.collection.objects.link(linked.objects[0])
    bpy.context.view_layer.objects.active = linked.objects[0]
    assert not segment.segment_add.poll()
    reason = importlib.import_module(f"{MODULE}.line.segment_operators").why_not_editable(bpy.context)
    assert "library override" in reason
    drawn(panels.TALKCLIP_PT_prompts)  # still shown

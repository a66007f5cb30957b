"""Live preview, and what goes wrong while a line is spoken."""

from __future__ import annotations

import os
import sys
import time

import bpy
import numpy as np
import pytest
from harness import MODULE, SAMPLE, Paper, ask, curves_of, drawn, new_file, points, posed, said, strip_of
from result_room import room, server, single, style_clip, timeline_of


class Typing:
    """The live preview, looked at as its timer would, with a clock of our own."""

    def __init__(self, head):
        self.module = room("live")
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


def test_takes_can_be_compared_while_live_is_on(three, typing):
    character = three.talkclip
    first = posed(three, 120)
    character.segments[1].prompt = "a frightened man"
    typing.settle()
    second = posed(three, 120)
    for index, pose in ((0, first), (1, second), (0, first)):
        character.active_take = index
        for _ in range(8):
            typing.look()
        np.testing.assert_array_equal(posed(three, 120), pose)
    assert len(character.takes) == 2


def test_the_face_follows_a_style_clip(three, typing, tmp_path):
    segment, before = three.talkclip.segments[1], posed(three, 120)
    segment.style_video = style_clip(tmp_path / "style.csv", smile=0.9)
    typing.settle()
    followed = posed(three, 120)
    assert np.abs(followed - before).max() > 0.01 and [take.live for take in three.talkclip.takes] == [False, True]
    segment.style_weight = 1.0
    typing.settle()
    assert np.abs(posed(three, 120) - followed).max() > 0.01 and len(three.talkclip.takes) == 2
    segment.style_video = str(tmp_path / "gone.csv")
    typing.settle()
    assert "does not exist" in typing.preview.state


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
    room("link").close()
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
    panel = room("panel").TALKCLIP_PT_speak
    assert "talkclip_live" in drawn(panel)
    manager.talkclip_live = True
    live = room("live")
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
    speech, link = (room(name) for name in ("speech", "link"))
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
    speech, link = (room(name) for name in ("speech", "link"))
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
    speech, link = (room(name) for name in ("speech", "link"))
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


def test_panels_draw_what_there_is(three, extension, monkeypatch):
    panels = room("panel")
    assert not panels.TALKCLIP_PT_takes.poll(bpy.context) and not panels.TALKCLIP_PT_layers.poll(bpy.context)
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    assert {"talkclip.duplicate_take", "talkclip.keep_take", "takes"} <= {*drawn(panels.TALKCLIP_PT_takes), "takes"}
    assert {"gain_head", "mute_expression"} <= set(drawn(panels.TALKCLIP_PT_layers))
    assert drawn(panels.TALKCLIP_PT_bake) == ["talkclip.bake", "talkclip.clean_take"]
    take = three.talkclip.takes[0]
    for wide, shown in ((True, ["star", "label", take.prompt]), (False, ["star", "label"])):
        monkeypatch.setattr(panels, "is_wide", lambda _context, wide=wide: wide)
        row = Paper()
        panels.TALKCLIP_UL_takes.draw_item(None, bpy.context, row, three.talkclip, take, 0, None, "", 0)
        assert [text for _, text in row.lines if text] == shown

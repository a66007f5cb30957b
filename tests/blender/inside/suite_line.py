"""The line room: prompt segments are cut, moved and keyed without one touching another."""

from __future__ import annotations

import importlib
from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from harness import MODULE, new_file

FIRST, END = 1, 250  # 8.2946 s at 30 fps, from the scene's first frame


@pytest.fixture
def room(extension):
    names = ("cutting", "intensity", "properties", "segments", "sound")
    return SimpleNamespace(**{name: importlib.import_module(f"{MODULE}.line.{name}") for name in names})


@pytest.fixture
def cut(head, room):
    """The head's line, and the operations bound to it."""
    return Cut(head, room)


class Cut:
    def __init__(self, head, room):
        self.head, self.room, self.line = head, room, head.talkclip

    @property
    def extent(self):
        return self.room.sound.extent_of(self.line, bpy.context.scene)

    def __getattr__(self, name):
        """A function of `cutting` on this line."""
        function = getattr(self.room.cutting, name)

        def call(*values, **options):
            wants_extent = "extent" in function.__code__.co_varnames[: function.__code__.co_argcount]
            return function(self.line, *([self.extent] if wants_extent else []), *values, **options)

        return call

    def spans(self):
        return [(s.prompt, s.frame_start, s.frame_end) for s in self.line.segments]

    def uids(self):
        return [s.uid for s in self.line.segments]

    def key(self, uid, keys, interpolation="LINEAR"):
        """Key a segment's intensity as the I key does."""
        path = self.room.intensity.data_path(uid)
        for frame, value in keys:
            self.head[self.room.intensity.property_name(uid)] = value
            assert self.head.keyframe_insert(path, frame=frame)
        for point in self.room.intensity.curve_of(self.head, uid).keyframe_points:
            point.interpolation = interpolation

    def keys(self, uid):
        curve = self.room.intensity.curve_of(self.head, uid)
        return None if curve is None else [tuple(np.round(point.co, 4)) for point in curve.keyframe_points]

    def timeline(self):
        scene = bpy.context.scene
        line = self.room.sound.line_of(self.line, scene)
        return self.room.segments.timeline_of(self.line, line, self.room.sound.scene_fps(scene))


def three(cut):
    """Three keyed segments over the whole line -> their uids."""
    cut.line.prompt = "one"
    cut.add(100, "two")
    cut.add(180, "three")
    assert cut.spans() == [("one", FIRST, 100), ("two", 100, 180), ("three", 180, END)]
    uids = cut.uids()
    for index, uid in enumerate(uids):
        start = cut.line.segments[index].frame_start
        cut.key(uid, [(start, 0.5 + 0.1 * index), (start + 20, 1.5)])
    return uids


def keyed_properties(head):
    return {name for name in head.keys() if name.startswith("talkclip_intensity_")}  # noqa: SIM118


def test_one_prompt_lasts_as_long_as_the_sound(cut):
    (segment,) = cut.line.segments
    assert segment.whole_line and cut.extent.first == FIRST and cut.extent.end == END
    (played,) = cut.timeline().segments
    assert played.start_s == 0.0 and played.end_s > 8.3 and played.intensity_keys == ()


def test_adding_at_the_playhead_cuts_what_plays_there(cut):
    cut.line.segments[0].edits.add().text = "wrinkle the nose"
    cut.line.intensity = 0.5
    uid = cut.add(100, "sad")
    first, second = cut.line.segments
    assert cut.spans() == [("a furious man speaks with brows lowered", FIRST, 100), ("sad", 100, END)]
    assert second.uid == uid != first.uid and cut.line.active_segment == 1
    assert (first.intensity, second.intensity, len(first.edits), len(second.edits)) == (0.5, 1.0, 1, 0)
    assert (first.blend_in_s, second.blend_out_s) == (0.0, 0.0)
    assert first.blend_out_s == second.blend_in_s == pytest.approx(0.2)
    # Where a segment starts at the playhead already, its second half is taken; behind the line, what comes there.
    cut.add(FIRST, "early")
    assert cut.spans()[1] == ("early", 50, 100)
    cut.add(400, "late")
    assert cut.spans()[-1] == ("late", 400, 430)


def test_both_halves_of_a_split_play_as_before(cut):
    whole = cut.timeline()
    (uid,) = cut.uids()
    cut.key(uid, [(20, 0.2), (200, 1.8)])
    cut.line.segments[0].edits.add().text = "wrinkle the nose"
    before = cut.timeline()
    second = cut.split(uid, 90)
    after = cut.timeline()
    assert [s.uid for s in after.segments] == [uid, second]
    times = np.arange(0, 8.29, 1 / 30)
    np.testing.assert_allclose(after.weights(times).sum(1), whole.weights(times)[:, 0], atol=1e-6)
    for half in after.segments:
        assert (half.prompt, half.edits) == (before.segments[0].prompt, before.segments[0].edits)
        np.testing.assert_allclose(half.intensity_at(times), before.segments[0].intensity_at(times), atol=1e-6)
    cut.key(second, [(200, 0.0)])  # the copy is the second half's own
    assert cut.keys(uid) == [(20, 0.2), (200, 1.8)]
    with pytest.raises(Exception, match="Frame 90 is not inside"):
        cut.split(uid, 90)


def test_keys_follow_their_segment_when_it_moves(cut):
    one, two, last = three(cut)
    before = {uid: cut.keys(uid) for uid in cut.uids()}
    cut.move(two, 300)  # to the end of the list
    assert cut.uids() == [one, last, two]
    assert cut.keys(two) == [(frame + 300, value) for frame, value in before[two]]
    assert (cut.keys(one), cut.keys(last)) == (before[one], before[last])
    scene = bpy.context.scene
    for frame, values in ((400, 0.6), (410, 1.05)):
        scene.frame_set(frame)
        assert cut.line.segments[2].intensity == pytest.approx(values)
    cut.move(two, -300)
    assert {uid: cut.keys(uid) for uid in cut.uids()} == before and cut.uids() == [one, two, last]


def test_deleting_takes_away_one_segments_keys_only(cut):
    one, two, last = three(cut)
    before = {uid: cut.keys(uid) for uid in cut.uids()}
    cut.delete(two)
    assert cut.spans() == [("one", FIRST, 180), ("three", 180, END)]
    assert cut.keys(two) is None
    assert {uid: cut.keys(uid) for uid in cut.uids()} == {one: before[one], last: before[last]}
    assert keyed_properties(cut.head) == {f"talkclip_intensity_{uid}" for uid in (one, last)}
    cut.delete(one)
    assert cut.line.segments[0].whole_line and cut.keys(last) == before[last]
    cut.delete(last)
    assert not cut.line.segments and not keyed_properties(cut.head)
    assert cut.timeline().segments[0].prompt == ""


def test_a_gap_may_stay_or_close(cut):
    one, two, last = three(cut)
    late = cut.keys(last)
    cut.delete(two, "KEEP")
    assert cut.spans() == [("one", FIRST, 100), ("three", 180, END)]
    assert cut.timeline().weights(np.array([4.5])).sum() == 0
    cut.split(one, 50)
    cut.delete(one, "RIPPLE")
    assert cut.spans() == [("one", 1, 51), ("three", 131, 201)]
    assert cut.keys(last) == [(frame - 49, value) for frame, value in late]


def test_a_copy_has_keys_of_its_own(cut):
    one, two, _ = three(cut)
    copied = cut.duplicate(two, 120)
    assert ("two", 180, 260) in cut.spans()
    keys = cut.keys(two)
    assert cut.keys(copied) == [(frame + 80, value) for frame, value in keys]
    cut.delete(copied, "KEEP")
    assert cut.keys(two) == keys
    again = cut.duplicate(one, 300)
    assert cut.keys(again)[0][0] == 300 and cut.spans()[-1] == ("one", 300, 399)


def test_merging_keeps_both(cut):
    one, two, _ = three(cut)
    cut.line.segments[1].edits.add().text = "wrinkle the nose"
    before = cut.timeline()
    cut.merge(one)
    assert cut.spans() == [("one, two", FIRST, 180), ("three", 180, END)]
    assert [edit.text for edit in cut.line.segments[0].edits] == ["wrinkle the nose"]
    after = cut.timeline().segments[0]
    for segment, frames in zip(before.segments[:2], ((1, 99), (100, 180)), strict=True):
        times = (np.arange(*frames) - 1) / 30
        np.testing.assert_allclose(after.intensity_at(times), segment.intensity_at(times), atol=1e-6)
    assert cut.keys(two) is None
    cut.merge(one)
    assert cut.line.segments[0].whole_line and cut.line.prompt == "one, two, three"
    with pytest.raises(Exception, match="no segment after"):
        cut.merge(one)


def test_ripple_swap_and_trim(cut):
    one, two, last = three(cut)
    keys = {uid: cut.keys(uid) for uid in cut.uids()}
    cut.ripple(two, 15)
    assert cut.spans() == [("one", FIRST, 100), ("two", 115, 195), ("three", 195, 265)]
    assert cut.keys(one) == keys[one] and cut.keys(last)[0][0] == keys[last][0][0] + 15
    cut.swap(two, -1)
    assert cut.spans() == [("two", 1, 81), ("one", 96, 195), ("three", 195, 265)]
    assert cut.keys(two)[0] == (1, pytest.approx(0.6)) and cut.keys(one)[0] == (96, 0.5)
    cut.trim(one, end=210)  # the border is shared
    assert cut.spans()[1:] == [("one", 96, 210), ("three", 210, 265)]
    cut.trim(one, end=190, roll=False)
    assert cut.spans()[1:] == [("one", 96, 190), ("three", 210, 265)]
    with pytest.raises(Exception, match="would span frames 96 to 96"):
        cut.trim(one, end=96)
    with pytest.raises(Exception, match="no segment before"):
        cut.swap(two, -1)


def test_overlapping_segments_cross_fade(cut):
    _, two, _ = three(cut)
    cut.trim(two, start=60, roll=False)
    shares = cut.timeline().weights(np.array([(80 - 1) / 30]))[0]
    np.testing.assert_allclose(shares, [0.5, 0.5, 0.0])


def test_zero_length_is_refused_with_its_name(cut):
    three(cut)
    cut.line.segments[1].frame_end = cut.line.segments[1].frame_start
    assert cut.empty_segments() == [cut.line.segments[1].uid]
    with pytest.raises(Exception, match=r"'two' spans frames 100 to 100.*delete it"):
        cut.timeline()


@pytest.mark.parametrize("interpolation", ["LINEAR", "CONSTANT", "BEZIER", "SINE"])
def test_the_curve_that_is_sent_is_the_one_in_the_graph_editor(cut, interpolation):
    three(cut)
    two = cut.uids()[1]
    cut.key(two, [(90, 0.0), (133, 2.0), (160, 0.7)], interpolation)
    sent = cut.timeline().segments[1]
    curve = cut.room.intensity.curve_of(cut.head, two)
    frames = np.arange(97, 184)
    want = [min(max(curve.evaluate(frame), 0), 2) for frame in frames]
    np.testing.assert_allclose(sent.intensity_at((frames - 1) / 30), want, atol=1e-5)
    if interpolation == "LINEAR":
        half = (111.5 - 1) / 30
        assert sent.intensity_at(np.array([half]))[0] == pytest.approx(curve.evaluate(111.5), abs=1e-6)
        assert len(sent.intensity_keys) == len(cut.keys(two))


def test_style_videos(cut, tmp_path):
    from talkclip.client import SegmentStyle

    three(cut)
    clip = tmp_path / "face.mp4"
    two = cut.line.segments[1]
    two.style_video, two.style_weight = str(clip), 0.25
    cut.line.segments[2].style_video, cut.line.segments[2].style_weight = str(clip), 0.0
    with pytest.raises(Exception, match=r"style video of prompt segment 'two'.*face\.mp4, does not exist"):
        cut.room.segments.styles_of(cut.line)
    clip.write_bytes(b"a film")
    assert cut.room.segments.styles_of(cut.line) == (SegmentStyle(two.uid, clip, 0.25),)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    line = bpy.context.object.talkclip
    line.segments[1].style_video = "//face.mp4"
    assert cut.room.segments.styles_of(line)[0].clip == clip


def test_keys_pushed_down_to_the_nla_still_count(cut):
    one, *_ = three(cut)
    data = cut.head.animation_data
    action = data.action
    want = cut.timeline().segments[0].intensity_at(np.arange(0, 3, 0.1))
    strip = data.nla_tracks.new().strips.new("Mine", int(action.frame_range[0]), action)
    strip.action_slot = data.action_slot
    data.action = None
    got = cut.timeline().segments[0].intensity_at(np.arange(0, 3, 0.1))
    np.testing.assert_allclose(got, want, atol=0.02)
    cut.delete(one)
    assert cut.keys(one) is None


def test_another_frame_rate(cut):
    three(cut)
    uids = cut.uids()
    before = cut.timeline()
    scene = bpy.context.scene
    scene.render.fps = 24
    assert cut.timeline().segments[0].end_s == pytest.approx(99 / 24)  # frames are the truth
    cut.keep_times()
    after = cut.timeline()
    assert [s.uid for s in after.segments] == uids
    for old, new in zip(before.segments, after.segments, strict=True):
        assert (new.start_s, new.end_s) == pytest.approx((old.start_s, old.end_s), abs=0.5 / 24 + 1e-6)
        np.testing.assert_allclose(
            [key[0] for key in new.intensity_keys], [key[0] for key in old.intensity_keys], atol=1e-4
        )


def test_nothing_is_lost_by_saving(cut, tmp_path):
    one, two, last = three(cut)
    cut.move(two, 300)
    cut.line.segments[0].edits.add().text = "wrinkle the nose"
    before, keys = cut.timeline(), {uid: cut.keys(uid) for uid in cut.uids()}
    path = str(tmp_path / "line.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    reopened = Cut(bpy.context.scene.objects["TalkCLIP Head"], cut.room)
    assert reopened.timeline() == before
    assert {uid: reopened.keys(uid) for uid in reopened.uids()} == keys
    ui = reopened.head.id_properties_ui(f"talkclip_intensity_{one}").as_dict()
    assert (ui["min"], ui["max"]) == (0.0, 2.0) and "neutral" in ui["description"]
    reopened.delete(one)
    assert reopened.keys(two) == keys[two] and reopened.keys(last) == keys[last]


def test_segments_of_a_library_override_are_saved_with_it(cut, tmp_path):
    """A character of another file, made to speak in the shot's file."""
    cut.line.prompt = "of the character's file"
    library, shot = str(tmp_path / "character.blend"), str(tmp_path / "shot.blend")
    bpy.ops.wm.save_as_mainfile(filepath=library)
    scene = new_file()
    with bpy.data.libraries.load(library, link=True) as (_, linked):
        linked.objects = ["TalkCLIP Head"]
    scene.collection.objects.link(linked.objects[0])
    shown = Cut(linked.objects[0].override_create(remap_local_usages=True), cut.room)
    shown.line.sound_source = "FILE"
    shown.add(100, "of the shot")
    shown.add(180, "the end")
    for prompt, at in (("third", 400), ("fourth", 500)):
        shown.add(at, prompt)
    second = shown.uids()[1]
    shown.move(second, 350)  # no longer in the order in which they were made
    for uid in (shown.uids()[0], second):
        for text in ("wrinkle the nose", "smile", "raise the brows"):
            shown.room.properties.add_edit(shown.by_uid(uid), text)
    first = shown.uids()[0]
    shown.by_uid(second).intensity = 0.4
    shown.key(first, [(1, 0.2), (50, 1.4)])
    before, spans = shown.timeline(), shown.spans()
    assert len(spans) == 5 and spans[3] == ("of the shot", 450, 530)
    bpy.ops.wm.save_as_mainfile(filepath=shot)
    bpy.ops.wm.open_mainfile(filepath=shot)
    (again,) = [owner for owner in bpy.data.objects if owner.override_library is not None]
    again = Cut(again, cut.room)
    assert again.spans() == spans and again.timeline() == before
    assert again.by_uid(second).intensity == pytest.approx(0.4)
    assert again.head.id_properties_ui(f"talkclip_intensity_{second}").as_dict()["max"] == 2.0


def test_a_segment_without_identity_is_refused_with_the_way_to_make_one(head):
    head.talkclip.segments.add().prompt = "made by a script"
    with pytest.raises(RuntimeError, match=r"'made by a script' has no identity.*segment_add"):
        bpy.ops.talkclip.speak()


def groups(cut):
    cut.head.update_tag()
    bpy.context.view_layer.update()
    found = cut.room.intensity.curves_of(cut.head)
    return [found[s.uid].group and found[s.uid].group.name for s in cut.line.segments if s.uid in found]


def test_keyed_intensities_are_called_like_their_prompts_in_the_dope_sheet(cut, tmp_path):
    one, two, last = three(cut)
    assert groups(cut) == ["Intensity: one", "Intensity: two", "Intensity: three"]
    first, second, third = cut.line.segments
    first.prompt, second.prompt, third.prompt = "", "one", "ä" * 90
    assert groups(cut) == ["Intensity: neutral", "Intensity: one", "Intensity: " + "ä" * 22]
    second.prompt = ""
    assert all(name.startswith("Intensity: neutral") for name in groups(cut)[:2]), "no endless renaming of two alike"
    mine = cut.room.intensity.curve_of(cut.head, one).group
    mine.name = "Mood"
    first.prompt = "furious"
    cut.split(two, 120)
    assert groups(cut)[0] == "Mood" and all(name.startswith("Intensity: neutral") for name in groups(cut)[1:3])
    cut.delete(last)
    assert len(groups(cut)) == 3
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "groups.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "groups.blend"))
    curves = cut.room.intensity.curves_of(bpy.data.objects["TalkCLIP Head"])
    assert sorted(curve.group.name for curve in curves.values())[-1] == "Mood"

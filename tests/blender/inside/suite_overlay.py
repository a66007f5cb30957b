"""The prompts as bars: where they lie, what the mouse does, and (5.2 draws without a display) the picture."""

from __future__ import annotations

import importlib
import os
import time
from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from harness import MODULE

HAS_GPU = bpy.app.version >= (5, 2, 0)  # earlier ones need a window
END = 250
BACK = (0.1, 0.1, 0.1, 1.0)


@pytest.fixture
def room(extension):
    names = ("overlay", "overlay_layout", "overlay_drag", "overlay_draw", "cutting", "sound", "words", "intensity")
    return SimpleNamespace(**{name: importlib.import_module(f"{MODULE}.line.{name}") for name in names})


@pytest.fixture
def line(head, room):
    """Three prompts, the second one keyed and active; words known."""
    scene, line = bpy.context.scene, head.talkclip
    line.transcript = "Get out of this house right now and never come back"
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    line.prompt = "a furious man speaks with brows lowered"
    for frame, prompt in ((100, "breaking, close to tears"), (180, "")):
        scene.frame_set(frame)
        assert bpy.ops.talkclip.segment_add(prompt=prompt) == {"FINISHED"}
    line.active_segment = 1
    uid = line.segments[1].uid
    for frame, value in ((100, 0.4), (140, 1.8), (180, 0.8)):
        line.segments[1].intensity = value
        head.keyframe_insert(room.intensity.data_path(uid), frame=frame)
    return line


def extent(room, line):
    return room.sound.extent_of(line, bpy.context.scene)


def picture(room, line, view, with_words=True):
    return room.overlay.picture_of(line, extent(room, line), view, with_words)


def view_of(room, left=-10.0, right=290.0, width=1200, height=300, scale=1.0):
    return room.overlay_layout.View(left, right, width, height, scale)


def spans(line):
    return [(s.frame_start, s.frame_end) for s in line.segments]


def test_bars_lie_where_the_segments_play(line, room):
    view = view_of(room)
    bars = room.overlay_layout.placed(picture(room, line, view), view)
    assert [(round(view.frame(at.left)), round(view.frame(at.right))) for at in bars] == spans(line)
    assert [at.bar.active for at in bars] == [False, True, False]
    assert max(value for _, value in bars[1].bar.intensity) == pytest.approx(1.8) and bars[0].bar.intensity == ()
    assert {at.bottom for at in bars} == {18.0}
    near = view_of(room, left=120, right=130)
    assert [at.bar.uid for at in room.overlay_layout.placed(picture(room, line, near), near)] == [line.segments[1].uid]


def test_overlapping_bars_lie_above_each_other(line, room):
    room.cutting.trim(line, line.segments[1].uid, start=50, roll=False)
    view = view_of(room)
    bars = room.overlay_layout.placed(picture(room, line, view), view)
    assert [at.bar.lane for at in bars] == [0, 1, 0]
    assert bars[1].bottom >= bars[0].top


def test_words_are_shown_with_their_sounds_where_there_is_room(line, room):
    view = view_of(room)
    phones, words = room.overlay_layout.rows(picture(room, line, view), view)
    assert [mark.text for mark in words.marks][:3] == ["get", "out", "of"] and words.bottom > phones.top
    far = view_of(room, left=-2000, right=6000)
    (only,) = room.overlay_layout.rows(picture(room, line, far), far)
    assert only.marks[0].text == "get"
    low = view_of(room, height=65)  # a low Timeline: bars only
    assert room.overlay_layout.rows(picture(room, line, low), low) == []
    assert len(room.overlay_layout.placed(picture(room, line, low), low)) == 3
    lowest = view_of(room, height=40)  # frame numbers and scroll bar only
    assert room.overlay_layout.placed(picture(room, line, lowest), lowest) == []


def test_the_mouse_finds_bars_and_borders(line, room):
    view = view_of(room)
    shown = picture(room, line, view)

    def at(frame, y=25):
        found = room.overlay_layout.hit(shown, view, view.x(frame), y)
        return None if found is None else (found.uid, found.part)

    uids = [s.uid for s in line.segments]
    assert at(50) == (uids[0], "BODY") and at(140) == (uids[1], "BODY")
    assert at(101) == (uids[1], "START") and at(99) == (uids[0], "END")
    assert at(1) == (uids[0], "START") and at(END) == (uids[2], "END")
    assert at(50, y=5) is None and at(50, y=60) is None and at(-8) is None and at(270) is None
    far = view_of(room, left=-20_000, right=20_000)  # too small to have borders
    shown, view = picture(room, line, far), far
    assert at(140)[1] == "BODY"


def drag(room, line, uid, part, frame):
    hit = room.overlay_layout.Hit(uid, part)
    return room.overlay_drag.Drag(line, extent(room, line), hit, frame)


def keys(room, line, uid):
    return [tuple(point.co) for point in room.intensity.curve_of(line.id_data, uid).keyframe_points]


def test_dragging_a_bar_moves_it_with_its_keys(line, room):
    one, two, three = (s.uid for s in line.segments)
    before = keys(room, line, two)
    moving = drag(room, line, two, "BODY", 140.0)
    moving.to(160.4)
    assert spans(line) == [(1, 100), (120, 200), (180, END)] and keys(room, line, two) == before  # shown, not yet done
    moving.to(470.0)
    assert moving.finish()
    assert [s.uid for s in line.segments] == [one, three, two] and spans(line)[2] == (430, 510)
    assert keys(room, line, two) == [(frame + 330, value) for frame, value in before]
    assert line.segments[line.active_segment].uid == two

    moving = drag(room, line, two, "BODY", 440.0)
    moving.to(100.0)
    moving.cancel()
    assert not moving.finish() and spans(line)[2] == (430, 510) and keys(room, line, two)[0][0] == 430


def test_dragging_with_all_later_ones(line, room):
    one, two, _ = (s.uid for s in line.segments)
    moving = drag(room, line, one, "BODY", 10.0)
    moving.to(22.0, ripple=True)
    assert spans(line) == [(13, 112), (112, 192), (192, END + 12)]
    assert moving.finish(ripple=True) and keys(room, line, two)[0][0] == 112


def test_dragging_borders(line, room):
    one, two, _ = (s.uid for s in line.segments)
    moving = drag(room, line, one, "END", 99.0)
    moving.to(120.0)
    assert spans(line) == [(1, 121), (121, 180), (180, END)]  # the neighbour shares it
    moving.to(120.0, alone=True)
    assert spans(line) == [(1, 121), (100, 180), (180, END)]
    moving.to(4_000.0)
    assert spans(line) == [(1, 179), (179, 180), (180, END)]  # both keep a frame
    moving.to(110.0, snaps=[112.6, 90.0])
    assert spans(line) == [(1, 113), (113, 180), (180, END)]
    assert moving.finish()
    moving = drag(room, line, two, "START", 113.0)
    moving.to(-50.0)
    assert spans(line)[:2] == [(1, 2), (2, 180)]


def test_a_click_on_a_whole_line_leaves_it_whole(head, room):
    line = head.talkclip
    moving = drag(room, line, line.segments[0].uid, "BODY", 10.0)
    assert not moving.finish() and line.segments[0].whole_line
    moving = drag(room, line, line.segments[0].uid, "END", 250.0)
    moving.to(200.0)
    assert moving.finish() and spans(line) == [(1, 200)] and not line.segments[0].whole_line


def test_the_switch_is_in_the_header(line, room, extension):
    from harness import Paper

    paper = Paper()
    shown = SimpleNamespace(
        preferences=bpy.context.preferences, active_object=line.id_data,
        space_data=SimpleNamespace(type="DOPESHEET_EDITOR", mode="DOPESHEET"),
    )  # fmt: skip
    room.overlay._draw_switch(SimpleNamespace(layout=paper), shown)
    assert paper.lines[0][0] == "prop"
    assert room.overlay.shown_line(shown) is not None
    shown.space_data.mode = "GPENCIL"
    assert room.overlay.shown_line(shown) is None
    shown.space_data.mode = "TIMELINE"
    assert room.overlay.shown_line(shown) is not None
    settings = bpy.context.preferences.addons[MODULE].preferences
    settings.show_prompts = False
    assert room.overlay.shown_line(shown) is None
    settings.show_prompts = True


def test_two_hundred_prompts_are_quick_to_lay_out(line, room):
    for k in range(200):
        uid = room.cutting.add(line, extent(room, line), 300 + 20 * k, f"prompt {k}")
        line.segments[-1].intensity = 0.5
        assert uid == line.segments[-1].uid
    view = view_of(room, left=0, right=5_000)
    begin = time.perf_counter()
    for _ in range(5):
        shown = picture(room, line, view)
        bars = room.overlay_layout.placed(shown, view)
    per_draw_s = (time.perf_counter() - begin) / 5
    print(f"200 bars laid out in {per_draw_s:.4f} s")
    assert len(bars) == 203 and per_draw_s < 0.05


# --- the picture ------------------------------------------------------------------------------------------------------


def drawn(room, line, view):
    """The overlay drawn offscreen -> float32 (height, width, 4), the lowest row first; and the seconds it took."""
    import gpu
    from mathutils import Matrix

    gpu.init()
    shown = picture(room, line, view)
    offscreen = gpu.types.GPUOffScreen(view.width, view.height)
    with offscreen.bind():
        buffer = gpu.state.active_framebuffer_get()
        buffer.clear(color=BACK)
        with gpu.matrix.push_pop(), gpu.matrix.push_pop_projection():
            gpu.matrix.load_matrix(Matrix.Identity(4))
            rows = ((2 / view.width, 0, 0, -1), (0, 2 / view.height, 0, -1), (0, 0, -1, 0), (0, 0, 0, 1))
            gpu.matrix.load_projection_matrix(Matrix(rows))
            begin = time.perf_counter()
            room.overlay_draw.draw(shown, view, room.overlay_draw.palette())
            took_s = time.perf_counter() - begin
        pixels = buffer.read_color(0, 0, view.width, view.height, 4, 0, "FLOAT")
    pixels.dimensions = view.width * view.height * 4
    values = np.array(pixels, np.float32).reshape(view.height, view.width, 4)
    offscreen.free()
    return values, took_s


def save(pixels, path):
    height, width, _ = pixels.shape
    image = bpy.data.images.new("overlay", width, height)
    image.pixels.foreach_set(np.ascontiguousarray(pixels).ravel())
    image.filepath_raw, image.file_format = path, "PNG"
    image.save()
    bpy.data.images.remove(image)


@pytest.mark.skipif(not HAS_GPU, reason="drawing without a window needs 5.2")
def test_the_picture(line, room):
    view = view_of(room, height=150)
    pixels, _ = drawn(room, line, view)
    if target := os.environ.get("TALKCLIP_OVERLAY_PICTURE"):
        save(pixels, target)
    colors = room.overlay_draw.palette()
    middle = 18 + 17  # of the bars, above the text

    def at(frame, y=middle):
        return pixels[y, round(view.x(frame)), :3]

    def mixed(color, over=BACK):
        return np.array(color[:3]) * color[3] + np.array(over[:3]) * (1 - color[3])

    np.testing.assert_allclose(at(60), mixed(colors.bar), atol=0.02)
    np.testing.assert_allclose(at(171), mixed(colors.active), atol=0.02)
    np.testing.assert_allclose(at(-8), BACK[:3], atol=0.01)
    np.testing.assert_allclose(at(60, 140), BACK[:3], atol=0.01)
    # The shade under the intensity is as high as the intensity: at frame 140 nearly the whole bar.
    assert at(140, 20).sum() < mixed(colors.active).sum() - 0.1
    assert at(104, 34).sum() > at(104, 20).sum() + 0.05
    # There is text on the bars, and the words' row is there.
    bar_text = pixels[20:36, round(view.x(5)) : round(view.x(60)), :3]
    assert bar_text.std() > 0.05
    row = room.overlay_layout.rows(picture(room, line, view), view)[-1]
    assert pixels[round(row.bottom) : round(row.top), :, :3].std() > 0.02


@pytest.mark.skipif(not HAS_GPU, reason="drawing without a window needs 5.2")
def test_two_hundred_bars_are_quick_to_draw(line, room):
    for k in range(200):
        room.cutting.add(line, extent(room, line), 300 + 20 * k, f"prompt {k}")
    view = view_of(room, left=0, right=5_000)
    drawn(room, line, view)  # shaders and letters are made
    _, all_s = drawn(room, line, view)
    _, few_s = drawn(room, line, view_of(room, left=1000, right=1300))
    print(f"draw: 203 bars {all_s:.4f} s, 16 bars {few_s:.4f} s")
    assert all_s < 0.1 and few_s < 0.05

"""The character room: a rig is recognised, shown, corrected, saved; several objects move together."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import bpy
import pytest
from characters import ARKIT, body_with, middle_values, panel, row_of, speaking
from harness import MODULE, ask, curves_of, drawn, shapes, strip_of

# --- the table --------------------------------------------------------------------------------------------------------


def test_recognise_writes_down_what_is_keyed_anyway(head):
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    before = shapes(head, 100)
    assert not head.talkclip.rig.rows
    assert bpy.ops.talkclip.recognise() == {"FINISHED"}
    rows = head.talkclip.rig.rows
    assert [(row.channel, row.shape, row.gain, row.confidence) for row in rows] == [
        (block.name, block.name, 1.0, 1.0) for block in rows_in_apples_order(head)
    ]
    assert [part.object for part in head.talkclip.rig.parts] == [head]
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    assert shapes(head, 100) == pytest.approx(before, abs=1e-6)


def rows_in_apples_order(head):
    from talkclip.coefficients import ARKIT52

    return [head.data.shape_keys.key_blocks[name] for name in ARKIT52]


def test_what_is_changed_in_the_table_changes_what_is_keyed(head):
    bpy.ops.talkclip.recognise()
    row_of(head, "jawOpen").gain = 0.5
    row_of(head, "mouthPucker").use = False
    row_of(head, "browDownLeft").shape = "browInnerUp"
    row_of(head, "browInnerUp").use = False
    assert bpy.ops.talkclip.add_mapping(channel="jawOpen", shape="noseSneerLeft") == {"FINISHED"}
    head.talkclip.rig.rows[-1].gain = 0.25
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    want, at = middle_values(head)
    assert at["jawOpen"] == pytest.approx(0.5 * want["jawOpen"], abs=1e-5)
    assert at["browInnerUp"] == pytest.approx(want["browDownLeft"], abs=1e-5)
    assert at["noseSneerLeft"] == pytest.approx(min(1.0, want["noseSneerLeft"] + 0.25 * want["jawOpen"]), abs=1e-5)
    keyed = {path for path, _ in curves_of(strip_of(head.data.shape_keys))}
    assert not {'key_blocks["mouthPucker"].value', 'key_blocks["browDownLeft"].value'} & keyed


def test_recognise_again_keeps_what_was_made_by_hand(head):
    bpy.ops.talkclip.recognise()
    assert not any(row.by_hand for row in head.talkclip.rig.rows)
    row_of(head, "jawOpen").gain = 0.5
    row_of(head, "mouthPucker").use = False
    row_of(head, "browDownLeft").shape = "browInnerUp"
    mine = [(row.channel, row.shape, row.gain, row.use) for row in head.talkclip.rig.rows if row.by_hand]
    assert len(mine) == 3
    head.data.shape_keys.key_blocks["cheekPuff"].name = "belly"  # gone since
    assert bpy.ops.talkclip.recognise() == {"FINISHED"}
    rows = [(row.channel, row.shape, row.gain, row.use) for row in head.talkclip.rig.rows]
    assert set(mine) <= set(rows)
    channels = [channel for channel, *_ in rows]
    assert len(channels) == len(set(channels)) == ARKIT - 2  # browInnerUp's shape is taken, cheekPuff has none
    drawing = drawn(panel("TALKCLIP_PT_mapping"))
    assert "Channels that move nothing: 3" in drawing and {"browInnerUp", "cheekPuff", "mouthPucker"} <= set(drawing)
    assert "Shape keys nothing moves: 3" in drawing and {"browDownLeft", "belly", "mouthPucker"} <= set(drawing)


def test_a_doubtful_name_is_marked(scene):
    names = ["jawOpen", "mouthClose", "L_mouthSmile", "R_mouthSmile", "eyeBlinkLeft", "eyeBlinkRight", "mouthPucker.1",
             "browInnerUp", "cheekPuff"]  # fmt: skip
    body = speaking(body_with(scene, "Someone", names))
    bpy.ops.talkclip.recognise()
    lists = sys.modules[MODULE + ".character.lists"]
    icons = {row.shape: lists.confidence_icon(row) for row in body.talkclip.rig.rows}
    assert icons == {
        "jawOpen": "CHECKMARK", "mouthClose": "CHECKMARK", "eyeBlinkLeft": "CHECKMARK", "eyeBlinkRight": "CHECKMARK",
        "browInnerUp": "CHECKMARK", "cheekPuff": "CHECKMARK", "L_mouthSmile": "QUESTION", "R_mouthSmile": "QUESTION",
        "mouthPucker.1": "ERROR",
    }  # fmt: skip


def test_a_rig_of_no_known_names_is_mapped_by_hand(scene, capfd):
    body = body_with(scene, "Monster", ["Maul", "Braue"])
    bpy.context.view_layer.objects.active = body
    assert not bpy.ops.talkclip.recognise.poll() and "talkclip.map_by_hand" in drawn(panel("TALKCLIP_PT_character"))
    assert bpy.ops.talkclip.map_by_hand() == {"FINISHED"}
    speaking(body)
    with pytest.raises(RuntimeError, match="moves nothing"):
        bpy.ops.talkclip.speak()
    body.talkclip.rig.rows[0].shape = "Maul"
    bpy.ops.talkclip.add_mapping(channel="browDownLeft", shape="Braue")
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    want, at = middle_values(body)
    assert (at["Maul"], at["Braue"]) == pytest.approx((want["jawOpen"], want["browDownLeft"]), abs=1e-5)
    # What is not in any list of rigs cannot be recognised; the table is left as it is.
    with pytest.raises(RuntimeError, match="no face shape keys"):
        bpy.ops.talkclip.recognise()
    assert len(body.talkclip.rig.rows) == 2
    assert bpy.ops.talkclip.forget_mapping() == {"FINISHED"}
    assert not bpy.ops.talkclip.speak.poll()


def test_saving_and_reloading_keeps_the_table(head, tmp_path):
    bpy.ops.talkclip.recognise()
    row_of(head, "jawOpen").gain = 0.5
    row_of(head, "cheekPuff").object = head
    head.talkclip.rig.driver_way = "LEAVE"

    def state(of):
        rig = of.talkclip.rig
        rows = [(row.channel, row.shape, row.gain, row.use, row.by_hand, row.object) for row in rig.rows]
        return (
            rig.rig_id,
            rig.label,
            rig.low,
            rig.high,
            rig.driver_way,
            [part.object.name for part in rig.parts],
            [(*row[:5], row[5].name if row[5] else None) for row in rows],
        )

    before, name = state(head), head.name
    path = str(tmp_path / "character.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    assert state(bpy.data.objects[name]) == before


# --- presets ----------------------------------------------------------------------------------------------------------


def test_a_preset_fits_another_file(head, tmp_path):
    bpy.ops.talkclip.recognise()
    row_of(head, "jawOpen").gain = 0.5
    row_of(head, "mouthPucker").use = False
    row_of(head, "cheekPuff").object = head
    assert bpy.ops.talkclip.save_rig_preset(name="Hero: Gesicht/1") == {"FINISHED"}
    presets = sys.modules[MODULE + ".character.presets"]
    assert presets.names() == ["Hero__Gesicht_1"]
    assert presets.folder().is_relative_to(Path(bpy.utils.user_resource("SCRIPTS")))
    assert "Hero__Gesicht_1" in drawn(panel("TALKCLIP_MT_rig_presets"))

    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True, load_ui=False)
    bpy.context.scene.render.fps = 30
    bpy.ops.talkclip.add_default_head()
    other = bpy.context.object
    other.name = "Someone else"
    assert bpy.ops.talkclip.load_rig_preset(name="Hero__Gesicht_1") == {"FINISHED"}
    settings = other.talkclip.rig
    assert settings.label == "Hero: Gesicht/1" and len(settings.rows) == ARKIT
    assert row_of(other, "jawOpen").gain == 0.5 and not row_of(other, "mouthPucker").use
    assert row_of(other, "cheekPuff").object is None, "there is no such object here: the row holds for all"
    speaking(other)
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    want, at = middle_values(other)
    assert at["jawOpen"] == pytest.approx(0.5 * want["jawOpen"], abs=1e-5)

    assert bpy.ops.talkclip.delete_rig_preset(name="Hero__Gesicht_1") == {"FINISHED"}
    assert presets.names() == [] and not bpy.ops.talkclip.delete_rig_preset.poll()
    with pytest.raises(RuntimeError, match="cannot be read"):
        bpy.ops.talkclip.load_rig_preset(name="gone")


def test_export_and_import(head, tmp_path):
    bpy.ops.talkclip.recognise()
    row_of(head, "jawOpen").gain = 0.125
    path = tmp_path / "Gesicht"
    assert bpy.ops.talkclip.export_mapping(filepath=str(path)) == {"FINISHED"}
    written = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert written["format"] == "talkclip-rig-mapping" and len(written["rows"]) == ARKIT
    assert [file.name for file in tmp_path.iterdir()] == ["Gesicht.json"], "nothing half-written stays"
    bpy.ops.talkclip.forget_mapping()
    assert bpy.ops.talkclip.import_mapping(filepath=str(path.with_suffix(".json"))) == {"FINISHED"}
    assert row_of(head, "jawOpen").gain == 0.125 and row_of(head, "jawOpen").by_hand


def test_an_imported_table_makes_a_mesh_a_character(scene, tmp_path):
    rows = [{"channel": "jawOpen", "shape": "Maul", "gain": 2}, {"channel": "browInnerUp", "shape": "Stirn"}]
    path = tmp_path / "monster.json"
    path.write_text(json.dumps({"format": "talkclip-rig-mapping", "version": 1, "name": "Monster", "range": [0, 2],
                                "rows": rows}))  # fmt: skip
    body = body_with(scene, "Monster", ["Maul"])
    bpy.context.view_layer.objects.active = body
    assert bpy.ops.talkclip.import_mapping(filepath=str(path)) == {"FINISHED"}
    speaking(body)
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    want, at = middle_values(body)
    assert at["Maul"] == pytest.approx(2 * want["jawOpen"], abs=1e-5), "the slider was widened, nobody had set it"


@pytest.mark.parametrize(
    ("change", "said"),
    [({"format": "x"}, "no mapping"), ({"version": 2}, "version 2"), ({"rows": []}, "no rows"),
     ({"rows": [{"channel": "jaw", "shape": "a"}]}, "no channel 'jaw'"), ({"rows": [{"channel": "jawOpen"}]}, "row 1"),
     ({"range": [0]}, "range"), ({"drivers": "BURN"}, "drivers"), ({"name": 3}, "no name"),
     ({"rows": [{"channel": "jawOpen", "shape": "a", "gain": "much"}]}, "numbers"),
     ({"rows": [{"channel": "jawOpen", "shape": "a", "use": 1}]}, "true or false"), (None, "no JSON")],
)  # fmt: skip
def test_a_spoilt_file_is_refused_and_changes_nothing(head, tmp_path, change, said):
    bpy.ops.talkclip.recognise()
    good = {"format": "talkclip-rig-mapping", "version": 1, "name": "n", "rig": "arkit", "range": [0, 1],
            "rows": [{"channel": "jawOpen", "shape": "jawOpen"}]}  # fmt: skip
    path = tmp_path / "bad.json"
    path.write_text("{" if change is None else json.dumps(good | change))
    with pytest.raises(RuntimeError, match=said):
        bpy.ops.talkclip.import_mapping(filepath=str(path))
    assert len(head.talkclip.rig.rows) == ARKIT


# --- several objects --------------------------------------------------------------------------------------------------


@pytest.fixture
def family(scene, head):
    """Teeth, brows and a hat on the head's rig; another head beside it."""
    teeth = body_with(scene, "Teeth", ["jawOpen", "mouthClose"], head.parent)
    brows = body_with(scene, "Brows", ["browDownLeft", "browDownRight", "browInnerUp"], head)
    hat = body_with(scene, "Hat", ["tilt"], head.parent)
    far = body_with(scene, "Far", ["jawOpen"], head.parent)
    far.location.x = 10
    bpy.context.view_layer.update()
    return teeth, brows, hat, far


def test_the_heads_objects_move_together(head, family):
    teeth, brows, hat, far = family
    bpy.context.view_layer.objects.active = teeth  # whichever is selected, the head is meant
    assert bpy.ops.talkclip.speak.poll()
    assert "with Brows, Teeth" in drawn(panel("TALKCLIP_PT_character"))
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    want, at = middle_values(head)
    k = ask().track.n_frames // 2
    assert at["jawOpen"] == pytest.approx(want["jawOpen"], abs=1e-5)
    assert shapes(teeth, 1 + k)["jawOpen"] == pytest.approx(want["jawOpen"], abs=1e-5)
    assert shapes(brows, 1 + k)["browDownLeft"] == pytest.approx(want["browDownLeft"], abs=1e-5)
    assert len(head.talkclip.takes) == 1 and not teeth.talkclip.takes
    for still in (hat, far):
        assert still.data.shape_keys.animation_data is None
    actions = {strip_of(body.data.shape_keys).action for body in (head, teeth, brows)}
    assert len(actions) == 1, "one action, a slot for each"


def test_objects_are_listed_and_can_be_switched(head, family):
    teeth, brows, hat, far = family
    bpy.ops.talkclip.recognise()
    parts = {part.object: part for part in head.talkclip.rig.parts}
    assert set(parts) == {head, teeth, brows}
    parts[brows].use = False
    for body in bpy.context.selected_objects:
        body.select_set(False)
    far.select_set(True)
    assert bpy.ops.talkclip.add_parts() == {"FINISHED"}
    bpy.ops.talkclip.recognise()
    assert {part.object: part.use for part in head.talkclip.rig.parts} == {head: True, teeth: True, brows: False,
                                                                           far: True}  # fmt: skip
    bpy.ops.talkclip.add_mapping(channel="browDownLeft", shape="tilt")
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    k = ask().track.n_frames // 2
    assert shapes(far, 1 + k)["jawOpen"] == pytest.approx(shapes(head, 1 + k)["jawOpen"], abs=1e-6)
    assert brows.data.shape_keys.animation_data is None and hat.data.shape_keys.animation_data is None
    bpy.data.objects.remove(teeth)
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    assert "(deleted)" in rows_drawn("TALKCLIP_UL_parts", head.talkclip.rig.parts)


def rows_drawn(kind, rows):
    """What a list shows of its rows."""
    from harness import Paper

    paper = Paper()
    for row in rows:
        cls = getattr(sys.modules[MODULE + ".character.lists"], kind)
        cls.draw_item(None, bpy.context, paper, None, row, 0, None, "")
    return [text for _, text in paper.lines if text]


def test_a_row_for_one_object_only(head, family):
    teeth, *_ = family
    bpy.ops.talkclip.recognise()
    row_of(head, "jawOpen").object = head
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    k = ask().track.n_frames // 2
    assert shapes(head, 1 + k)["jawOpen"] > 0 and shapes(teeth, 1 + k)["jawOpen"] == 0


def test_two_characters_stay_apart(scene, head):
    bpy.ops.talkclip.add_default_head()
    second = bpy.context.object
    second.parent.location.x = 1
    bpy.context.view_layer.objects.active = head
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    assert second.data.shape_keys.animation_data is None


# --- sliders ----------------------------------------------------------------------------------------------------------


def test_a_slider_that_cuts_is_noticed_and_widened(head):
    block = head.data.shape_keys.key_blocks["jawOpen"]
    block.slider_max = 0.5
    bpy.ops.talkclip.recognise()
    head.talkclip.rig.active_row = next(i for i, row in enumerate(head.talkclip.rig.rows) if row.channel == "jawOpen")
    assert {"1 limited by their sliders", "limited to 0.5 by its slider"} <= set(drawn(panel("TALKCLIP_PT_mapping")))
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    assert block.slider_max == 0.5 and max(shapes(head, frame)["jawOpen"] for frame in range(1, 60)) == 0.5
    assert bpy.ops.talkclip.widen_sliders() == {"FINISHED"}
    assert block.slider_max == 1.0 and not bpy.ops.talkclip.widen_sliders.poll()
    want, at = middle_values(head)
    assert at["jawOpen"] == pytest.approx(want["jawOpen"], abs=1e-5)


# --- panels -----------------------------------------------------------------------------------------------------------


def test_panels_draw_and_draw_fast(head, family):
    for name in ("TALKCLIP_PT_mapping", "TALKCLIP_PT_drivers", "TALKCLIP_PT_parts"):
        assert "talkclip.recognise" in drawn(panel(name)), name
    assert not bpy.ops.talkclip.add_mapping.poll()
    for block in head.data.shape_keys.key_blocks[1:21]:
        block.driver_add("value").driver.expression = "0.0"
    bpy.ops.talkclip.recognise()
    names = ("TALKCLIP_PT_character", "TALKCLIP_PT_mapping", "TALKCLIP_PT_drivers", "TALKCLIP_PT_parts")
    begin = time.perf_counter()
    for _ in range(20):
        for name in names:
            drawn(panel(name))
    assert (time.perf_counter() - begin) / 20 < 0.05
    shown = rows_drawn("TALKCLIP_UL_mapping", head.talkclip.rig.rows)
    assert shown.count("jawOpen") == 2
    assert rows_drawn("TALKCLIP_UL_drivers", head.talkclip.rig.drivers)[0] == head.talkclip.rig.drivers[0].shape
    assert any("a driver without a variable" in text for text in drawn(panel("TALKCLIP_PT_drivers")))

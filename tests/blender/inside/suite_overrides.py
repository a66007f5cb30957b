"""Characters of other files: what a linked one says, and what an override keeps."""

from __future__ import annotations

import bpy
import pytest
from characters import ARKIT, middle_values, panel, row_of, speaking
from harness import drawn, shapes


def linked_collection(head, folder):
    """The head and its rig, linked as a collection from another file."""
    collection = bpy.data.collections.new("Hero")
    bpy.context.scene.collection.children.link(collection)
    for body in (head, head.parent):
        collection.objects.link(body)
        bpy.context.collection.objects.unlink(body)
    path = str(folder / "library.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True, load_ui=False)
    with bpy.data.libraries.load(path, link=True) as (_, into):
        into.collections = ["Hero"]
    bpy.context.scene.collection.children.link(bpy.data.collections["Hero"])
    return bpy.data.collections["Hero"]


@pytest.fixture
def library(head, tmp_path):
    return linked_collection(head, tmp_path)


def test_a_linked_character_says_what_to_do(library):
    bpy.context.view_layer.objects.active = next(body for body in library.objects if body.type == "MESH")
    assert any("Object > Library Override > Make" in text for text in drawn(panel("TALKCLIP_PT_character")))
    assert not bpy.ops.talkclip.recognise.poll()
    with pytest.raises(RuntimeError, match="library override"):
        bpy.ops.talkclip.speak()


def test_an_override_that_cannot_be_edited_says_so(library):
    library.override_hierarchy_create(bpy.context.scene, bpy.context.view_layer, do_fully_editable=False)
    (head,) = [body for body in bpy.data.objects if body.override_library and body.type == "MESH"]
    speaking(head)
    with pytest.raises(RuntimeError, match="is not editable"):
        bpy.ops.talkclip.speak()


def test_an_overridden_character_speaks_and_is_saved(library, tmp_path):
    scene = bpy.context.scene
    scene.render.fps = 30
    library.override_hierarchy_create(scene, bpy.context.view_layer, do_fully_editable=True)
    (head,) = [body for body in bpy.data.objects if body.override_library and body.type == "MESH"]
    speaking(head)
    with pytest.raises(RuntimeError, match=r"shape keys of .* are linked.*Override Shape Keys"):
        bpy.ops.talkclip.speak()
    assert "talkclip.override_shapes" in drawn(panel("TALKCLIP_PT_character"))
    assert bpy.ops.talkclip.override_shapes() == {"FINISHED"} and not bpy.ops.talkclip.override_shapes.poll()
    head.talkclip.prompt = "a sad man speaks slowly"
    assert bpy.ops.talkclip.recognise() == {"FINISHED"}
    row_of(head, "jawOpen").gain = 0.5
    row_of(head, "mouthPucker").use = False
    bpy.ops.talkclip.add_mapping(channel="jawOpen", shape="cheekPuff")
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    before, name = shapes(head, 80), head.name
    assert before["jawOpen"] > 0.01 and before["mouthPucker"] == 0
    path = str(tmp_path / "shot.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    (head,) = [body for body in bpy.data.objects if body.override_library and body.name == name]
    assert shapes(head, 80) == pytest.approx(before, abs=1e-6)
    assert head.talkclip.prompt == "a sad man speaks slowly" and len(head.talkclip.takes) == 1
    rows = head.talkclip.rig.rows
    assert len(rows) == ARKIT + 1 and rows[-1].shape == "cheekPuff" and rows[-1].by_hand
    assert row_of(head, "mouthPucker").use is False and not bpy.data.objects[name].library


def test_an_override_adds_to_the_table_of_the_characters_own_file(head, tmp_path):
    bpy.ops.talkclip.recognise()
    collection = linked_collection(head, tmp_path)
    collection.override_hierarchy_create(bpy.context.scene, bpy.context.view_layer, do_fully_editable=True)
    (head,) = [body for body in bpy.data.objects if body.override_library and body.type == "MESH"]
    bpy.context.view_layer.objects.active = head
    row_of(head, "jawOpen").gain = 0.5
    for shape in ("cheekPuff", "noseSneerLeft", "noseSneerRight"):
        assert bpy.ops.talkclip.add_mapping(channel="jawLeft", shape=shape) == {"FINISHED"}
    before = [(row.channel, row.shape, row.gain) for row in head.talkclip.rig.rows]
    name, path = head.name, str(tmp_path / "shot.blend")
    for _ in range(2):
        bpy.ops.wm.save_as_mainfile(filepath=path)
        bpy.ops.wm.open_mainfile(filepath=path)
        (head,) = [body for body in bpy.data.objects if body.override_library and body.name == name]
        assert [(row.channel, row.shape, row.gain) for row in head.talkclip.rig.rows] == before


@pytest.mark.parametrize("way", ["CONTROL", "REPLACE"])
def test_a_driven_override_moves_and_is_saved(head, tmp_path, way):
    rig = head.parent
    rig["jaw"] = 0.0
    rig.id_properties_ui("jaw").update(min=0.0, max=1.0)
    curve = head.data.shape_keys.key_blocks["jawOpen"].driver_add("value")
    variable = curve.driver.variables.new()
    variable.targets[0].id, variable.targets[0].data_path = rig, '["jaw"]'
    curve.driver.expression = variable.name
    collection = linked_collection(head, tmp_path)
    collection.override_hierarchy_create(bpy.context.scene, bpy.context.view_layer, do_fully_editable=True)
    (head,) = [body for body in bpy.data.objects if body.override_library and body.type == "MESH"]
    bpy.context.scene.render.fps = 30
    speaking(head)
    head.talkclip.rig.driver_way = way
    if bpy.ops.talkclip.override_shapes.poll():
        bpy.ops.talkclip.override_shapes()
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    want, before = middle_values(head)
    assert before["jawOpen"] == pytest.approx(want["jawOpen"], abs=1e-3)
    name, path = head.name, str(tmp_path / "shot.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    (head,) = [body for body in bpy.data.objects if body.override_library and body.name == name]
    _, after = middle_values(head)
    assert after == pytest.approx(before, abs=1e-6)
    assert bpy.ops.talkclip.restore_drivers.poll() == (way == "REPLACE")

"""Runs inside bpy: installs the built zip once, then gives every test an empty scene."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import bpy  # first: it makes Blender's own modules importable
import numpy as np
import pytest

import addon_utils  # isort: skip

MODULE = "bl_ext.user_default.talkclip_blender"
SAMPLE = Path(os.environ["TALKCLIP_TEST_SOUND"])
# Prompts of the fixture `three`, and the frames between which they are.
PROMPTS = ("a furious man speaks with brows lowered", "a sad woman, inner brows raised", "a delighted man smiles")
BORDERS = (1, 80, 160, 250)


@pytest.fixture(scope="session")
def extension() -> ModuleType:
    """The extension, installed from the zip into this process' own user folder, with only its bundled wheels."""
    assert "talkclip" not in sys.modules and "zmq" not in sys.modules
    addon_utils.enable("bl_pkg", default_set=True)
    bpy.ops.extensions.package_install_files(
        filepath=os.environ["TALKCLIP_TEST_ZIP"], repo="user_default", enable_on_install=True
    )
    import zmq

    import talkclip

    users = os.environ["BLENDER_USER_RESOURCES"]
    for module in (talkclip, zmq):
        assert module.__file__.startswith(users), f"{module.__name__} is not the bundled one: {module.__file__}"
    return sys.modules[MODULE]


@pytest.fixture
def scene(extension: ModuleType) -> Iterator[bpy.types.Scene]:
    """An empty scene at 30 fps, frames 1 to 250; the preferences point at the test server."""
    yield new_file()


def new_file() -> bpy.types.Scene:
    """What the fixture `scene` gives."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    if MODULE not in bpy.context.preferences.addons:  # factory settings forget add-ons
        addon_utils.enable(MODULE, default_set=True)
    bpy.context.preferences.addons[MODULE].preferences.server_address = os.environ["TALKCLIP_TEST_SERVER"]
    scene = bpy.context.scene
    scene.render.fps, scene.render.fps_base = 30, 1.0
    return scene


@pytest.fixture
def head(scene: bpy.types.Scene) -> bpy.types.Object:
    """The default head, with a prompt and a sound, ready to speak."""
    assert bpy.ops.talkclip.add_default_head() == {"FINISHED"}
    character = bpy.context.object.talkclip
    character.prompt = "a furious man speaks with brows lowered"
    character.sound_path = str(SAMPLE)
    return bpy.context.object


@pytest.fixture
def three(head):
    """Three prompt segments that follow each other."""
    character = head.talkclip
    character.segments.clear()
    for number, prompt in enumerate(PROMPTS):
        segment = character.segments.add()
        segment.uid, segment.prompt, segment.whole_line = f"segment{number}", prompt, False
        segment.frame_start, segment.frame_end = BORDERS[number], BORDERS[number + 1]
    return head


def ask(which: str = "", **changes: Any) -> Any:
    """A server's answer to what the head's settings say, asked by the client alone; `which` as in TALKCLIP_TEST_..."""
    from talkclip.client import Client, SpeakRequest
    from talkclip.timeline import PromptTimeline

    settings: dict[str, Any] = {
        "timeline": PromptTimeline.single("a furious man speaks with brows lowered", 86_400.0), "fps": 30.0,
    }  # fmt: skip
    with Client(os.environ[f"TALKCLIP_TEST_{which}_SERVER" if which else "TALKCLIP_TEST_SERVER"]) as client:
        return client.animate(SpeakRequest(SAMPLE, **{**settings, **changes}), timeout_s=120)


def strip_of(owner: bpy.types.ID, layer: str = "mouth") -> bpy.types.NlaStrip:
    """The one strip in a layer."""
    (strip,) = owner.animation_data.nla_tracks[f"TalkCLIP {layer}"].strips
    return strip


def curves_of(strip: bpy.types.NlaStrip) -> dict[tuple[str, int], bpy.types.FCurve]:
    """F-curves of a strip's slot by (data path, index)."""
    bag = strip.action.layers[0].strips[0].channelbag(strip.action_slot)
    return {(curve.data_path, curve.array_index): curve for curve in bag.fcurves}


def keyed(owner: bpy.types.ID, frames: np.ndarray) -> dict[tuple[str, int], np.ndarray]:
    """Value of each channel at each frame: the sum of all TalkCLIP layers on a datablock, each with one strip."""
    total: dict[tuple[str, int], np.ndarray] = {}
    for track in owner.animation_data.nla_tracks:
        if track.name.startswith("TalkCLIP ") and track.name != "TalkCLIP rest":
            for address, curve in curves_of(strip_of(owner, track.name.removeprefix("TalkCLIP "))).items():
                total[address] = total.get(address, 0.0) + sampled(curve, frames)
    return total


def sampled(curve: bpy.types.FCurve, frames: np.ndarray) -> np.ndarray:
    """An F-curve's value at each frame."""
    return np.array([curve.evaluate(frame) for frame in frames])


def shown(owner: bpy.types.Object, frame: int) -> bpy.types.Object:
    """The object as Blender evaluates it at a frame."""
    bpy.context.scene.frame_set(frame)
    return owner.evaluated_get(bpy.context.evaluated_depsgraph_get())


def shapes(body: bpy.types.Object, frame: int) -> dict[str, float]:
    """Evaluated values of all shape keys at a frame."""
    return {block.name: block.value for block in shown(body, frame).data.shape_keys.key_blocks}


class Button:
    """The properties of an operator in a layout; an unknown operator, property or choice is an error."""

    def __init__(self, name):
        module, operator = name.split(".")
        assert operator in dir(getattr(bpy.ops, module)), name
        object.__setattr__(self, "known", getattr(getattr(bpy.ops, module), operator).get_rna_type().properties)

    def __setattr__(self, name, value):
        assert name in self.known, name
        if self.known[name].type == "ENUM":
            assert value in self.known[name].enum_items, value


def points(action):
    """Every key of an action."""
    return {
        (bag.slot_handle, curve.data_path, curve.array_index): [
            (*key.co, key.interpolation) for key in curve.keyframe_points
        ]
        for bag in action.layers[0].strips[0].channelbags for curve in bag.fcurves
    }  # fmt: skip


def said(capfd):
    return capfd.readouterr().out


def posed(head, frame):
    """(52,) evaluated shape keys."""
    return np.array(list(shapes(head, frame).values())[1:])


class Paper:
    """Takes what a panel draws, as Blender's layout would; an unknown property, operator or icon is an error."""

    functions = bpy.types.UILayout.bl_rna.functions

    def __init__(self):
        self.lines = []

    def __setattr__(self, name, value):
        assert name == "lines" or name in bpy.types.UILayout.bl_rna.properties, name
        object.__setattr__(self, name, value)

    def __getattr__(self, name):
        parameters = self.functions[name].parameters

        def draw(*values, **options):
            names = [p.identifier for p in parameters if not p.is_output]
            given = dict(zip(names, values, strict=False)) | options
            assert set(given) <= set(names), (name, given)
            if "icon" in given:
                assert given["icon"] in parameters["icon"].enum_items, given["icon"]
            if name == "prop":
                if given["property"].startswith("["):  # a custom property
                    given["data"].path_resolve(given["property"])
                else:
                    assert given["property"] in given["data"].bl_rna.properties, given["property"]
            if name == "menu":
                assert hasattr(bpy.types, given["menu"]), given["menu"]
            if name == "template_list":
                assert hasattr(bpy.types, given["listtype_name"]), given["listtype_name"]
            self.lines.append(
                (name, given.get("text") or given.get("property") or given.get("propname") or given.get("operator"))
            )
            if name == "operator":
                return Button(given["operator"])
            return self if name in ("row", "column", "box", "split", "grid_flow", "column_flow") else None

        return draw


def drawn(panel, context=None):
    """What a panel shows now."""
    paper = Paper()
    panel.draw(type("Shown", (), {"layout": paper})(), context or bpy.context)
    return [text for _, text in paper.lines if text]

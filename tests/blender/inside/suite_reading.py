"""What a prompt is understood as, shown under its field."""

from __future__ import annotations

import importlib
import time

import bpy
import pytest
from harness import MODULE, drawn


@pytest.fixture
def reading(extension):
    module = importlib.import_module(f"{MODULE}.line.reading")
    module.reader.__init__()
    yield module
    module.reader.close()


@pytest.fixture
def panel(extension):
    return importlib.import_module(f"{MODULE}.line.prompts_panel").TALKCLIP_PT_reading


def wait(reading, steps=600):
    """What the timer does, until something can be shown."""
    for _ in range(steps):
        if reading.reader.step(time.monotonic(), bpy.context):
            return True
        if reading.reader.idle(time.monotonic()):
            return False
        time.sleep(0.005)
    raise AssertionError("no answer")


def test_the_panel_says_what_the_server_understood(head, reading, panel):
    assert drawn(panel) == ["known while a server runs"]
    assert wait(reading)
    shown = drawn(panel)
    assert shown == ["angry 39%; strength 39%", "left brow lowerer (AU4) 50%"]
    head.talkclip.prompt = " "
    assert drawn(panel) == ["neutral"]
    head.talkclip.prompt = "whispering, sad"
    assert drawn(panel) == ["known while a server runs"] and wait(reading)
    assert drawn(panel) == ["angry 15%; strength 15%"]
    head.talkclip.prompt = "a furious man speaks with brows lowered"
    assert drawn(panel) == shown and reading.reader.idle(time.monotonic())  # remembered


def test_only_the_last_of_quick_changes_is_asked_for(head, reading, panel):
    for prompt in ("sad", "sad and", "sad and slow"):
        head.talkclip.prompt = prompt
        drawn(panel)
        assert not reading.reader.step(time.monotonic(), bpy.context)  # still typing
    begin = time.monotonic()
    assert wait(reading) and time.monotonic() - begin > 0.2
    assert list(reading.reader._known) == ["sad and slow"]


def test_no_server_is_no_trouble(head, reading, panel):
    settings = bpy.context.preferences.addons[MODULE].preferences
    settings.server_address = "tcp://127.0.0.1:1"
    drawn(panel)
    assert not wait(reading, 3_000)
    assert drawn(panel) == ["known while a server runs"]
    assert reading.reader.idle(time.monotonic())  # left alone for a while
    settings.server_address = "tcp://render.invalid:5599"  # Blender may not go there
    reading.reader.__init__()
    drawn(panel)
    assert not wait(reading) and reading.reader._client is None


def test_in_plain_words(reading, extension):
    from talkclip.protocol import EmotionWeight, UnderstoodMove, UnderstoodPart, UnderstoodPrompt

    found = UnderstoodPrompt(
        (), (EmotionWeight("angry", 0.8), EmotionWeight("sad", 0.15), EmotionWeight("neutral", 0.05)), 0.9,
        moves=(UnderstoodMove(4, "brow lowerer", 0.65), UnderstoodMove(12, "lip corner puller", 0.33, "left")),
        implied=tuple(UnderstoodMove(au, f"unit {au}", au / 100) for au in (5, 7, 23, 24, 25)),
        denied_units=(6,), denied_emotions=("happy",), lessened_units=(26,),
        parts=(UnderstoodPart("eyes", (EmotionWeight("sad", 1.0),), 0.4),), notes=("'blorp' was not understood.",),
    )  # fmt: skip
    assert [line.text for line in reading.described(found)] == [
        "angry 80%, sad 15%; strength 90%",
        "eyes: sad 100%; strength 40%",
        "brow lowerer (AU4) 65%",
        "left lip corner puller (AU12) 33%",
        "with it: unit 25, unit 24, unit 23, unit 7",
        "without happy, cheek raiser (AU6)",
        "less jaw drop (AU26)",
        "'blorp' was not understood.",
    ]

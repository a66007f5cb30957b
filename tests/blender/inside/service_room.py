"""What the suites of the service room share: its modules as Blender loaded them, and what they draw."""

from __future__ import annotations

import os
import sys
import time

import bpy
import pytest
from harness import MODULE, Paper, drawn


def room(name):
    return sys.modules[f"{MODULE}.service.{name}"]


def preferences():
    return bpy.context.preferences.addons[MODULE].preferences


def service():
    return room("state").service


def panel():
    return drawn(room("panel").TALKCLIP_PT_server)


def all_preferences():
    paper = Paper()
    room("drawing").draw_preferences(paper, bpy.context, preferences())
    return [text for _, text in paper.lines if text]


def assert_gone(pid):
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            os.killpg(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    pytest.fail(f"something of {pid} still runs")

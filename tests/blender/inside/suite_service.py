"""The server on this computer and elsewhere, from inside Blender: started, asked, crashed, stopped, refused."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

import bpy
import pytest
from harness import MODULE
from service_room import all_preferences, assert_gone, panel, preferences, room, service

import addon_utils  # isort: skip

ENGINE = os.environ["TALKCLIP_TEST_ENGINE_PYTHON"]


@pytest.fixture
def local(scene):
    """The server of this computer, with an engine that somebody installed; nothing runs."""
    chosen = preferences()
    chosen.server_where, chosen.engine_kind, chosen.existing_python = "LOCAL", "EXISTING", ENGINE
    # Not any port: somebody on this machine may run a server of his own at the usual one.
    chosen.local_port, chosen.start_by_itself = room("local_server").free_port(), True
    yield chosen
    service().shut_down()
    service().__init__()
    chosen = preferences()  # the extension may have been disabled meanwhile
    for name in ("server_where", "engine_kind", "existing_python", "local_port", "start_by_itself"):
        chosen.property_unset(name)
    chosen.key_file = chosen.server_key = ""


def group():
    return service().server._process.pid


def test_blenders_own_python_can_make_environments(extension):
    """What the preferences' default relies on."""
    facts = room("pythons").require_maker(Path(sys.executable))
    assert facts.version == sys.version_info[:3]


def test_start_speak_crash_start_again_stop(local, head):
    preferences().server_where = "LOCAL"
    assert "talkclip.start_server" in " ".join(panel()) or "Start Server" in panel()
    assert bpy.ops.talkclip.start_server() == {"FINISHED"}
    assert not bpy.ops.talkclip.start_server.poll()
    assert bpy.ops.talkclip.check_server() == {"FINISHED"}
    shown = panel()
    address = service().server.address.removeprefix("tcp://")
    assert f"Connected to {address}" in " ".join(shown) and "Faces: ARKit" in shown
    assert "Ready, started by Blender" in shown and any("head" in text for text in shown)
    assert bpy.ops.talkclip.speak() == {"FINISHED"}

    first = group()
    os.kill(first, signal.SIGKILL)
    while service().server.poll().value != "crashed":
        time.sleep(0.02)
    assert_gone(first)
    shown = " ".join(panel())
    assert "has crashed" in shown and "Start Again" in shown
    assert bpy.ops.talkclip.start_server() == {"FINISHED"}
    second = group()
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    assert bpy.ops.talkclip.stop_server() == {"FINISHED"}
    assert not bpy.ops.talkclip.stop_server.poll()
    assert_gone(second)


def test_speaking_starts_the_server_by_itself(local, head):
    preferences().server_where = "LOCAL"
    preferences().start_by_itself = False
    with pytest.raises(RuntimeError, match=r"No TalkCLIP server runs on this computer\. Press Start Server"):
        bpy.ops.talkclip.speak()
    preferences().start_by_itself = True
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    assert service().server.poll().value == "ready"


def test_a_server_that_dies_while_it_starts_is_known_at_once(local, head, tmp_path):
    engine = tmp_path / "python"
    facts = {"version": [3, 11, 4], "bits": 64, "environments": True, "talkclip": "0.1.0", "missing": []}
    facts["torch"] = False
    says = f"*questions.py) echo '{json.dumps(facts)}';; *) echo No module named av; exit 1;;"
    engine.write_text(f"#!/bin/sh\ncase $1 in {says} esac\n")
    engine.chmod(0o755)
    preferences().server_where, preferences().existing_python = "LOCAL", str(engine)
    begin = time.monotonic()
    with pytest.raises(RuntimeError, match=r"could not start .*last words: No module named av\).*Repair"):
        bpy.ops.talkclip.speak()
    assert time.monotonic() - begin < 10
    assert "Start Again" in panel()


def test_a_fixed_port_that_another_program_has(local):
    with socket.create_server(("127.0.0.1", 0)) as other:
        local.local_port = other.getsockname()[1]
        with pytest.raises(RuntimeError, match=rf"Port {local.local_port} .*taken"):
            bpy.ops.talkclip.start_server()
    assert bpy.ops.talkclip.start_server() == {"FINISHED"}
    assert service().server.address.endswith(f":{local.local_port}")


def test_a_server_that_somebody_else_started_is_used_and_left_alone(local, head):
    address = os.environ["TALKCLIP_TEST_SERVER"]
    preferences().server_where = "LOCAL"
    local.local_port = int(address.rpartition(":")[2])
    assert bpy.ops.talkclip.check_server() == {"FINISHED"}
    assert "Started elsewhere" in panel()
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    assert service().server.poll().value == "stopped"
    service().shut_down()
    assert bpy.ops.talkclip.check_server() == {"FINISHED"}


@pytest.mark.parametrize(
    ("path", "reason"),
    [("/nowhere/python3", "is not there"), ("python3", "not a whole path"), (sys.executable, "has no TalkCLIP")],
)
def test_a_wrong_python_is_explained(local, path, reason):
    local.existing_python = path
    with pytest.raises(RuntimeError, match=reason):
        bpy.ops.talkclip.check_python()
    with pytest.raises(RuntimeError, match=reason):
        bpy.ops.talkclip.start_server()


def test_the_right_python_is_confirmed(local):
    assert bpy.ops.talkclip.check_python() == {"FINISHED"}
    local.existing_python = ""
    assert not bpy.ops.talkclip.start_server.poll()
    assert "existing_python" in panel()
    with pytest.raises(RuntimeError, match="No Python is chosen"):
        bpy.ops.talkclip.check_python()


def test_without_an_engine_speaking_says_what_to_press(local, head):
    preferences().server_where, preferences().engine_kind = "LOCAL", "INSTALLED"
    with pytest.raises(RuntimeError, match=r"No TalkCLIP server runs.*Install Engine"):
        bpy.ops.talkclip.speak()


def test_keys(local, head):
    """A server with keys lets in who has one; without, with a wrong one, or to a wrong server, the error says so."""
    chosen = preferences()
    chosen.server_address = os.environ["TALKCLIP_TEST_SERVER_WITH_KEYS"]
    assert chosen.server_where == "ADDRESS"
    with pytest.raises(RuntimeError, match="key"):
        bpy.ops.talkclip.check_server()
    assert any("key" in text for text in panel())
    chosen.key_file = os.environ["TALKCLIP_TEST_KEY_FILE"]
    assert bpy.ops.talkclip.check_server() == {"FINISHED"}
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    chosen.server_key = "0" * 64
    with pytest.raises(RuntimeError, match=r"No TalkCLIP server answers|key"):
        bpy.ops.talkclip.check_server()
    chosen.server_key = "not a key"
    with pytest.raises(RuntimeError, match="64 hexadecimal digits"):
        bpy.ops.talkclip.check_server()
    chosen.key_file = ""
    with pytest.raises(RuntimeError, match="no key file of your own"):
        bpy.ops.talkclip.check_server()
    chosen.key_file, chosen.server_key = __file__, ""
    with pytest.raises(RuntimeError, match="is not a file of keys"):
        bpy.ops.talkclip.check_server()


def test_a_server_that_was_spoken_with_need_not_be_asked(local, head):
    room("state").service.facts = None
    local.server_address = os.environ["TALKCLIP_TEST_SERVER"]
    assert not any("Connected to" in text for text in panel())
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    assert any("Connected to" in text for text in panel())


def test_another_release_is_said(local):
    local.server_address = os.environ["TALKCLIP_TEST_NEWER_SERVER"]
    assert bpy.ops.talkclip.check_server() == {"FINISHED"}
    shown = " ".join(panel())
    assert "The server is TalkCLIP 9.9.0, this extension 0.1.0" in shown and "same release" in shown


def test_another_computer_needs_online_access(local):
    assert not bpy.app.online_access
    local.server_address = "tcp://render.invalid:5599"
    shown = panel()
    assert "Blender may not go online" in shown and "Allow Online Access" in shown
    with pytest.raises(RuntimeError, match=r"may not go online.*Preferences > System > Network"):
        bpy.ops.talkclip.check_server()


def test_preferences_draw_in_every_state(local):
    assert "existing_python" in all_preferences() and "local_port" in all_preferences()
    local.engine_kind = "INSTALLED"
    shown = all_preferences()
    assert {"engine_source", "engine_folder", "base_python", "wheel_folder", "engine_extra"} <= set(shown)
    assert "Install Engine" in shown and "start_by_itself" in shown
    local.server_where = "ADDRESS"
    shown = all_preferences()
    assert {"server_address", "key_file", "server_key"} <= set(shown) and "engine_source" not in shown


def test_nothing_runs_on_when_the_extension_is_disabled(local):
    assert bpy.ops.talkclip.start_server() == {"FINISHED"}
    running = group()
    addon_utils.disable(MODULE, default_set=True)
    assert_gone(running)
    addon_utils.enable(MODULE, default_set=True)

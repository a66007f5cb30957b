"""The engine installed from inside Blender, of packages of a few hundred bytes: offline, halfway, again, away."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import bpy
import pytest
from harness import MODULE
from service_room import all_preferences, assert_gone, panel, preferences, room, service

WHEEL = Path(os.environ["TALKCLIP_TEST_WHEEL"])


@pytest.fixture
def chosen(scene, tmp_path, monkeypatch):
    """An engine's folder of this test; of the machine's own pip settings nothing is left."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    chosen = preferences()
    chosen.server_where, chosen.engine_kind = "LOCAL", "INSTALLED"
    chosen.engine_folder, chosen.engine_source, chosen.wheel_folder = str(tmp_path / "engine"), str(WHEEL), ""
    yield chosen
    service().shut_down()
    service().__init__()
    bpy.context.preferences.system.use_online_access = False
    for name in ("server_where", "engine_kind", "engine_folder", "engine_source", "wheel_folder", "base_python"):
        chosen.property_unset(name)


def use_index(monkeypatch, variable):
    url = os.environ[variable]
    monkeypatch.setenv("PIP_INDEX_URL", url)
    monkeypatch.setenv("PIP_TRUSTED_HOST", url.removeprefix("http://").partition("/")[0])
    bpy.context.preferences.system.use_online_access = True
    assert bpy.app.online_access


def test_from_a_wheel_folder_without_online_access_and_away_again(chosen):
    assert not bpy.app.online_access
    chosen.wheel_folder = str(WHEEL.parent)
    assert "Install Engine" in panel()
    assert bpy.ops.talkclip.install_engine() == {"FINISHED"}
    python = service().engine(room("connection").settings_of(bpy.context)).python
    code = "import talkclip, tinyneed, zlast, sys; print(talkclip.__version__, *sys.version_info[:2])"
    said = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert said == ["0.1.0", *map(str, sys.version_info[:2])]  # made by Blender's own Python
    assert "Start Server" in panel() and "Install Again" in all_preferences()

    assert bpy.ops.talkclip.install_engine() == {"FINISHED"}  # after an update of the extension
    place, deadline = Path(chosen.engine_folder), time.monotonic() + 20
    while {path.name for path in place.glob("env*")} != {"env-2"}:  # the old one is deleted meanwhile
        service().move_on()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert bpy.ops.talkclip.uninstall_engine() == {"FINISHED"}
    assert not Path(chosen.engine_folder).exists()
    assert "Install Engine" in panel() and not bpy.ops.talkclip.uninstall_engine.poll()


def test_online_access_is_respected(chosen):
    assert not bpy.app.online_access
    assert "Blender may not go online" in panel()
    with pytest.raises(RuntimeError, match="Blender may not go online"):
        bpy.ops.talkclip.install_engine()
    assert not Path(chosen.engine_folder).exists()


def test_cancelled_halfway_and_resumed(chosen, monkeypatch):
    use_index(monkeypatch, "TALKCLIP_TEST_STALLING_INDEX")
    settings = room("connection").settings_of(bpy.context)
    installation = service().install(settings)  # what the button does in a window
    deadline = time.monotonic() + 120
    while installation.text != "Fetching zlast":
        service().move_on()
        assert service().installing and time.monotonic() < deadline, installation.error
        time.sleep(0.02)
    shown = panel()
    assert "Fetching zlast" in shown and "talkclip.cancel_installation" in shown
    assert not bpy.ops.talkclip.install_engine.poll() and not bpy.ops.talkclip.uninstall_engine.poll()
    running = installation._process.pid
    assert bpy.ops.talkclip.cancel_installation() == {"FINISHED"}
    assert_gone(running)
    assert "Resume" in panel()
    assert bpy.ops.talkclip.close_installation() == {"FINISHED"}
    shown = panel()
    assert "Resume" in shown and "An installation was interrupted" in shown  # also in the next session

    use_index(monkeypatch, "TALKCLIP_TEST_INDEX")
    assert bpy.ops.talkclip.install_engine() == {"FINISHED"}
    assert "Start Server" in panel()
    bpy.ops.talkclip.uninstall_engine()


def test_failures_say_what_to_do(chosen, monkeypatch, tmp_path):
    chosen.wheel_folder = str(tmp_path / "nothing here")
    with pytest.raises(RuntimeError, match="is no folder"):
        bpy.ops.talkclip.install_engine()
    chosen.wheel_folder = str(tmp_path)
    with pytest.raises(RuntimeError, match=r"No file of '\S+' fits.*folder of wheels"):
        bpy.ops.talkclip.install_engine()
    assert "Resume" in panel() and "talkclip.show_log" in " ".join(panel())
    assert bpy.ops.talkclip.show_log(which="INSTALLATION") == {"FINISHED"}
    chosen.base_python = "/bin/true"
    with pytest.raises(RuntimeError, match="does not work as a Python"):
        bpy.ops.talkclip.install_engine()
    chosen.base_python, chosen.engine_source = "", str(tmp_path / "gone.whl")
    with pytest.raises(RuntimeError, match=r"gone\.whl: is not there"):
        bpy.ops.talkclip.install_engine()
    chosen.engine_source = ""
    with pytest.raises(RuntimeError, match=r"Choose the engine's wheel, talkclip-0\.1\.0"):
        bpy.ops.talkclip.install_engine()


def test_the_wheel_is_found_beside_the_file_and_the_extensions_folder_is_refused(chosen, tmp_path):
    chosen.engine_source, chosen.wheel_folder = "", str(WHEEL.parent)
    assert str(WHEEL) in panel()
    chosen.engine_folder = str(Path(sys.modules[MODULE].__file__).parent / "engine")
    with pytest.raises(RuntimeError, match="an update deletes"):
        bpy.ops.talkclip.install_engine()

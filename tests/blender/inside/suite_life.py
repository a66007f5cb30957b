"""What goes wrong, and what comes before and after: errors with a remedy, saving, disabling, uninstalling."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import bpy
import pytest
from harness import MODULE, drawn, shapes, strip_of

import addon_utils  # isort: skip


def preferences():
    return bpy.context.preferences.addons[MODULE].preferences


def state(head):
    """What a failed request must leave as it was."""
    keys = head.data.shape_keys
    return (
        len(bpy.data.actions),
        keys.animation_data is None,
        head.parent.animation_data is None,
        len(head.talkclip.takes),
        bpy.context.scene.sequence_editor is None,
        {block.name: (block.value, block.slider_min, block.slider_max) for block in keys.key_blocks},
    )


def test_no_server(head):
    before = state(head)
    preferences().server_address = "tcp://127.0.0.1:1"
    with pytest.raises(RuntimeError, match=r"No TalkCLIP server answers at tcp://127\.0\.0\.1:1.*talkclip serve"):
        bpy.ops.talkclip.speak()
    with pytest.raises(RuntimeError, match="No TalkCLIP server"):
        bpy.ops.talkclip.check_server()
    assert state(head) == before


def test_nonsense_address(head):
    preferences().server_address = "ipc://"
    with pytest.raises(RuntimeError, match="not an address"):
        bpy.ops.talkclip.speak()


def test_another_computer_needs_online_access(head):
    assert not bpy.app.online_access
    preferences().server_address = "tcp://render.invalid:5599"
    with pytest.raises(RuntimeError, match=r"may not go online.*Preferences > System > Network"):
        bpy.ops.talkclip.speak()


def test_server_dies_in_the_middle(head):
    before = state(head)
    preferences().server_address = os.environ["TALKCLIP_TEST_DYING_SERVER"]
    begin = time.monotonic()
    with pytest.raises(RuntimeError, match=r"closed the connection.*talkclip serve"):
        bpy.ops.talkclip.speak()
    assert time.monotonic() - begin < 30
    assert state(head) == before


def test_a_request_can_be_stopped_while_it_runs(head, extension):
    """What ESC does, without the window: a run is closed between two steps."""
    speech = sys.modules[MODULE + ".result.speech"]
    from talkclip.client import Client, JobState

    before = state(head)
    preferences().server_address = os.environ["TALKCLIP_TEST_STALLING_SERVER"]
    run = speech.Run(speech.plan(head, bpy.context.scene), Client(preferences().server_address))
    deadline = time.monotonic() + 20
    while run.progress[1] != "Listening":
        assert not run.pump() and time.monotonic() < deadline
        time.sleep(0.005)
    assert run.progress[0] == pytest.approx(0.3)
    run.close()
    assert run.job.state is JobState.CANCELLED
    assert state(head) == before
    with Client(preferences().server_address) as client:  # the server let the job go
        assert client.status().jobs_running == 0


def test_the_character_is_gone_when_the_answer_comes(head, extension):
    speech = sys.modules[MODULE + ".result.speech"]
    from talkclip.client import Client
    from talkclip.errors import InputError

    planned = speech.plan(head, bpy.context.scene)
    with Client(preferences().server_address) as client:
        reply = client.animate(planned.request, timeout_s=60)
    bpy.data.objects.remove(head)
    with pytest.raises(InputError, match="is gone"):
        speech.apply(planned, reply)


def test_not_a_sound(head, tmp_path):
    text = tmp_path / "Zeile mit Ümlaut.wav"
    text.write_text("this is no sound")
    head.talkclip.sound_path = str(text)
    before = state(head)
    with pytest.raises(RuntimeError, match=r"Zeile mit Ümlaut\.wav"):
        bpy.ops.talkclip.speak()
    assert state(head) == before


def test_a_missing_strip_and_a_face_without_shapes(head, scene):
    head.talkclip.sound_source = "STRIP"
    head.talkclip.sound_strip = "gone"
    with pytest.raises(RuntimeError, match="no sound strip 'gone'"):
        bpy.ops.talkclip.speak()
    bpy.ops.mesh.primitive_cube_add()
    assert not bpy.ops.talkclip.speak.poll()


def test_tweak_mode_and_a_switched_off_nla_are_said(head):
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    data = head.data.shape_keys.animation_data
    data.use_nla = False
    with pytest.raises(RuntimeError, match="switched off"):
        bpy.ops.talkclip.speak()
    data.use_nla = True
    assert bpy.ops.talkclip.speak() == {"FINISHED"}


def test_nothing_is_lost_by_saving(head, tmp_path):
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    head.talkclip.prompt = "a sad man speaks slowly"
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    name, uid = head.name, head.talkclip.segments[0].uid
    before = shapes(head, 60)
    path = str(tmp_path / "line.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    head = bpy.data.objects[name]
    assert shapes(head, 60) == pytest.approx(before, abs=1e-6)
    assert head.talkclip.prompt == "a sad man speaks slowly" and head.talkclip.segments[0].uid == uid
    assert [take.action is not None for take in head.talkclip.takes] == [True, True]
    strip_of(head.data.shape_keys)


def test_panels_draw(head, extension):
    character = sys.modules[MODULE + ".character.panel"].TALKCLIP_PT_character
    line = sys.modules[MODULE + ".line.panel"].TALKCLIP_PT_line
    result = sys.modules[MODULE + ".result.panel"]
    assert "ARKit 52/52: TalkCLIP Head" in drawn(character) and "talkclip.speak" in drawn(result.TALKCLIP_PT_speak)
    head.talkclip.sound_source = "STRIP"
    assert "sound_strip" in drawn(line)
    head.talkclip.sound_source = "FILE"
    head.talkclip.use_scene_start = False
    assert "start_frame" in drawn(line)
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    assert "Frames 1 to 249" in drawn(result.TALKCLIP_PT_takes)
    assert {"gain_mouth", "mute_mouth", "gain_head"} <= set(drawn(result.TALKCLIP_PT_layers))
    assert "seed" in drawn(result.TALKCLIP_PT_details)
    head.data.shape_keys.key_blocks["jawOpen"].driver_add("value")
    assert any("follow drivers" in text for text in drawn(character))
    bpy.ops.object.empty_add()
    assert drawn(character)[-1] == "talkclip.add_default_head" and not line.poll(bpy.context)
    bpy.context.view_layer.objects.active = None
    assert drawn(character)[-1] == "talkclip.add_default_head"


def test_one_work_at_a_time(head, extension, monkeypatch, tmp_path):
    """While one goes on, its own panel shows how far it is, and no other can begin."""
    speak = sys.modules[MODULE + ".result.speak_operator"].TALKCLIP_OT_speak
    plate = sys.modules[MODULE + ".plates.operators"].TALKCLIP_OT_render_plate
    modal = sys.modules[MODULE + ".modal"]
    speak_panel = sys.modules[MODULE + ".result.panel"].TALKCLIP_PT_speak
    plates_panel = sys.modules[MODULE + ".plates.panel"].TALKCLIP_PT_plates
    head.talkclip.plate_who, head.talkclip.plate_folder = "HEAD", str(tmp_path)
    for operator, own, other in ((speak, speak_panel, plates_panel), (plate, plates_panel, speak_panel)):
        assert bpy.ops.talkclip.speak.poll() and bpy.ops.talkclip.render_plate.poll()
        work = type("Work", (), {"progress": (0.4, "Listening"), "latest": None})()
        with monkeypatch.context() as patch:
            patch.setattr(modal, "_running", modal.Running(operator, work))
            assert "Listening" in drawn(own) and "Listening" not in drawn(other)
            for button in ("speak", "render_plate", "export_video"):
                with pytest.raises(RuntimeError, match=f"{operator.bl_label} is at work: wait"):
                    getattr(bpy.ops.talkclip, button)()
    assert len(head.talkclip.takes) == 0


def test_other_operators_go_on_meanwhile(head, extension, monkeypatch):
    """Timers of other operators send events of the same type, and keys but ESC are not for us."""
    modal = sys.modules[MODULE + ".modal"]
    speak = sys.modules[MODULE + ".result.speak_operator"].TALKCLIP_OT_speak
    stopped = []
    work = type(
        "Work", (), {"progress": (0.1, "Listening"), "pump": lambda _: False, "close": lambda _: stopped.append(1)}
    )()
    monkeypatch.setattr(modal, "_running", modal.Running(speak, work))
    operator = type("Operator", (modal.ModalWork,), {"report": lambda *_: None})()
    for kind, outcome in (("TIMER", "PASS_THROUGH"), ("A", "PASS_THROUGH"), ("ESC", "CANCELLED")):
        assert not stopped
        event = type("Event", (), {"type": kind, "value": "PRESS"})()
        assert operator.modal(bpy.context, event) == {outcome}
    assert stopped and modal.running(speak) is None and bpy.ops.talkclip.speak.poll()


def test_a_file_browser_that_was_open_before_begins_nothing_meanwhile(extension, monkeypatch):
    """Blender does not ask `poll` again when a file is chosen."""
    modal = sys.modules[MODULE + ".modal"]
    export = sys.modules[MODULE + ".plates.export_operators"].TALKCLIP_OT_export_video
    speak = sys.modules[MODULE + ".result.speak_operator"].TALKCLIP_OT_speak
    said = []
    chosen = type("Chosen", (), {"report": lambda _, kind, text: said.append(text), "_begin": export._begin})()
    monkeypatch.setattr(modal, "_running", modal.Running(speak, None))
    assert export.in_steps(chosen, bpy.context) == {"CANCELLED"}
    assert said == ["Speak is at work: wait until it is done, or press ESC to stop it."]


def test_the_core_is_the_light_one(extension):
    """What is bundled imports neither torch nor the engine."""
    code = "import sys, talkclip.client, talkclip_rigs.head; print(*sys.modules)"
    site = Path(sys.modules["talkclip"].__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(site)}, capture_output=True, text=True
    )
    loaded = done.stdout.split()
    assert "talkclip.client" in loaded and not {"talkclip.engine", "torch"}.intersection(loaded), done
    assert not (site / "talkclip" / "engine").exists() and not (site / "talkclip" / "cli").exists()


def test_disable_enable_uninstall(head):
    """Last: afterwards the extension is gone."""
    addon_utils.disable(MODULE, default_set=True)
    assert not hasattr(bpy.types.Object, "talkclip") and not hasattr(bpy.types, "TALKCLIP_PT_character")
    addon_utils.enable(MODULE, default_set=True)
    assert head.talkclip.prompt, "what was typed is still there"
    repos = bpy.context.preferences.extensions.repos
    index = next(i for i, repo in enumerate(repos) if repo.module == "user_default")
    bpy.ops.extensions.package_uninstall(repo_index=index, pkg_id="talkclip_blender")
    assert not hasattr(bpy.types.Object, "talkclip")
    folder = Path(os.environ["BLENDER_USER_RESOURCES"]) / "extensions" / "user_default"
    assert not (folder / "talkclip_blender").exists()

"""From nothing to keys on a rig, as on the first day: the wheel lies in Downloads, packages come from pip's index."""

from __future__ import annotations

from pathlib import Path

import bpy
from harness import curves_of, shapes
from service_room import panel, preferences, room, service


def test_install_speak_uninstall(head, tmp_path):
    chosen = preferences()
    chosen.server_where, chosen.engine_folder = "LOCAL", str(tmp_path / "engine")
    chosen.local_port = room("local_server").free_port()
    bpy.context.preferences.system.use_online_access = True
    assert any("Downloads" in text for text in panel())
    assert bpy.ops.talkclip.install_engine() == {"FINISHED"}
    assert bpy.ops.talkclip.speak() == {"FINISHED"}  # starts the server by itself
    (strip,) = head.data.shape_keys.animation_data.nla_tracks[-1].strips
    assert curves_of(strip)
    assert max(shapes(head, frame)["jawOpen"] for frame in range(1, 60)) > 0.05
    used = sum(path.stat().st_size for path in Path(chosen.engine_folder).rglob("*") if path.is_file())
    assert 0.5e9 < used < 1.1e9, "the size that is shown beforehand is no longer true"
    assert bpy.ops.talkclip.stop_server() == {"FINISHED"}
    assert bpy.ops.talkclip.uninstall_engine() == {"FINISHED"}
    assert not Path(chosen.engine_folder).exists()
    service().__init__()

"""Runs the suites of `inside/` in real Blender (bpy 4.5, 5.2; the story also in 5.0) against a server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.blender.environments import ROOT, SMOKE_TESTED, VERSIONS, bpy_python
from tests.blender.running import rehearsal, run_suite

pytestmark = [pytest.mark.blender, pytest.mark.xdist_group("blender")]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("suite", ["suite_speak", "suite_flame"])
@pytest.mark.parametrize("who", ["rehearsal_server", "real_server"])
def test_speaking(
    who: str,
    suite: str,
    version: str,
    extension_zip: Path,
    flame_file: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    run_suite(
        version, suite, extension_zip, tmp_path, request.getfixturevalue(who), TALKCLIP_TEST_FLAME=str(flame_file)
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_life(version: str, extension_zip: Path, tmp_path: Path, rehearsal_server: str) -> None:
    with rehearsal("--die") as dying, rehearsal("--stall") as stalling:
        servers = {"TALKCLIP_TEST_DYING_SERVER": dying, "TALKCLIP_TEST_STALLING_SERVER": stalling}
        run_suite(version, "suite_life", extension_zip, tmp_path, rehearsal_server, **servers)


@pytest.mark.parametrize("version", VERSIONS + SMOKE_TESTED)
def test_story(version: str, extension_zip: Path, tmp_path: Path, real_server: str) -> None:
    run_suite(version, "suite_story", extension_zip, tmp_path, real_server)


def test_every_platform_fits(tmp_path: Path) -> None:
    """All zips build, pass Blender's own check, and stay under 6 MB (the script fails otherwise)."""
    script = ROOT / "blender_addon" / "build_extension.py"
    command = [sys.executable, script, "--bpy-python", bpy_python("52"), "--out", tmp_path]
    subprocess.run(command, check=True, timeout=300)
    assert len(list(tmp_path.glob("talkclip_blender-*.zip"))) == 4

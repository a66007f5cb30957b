"""Runs the suite of the result room in real Blender (bpy 4.5, 5.2), against the small engine and the real one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.blender.environments import VERSIONS
from tests.blender.running import rehearsal, run_suite

pytestmark = [pytest.mark.blender, pytest.mark.xdist_group("blender")]


@pytest.mark.parametrize("version", VERSIONS)
def test_results(version: str, extension_zip: Path, tmp_path: Path, rehearsal_server: str) -> None:
    with rehearsal("--flat") as flat:
        run_suite(version, "suite_result", extension_zip, tmp_path, rehearsal_server, TALKCLIP_TEST_FLAT_SERVER=flat)


@pytest.mark.parametrize("version", VERSIONS)
def test_results_of_the_real_server(version: str, extension_zip: Path, tmp_path: Path, real_server: str) -> None:
    run_suite(version, "suite_result", extension_zip, tmp_path, real_server)

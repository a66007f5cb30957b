"""Runs the character room's suites in real Blender (bpy 4.5, 5.2) against a server with a small engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.blender.environments import VERSIONS
from tests.blender.running import run_suite

pytestmark = [pytest.mark.blender, pytest.mark.xdist_group("blender")]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("suite", ["suite_character", "suite_driven", "suite_overrides"])
def test_character(suite: str, version: str, extension_zip: Path, tmp_path: Path, rehearsal_server: str) -> None:
    run_suite(version, suite, extension_zip, tmp_path, rehearsal_server)

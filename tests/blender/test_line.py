"""Prompt segments in real Blender (bpy 4.5, 5.2)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.blender.environments import VERSIONS
from tests.blender.running import run_suite

SUITES = ("suite_line", "suite_line_ui", "suite_words", "suite_overlay", "suite_exchange", "suite_reading")

pytestmark = [pytest.mark.blender, pytest.mark.xdist_group("blender")]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "suite", ["suite_line", "suite_line_ui", "suite_words", "suite_overlay", "suite_exchange", "suite_reading"]
)
def test_segments(suite: str, version: str, extension_zip: Path, tmp_path: Path, rehearsal_server: str) -> None:
    run_suite(version, suite, extension_zip, tmp_path, rehearsal_server)


@pytest.mark.parametrize("version", VERSIONS)
def test_on_the_real_engine(version: str, extension_zip: Path, tmp_path: Path, real_server: str) -> None:
    run_suite(version, "suite_line_real", extension_zip, tmp_path, real_server)

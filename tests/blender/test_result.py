"""Runs the suites of the result room in real Blender (bpy 4.5, 5.2), against the small engine and the real one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.blender.environments import VERSIONS
from tests.blender.running import rehearsal, run_suite

pytestmark = [pytest.mark.blender, pytest.mark.xdist_group("blender")]


@pytest.fixture(scope="module")
def odd_servers() -> Iterator[dict[str, str]]:
    """Servers that do something else than answer, as the suite's environment."""
    options = {"FLAT": "--flat", "OLD": "--old", "RESTARTING": "--restart", "STALLING": "--stall"}
    with contextlib.ExitStack() as stack:
        yield {
            f"TALKCLIP_TEST_{name}_SERVER": stack.enter_context(rehearsal(option)) for name, option in options.items()
        }


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("suite", ["suite_layers", "suite_takes", "suite_live", "suite_bake", "suite_compare"])
@pytest.mark.parametrize("who", ["rehearsal_server", "real_server"])
def test_results(
    who: str,
    suite: str,
    version: str,
    extension_zip: Path,
    tmp_path: Path,
    odd_servers: dict[str, str],
    request: pytest.FixtureRequest,
) -> None:
    run_suite(version, suite, extension_zip, tmp_path, request.getfixturevalue(who), **odd_servers)

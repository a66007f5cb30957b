"""What the suites in real Blender share: the built extension, and servers to speak with."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.blender.environments import ROOT, bpy_python
from tests.blender.running import rehearsal, server
from tests.support import synthetic_flame


@pytest.fixture(scope="session")
def extension_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The extension for this platform, built and validated by Blender's own tool."""
    folder = tmp_path_factory.mktemp("extension")
    platform = {"linux": "linux-x64", "win32": "windows-x64", "darwin": "macos-arm64"}[sys.platform]
    script = ROOT / "blender_addon" / "build_extension.py"
    command = [sys.executable, script, "--bpy-python", bpy_python("45"), "--out", folder, "--platform", platform]
    subprocess.run(command, check=True, timeout=300)
    (built,) = folder.glob("*.zip")
    return built


@pytest.fixture(scope="session")
def flame_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic model of FLAME's shape."""
    return synthetic_flame.build().write_npz(tmp_path_factory.mktemp("flame") / "synthetic.npz")


@pytest.fixture(scope="session")
def real_server(flame_file: Path) -> Iterator[str]:
    """`talkclip serve` as a user starts it, with the default weights."""
    command = [sys.executable, "-m", "talkclip.cli.main", "serve", "--bind", "tcp://127.0.0.1:*", "--flame", flame_file]
    with server(*command) as address:
        yield address


@pytest.fixture(scope="session")
def rehearsal_server() -> Iterator[str]:
    """One for all suites that leave it alive."""
    with rehearsal() as address:
        yield address

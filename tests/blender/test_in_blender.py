"""Runs the suites of `inside/` in real Blender (bpy 4.5, 5.2), each in a process of its own, against a server.

bpy and the engine never share an environment. A suite must end by itself, with exit code 0: a Blender that hangs or
crashes at exit is a failure.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.blender.environments import ROOT, VERSIONS, bpy_python
from tests.support import synthetic_flame

HERE = Path(__file__).parent
SUITE_LIMIT_S = 300
pytestmark = [pytest.mark.blender, pytest.mark.xdist_group("blender")]


@pytest.fixture(scope="module")
def extension_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The extension for this platform, built and validated by Blender's own tool."""
    folder = tmp_path_factory.mktemp("extension")
    platform = {"linux": "linux-x64", "win32": "windows-x64", "darwin": "macos-arm64"}[sys.platform]
    script = ROOT / "blender_addon" / "build_extension.py"
    command = [sys.executable, script, "--bpy-python", bpy_python("45"), "--out", folder, "--platform", platform]
    subprocess.run(command, check=True, timeout=300)
    (built,) = folder.glob("*.zip")
    return built


@contextlib.contextmanager
def server(*command: str | Path) -> Iterator[str]:
    """A server process -> its address."""
    with subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            line = process.stdout.readline()
            assert " ready at tcp://" in line, f"the server did not start: {line!r}"
            yield line.split()[-1]
        finally:
            process.kill()


def rehearsal(*options: str) -> contextlib.AbstractContextManager[str]:
    """A server with a small engine, whose answers depend on every field of the request."""
    return server(sys.executable, HERE / "rehearsal_server.py", *options)


@pytest.fixture(scope="module")
def flame_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic model of FLAME's shape."""
    return synthetic_flame.build().write_npz(tmp_path_factory.mktemp("flame") / "synthetic.npz")


@pytest.fixture(scope="module")
def real_server(flame_file: Path) -> Iterator[str]:
    """`talkclip serve` as a user starts it, with the default weights."""
    command = [sys.executable, "-m", "talkclip.cli.main", "serve", "--bind", "tcp://127.0.0.1:*", "--flame", flame_file]
    with server(*command) as address:
        yield address


@pytest.fixture(scope="module")
def rehearsal_server() -> Iterator[str]:
    """One for all suites that leave it alive."""
    with rehearsal() as address:
        yield address


def run_suite(version: str, suite: str, zip_path: Path, folder: Path, address: str, **more: str) -> None:
    """Run one suite inside bpy; everything it installs and writes stays in `folder`. `more`: its environment."""
    keep = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("PYTHON", "PYTEST", "BLENDER", "VIRTUAL"))
    }
    environment = {
        **keep,
        "BLENDER_USER_RESOURCES": str(folder / "user"),
        "TALKCLIP_TEST_ZIP": str(zip_path),
        "TALKCLIP_TEST_SERVER": address,
        "TALKCLIP_TEST_SOUND": str(ROOT / "samples" / "line.flac"),
        "PYTHONPATH": str(HERE / "inside"),
        **more,
    }
    (folder / "user").mkdir()
    command = [
        bpy_python(version),
        "-m",
        "pytest",
        "-c",
        HERE / "inside" / "pytest.ini",
        HERE / "inside" / f"{suite}.py",
    ]
    done = subprocess.run(
        [str(part) for part in command], env=environment, cwd=folder, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SUITE_LIMIT_S,
    )  # fmt: skip
    assert done.returncode == 0, f"{suite} in bpy {version}: exit code {done.returncode}\n{done.stdout}"
    assert " passed" in done.stdout, done.stdout


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


def test_every_platform_fits(tmp_path: Path) -> None:
    """All zips build, pass Blender's own check, and stay under 6 MB (the script fails otherwise)."""
    script = ROOT / "blender_addon" / "build_extension.py"
    command = [sys.executable, script, "--bpy-python", bpy_python("52"), "--out", tmp_path]
    subprocess.run(command, check=True, timeout=300)
    assert len(list(tmp_path.glob("talkclip_blender-*.zip"))) == 4

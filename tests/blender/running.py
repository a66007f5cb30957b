"""Starting servers, and running a suite of `inside/` in real Blender, in a process of its own.

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

from tests.blender.environments import ROOT, bpy_python

HERE = Path(__file__).parent
SUITE_LIMIT_S = 300


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

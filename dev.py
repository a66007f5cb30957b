#!/usr/bin/env python3
"""One door for everything: python3 dev.py demo | test | lint | bench | extension | setup-blender.

Only the standard library is needed to start; each command makes the environment it works in (`.venv`, and
`.venv-bpy45`, `.venv-bpy50`, `.venv-bpy52` for Blender) and installs what is missing. Linux, macOS, Windows.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent
ENGINE = ROOT / ".venv"
OLDEST_PYTHON = (3, 11)

# One environment per Blender: their numpy pins differ from each other and from the engine's.
BLENDERS = {"45": ("4.5.15", (3, 11)), "50": ("5.0.1", (3, 11)), "52": ("5.2.3", (3, 13))}
BPY_LIBRARIES = [
    "libx11-6", "libxrender1", "libxfixes3", "libxi6", "libxkbcommon0", "libgl1", "libsm6", "libice6",
    "libxext6", "libegl1", "libxxf86vm1", "libgomp1",
]  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("demo", help="speak the bundled line with three prompts into demo/")
    test = commands.add_parser("test", help="run the tests; arguments after -- go to pytest")
    test.add_argument("--slow", action="store_true", help="also the slow ones")
    test.add_argument("--blender", action="store_true", help="also in real Blender (makes its environments)")
    test.add_argument("pytest", nargs="*", help="arguments for pytest, after --")
    commands.add_parser("lint", help="ruff, mypy, import contracts")
    bench = commands.add_parser("bench", help="measure one area; other options go to its benchmark")
    bench.add_argument("area", choices=["main", "model", "server", "render", "blender"])
    bench.add_argument("--json", metavar="FILE", help="also write the figures here")
    extension = commands.add_parser(
        "extension", help="build and validate the Blender extension, and the engine's wheel"
    )
    extension.add_argument("--out", default=str(ROOT / "dist"), help="folder for zips and wheel (default dist/)")
    commands.add_parser("setup-blender", help="make the Blender test environments")
    arguments, more = parser.parse_known_args()
    if more and arguments.command != "bench":
        parser.error(f"unrecognized arguments: {' '.join(more)}")
    arguments.more = more
    if sys.version_info < OLDEST_PYTHON:
        return fail(f"Python {platform.python_version()} is too old.", "Run this with Python 3.11 or newer.")
    return {"demo": demo, "test": tests, "lint": lint, "bench": benchmark, "extension": build_extension,
            "setup-blender": setup_blender}[arguments.command](arguments)  # fmt: skip


def demo(_: argparse.Namespace) -> int:
    python = environment(ENGINE, ["lite"])
    began = time.monotonic()
    code = run([python, "-m", "talkclip.cli.demo", "--out", ROOT / "demo"])
    if code == 0:
        print(f"\nLook into {ROOT / 'demo'} ({time.monotonic() - began:.0f} s of work).")
    return code


def tests(arguments: argparse.Namespace) -> int:
    python = environment(ENGINE, ["lite", "train", "dev"])
    if arguments.blender and setup_blender(arguments) != 0:
        return 1
    chosen = [] if arguments.slow else ["not slow"]
    chosen += [] if arguments.blender else ["not blender"]
    extra = ["-m", " and ".join(chosen)] if (arguments.slow or arguments.blender) else []
    return run([python, "-m", "pytest", "-n", "2", "--dist", "loadgroup", *extra, *arguments.pytest])


def lint(_: argparse.Namespace) -> int:
    python = environment(ENGINE, ["lite", "train", "dev"])
    scripts = Path(python).parent
    steps: list[list[str | Path]] = [
        [python, "-m", "ruff", "check", "."],
        [python, "-m", "ruff", "format", "--check", "."],
        [python, "-m", "mypy", "--strict", *sorted((ROOT / "talkclip").glob("*.py")), "rigs/talkclip_rigs"],
        [python, "-m", "mypy", "talkclip/engine", "talkclip/cli", "server/talkclip_server"],
        [scripts / "lint-imports"],
    ]
    return max(run(step) for step in steps)


def benchmark(arguments: argparse.Namespace) -> int:
    python = environment(ENGINE, ["lite"])
    if arguments.area == "blender" and setup_blender(arguments) != 0:
        return 1
    extra = ["--json", Path(arguments.json).resolve()] if arguments.json else []
    return run([python, "-m", f"talkclip_training.benchmarks.{arguments.area}", *extra, *arguments.more])


def build_extension(arguments: argparse.Namespace) -> int:
    python = environment(ENGINE, ["lite", "train", "dev"])
    if setup_blender(arguments) != 0:
        return 1
    bpy_python = environment_python(ROOT / ".venv-bpy45")
    options = ["--out", arguments.out, "--bpy-python", bpy_python, "--engine-wheel"]
    return run([python, "blender_addon/build_extension.py", *options])


def setup_blender(_: argparse.Namespace) -> int:
    system_packages(BPY_LIBRARIES, "Blender's Python module")
    for key, (version, python_version) in BLENDERS.items():
        interpreter = find_python(python_version)
        if interpreter is None:
            wanted = ".".join(map(str, python_version))
            return fail(f"bpy {version} needs Python {wanted}, which was not found.", f"Install Python {wanted}.")
        place = ROOT / f".venv-bpy{key}"
        stamp = place / f"ready-{version}"
        if stamp.exists():
            continue
        print(f"Making {place.name}: bpy {version} (about 850 MB)", flush=True)
        shutil.rmtree(place, ignore_errors=True)
        if run([interpreter, "-m", "venv", place]) or run(
            [environment_python(place), "-m", "pip", "install", "--quiet", f"bpy=={version}", "pytest>=8.2"]
        ):
            return fail(f"bpy {version} could not be installed.", "See pip's message above.")
        stamp.touch()
    return 0


def environment(place: Path, extras: Sequence[str]) -> str:
    """Make or refresh a virtual environment with this project and its extras -> its Python."""
    python = environment_python(place)
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes() + ",".join(extras).encode()).hexdigest()[:16]
    stamp = place / f"ready-{'-'.join(extras)}"
    if stamp.is_file() and stamp.read_text() == wanted and Path(python).exists():
        return python
    print(f"Setting up {place.name} with [{','.join(extras)}] (a few minutes the first time)", flush=True)
    if not Path(python).exists():
        venv.create(place, with_pip=True, clear=place.exists())
    target = f"{ROOT}[{','.join(extras)}]"
    if run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--editable", target]):
        sys.exit(fail("The packages could not be installed.", "See pip's message above."))
    stamp.write_text(wanted)
    return python


def environment_python(place: Path) -> str:
    """Where a virtual environment keeps its Python on this system."""
    return str(place / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))


def find_python(version: tuple[int, int]) -> str | None:
    """A Python of exactly this version that starts: this one, one on PATH, pyenv's, or Windows' launcher's."""
    name = ".".join(map(str, version))
    if sys.version_info[:2] == version:
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [
        [f"python{name}"],
        *[[str(p)] for p in sorted(pyenv.glob(f"{name}.*/bin/python"))],
        ["py", f"-{name}"],
    ]
    for candidate in candidates:
        question = [*candidate, "-c", "import sys; print(sys.executable, *sys.version_info[:2])"]
        try:
            answer = subprocess.run(question, capture_output=True, text=True, timeout=60, check=True).stdout
        except (OSError, subprocess.SubprocessError):
            continue
        executable, major, minor = answer.rsplit(maxsplit=2)
        if (int(major), int(minor)) == version:
            return executable
    return None


def system_packages(packages: Sequence[str], what_for: str) -> None:
    """Install Debian packages where we may; elsewhere say which are needed."""
    if platform.system() != "Linux" or shutil.which("dpkg-query") is None:
        return
    shown = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${Status}\n", *packages], capture_output=True, text=True
    ).stdout
    installed = {line.split()[0] for line in shown.splitlines() if line.endswith("install ok installed")}
    missing = [name for name in packages if name not in installed]
    if not missing:
        return
    if os.geteuid() != 0:
        print(f"{what_for} needs system libraries: sudo apt-get install {' '.join(missing)}", flush=True)
        return
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], env=quiet, check=False)
    if subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], env=quiet).returncode:
        print(f"{what_for}: apt-get could not install {' '.join(missing)}", flush=True)


def run(command: Sequence[str | Path]) -> int:
    """Run in the project's root -> exit code."""
    return subprocess.run([str(part) for part in command], cwd=ROOT).returncode


def fail(problem: str, remedy: str) -> int:
    print(f"dev.py: {problem} {remedy}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())

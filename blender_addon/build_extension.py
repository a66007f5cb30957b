"""Builds the Blender extension: one zip per platform, with everything it needs inside, checked by Blender's own tool.

    python blender_addon/build_extension.py --bpy-python .venv-bpy45/bin/python --out dist

A zip holds the add-on, pyzmq and msgpack for the Pythons of Blender 4.5 (3.11) and 5.1+ (3.13), and our light core
(`talkclip` without engine and command line, and `talkclip_rigs`) as a wheel built from this source tree. With
`--engine-wheel` the whole project is built as a wheel too, beside the zips: what *Install Engine* in Blender installs.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ADDON = ROOT / "blender_addon" / "talkclip_blender"
MAX_ZIP_BYTES = 6_000_000

# Pinned, so that the same source gives the same extension.
BUNDLED = ("pyzmq==27.3.0", "msgpack==1.2.4")
# Blender 4.5 and 5.0 run Python 3.11, 5.1 and later 3.13; pyzmq's cp312-abi3 wheel serves the latter.
PYTHON_VERSIONS = ("3.11", "3.13")
# Blender's platform names, and the wheel tags that run there.
PLATFORMS = {
    "linux-x64": ("manylinux_2_28_x86_64", "manylinux_2_26_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"),
    "windows-x64": ("win_amd64",),
    "macos-arm64": ("macosx_11_0_arm64", "macosx_10_15_universal2", "macosx_10_9_universal2"),
    "macos-x64": ("macosx_10_15_x86_64", "macosx_10_9_x86_64", "macosx_10_15_universal2", "macosx_10_9_universal2"),
}

CORE_PYPROJECT = """\
[build-system]
requires = ["hatchling>=1.26"]
build-backend = "hatchling.build"

[project]
name = "talkclip-core"
version = "{version}"
description = "The light core of TalkCLIP and its rigs, as bundled with the Blender extension"
license = "Apache-2.0"
license-files = ["LICENSE", "NOTICE.md"]
requires-python = ">=3.11"
dependencies = ["numpy>=1.26", "pyzmq>=26", "msgpack>=1.0.8"]

[tool.hatch.build.targets.wheel]
packages = ["talkclip", "talkclip_rigs"]
"""
NOT_IN_CORE = ("engine", "cli", "__main__.py")


def main(arguments: list[str] | None = None) -> int:
    """Command line; -> exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bpy-python", type=Path, required=True, help="Python of an environment with bpy 4.5 or later")
    parser.add_argument(
        "--out", dest="output", type=Path, default=ROOT / "dist", help="folder for the zips (default: dist)"
    )
    parser.add_argument("--platform", choices=PLATFORMS, action="append", help="only this one; may be repeated")
    parser.add_argument("--engine-wheel", action="store_true", help="also the wheel that `Install Engine` installs")
    options = parser.parse_args(arguments)
    built = build(options.bpy_python, options.output, tuple(options.platform or PLATFORMS))
    if options.engine_wheel:
        built.append(build_engine_wheel(options.output))
    for path in built:
        print(f"{path}  {path.stat().st_size / 1e6:.2f} MB")
    return 0


def build(bpy_python: Path, output: Path, platforms: tuple[str, ...]) -> list[Path]:
    """Build and validate -> the zips, one per platform.

    Raises:
        subprocess.CalledProcessError: pip or Blender's tool refused; its own words were printed.
        RuntimeError: a zip became too large.
    """
    tool = extension_tool(bpy_python)
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="talkclip-extension-") as folder:
        stage = Path(folder) / "extension"
        shutil.copytree(ADDON, stage, ignore=shutil.ignore_patterns("__pycache__", "*.pyc", "wheels"))
        wheels = stage / "wheels"
        build_core_wheel(wheels)
        for platform in platforms:
            download_wheels(platform, wheels)
        write_manifest(stage, platforms)
        built = Path(folder) / "built"
        built.mkdir()
        run(sys.executable, tool, "build", "--source-dir", stage, "--output-dir", built, "--split-platforms")
        zips = sorted(built.glob("*.zip"))
        if len(zips) != len(platforms):
            raise RuntimeError(f"Blender's tool made {[path.name for path in zips]} for {platforms}.")
        for path in zips:
            run(sys.executable, tool, "validate", path)
            if path.stat().st_size > MAX_ZIP_BYTES:
                raise RuntimeError(f"{path.name} has {path.stat().st_size} bytes; at most {MAX_ZIP_BYTES} are allowed.")
        return [Path(shutil.move(path, output / path.name)) for path in zips]


def extension_tool(bpy_python: Path) -> Path:
    """Blender's own build tool inside an environment with bpy.

    Raises:
        FileNotFoundError: that environment has no such tool.
    """
    find = "import importlib.util as u; print(u.find_spec('bpy').submodule_search_locations[0])"
    package = subprocess.run([bpy_python, "-c", find], check=True, capture_output=True, text=True).stdout.strip()
    found = sorted(Path(package).glob("*/scripts/addons_core/bl_pkg/cli/blender_ext.py"))
    if not found:
        raise FileNotFoundError(f"{package}: holds no blender_ext.py; use bpy 4.5 or later.")
    return found[-1]


def build_core_wheel(wheels: Path) -> None:
    """A wheel of what the extension needs of us, into `wheels`."""
    version = next(
        line.split('"')[1]
        for line in (ROOT / "talkclip" / "__init__.py").read_text(encoding="utf-8").splitlines()
        if line.startswith("__version__")
    )
    with tempfile.TemporaryDirectory(prefix="talkclip-core-") as folder:
        tree = Path(folder)
        ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
        shutil.copytree(
            ROOT / "talkclip", tree / "talkclip", ignore=shutil.ignore_patterns("__pycache__", *NOT_IN_CORE)
        )
        shutil.copytree(ROOT / "rigs" / "talkclip_rigs", tree / "talkclip_rigs", ignore=ignore)
        for name in ("LICENSE", "NOTICE.md"):
            shutil.copy(ROOT / name, tree / name)
        (tree / "pyproject.toml").write_text(CORE_PYPROJECT.format(version=version), encoding="utf-8")
        run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", wheels, tree)


def build_engine_wheel(output: Path) -> Path:
    """A wheel of the whole project with its weights, into `output` -> its path."""
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="talkclip-engine-") as folder:
        run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT)
        (built,) = Path(folder).glob("talkclip-*.whl")
        return Path(shutil.move(built, output / built.name))


def download_wheels(platform: str, wheels: Path) -> None:
    """pyzmq and msgpack for one of Blender's platforms, into `wheels`."""
    tags = [word for tag in PLATFORMS[platform] for word in ("--platform", tag)]
    for version in PYTHON_VERSIONS:
        run(
            sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
            "--implementation", "cp", "--python-version", version, *tags, "--dest", wheels, *BUNDLED,
        )  # fmt: skip


def write_manifest(stage: Path, platforms: tuple[str, ...]) -> None:
    """Add the wheels and platforms to the staged manifest."""
    manifest = stage / "blender_manifest.toml"
    text = manifest.read_text(encoding="utf-8")
    names = sorted(path.name for path in (stage / "wheels").glob("*.whl"))
    # Top-level keys stand before the first table.
    head, table, rest = text.partition("[permissions]")
    wheels = "".join(f'    "./wheels/{name}",\n' for name in names)
    quoted = ", ".join(f'"{name}"' for name in platforms)
    manifest.write_text(f"{head}platforms = [{quoted}]\nwheels = [\n{wheels}]\n\n{table}{rest}", encoding="utf-8")


def run(*command: str | Path) -> None:
    """Run a tool; its output is shown only when it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        print(done.stdout, file=sys.stderr)
        raise subprocess.CalledProcessError(done.returncode, command)


if __name__ == "__main__":
    sys.exit(main())

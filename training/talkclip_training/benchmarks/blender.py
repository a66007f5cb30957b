"""Measure the Blender extension: `python3 dev.py bench blender [--json FILE]`.

In real Blender (the modules bpy 4.5 and 5.2), with the built extension, the default head and a warm server process as
`talkclip serve --backend fast` starts it. A scene of 60 frames per second; lines made of the bundled sample:

    key_60s_s        from the finished answer for a 60 s line (52 shapes, head, all layers) to keys in place
    rekey_2s_s       from the finished answer for a prompt changed over 2 s of it, to a new take with its keys in place
    rekey_live_s     the same while typing: into the take that is there
    prompt_to_rig_s  a prompt changed on a 10 s line, from pressing *Speak* to keys in place; and its parts:
    plan_s           looking at scene, take and keys: what has to be asked
    server_s         sending, computing, receiving
    apply_s          keying

    *_cpu_s          processor time: what to look at when the machine has other work, which makes the others wait

The figures at the top are the worse of both Blenders; each is the median of several runs after one that is not counted.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from talkclip.exits import explained
from talkclip.files import check_writable
from talkclip_training.benchmarks.server import clip_file
from talkclip_training.benchmarks.server_process import serving

ROOT = Path(__file__).resolve().parents[3]
INSIDE = Path(__file__).with_name("blender_inside.py")
VERSIONS = ("45", "52")
# What the design asks for, on two slow cores.
TARGETS = {"key_60s_s": 0.5, "rekey_2s_s": 0.1, "prompt_to_rig_s": 0.4}
_LIMIT_S = 600


@dataclasses.dataclass(frozen=True)
class Figures:
    """What was measured, in seconds; see the module."""

    key_60s_s: float
    rekey_2s_s: float
    rekey_live_s: float
    key_60s_cpu_s: float
    rekey_2s_cpu_s: float
    rekey_live_cpu_s: float
    prompt_to_rig_s: float
    plan_s: float
    server_s: float
    apply_s: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=check_writable, help="also write the figures to this file")
    parser.add_argument("--only", choices=VERSIONS, help="only this Blender")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), (given.only,) if given.only else VERSIONS)
    worst = {
        field.name: max(getattr(one, field.name) for one in found.values()) for field in dataclasses.fields(Figures)
    }
    for name, value in worst.items():
        target = f"   (at most {TARGETS[name]})" if name in TARGETS else ""
        each = ", ".join(f"{version} {getattr(one, name):.3f}" for version, one in found.items())
        print(f"{name:16s} {value:.3f}{target}   bpy {each}")
    if given.json:
        details = {f"bpy{version}": dataclasses.asdict(one) for version, one in found.items()}
        given.json.write_text(json.dumps({**worst, **details}, indent=1) + "\n", encoding="utf-8")


def measure(folder: Path, versions: tuple[str, ...]) -> dict[str, Figures]:
    """{version: figures}; writes only into `folder`."""
    lines = [clip_file(folder / f"line {seconds} s.wav", 1, seconds) for seconds in (10, 60)]
    zip_path = _extension(folder, _bpy_python(versions[0]))
    found = {}
    with serving(folder) as server:
        for version in versions:
            target = folder / f"{version}.json"
            user = folder / f"user {version}"
            user.mkdir()
            environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL"))}
            environment["BLENDER_USER_RESOURCES"] = str(user)
            command = [_bpy_python(version), INSIDE, zip_path, server.address, *lines, target]
            subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, timeout=_LIMIT_S)
            found[version] = Figures(**json.loads(target.read_text(encoding="utf-8")))
    return found


def _bpy_python(version: str) -> Path:
    place = Path(os.environ.get(f"TALKCLIP_BPY{version}") or ROOT / f".venv-bpy{version}")
    python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        raise SystemExit(f"No environment with Blender at {place}. Make it with: python3 dev.py setup-blender")
    return python


def _extension(folder: Path, bpy_python: Path) -> Path:
    """Build the extension for this system -> its zip."""
    platform = {"linux": "linux-x64", "win32": "windows-x64", "darwin": "macos-arm64"}[sys.platform]
    script = ROOT / "blender_addon" / "build_extension.py"
    command = [sys.executable, script, "--bpy-python", bpy_python, "--out", folder, "--platform", platform]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (built,) = folder.glob("talkclip_blender-*.zip")
    return built


if __name__ == "__main__":
    explained(main)

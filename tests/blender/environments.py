"""Where the environments with bpy are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = ("45", "52")
# Supported in between; the whole story is played there, not every suite.
SMOKE_TESTED = ("50",)
REMEDY = "Make it with: python3 dev.py setup-blender"


def bpy_python(version: str) -> Path:
    """The Python of an environment with bpy 4.5 or 5.2: TALKCLIP_BPY45 / TALKCLIP_BPY52, or what dev.py makes.

    Fails the test in CI, and skips it elsewhere, when there is none.
    """
    place = Path(os.environ.get(f"TALKCLIP_BPY{version}") or ROOT / f".venv-bpy{version}")
    python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if python.exists():
        return python
    problem = f"No environment with bpy {version[0]}.{version[1]} at {place}. {REMEDY}"
    if os.environ.get("CI"):
        pytest.fail(problem)
    pytest.skip(problem)

"""Run the command line as a user does: as a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def talkclip(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """`talkclip ARGUMENTS` -> its exit code, stdout and stderr."""
    command = [sys.executable, "-m", "talkclip.cli.main", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=300)

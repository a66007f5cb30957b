# SPDX-License-Identifier: GPL-3.0-or-later
"""Pythons on this computer: which there are, what they can do, and whether an engine is in one.

No bpy here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from talkclip.errors import InputError

from . import processes

OLDEST: Final = (3, 11)
# Tried first; the packages of the engine are known to come ready-made for them.
_KNOWN: Final = ("3.13", "3.12", "3.11")
_QUESTIONS: Final = Path(__file__).with_name("questions.py")
_PATIENCE_S: Final = 30.0
_TELL_WHICH: Final = "Choose the program itself (python.exe on Windows, else bin/python3) or an environment's folder."


@dataclass(frozen=True)
class PythonFacts:
    """What a Python says of itself.

    Attributes:
        path: the program.
        version: (3, 11, 7).
        environments: whether it can make environments (`venv` and `ensurepip` are there).
        bits: 32 or 64.
        talkclip: the version of TalkCLIP in it, or None.
        missing: packages that TalkCLIP's extra [lite] names and that are not there.
        torch: whether torch is there, which the full engine brings.
    """

    path: Path
    version: tuple[int, ...]
    environments: bool
    bits: int
    talkclip: str | None = None
    missing: tuple[str, ...] = ()
    torch: bool = False

    @property
    def version_text(self) -> str:
        """ "3.11.7" """
        return ".".join(map(str, self.version))


def python_of(environment: Path) -> Path:
    """Where an environment keeps its Python on this system."""
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def ask(python: Path) -> PythonFacts:
    """What a Python can do; takes about a tenth of a second.

    Args:
        python: the program, or the folder of an environment.

    Raises:
        InputError: it is not there, or does not work.
    """
    program = program_of(python)
    try:
        done = subprocess.run(
            [program, _QUESTIONS], capture_output=True, text=True, timeout=_PATIENCE_S, check=False,
            stdin=subprocess.DEVNULL, env=processes.clean_environment(), **processes.no_window(),
        )  # fmt: skip
        answer = json.loads(done.stdout)
    except OSError as error:
        raise InputError(f"{program}: cannot be started ({error.strerror}).", _TELL_WHICH) from None
    except subprocess.TimeoutExpired:
        raise InputError(f"{program}: did not answer within {_PATIENCE_S:g} s.", "Choose another Python.") from None
    except ValueError:
        said = (done.stderr or done.stdout).strip().splitlines()
        last = f" ({said[-1]})" if said else ""
        raise InputError(f"{program}: does not work as a Python{last}.", _TELL_WHICH) from None
    return PythonFacts(
        program, tuple(answer["version"]), answer["environments"], answer["bits"], answer["talkclip"],
        tuple(answer["missing"]), answer["torch"],
    )  # fmt: skip


def require_maker(python: Path) -> PythonFacts:
    """A Python that an engine can be installed with -> its facts.

    Raises:
        InputError: it is too old, is a 32-bit one, or cannot make environments.
    """
    facts = ask(python)
    if facts.version[:2] < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        raise InputError(
            f"{facts.path} is Python {facts.version_text}; {wanted} or newer is needed.",
            f"Choose another one, or leave the field empty for Blender's own. Python {wanted} is at python.org.",
        )
    if facts.bits != 64:
        raise InputError(f"{facts.path} is a 32-bit Python.", "Install and choose a 64-bit one.")
    if not facts.environments:
        minor = ".".join(map(str, facts.version[:2]))
        raise InputError(
            f"{facts.path} cannot make environments (venv or ensurepip is missing).",
            f"On Debian and Ubuntu: sudo apt install python{minor}-venv. Or choose another Python.",
        )
    return facts


def require_engine(python: Path, ours: str) -> PythonFacts:
    """A Python with an engine that fits this extension -> its facts.

    Args:
        python: the program, or the folder of an environment.
        ours: version of the extension's TalkCLIP.

    Raises:
        InputError: there is no TalkCLIP, it is of another release, or parts of it are missing.
    """
    facts = ask(python)
    if facts.talkclip is None:
        raise InputError(
            f"{facts.path} has no TalkCLIP.", f'Run: "{facts.path}" -m pip install "talkclip[lite]" (from its wheel).'
        )
    if not fits(facts.talkclip, ours):
        raise InputError(
            f"{facts.path} has TalkCLIP {facts.talkclip}; this extension is {ours}.",
            "Install the engine's wheel that belongs to this extension.",
        )
    if facts.missing:
        raise InputError(
            f"{facts.path} lacks {', '.join(facts.missing)}.",
            f'Run: "{facts.path}" -m pip install "talkclip[lite]" (from its wheel).',
        )
    return facts


def fits(theirs: str, ours: str) -> bool:
    """Whether two versions belong together: the first two numbers are the same."""
    return _release(theirs) == _release(ours)


def find_maker(own: Path) -> PythonFacts:
    """A Python to install an engine with: Blender's own, or the first other one that can.

    Raises:
        InputError: there is none; says what is wrong with Blender's own.
    """
    try:
        return require_maker(own)
    except InputError as error:
        reason = error.message
    for candidate in candidates():
        try:
            return require_maker(candidate)
        except InputError:
            continue
    raise InputError(
        f"No Python was found to install the engine with. {reason}",
        "Install Python 3.11, 3.12 or 3.13 from python.org, then choose it under Engine > Python.",
    )


def candidates() -> Iterator[Path]:
    """Programs that may be Pythons, the likeliest first; none of them was started yet."""
    seen = set()
    for path in (*_on_path(), *_well_known()):
        real = path.resolve()
        # Windows' own stand-ins only open its shop.
        if real not in seen and path.is_file() and "WindowsApps" not in path.parts:
            seen.add(real)
            yield path


def _on_path() -> Iterator[Path]:
    for name in (*(f"python{version}" for version in _KNOWN), "python3", "python"):
        if found := shutil.which(name):
            yield Path(found)


def _well_known() -> Iterator[Path]:
    """Where Pythons lie that a program started from the desktop does not see on PATH."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for version in _KNOWN:
        yield from sorted(pyenv.glob(f"{version}.*/bin/python"), reverse=True)
        if sys.platform == "darwin":
            framework = f"/Library/Frameworks/Python.framework/Versions/{version}/bin"
            for folder in ("/opt/homebrew/bin", "/usr/local/bin", framework):
                yield Path(folder) / f"python{version}"
        if sys.platform == "win32":
            short = version.replace(".", "")
            for root in (Path(os.environ.get("LOCALAPPDATA", "")) / "Programs" / "Python", Path("C:/Program Files")):
                yield root / f"Python{short}" / "python.exe"


def program_of(python: Path) -> Path:
    """The program of a Python: itself, or that of the environment in a folder.

    Raises:
        InputError: it is not there.
    """
    if not python.is_absolute():
        raise InputError(f"'{python}' is not a whole path.", _TELL_WHICH)
    if python.is_dir():
        inside = python_of(python)
        if not inside.exists():
            raise InputError(f"{python}: is a folder without a Python.", _TELL_WHICH)
        return inside
    if not python.exists():
        raise InputError(f"{python}: is not there.", _TELL_WHICH)
    return python


def _release(version: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\d+", version)[:2])

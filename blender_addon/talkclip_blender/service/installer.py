# SPDX-License-Identifier: GPL-3.0-or-later
"""Installs the engine, step by step, without ever waiting: an environment, the packages, a look at the result.

No bpy here: Blender's timer, a test or a blocking loop calls `pump`.
"""

from __future__ import annotations

import enum
import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from talkclip.errors import Cancelled, InputError, TalkClipError

from . import pip_output, processes, pythons
from .engine_place import EnginePlace, PlaceLock, Record
from .engine_source import Size, Source

_EXTENSION: Final = Path(__file__).resolve().parents[1]
_KEPT_LINES: Final = 400
# Shares of the whole in time, measured: making the environment, fetching and unpacking, looking at it.
_MADE, _INSTALLED = 0.06, 0.98
# pip says how far a file is since this version.
_RAW_SINCE: Final = (24, 1)


class Stage(enum.Enum):
    """Where an installation stands."""

    ENVIRONMENT = "Making the environment"
    PACKAGES = "Installing packages"
    CHECK = "Looking at the result"
    DONE = "Done"
    FAILED = "Failed"
    CANCELLED = "Cancelled"


_AT_WORK: Final = (Stage.ENVIRONMENT, Stage.PACKAGES, Stage.CHECK)


@dataclass(frozen=True)
class Order:
    """What is to be installed, and where.

    Attributes:
        place: where the engine goes.
        python: makes the environment.
        source: what pip is told.
        size: what it takes.
        wheel_folder: take the packages from here and nowhere else; None = from pip's index.
        ours: version of the extension's TalkCLIP.
    """

    place: EnginePlace
    python: Path
    source: Source
    size: Size
    wheel_folder: Path | None
    ours: str


class Installation:
    """One installation that is going on.

    Attributes:
        stage: where it stands.
        fraction: 0..1, never falls.
        text: what is going on, for people.
        error: why it failed.
        record: the engine, when it is done.
    """

    def __init__(self, order: Order) -> None:
        """Begin.

        Raises:
            InputError: the folder cannot be used or has no room, or another Blender installs there.
        """
        place = order.place
        place.prepare(order.size.disk_bytes + order.size.download_bytes, _EXTENSION)
        if order.wheel_folder is not None and not order.wheel_folder.is_dir():
            raise InputError(f"{order.wheel_folder}: is no folder.", "Choose the folder that holds the wheels.")
        self._lock: PlaceLock | None = place.lock()
        self.order = order
        self.stage, self.error, self.record = Stage.ENVIRONMENT, None, None
        self.fraction, self.text = 0.0, Stage.ENVIRONMENT.value
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: list[str] = []
        self._present = 0  # packages that a new environment has
        self._pip = pip_output.PipProgress(order.size.download_bytes)
        self._attempt(self._begin)

    @property
    def ended(self) -> bool:
        """Whether it is over, well or badly."""
        return self.stage not in _AT_WORK

    @property
    def last_lines(self) -> list[str]:
        """What was said last."""
        return self._lines[-3:]

    def pump(self) -> bool:
        """Move on, without waiting -> whether it has ended."""
        if not self.ended:
            self._attempt(self._move_on)
        return self.ended

    def cancel(self) -> None:
        """Stop at once. What was fetched stays, for the next time; an engine that was there before is untouched."""
        if not self.ended:
            self._end(Stage.CANCELLED, Cancelled("The installation was cancelled.", "Resume goes on with it."))

    # --- steps --------------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        place, order = self.order.place, self.order
        place.set_aside()
        self._environment = place.new_environment()
        place.begin(Record(self._environment.name, order.size.extra, order.source.label))
        place.log.unlink(missing_ok=True)
        self._tail = processes.LogTail(place.log)
        self._run(order.python, "-m", "venv", self._environment)

    def _move_on(self) -> None:
        new = self._tail.new_lines()
        for line in new:
            self._pip.feed(line)
        self._lines = (self._lines + [line for line in new if not line.startswith("Progress ")])[-_KEPT_LINES:]
        if self.stage is Stage.PACKAGES:
            if self._pip.packages:
                self._pip.unpacked(len(self._packages()) - self._present)
            self.fraction = _MADE + (_INSTALLED - _MADE) * self._pip.fraction
            self.text = self._pip.text
        assert self._process is not None
        code = self._process.poll()
        if code is None:
            return
        if code != 0:
            self._lines += self._tail.new_lines()
            raise pip_output.explain(self._lines, code)
        if self.stage is Stage.ENVIRONMENT:
            self._install()
        else:
            self._check()

    def _install(self) -> None:
        order, place = self.order, self.order.place
        self.stage, self.fraction = Stage.PACKAGES, _MADE
        options: list[str | Path] = ["--no-input", "--no-compile", "--cache-dir", place.downloads]
        options += ["--progress-bar", "raw" if self._pip_version() >= _RAW_SINCE else "off"]
        if order.wheel_folder is not None:
            options += ["--no-index", "--find-links", order.wheel_folder]
        self._present = len(self._packages())
        python = pythons.python_of(self._environment)
        self._run(python, "-P", "-m", "pip", "install", *options, order.source.requirement)

    def _check(self) -> None:
        self.stage, self.fraction, self.text = Stage.CHECK, _INSTALLED, Stage.CHECK.value
        order = self.order
        facts = pythons.require_engine(pythons.python_of(self._environment), order.ours)
        self.record = Record(
            self._environment.name, order.size.extra, order.source.label, facts.talkclip or "", facts.version_text
        )
        order.place.finish(self.record)
        self._end(Stage.DONE, None)
        self.fraction, self.text = 1.0, f"TalkCLIP {self.record.version} is installed"

    # --- inside -------------------------------------------------------------------------------------------------------

    def _attempt(self, step: Callable[[], None]) -> None:
        """Whatever goes wrong in a step ends the installation, with a reason."""
        try:
            step()
        except TalkClipError as error:
            self._end(Stage.FAILED, error)
        except OSError as error:
            self._end(Stage.FAILED, pip_output.explain([*self._lines, f"ERROR: {error}"], 1))

    def _end(self, stage: Stage, error: TalkClipError | None) -> None:
        if self._process is not None:
            processes.end(self._process)
        if self._lock is not None:
            self._lock.release()
        self.stage, self.error = stage, error
        self.text = stage.value if error is None else error.message
        self._process = self._lock = None

    def _run(self, *command: str | Path) -> None:
        # pip unpacks in the folder for temporary files, which is often on a smaller disk.
        temporary = self.order.place.temporary
        temporary.mkdir(parents=True, exist_ok=True)
        self._process = processes.start(command, self.order.place.log, temporary)

    def _packages(self) -> list[str]:
        """The packages in the environment, as `pip-24.2`."""
        inside = "Lib/site-packages" if os.name == "nt" else "lib/python*/site-packages"
        return [path.stem for path in self._environment.glob(f"{inside}/*.dist-info")]

    def _pip_version(self) -> tuple[int, ...]:
        pip = next((name for name in self._packages() if name.startswith("pip-")), "pip-0")
        return tuple(int(number) for number in re.findall(r"\d+", pip))

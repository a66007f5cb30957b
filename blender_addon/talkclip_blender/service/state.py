# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes on while Blender runs: installation, server, questions. One object, moved on by one timer.

Nothing here waits longer than a fraction of a second. In background Blender there is no timer: operators call `move_on`
themselves.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import bpy

from talkclip import __version__
from talkclip.client import Client
from talkclip.errors import InputError, TalkClipError

from .. import redraw
from . import pythons
from .engine_place import EnginePlace, Record, default_place
from .engine_source import SIZES, Source, download_folders, find_wheel, read_source
from .installer import Installation, Order, Stage
from .local_server import RUNNING, LocalServer, ServerState
from .server_facts import Question, ServerFacts
from .settings import EXISTING, Settings

_BUSY_TICK_S, _CALM_TICK_S = 0.1, 1.0
_LOOK_AGAIN_S: Final = 2.0
_LOGS: Final = "logs"


@dataclass(frozen=True)
class EngineView:
    """What of an engine is there, as far as files tell.

    Attributes:
        python: its Python; None = no engine.
        installed: what is installed; None for an existing Python.
        unfinished: the installation that was interrupted.
        broken: why it cannot work, or "".
        wheel: the wheel that would be installed if none is chosen.
    """

    python: Path | None
    installed: Record | None = None
    unfinished: Record | None = None
    broken: str = ""
    wheel: Path | None = None


class Service:
    """Everything of one Blender.

    Attributes:
        server: the server we start.
        installation: the latest one, also when it has ended; None when there was none, or its end was acknowledged.
        facts: the server that answered last.
        error: why the last question had no answer, or what else went wrong last; None after an answer.
    """

    def __init__(self) -> None:
        self.server = LocalServer()
        self.installation: Installation | None = None
        self.facts: ServerFacts | None = None
        self.error: TalkClipError | None = None
        self._question: Question | None = None
        self._removal: Removal | None = None
        self._outdated: EnginePlace | None = None
        self._view: tuple[float, Settings, EngineView] | None = None
        self._was = ServerState.STOPPED
        self._facts_are_ours = False

    # --- engine -------------------------------------------------------------------------------------------------------

    def engine(self, settings: Settings) -> EngineView:
        """What of an engine is there. Looks at files at most every two seconds: panels ask on every redraw."""
        now = time.monotonic()
        if self._view is None or now - self._view[0] > _LOOK_AGAIN_S or self._view[1] != settings:
            self._view = (now, settings, _look(settings))
        return self._view[2]

    def forget_engine(self) -> None:
        """Look at the files again."""
        self._view = None

    @property
    def installing(self) -> bool:
        """Whether an installation is going on."""
        return self.installation is not None and not self.installation.ended

    def install(self, settings: Settings) -> Installation:
        """Begin an installation, or go on with one that was interrupted.

        Raises:
            InputError: what to install, the Python or the folder cannot be used.
        """
        if self.removing:
            raise InputError("The engine is being uninstalled.", "Wait until it is gone.")
        size = SIZES[settings.extra]
        source = self.source(settings)
        chosen = settings.base_python
        python = pythons.require_maker(chosen) if chosen else pythons.find_maker(Path(sys.executable))
        order = Order(EnginePlace(settings.place), python.path, source, size, settings.wheel_folder, __version__)
        self.installation = Installation(order)
        Removal(order.place.sweep).start()
        self.forget_engine()
        return self.installation

    def source(self, settings: Settings) -> Source:
        """What would be installed.

        Raises:
            InputError: nothing was chosen and found, or it cannot be used.
        """
        return read_source(settings.source, SIZES[settings.extra], __version__, self.engine(settings).wheel)

    @property
    def removing(self) -> bool:
        """Whether the engine is being deleted."""
        return self._removal is not None and self._removal.is_alive()

    def uninstall(self, settings: Settings) -> Removal:
        """Stop our server, then delete the engine, which takes a while; `removing` tells when that is done."""
        self.server.stop()
        self.installation = None
        self._removal = Removal(EnginePlace(settings.place).uninstall)
        self._removal.start()
        return self._removal

    # --- server -------------------------------------------------------------------------------------------------------

    def start_server(self, settings: Settings) -> None:
        """Launch the engine's server; `server.poll` tells when it is ready.

        Raises:
            InputError: there is no engine that fits, or the port is taken.
        """
        engine = self.engine(settings)
        if engine.python is None or engine.broken:
            raise InputError(engine.broken or "No engine is installed.", "Use Install Engine in the panel Server.")
        if settings.engine == EXISTING:
            pythons.require_engine(engine.python, __version__)
        self.facts = self.error = None
        self.server.start(pythons.program_of(engine.python), settings.port, log_folder(), os.getpid())

    def server_trouble(self) -> TalkClipError | None:
        """Why our server does not answer; None while it is on its way up or lives."""
        self.server.poll()
        return self.server.failure

    def ask(self, client: Client) -> Question:
        """Ask a server who it is; the answer arrives in `facts` or `error`."""
        if self._question is not None:
            self._question.stop()
        self._question = Question(client)
        return self._question

    def met(self, client: Client) -> None:
        """Something was asked of a server that has said who it is: nobody need ask it again."""
        self._keep(ServerFacts(client.address, client.welcome, time.monotonic()))
        self.error = None

    @property
    def asking(self) -> bool:
        """Whether a question is open."""
        return self._question is not None

    def facts_of(self, address: str) -> ServerFacts | None:
        """What the server at an address last said; None also when that was ours and it has ended."""
        if self.facts is None or self.facts.address != address:
            return None
        return self.facts if not self._facts_are_ours or self.server.poll() in RUNNING else None

    # --- time ---------------------------------------------------------------------------------------------------------

    def move_on(self) -> bool:
        """One step of everything -> whether to come back soon."""
        if self.installing and self.installation.pump():
            self.forget_engine()
            if self.installation.stage is Stage.DONE:
                # A server that still runs is the old engine's; the next one is the new one's.
                self.server.begin_stop()
                self._outdated = self.installation.order.place
        if self._removal is not None and not self._removal.is_alive():
            self.error = self._removal.error
            self._removal = None
            self.forget_engine()
        state = self.server.poll()
        if self._outdated is not None and state not in (*RUNNING, ServerState.STOPPING):
            self._outdated.set_aside()
            Removal(self._outdated.sweep).start()
            self._outdated = None
        if state is ServerState.READY and self._was is ServerState.STARTING:
            self.ask(Client(self.server.address))
        self._was = state
        if self._question is not None and self._question.pump():
            if self._question.facts is not None:
                self._keep(self._question.facts)
            self.error = self._question.error
            self._question = None
        return self.installing or self.removing or self.asking or state in (ServerState.STARTING, ServerState.STOPPING)

    def _keep(self, facts: ServerFacts) -> None:
        self.facts = facts
        self._facts_are_ours = self.server.poll() in RUNNING and facts.address == self.server.address

    @property
    def idle(self) -> bool:
        """Whether nothing of us is going on."""
        at_rest = self.server.poll() in (ServerState.STOPPED, ServerState.CRASHED)
        return at_rest and not (self.installing or self.removing or self.asking)

    def shut_down(self) -> None:
        """Blender ends, or the extension is disabled: leave nothing running."""
        if self.installation is not None:
            self.installation.cancel()
        if self._question is not None:
            self._question.stop()
            self._question = None
        self.server.stop(at_once=True)


class Removal(threading.Thread):
    """Deletes an environment's tens of thousands of files while Blender goes on. Touches no bpy."""

    def __init__(self, delete: Callable[[], None]) -> None:
        super().__init__(name="talkclip-removal", daemon=True)
        self.error: TalkClipError | None = None
        self._delete = delete

    def run(self) -> None:
        """Called by `start`."""
        try:
            self._delete()
        except TalkClipError as error:
            self.error = error


service = Service()


def log_folder() -> Path:
    """Where the servers of this computer's Blenders write their logs."""
    return default_place().parent / _LOGS


def _look(settings: Settings) -> EngineView:
    if settings.engine == EXISTING:
        return EngineView(settings.existing_python)
    place = EnginePlace(settings.place)
    near = [settings.wheel_folder] if settings.wheel_folder else []
    near += [Path(bpy.data.filepath).parent] if bpy.data.filepath else []
    wheel = find_wheel(download_folders(near), __version__)
    return EngineView(place.python(), place.installed(), place.unfinished(), place.broken(), wheel)


# --- with Blender -----------------------------------------------------------------------------------------------------


def register() -> None:
    """The extension is enabled."""
    atexit.register(service.shut_down)


def unregister() -> None:
    """The extension is disabled, or Blender ends."""
    atexit.unregister(service.shut_down)
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    service.shut_down()


def wake() -> None:
    """Something was begun: see to it from now on."""
    if not bpy.app.background and not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=_BUSY_TICK_S, persistent=True)


def _tick() -> float | None:
    soon = service.move_on()
    redraw.sidebars(preferences=True)
    if service.idle:
        return None
    return _BUSY_TICK_S if soon else _CALM_TICK_S

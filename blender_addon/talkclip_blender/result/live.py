# SPDX-License-Identifier: GPL-3.0-or-later
"""Live preview: while prompts, intensities, edits and style clips are changed, the face follows.

A timer looks at the selected character a few times a second. Once what it asks for has stayed the same for a moment,
the frames that differ are asked for over the connection that is open, and keyed into a take of its own that goes on
changing until *Speak* keeps it. Nothing here waits, and an answer that is overtaken by typing is dropped.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import bpy

from talkclip.client import EditJob
from talkclip.errors import TalkClipError

from .. import compat, modal, redraw
from ..character import face
from ..frame_rate import scene_fps
from ..line import segments, sound
from . import link, speech, takes
from .asked import styles_said
from .edits import Base

SETTLED_S: Final = 0.3
_LOOK_S: Final = 0.1
_PUMP_S: Final = 0.02
_BUDGET_MS: Final = 4.0


@dataclass(frozen=True)
class View:
    """What is in front of the user."""

    scene: bpy.types.Scene
    active: bpy.types.Object | None
    window: bpy.types.Window | None
    """None without a window system."""

    @classmethod
    def now(cls) -> View:
        """In the first window; timers have no context of their own."""
        windows = bpy.context.window_manager.windows
        if not windows:
            return cls(bpy.context.scene, bpy.context.view_layer.objects.active, None)
        return cls(windows[0].scene, windows[0].view_layer.objects.active, windows[0])

    @property
    def is_busy(self) -> bool:
        """Whether something else is going on that an undo step in its middle would harm."""
        return bool(modal.why_busy()) or bool(getattr(self.window, "modal_operators", ()))


class Preview:
    """The state between two looks."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.state = ""
        self._clock = clock
        self._seen: tuple[Any, ...] = ()
        self._take = ""
        self._since_s = 0.0
        self._tried: tuple[Any, ...] = ()
        self._run: speech.Run | None = None

    def look(self, view: View) -> float:
        """Do what there is to do -> seconds until the next look."""
        mesh = face.face_mesh(view.active)
        try:
            wanted = () if mesh is None else _wanted(mesh, view.scene)
            self._notice(wanted, _shown(mesh))
            if not wanted or self._tried == wanted:
                return _LOOK_S
            if self._run is not None:
                self._go_on(view)
            elif _is_keyed(mesh, wanted):
                self.state = ""
            elif self._clock() - self._since_s >= SETTLED_S and not view.is_busy:
                self._begin(mesh, view)
        except TalkClipError as problem:
            self._give_up(str(problem))
        return _LOOK_S if self._run is None else _PUMP_S

    def stop(self) -> None:
        """Drop what is on its way."""
        if self._run is not None:
            self._run.close()
            self._run = None
        self.state = ""

    def _notice(self, wanted: tuple[Any, ...], take: Any) -> None:
        """See what has changed since the last look."""
        uid = take.uid if take else ""
        if wanted != self._seen:
            self.stop()
            self._since_s, self._tried = self._clock(), ()
        elif uid != self._take:  # takes are compared; nothing was typed
            self.stop()
            self._tried = wanted
        self._seen, self._take = wanted, uid

    def _begin(self, mesh: bpy.types.Object, view: View) -> None:
        client = link.running_client()
        if client is None:
            return self._give_up("No server is running. Start it, or press Speak.")
        planned = speech.plan(mesh, view.scene, changes_only=True)
        if not isinstance(planned.base, Base):
            return self._give_up(f"{planned.base.reason} Press Speak.")
        self._run = speech.Run(planned, client, keep_open=True)
        self.state = "Asking"
        return None

    def _go_on(self, view: View) -> None:
        run = self._run
        ended = run.pump(_BUDGET_MS)
        if run.job is not None and not isinstance(run.job, EditJob):
            return self._give_up("The server computes with another model now. Press Speak.")
        if not ended or view.is_busy:
            return None
        reply = run.result()
        speech.apply(run.plan, reply, run.engine, live=True)
        self.stop()
        self._tried, self._take = self._seen, _shown(run.plan.mesh_now()).uid
        if reply.track is not None:
            compat.push_undo(view.window, "TalkCLIP Live")
        redraw.sidebars()
        return None

    def _give_up(self, why: str) -> None:
        """Until something changes."""
        self.stop()
        self.state, self._tried = why, self._seen


preview: Final = Preview()


def update(manager: bpy.types.WindowManager, _context: bpy.types.Context) -> None:
    """The switch was turned."""
    if manager.talkclip_live and not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=_LOOK_S, persistent=True)


def register() -> None:
    """Make the switch. It belongs to the session, not to a file: no file shall begin to talk when it is opened."""
    bpy.types.WindowManager.talkclip_live = bpy.props.BoolProperty(
        name="Live", update=update, options={"SKIP_SAVE"},
        description="While you type, the face follows: what changes is keyed into a take of its own, which Speak keeps",
    )  # fmt: skip


def unregister() -> None:
    """Stop, and take the switch away."""
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    preview.stop()
    del bpy.types.WindowManager.talkclip_live


def _tick() -> float | None:
    if not bpy.context.window_manager.talkclip_live:
        preview.stop()
        return None
    before = preview.state
    try:
        again_s = preview.look(View.now())
    except Exception:
        bpy.context.window_manager.talkclip_live = False  # Blender drops a timer that fails; the switch shall say so
        preview.stop()
        raise
    if preview.state != before:
        redraw.sidebars()
    return again_s


def _wanted(mesh: bpy.types.Object, scene: bpy.types.Scene) -> tuple[Any, ...]:
    """What is typed now; equal for equal prompts, intensities, edits and style clips."""
    fps, character = scene_fps(scene), mesh.talkclip
    timeline = segments.timeline_of(character, sound.line_of(character, scene), fps)
    styles = styles_said(segments.styles_of(character))
    return compat.session_id(mesh) or mesh.name, fps, styles, timeline.to_json()


def _is_keyed(mesh: bpy.types.Object, wanted: tuple[Any, ...]) -> bool:
    """Whether the take that is shown is what is typed."""
    take = _shown(mesh)
    return take is not None and (take.styles, take.asked) == wanted[-2:]


def _shown(mesh: bpy.types.Object | None) -> Any:
    """The take that plays, or None; of several, the one made last."""
    return None if mesh is None else next(iter(reversed(takes.shown(mesh.talkclip))), None)

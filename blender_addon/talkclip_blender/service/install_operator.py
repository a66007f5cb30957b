# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons of the engine: install, cancel, uninstall, look at an existing Python."""

from __future__ import annotations

import time
from typing import ClassVar

import bpy

from talkclip import __version__
from talkclip.errors import InputError, TalkClipError

from .. import compat, report
from ..preferences import settings_of
from . import pythons
from .settings import Settings
from .state import service, wake

_PAUSE_S = 0.1
_OFFLINE = "Blender may not go online: allow it in Preferences > System > Network, or choose a wheel folder"


class TALKCLIP_OT_install_engine(bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Install the engine into an environment of its own, outside Blender. What was fetched earlier is used again"""

    bl_idname = "talkclip.install_engine"
    bl_label = "Install Engine"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Cheap: Blender asks on every redraw."""
        reason = _why_not(settings_of(context))
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """With a window: goes on while the user works; the panel shows how far it is and has the Cancel button."""
        if bpy.app.background:
            return self.execute(context)
        return self._begin(context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Blocking: scripts and headless Blender."""
        begun = self._begin(context)
        if begun != {"FINISHED"}:
            return begun
        while service.installing:
            service.move_on()
            time.sleep(_PAUSE_S)
        installation = service.installation
        if installation.error is not None:
            return report.error(self, installation.error)
        self.report({"INFO"}, f"{installation.text} in {settings_of(context).place}.")
        return {"FINISHED"}

    def _begin(self, context: bpy.types.Context) -> set[str]:
        try:
            service.install(settings_of(context))
        except TalkClipError as problem:
            return report.error(self, problem)
        wake()
        return {"FINISHED"}


class TALKCLIP_OT_cancel_installation(bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Stop installing. What was fetched is kept, and an engine that was there before stays as it is"""

    bl_idname = "talkclip.cancel_installation"
    bl_label = "Cancel"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """Cheap: Blender asks on every redraw."""
        if not service.installing:
            cls.poll_message_set("Nothing is being installed")
        return service.installing

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Stop."""
        service.installation.cancel()
        service.forget_engine()
        return {"FINISHED"}


class TALKCLIP_OT_close_installation(bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Close this message. An installation that was interrupted can be resumed later"""

    bl_idname = "talkclip.close_installation"
    bl_label = "Close"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """Cheap: Blender asks on every redraw."""
        return service.installation is not None and service.installation.ended

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Forget how it ended."""
        service.installation = None
        return {"FINISHED"}


class TALKCLIP_OT_uninstall_engine(bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Stop the server and delete the engine, with all that an installation fetched"""

    bl_idname = "talkclip.uninstall_engine"
    bl_label = "Uninstall Engine"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Cheap: Blender asks on every redraw."""
        engine = service.engine(settings_of(context))
        reason = ""
        if service.installing:
            reason = "Cancel the installation first"
        elif service.removing:
            reason = "It is being deleted"
        elif engine.installed is None and engine.unfinished is None:
            reason = "No engine is installed here"
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """With a window: ask first."""
        if bpy.app.background:
            return self.execute(context)
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Delete; headless Blender waits until it is gone."""
        removal = service.uninstall(settings_of(context))
        wake()
        if not bpy.app.background:
            return {"FINISHED"}
        removal.join()
        service.move_on()
        return {"FINISHED"} if removal.error is None else report.error(self, removal.error)


class TALKCLIP_OT_check_python(bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Look whether the chosen Python has an engine that fits this extension"""

    bl_idname = "talkclip.check_python"
    bl_label = "Check Python"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Ask it; takes a moment."""
        python = settings_of(context).existing_python
        try:
            if python is None:
                raise InputError("No Python is chosen.", "Choose one in the preferences, under Engine.")
            facts = pythons.require_engine(python, __version__)
        except TalkClipError as problem:
            return report.error(self, problem)
        service.forget_engine()
        full = " with torch" if facts.torch else ""
        self.report({"INFO"}, f"TalkCLIP {facts.talkclip}{full} on Python {facts.version_text}: {facts.path}")
        return {"FINISHED"}


def _why_not(settings: Settings) -> str:
    """Why nothing can be installed now, or ""."""
    if service.installing:
        return "An installation is going on"
    if service.removing:
        return "The engine is being deleted"
    if not compat.online_access() and settings.wheel_folder is None:
        return _OFFLINE
    if not settings.source and service.engine(settings).wheel is None:
        return f"Choose the engine's wheel, talkclip-{__version__}-py3-none-any.whl"
    return ""


CLASSES = (
    TALKCLIP_OT_install_engine,
    TALKCLIP_OT_cancel_installation,
    TALKCLIP_OT_close_installation,
    TALKCLIP_OT_uninstall_engine,
    TALKCLIP_OT_check_python,
)

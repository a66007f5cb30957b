# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons of the engine: install, cancel, uninstall, look at an existing Python."""

from __future__ import annotations

import bpy

from talkclip import __version__
from talkclip.errors import InputError

from .. import compat
from ..chosen import settings_of
from . import pythons
from .button import ServiceOperator
from .settings import Settings
from .state import Removal, service

_OFFLINE = "Blender may not go online: allow it in Preferences > System > Network, or choose a wheel folder"


class TALKCLIP_OT_install_engine(ServiceOperator, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Install the engine into an environment of its own, outside Blender. What was fetched earlier is used again"""

    bl_idname = "talkclip.install_engine"
    bl_label = "Install Engine"

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        """See `ServiceOperator.why_not`."""
        return _why_not_installed(settings_of(context))

    def begin(self, context: bpy.types.Context) -> None:
        """See `ServiceOperator.begin`; the panel shows how far it is and has the Cancel button."""
        service.install(settings_of(context))

    def goes_on(self) -> bool:
        """See `ServiceOperator.goes_on`."""
        return service.installing

    def outcome(self, context: bpy.types.Context) -> str:
        """See `ServiceOperator.outcome`."""
        if service.installation.error is not None:
            raise service.installation.error
        return f"{service.installation.text} in {settings_of(context).place}."


class TALKCLIP_OT_cancel_installation(ServiceOperator, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Stop installing. What was fetched is kept, and an engine that was there before stays as it is"""

    bl_idname = "talkclip.cancel_installation"
    bl_label = "Cancel"

    @classmethod
    def why_not(cls, _context: bpy.types.Context) -> str:
        """See `ServiceOperator.why_not`."""
        return "" if service.installing else "Nothing is being installed"

    def begin(self, _context: bpy.types.Context) -> None:
        """See `ServiceOperator.begin`."""
        service.installation.cancel()
        service.forget_engine()


class TALKCLIP_OT_close_installation(ServiceOperator, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Close this message. An installation that was interrupted can be resumed later"""

    bl_idname = "talkclip.close_installation"
    bl_label = "Close"

    @classmethod
    def why_not(cls, _context: bpy.types.Context) -> str:
        """See `ServiceOperator.why_not`."""
        ended = service.installation is not None and service.installation.ended
        return "" if ended else "No installation has ended"

    def begin(self, _context: bpy.types.Context) -> None:
        """Forget how it ended."""
        service.installation = None


class TALKCLIP_OT_uninstall_engine(ServiceOperator, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Stop the server and delete the engine, with all that an installation fetched"""

    bl_idname = "talkclip.uninstall_engine"
    bl_label = "Uninstall Engine"

    _removal: Removal | None = None

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        """See `ServiceOperator.why_not`."""
        engine = service.engine(settings_of(context))
        if service.installing:
            return "Cancel the installation first"
        if service.removing:
            return "It is being deleted"
        return "No engine is installed here" if engine.installed is None and engine.unfinished is None else ""

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """With a window: ask first."""
        if bpy.app.background:
            return self.execute(context)
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Whoever confirms it in a window does not wait."""
        return self.blocking(context) if bpy.app.background else self.begun(context)

    def begin(self, context: bpy.types.Context) -> None:
        """See `ServiceOperator.begin`."""
        self._removal = service.uninstall(settings_of(context))

    def goes_on(self) -> bool:
        """See `ServiceOperator.goes_on`."""
        return service.removing

    def outcome(self, _context: bpy.types.Context) -> str:
        """See `ServiceOperator.outcome`."""
        service.move_on()
        if self._removal.error is not None:
            raise self._removal.error
        return ""


class TALKCLIP_OT_check_python(ServiceOperator, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Look whether the chosen Python has an engine that fits this extension"""

    bl_idname = "talkclip.check_python"
    bl_label = "Check Python"

    def begin(self, context: bpy.types.Context) -> None:
        """Ask it; takes a moment."""
        python = settings_of(context).existing_python
        if python is None:
            raise InputError("No Python is chosen.", "Choose one in the preferences, under Engine.")
        facts = pythons.require_engine(python, __version__)
        service.forget_engine()
        full = " with torch" if facts.torch else ""
        self.report({"INFO"}, f"TalkCLIP {facts.talkclip}{full} on Python {facts.version_text}: {facts.path}")


def _why_not_installed(settings: Settings) -> str:
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

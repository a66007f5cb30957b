# SPDX-License-Identifier: GPL-3.0-or-later
"""How engine and server are shown, in the panel and in the preferences. Draws what is known; never asks anybody."""

from __future__ import annotations

import textwrap
import time
from typing import Any, Final

import bpy

from talkclip import __version__

from .. import compat
from ..chosen import preferences_of, settings_of
from ..panel import draw_progress, placeholder
from . import connection
from .engine_source import SIZES
from .installer import Stage
from .local_server import RUNNING, ServerState
from .server_facts import ServerFacts
from .settings import ADDRESS, EXISTING, LOCAL, Settings
from .state import EngineView, service

# Of a panel's text, in points; measured in a window at several widths.
_POINTS_A_LETTER: Final = 6.6
_MARGINS: Final = 60
_FEWEST_LETTERS: Final = 18
_PROMINENT: Final = 1.4


def draw_server(layout: Any, context: bpy.types.Context) -> None:
    """What is the case, and the one button that helps."""
    settings = settings_of(context)
    if settings.where == ADDRESS:
        _draw_remote(layout, context, settings)
        return
    engine = service.engine(settings)
    if service.installation is not None and service.installation.stage is not Stage.DONE:
        _draw_installation(layout, context, settings)
    elif service.removing:
        layout.label(text="Deleting the engine", icon="SORTTIME")
    elif engine.broken:
        _say(layout, context, engine.broken, "ERROR")
        _button(layout, "talkclip.install_engine", "Repair", "FILE_REFRESH")
    elif engine.python is None and service.facts_of(settings.elsewhere) is None:
        _draw_no_engine(layout, context, settings, engine)
    else:
        _draw_local_server(layout, context, settings)


def draw_preferences(layout: Any, context: bpy.types.Context, chosen: Any) -> None:
    """All settings, with the same state and buttons as in the panel."""
    layout.use_property_split = True
    layout.use_property_decorate = False
    layout.row().prop(chosen, "server_where", expand=True)
    draw_server(layout.box(), context)
    column = layout.column()
    if chosen.server_where == ADDRESS:
        column.prop(chosen, "server_address")
        column.prop(chosen, "key_file")
        column.prop(chosen, "server_key", **placeholder("as in the key file"))
        return
    column.prop(chosen, "start_by_itself")
    column.prop(chosen, "local_port")
    column.separator()
    column.row().prop(chosen, "engine_kind", expand=True)
    if chosen.engine_kind == EXISTING:
        column.prop(chosen, "existing_python")
        column.operator("talkclip.check_python", icon="CHECKMARK")
        return
    column.prop(chosen, "engine_extra")
    column.label(text=f"It {SIZES[chosen.engine_extra].words}.")
    settings = settings_of(context)
    engine = service.engine(settings)
    column.prop(chosen, "engine_source", **placeholder(_wheel_found(engine)))
    column.prop(chosen, "engine_folder", **placeholder(str(settings.place)))
    column.prop(chosen, "base_python", **placeholder("Blender's own"))
    column.prop(chosen, "wheel_folder", **placeholder("none: packages come from the network"))
    row = column.row(align=True)
    row.operator("talkclip.install_engine", text="Install Again" if engine.installed else "Install Engine")
    row.operator("talkclip.uninstall_engine", icon="TRASH")


# --- engine -----------------------------------------------------------------------------------------------------------


def _draw_installation(layout: Any, context: bpy.types.Context, settings: Settings) -> None:
    """How far it is; or why it ended, and Resume."""
    installation = service.installation
    assert installation is not None
    if not installation.ended:
        draw_progress(layout, installation.fraction, installation.text)
        for line in installation.last_lines[-1:]:
            layout.label(text=line)
        row = layout.row(align=True)
        row.operator("talkclip.cancel_installation", icon="CANCEL")
        _log_button(row, "INSTALLATION")
        return
    error = installation.error
    _say(layout, context, str(error), "INFO" if installation.stage is Stage.CANCELLED else "ERROR")
    _draw_why_not(layout, settings)
    _button(layout, "talkclip.install_engine", "Resume", "PLAY")
    row = layout.row(align=True)
    _log_button(row, "INSTALLATION")
    row.operator("talkclip.close_installation", icon="X")


def _draw_no_engine(layout: Any, context: bpy.types.Context, settings: Settings, engine: EngineView) -> None:
    """The first hour: what will be installed, from where, and how much it is."""
    chosen = preferences_of(context)
    if settings.engine == EXISTING:
        layout.label(text="Choose a Python with TalkCLIP", icon="INFO")
        if chosen is not None:
            layout.prop(chosen, "existing_python", text="")
        _settings_button(layout, context)
        return
    if engine.unfinished is not None:
        layout.label(text="An installation was interrupted", icon="INFO")
    _say(layout, context, f"The engine is not installed. It {SIZES[settings.extra].words}.", "INFO")
    column = layout.column(align=True)
    if settings.source or engine.wheel is not None:
        column.label(text=settings.source or str(engine.wheel), icon="PACKAGE")
    elif chosen is not None:
        _say(column, context, f"Choose its wheel, talkclip-{__version__}-py3-none-any.whl:", "PACKAGE")
        column.prop(chosen, "engine_source", text="")
    column.label(text=str(settings.place), icon="FILE_FOLDER")
    _draw_why_not(layout, settings)
    _button(layout, "talkclip.install_engine", "Resume" if engine.unfinished else "Install Engine", "IMPORT")
    row = layout.row(align=True)
    row.operator("talkclip.check_server", text="Look for a Server", icon="VIEWZOOM")
    _settings_button(row, context, text="")
    if service.error is not None:
        _say(layout, context, str(service.error), "ERROR")


def _draw_why_not(layout: Any, settings: Settings) -> None:
    """Online access is the one thing that is set elsewhere."""
    if not compat.online_access() and settings.wheel_folder is None:
        layout.label(text="Blender may not go online", icon="INTERNET_OFFLINE")
        layout.operator("screen.userpref_show", text="Allow Online Access", icon="PREFERENCES").section = "SYSTEM"


# --- server -----------------------------------------------------------------------------------------------------------


def _draw_local_server(layout: Any, context: bpy.types.Context, settings: Settings) -> None:
    state = service.server.poll()
    if state is ServerState.STARTING:
        row = layout.row()
        row.label(text="The server is starting", icon="SORTTIME")
        row.operator("talkclip.stop_server", text="", icon="X")
    elif state is ServerState.STOPPING:
        layout.label(text="The server finishes its work", icon="SORTTIME")
    elif state in RUNNING:
        doing = "At work" if state is ServerState.BUSY else "Ready"
        _draw_connected(layout, context, service.server.address, f"{doing}, started by Blender", ours=True)
    elif service.facts_of(settings.elsewhere) is not None:
        _draw_connected(layout, context, settings.elsewhere, "Started elsewhere")
    else:
        if state is ServerState.CRASHED:
            _say(layout, context, str(service.server.failure), "ERROR")
        elif settings.start_by_itself:
            layout.label(text="Starts by itself when you speak", icon="INFO")
        else:
            layout.label(text="The server is stopped", icon="INFO")
        text = "Start Again" if state is ServerState.CRASHED else "Start Server"
        _button(layout, "talkclip.start_server", text, "PLAY")
        row = layout.row(align=True)
        if state is ServerState.CRASHED:
            _log_button(row, "SERVER")
        _settings_button(row, context)


def _draw_remote(layout: Any, context: bpy.types.Context, settings: Settings) -> None:
    if service.server.poll() in RUNNING:
        layout.label(text="This computer's server still runs", icon="INFO")
        layout.operator("talkclip.stop_server", icon="PAUSE")
    if service.facts_of(settings.address) is not None and service.error is None:
        _draw_connected(layout, context, settings.address, "At an address")
        return
    layout.label(text=settings.address, icon="NETWORK_DRIVE")
    if not connection.may_go_to(settings.address):
        layout.label(text="Blender may not go online", icon="INTERNET_OFFLINE")
        layout.operator("screen.userpref_show", text="Allow Online Access", icon="PREFERENCES").section = "SYSTEM"
    elif service.asking:
        layout.label(text="Asking the server", icon="SORTTIME")
    elif service.error is not None:
        _say(layout, context, str(service.error), "ERROR")
    _button(layout, "talkclip.check_server", "Connect", "LINKED")
    _settings_button(layout.row(), context)


def _draw_connected(layout: Any, context: bpy.types.Context, address: str, how: str, ours: bool = False) -> None:
    """Whom we talk to, and what to do about it; ours can be stopped."""
    facts = service.facts_of(address)
    _say(layout, context, f"Connected to {address.removeprefix('tcp://')}", "LINKED")
    layout.label(text=how)
    if facts is not None:
        _draw_facts(layout, context, facts)
    row = layout.row(align=True)
    if ours:
        row.operator("talkclip.stop_server", icon="PAUSE")
    row.operator("talkclip.check_server", text="", icon="FILE_REFRESH")
    _settings_button(row, context, text="")


def _draw_facts(layout: Any, context: bpy.types.Context, facts: ServerFacts) -> None:
    if warning := facts.mismatch(__version__, started_here=settings_of(context).where == LOCAL):
        _say(layout, context, warning, "ERROR")
    column = layout.column(align=True)
    for line in facts.lines():
        column.label(text=line)
    column.label(text=f"Asked {facts.age(time.monotonic())}")


# --- pieces -----------------------------------------------------------------------------------------------------------


def _button(layout: Any, operator: str, text: str, icon: str) -> None:
    """The one that helps."""
    row = layout.row()
    row.scale_y = _PROMINENT
    row.operator(operator, text=text, icon=icon)


def _settings_button(layout: Any, context: bpy.types.Context, text: str = "Settings") -> None:
    """The way to the preferences; not shown in them."""
    if context.area is None or context.area.type != "PREFERENCES":
        module = __package__.rpartition(".")[0]
        layout.operator("preferences.addon_show", text=text, icon="PREFERENCES").module = module


def _log_button(layout: Any, which: str) -> None:
    layout.operator("talkclip.show_log", icon="TEXT").which = which


def _say(layout: Any, context: bpy.types.Context, text: str, icon: str) -> None:
    """A sentence, in as many lines as the panel's width asks for."""
    width = context.region.width if context.region else 0  # background Blender has neither regions nor a scale
    scale = context.preferences.system.ui_scale or 1.0
    letters = max(_FEWEST_LETTERS, int((width / scale - _MARGINS) / _POINTS_A_LETTER))
    column = layout.column(align=True)
    for index, line in enumerate(textwrap.wrap(text, letters, break_long_words=True)):
        column.label(text=line, icon="BLANK1" if index else icon)


def _wheel_found(engine: EngineView) -> str:
    """What stands in the empty field."""
    return str(engine.wheel or f"talkclip-{__version__}-py3-none-any.whl was not found")

# SPDX-License-Identifier: GPL-3.0-or-later
"""The way to the server: which one it is, its keys, and what Blender's online-access setting says about it."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Final

import bpy

from talkclip.client import Client, ClientKeys, Timeouts
from talkclip.errors import InputError, TalkClipError

from .. import compat
from ..chosen import settings_of
from .local_server import RUNNING, ServerState, listens
from .settings import ADDRESS, Settings
from .state import EngineView, service, wake

_LOOPBACK: Final = re.compile(r"tcp://(127(\.\d{1,3}){3}|localhost|\[::1\])(:\d+)?|(ipc|inproc)://.*", re.IGNORECASE)
# The first start after an installation reads half a gigabyte, under the eyes of a virus scanner.
_STARTING_S: Final = 120.0


def open_client(context: bpy.types.Context) -> Client:
    """A client of the server that the preferences name; nothing is sent yet.

    Where that is a server on this computer and none runs, it is started, if the preferences say so: the client waits
    for it, and knows at once when it could not start.

    Raises:
        TalkClipError: there is no server and none can be started, the key cannot be used, or the address is on another
            computer and Blender may not go online.
    """
    settings = settings_of(context)
    if settings.where == ADDRESS:
        return Client(settings.address, keys=_keys(settings)) if may_go_to(settings.address) else _offline(settings)
    if service.server.poll() not in RUNNING:
        if listens(int(settings.elsewhere.rpartition(":")[2])):
            return Client(settings.elsewhere)
        _start(settings)
    return client_of_ours()


def running_client(context: bpy.types.Context) -> Client | None:
    """As `open_client`, but nothing is started, and it is no error where there is nobody to ask: None.

    Raises:
        InputError: the key cannot be used.
    """
    settings = settings_of(context)
    if settings.where == ADDRESS:
        return Client(settings.address, keys=_keys(settings)) if may_go_to(settings.address) else None
    if service.server.poll() in RUNNING:
        return client_of_ours()
    return Client(settings.elsewhere) if listens(int(settings.elsewhere.rpartition(":")[2])) else None


def client_of_ours() -> Client:
    """A client of the server that we started. It may be kept: it also waits for a server that is started anew."""
    timeouts = Timeouts(connect_s=_STARTING_S)
    return Client(service.server.address, timeouts=timeouts, why_silent=service.server_trouble)


def address_of(settings: Settings) -> str:
    """The address that `open_client` would go to."""
    if settings.where == ADDRESS:
        return settings.address
    return service.server.address if service.server.poll() in RUNNING else settings.elsewhere


def may_go_to(address: str) -> bool:
    """Whether Blender's online access allows this address; this computer is always allowed."""
    return _LOOPBACK.fullmatch(address) is not None or compat.online_access()


def waiting_text() -> str:
    """What a request that has no answer yet waits for."""
    return "Starting the server" if service.server.poll() is ServerState.STARTING else "Connecting"


def _start(settings: Settings) -> None:
    engine = service.engine(settings)
    if engine.python is not None and not engine.broken and settings.start_by_itself:
        service.start_server(settings)
        wake()
        return
    raise TalkClipError("No TalkCLIP server runs on this computer.", _what_to_press(engine), "no_server")


def _what_to_press(engine: EngineView) -> str:
    if service.installing:
        return "The engine is being installed: wait until it is done."
    if engine.broken:
        return "Repair the engine in the panel Server."
    if engine.python is None:
        return "Press Install Engine in the panel Server, or start `talkclip serve` in a terminal."
    return "Press Start Server in the panel Server."


def _offline(settings: Settings) -> Client:
    raise TalkClipError(
        f"The server {settings.address} is not on this computer, and Blender may not go online.",
        "Allow it in Preferences > System > Network, or use a local server.",
        "offline",
    )


def _keys(settings: Settings) -> ClientKeys | None:
    """The client's keys, if the preferences name a file.

    Raises:
        InputError: the file or the server's key cannot be used.
    """
    if not settings.key_file:
        if settings.server_key:
            raise InputError(
                "A server's key is set, but no key file of your own.", "Choose the file that `talkclip keys new` made."
            )
        return None
    keys = ClientKeys.read(Path(settings.key_file).expanduser())
    return dataclasses.replace(keys, server=settings.server_key.lower()) if settings.server_key else keys

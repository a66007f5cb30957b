# SPDX-License-Identifier: GPL-3.0-or-later
"""The way to the server, and what Blender's online-access setting says about it."""

from __future__ import annotations

import re
from typing import Final

import bpy

from talkclip.client import Client
from talkclip.errors import TalkClipError

from .. import compat
from ..preferences import server_address

_LOCAL: Final = re.compile(r"tcp://(127(\.\d{1,3}){3}|localhost|\[::1\])(:\d+)?|(ipc|inproc)://.*", re.IGNORECASE)


def open_client(context: bpy.types.Context) -> Client:
    """A client for the address in the preferences; nothing is sent yet.

    Raises:
        TalkClipError: the address is on another computer and Blender may not go online.
    """
    address = server_address(context)
    if not _LOCAL.fullmatch(address) and not compat.online_access():
        raise TalkClipError(
            f"The server {address} is not on this computer, and Blender may not go online.",
            "Allow it in Preferences > System > Network, or use a local server.",
            "offline",
        )
    return Client(address)

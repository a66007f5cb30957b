# SPDX-License-Identifier: GPL-3.0-or-later
"""One connection to the server that stays open, so that a changed prompt does not wait for a new one."""

from __future__ import annotations

import atexit

import bpy

from talkclip.client import Client

from ..service import connection

_kept: Client | None = None


def client(context: bpy.types.Context) -> Client:
    """The connection to the server of the preferences; opened by its first request.

    Raises:
        TalkClipError: see `connection.open_client`.
    """
    return _keep(connection.open_client(context))


def running_client() -> Client | None:
    """The same for a server that is there already; None without one.

    Raises:
        TalkClipError: see `connection.running_client`.
    """
    wanted = connection.running_client(bpy.context)
    return None if wanted is None else _keep(wanted)


def _keep(wanted: Client) -> Client:
    global _kept
    if _kept is None or _kept.error is not None or _kept.address != wanted.address:
        close()
        _kept = wanted
    return _kept


def close() -> None:
    """Say good-bye. A socket that is still open would hold up the end of Blender."""
    global _kept
    if _kept is not None:
        _kept.close()
        _kept = None


atexit.register(close)

# SPDX-License-Identifier: GPL-3.0-or-later
"""What is chosen in the preferences, for everything but the preferences themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy

from talkclip.protocol import DEFAULT_ADDRESS

from .service import engine_place
from .service.settings import Settings


def preferences_of(context: bpy.types.Context) -> Any | None:
    """The `TalkClipPreferences`; None while the extension is being enabled or disabled."""
    addon = context.preferences.addons.get(__package__)
    return None if addon is None else addon.preferences


def settings_of(context: bpy.types.Context) -> Settings:
    """Server and engine as plain values; the defaults where Blender has no preferences of us."""
    chosen = preferences_of(context)
    if chosen is None:
        return Settings()
    return Settings(
        chosen.server_where,
        chosen.server_address.strip() or DEFAULT_ADDRESS,
        _absolute(chosen.key_file),
        chosen.server_key.strip(),
        chosen.local_port,
        chosen.start_by_itself,
        chosen.engine_kind,
        _path(chosen.engine_folder) or engine_place.default_place(),
        chosen.engine_extra,
        _absolute(chosen.engine_source),
        _path(chosen.wheel_folder),
        _path(chosen.base_python),
        _path(chosen.existing_python),
    )


def _path(text: str) -> Path | None:
    return Path(_absolute(text)).expanduser() if text.strip() else None


def _absolute(text: str) -> str:
    """Blender's file browser may have chosen a path beside the .blend."""
    return bpy.path.abspath(text.strip()) if text.startswith("//") else text.strip()

# SPDX-License-Identifier: GPL-3.0-or-later
"""The preferences as plain values, so that everything but their drawing works without bpy."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from talkclip.protocol import DEFAULT_ADDRESS

from .engine_place import default_place

LOCAL, ADDRESS = "LOCAL", "ADDRESS"
INSTALLED, EXISTING = "INSTALLED", "EXISTING"
DEFAULT_PORT: Final = int(DEFAULT_ADDRESS.rpartition(":")[2])


@dataclass(frozen=True)
class Settings:
    """What is set once per installation of Blender; see the preferences for what each means."""

    where: str = LOCAL
    address: str = DEFAULT_ADDRESS
    key_file: str = ""
    server_key: str = ""
    port: int = 0
    start_by_itself: bool = True
    engine: str = INSTALLED
    place: Path = field(default_factory=default_place)
    extra: str = "lite"
    source: str = ""
    wheel_folder: Path | None = None
    base_python: Path | None = None
    existing_python: Path | None = None

    @property
    def elsewhere(self) -> str:
        """Where a server on this computer would be that somebody else started."""
        return f"tcp://127.0.0.1:{self.port or DEFAULT_PORT}"

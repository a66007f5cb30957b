# SPDX-License-Identifier: GPL-3.0-or-later
"""What is saved with the file, on the character's object. Each room brings its part."""

from __future__ import annotations

import bpy

from .character.properties import RigSettings
from .line.properties import LineSettings
from .plates.properties import PlateSettings
from .result.properties import ResultSettings


class TalkClipCharacter(LineSettings, ResultSettings, RigSettings, PlateSettings, bpy.types.PropertyGroup):
    """How one character speaks; `Object.talkclip`."""

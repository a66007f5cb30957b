"""The service room's plain modules: they know no bpy, so they are tested here, in the normal suite."""

from __future__ import annotations

import sys
from pathlib import Path

ADDON = Path(__file__).resolve().parents[2] / "blender_addon"
if str(ADDON) not in sys.path:
    sys.path.insert(0, str(ADDON))

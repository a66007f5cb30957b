# SPDX-License-Identifier: GPL-3.0-or-later
"""The door of this room: a request is planned from the scene, carried to the server, and its answer applied as keys."""

from __future__ import annotations

from .applying import Outdated, apply
from .request import Plan, plan
from .running import Run

__all__ = ["Outdated", "Plan", "Run", "apply", "plan"]

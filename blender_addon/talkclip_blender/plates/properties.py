# SPDX-License-Identifier: GPL-3.0-or-later
"""What is saved of rendered plates."""

from __future__ import annotations


class PlateSettings:
    """The part of a character's properties that says how its plates are rendered."""

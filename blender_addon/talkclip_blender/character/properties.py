# SPDX-License-Identifier: GPL-3.0-or-later
"""What is saved of a character's rig."""

from __future__ import annotations


class RigSettings:
    """The part of a character's properties that says what its face is made of."""

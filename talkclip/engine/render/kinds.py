"""What a triangle of the head is made of, for the shader."""

from __future__ import annotations

SKIN, EYE, TEETH, WET, BROWS, LASHES, HAIR = range(7)

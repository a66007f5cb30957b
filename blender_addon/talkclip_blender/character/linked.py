# SPDX-License-Identifier: GPL-3.0-or-later
"""Characters from other files: what keeps them from being keyed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import bpy

from talkclip.errors import InputError

from .. import compat

HOW_TO_OVERRIDE: Final = "Select it and choose Object > Library Override > Make."


def require_editable(bodies: Iterable[bpy.types.Object]) -> None:
    """Whether the objects' shape keys can be keyed and the keys kept with the file.

    Raises:
        InputError: something is linked; says what to do.
    """
    for body in bodies:
        if body.library is not None:
            raise InputError(
                f"'{body.name}' is linked from another file.", f"Make a library override of it: {HOW_TO_OVERRIDE}"
            )
        if body.override_library is not None and body.override_library.is_system_override:
            raise InputError(f"The library override of '{body.name}' is not editable.", HOW_TO_OVERRIDE)
        if not compat.is_editable(body.data.shape_keys):
            raise InputError(
                f"The shape keys of '{body.name}' are linked from another file.",
                "Press Override Shape Keys in the Character panel.",
            )


def with_linked_shapes(bodies: Iterable[bpy.types.Object]) -> list[bpy.types.Object]:
    """Editable objects whose shape keys are not."""
    return [body for body in bodies if compat.is_editable(body) and not compat.is_editable(body.data.shape_keys)]

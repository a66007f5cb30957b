# SPDX-License-Identifier: GPL-3.0-or-later
"""Exact colours: a plate is finished picture, and the scene's view transform would change it once more.

Only the view transform Standard shows a plate as it is. For others Blender's colour configuration has the image colour
space that undoes them: an image read in it comes out of the transform as it went in, as far as the transform can show
its colours at all. AgX and Khronos PBR Neutral cannot show all: pure blues and glowing oranges stay duller.
"""

from __future__ import annotations

from typing import Any, Final

import bpy

EXACT: Final = "Standard"
PLAIN: Final = "sRGB"
# View transform: the colour space that undoes it.
_UNDOES: Final = {
    "Standard": PLAIN,
    "AgX": "AgX Base sRGB",
    "Filmic": "Filmic sRGB",
    "Khronos PBR Neutral": "Khronos PBR Neutral sRGB",
    "ACES 1.3": "ACES 1.3 sRGB",
    "ACES 2.0": "ACES 2.0 sRGB",
    "Raw": "Non-Color",
}
# These do not reach every colour of a screen.
_NARROW: Final = frozenset({"AgX", "Khronos PBR Neutral"})


def show_exactly(scene: bpy.types.Scene) -> None:
    """Let the scene show colours as they are."""
    view = scene.view_settings
    view.view_transform, view.look = EXACT, "None"
    view.exposure, view.gamma = 0.0, 1.0
    view.use_curve_mapping = False
    if hasattr(view, "use_white_balance"):
        view.use_white_balance = False


def undoing_space(scene: bpy.types.Scene) -> str:
    """The colour space that undoes the scene's view transform, or "" where there is none."""
    return _UNDOES.get(scene.view_settings.view_transform, "")


def what_changes_colors(scene: bpy.types.Scene) -> list[str]:
    """What the scene does to colours beside its view transform, for people; no colour space undoes that."""
    view = scene.view_settings
    named = {
        "look": view.look != "None",
        "exposure": view.exposure != 0.0,
        "gamma": view.gamma != 1.0,
        "curves": view.use_curve_mapping,
        "white balance": bool(getattr(view, "use_white_balance", False)),
    }
    return [name for name, changes in named.items() if changes]


def are_exact(scene: bpy.types.Scene, image: bpy.types.Image) -> bool:
    """Whether a plate's colours come out as they are in its file."""
    return not what_changes_colors(scene) and image.colorspace_settings.name == undoing_space(scene)


def make_exact(scene: bpy.types.Scene, settings: Any) -> str:
    """Let an image or a VSE strip come out of the scene's view transform as it went in.

    Args:
        settings: `colorspace_settings` of an image or a strip.

    Returns:
        What still changes its colours, or may, for people; "" when nothing does.
    """
    transform, space = scene.view_settings.view_transform, undoing_space(scene)
    if space:
        try:
            settings.name = space
        except TypeError:  # a colour configuration of the user's own
            space = ""
    rest = ([] if space else [f"view transform {transform}"]) + what_changes_colors(scene)
    if not rest:
        return f"{transform} cannot show its strongest colours; Standard can." if transform in _NARROW else ""
    return f"The scene's {', '.join(rest)} still change{'s' * (len(rest) == 1)} the plate's colours: use Standard."


def warning(scene: bpy.types.Scene, image: bpy.types.Image | None) -> str:
    """What the panel says of a plate whose colours are changed, or ""."""
    if image is None or are_exact(scene, image):
        return ""
    changes = what_changes_colors(scene)
    return f"Colours changed by {', '.join(changes) or scene.view_settings.view_transform}"

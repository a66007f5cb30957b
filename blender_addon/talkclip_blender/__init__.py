# SPDX-License-Identifier: GPL-3.0-or-later
"""TalkCLIP: type how a line is spoken, and the face speaks it that way.

Rooms, each with its panel, operators and saved properties:

- `character`: which shapes, bones and objects can be keyed; the default head
- `line`: the sound, its words, the prompt segments over it
- `result`: a request to the server, and its answer as keys, layers and takes
- `plates`: rendered pictures of the speaking character
- `service`: the server: installed, started, asked what it can do

Operators collect, submit and apply; nothing is computed here. `compat` holds everything that differs between Blender
versions.
"""

from __future__ import annotations

# Only read where this folder is loaded as a legacy add-on; extensions have `blender_manifest.toml`.
bl_info = {
    "name": "TalkCLIP",
    "author": "The TalkCLIP for Blender project",
    "version": (0, 1, 0),
    "blender": (3, 4, 0),
    "location": "3D Viewport > Sidebar > TalkCLIP",
    "description": "Type how a line is spoken, and the face speaks it that way",
    "category": "Animation",
}


def register() -> None:
    """Blender calls this when the extension is enabled."""
    from . import registration

    registration.register()


def unregister() -> None:
    """Blender calls this when the extension is disabled."""
    from . import registration

    registration.unregister()

# SPDX-License-Identifier: GPL-3.0-or-later
"""TalkCLIP: type how a line is spoken, and the face speaks it that way.

- `properties`, `preferences`, `panel`: what the user sees, and what is saved with the file
- `head_operator`, `speak_operator`, `server_operator`: collect, submit, apply; nothing is computed there
- `speech`: one request, built from the scene, carried by `talkclip.client`, applied as keys
- `face`, `axes`: which shape keys, bones and objects of a character can be keyed
- `keying`, `layers`: keys into an Action, the Action into the NLA above the animator's own
- `compat`: everything that differs between Blender versions
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

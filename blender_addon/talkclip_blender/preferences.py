# SPDX-License-Identifier: GPL-3.0-or-later
"""What is set once per installation: where the server is, and where its engine."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, IntProperty, StringProperty

from talkclip.protocol import DEFAULT_ADDRESS

from .service import drawing, engine_place
from .service.engine_source import FULL, LITE, Size
from .service.settings import ADDRESS, DEFAULT_PORT, EXISTING, INSTALLED, LOCAL


def _size_text(size: Size, what: str) -> str:
    return f"{what}. It {size.words} (measured on Linux with Python 3.11; elsewhere it differs)"


def _use_address(preferences: Any, _context: bpy.types.Context) -> None:
    """Whoever types an address wants it used."""
    preferences.server_where = ADDRESS


class TalkClipPreferences(bpy.types.AddonPreferences):
    """The extension's preferences."""

    bl_idname = __package__

    server_where: EnumProperty(
        name="Server",
        description="Who computes",
        items=(
            (LOCAL, "This Computer", "A server that Blender starts and stops; or one that you started here yourself"),
            (ADDRESS, "At an Address", "A server that somebody runs, here or on another computer"),
        ),
    )
    server_address: StringProperty(
        name="Address",
        description="Where `talkclip serve` listens. An address on another computer needs Blender's online access",
        default=DEFAULT_ADDRESS,
        update=_use_address,
    )
    key_file: StringProperty(
        name="Key File",
        description="Your key for a server with keys: the file that `talkclip keys new` made. It is secret",
        subtype="FILE_PATH",
    )
    server_key: StringProperty(
        name="Server's Key",
        description="The server's public key (`talkclip keys list` prints it). Empty: as in the key file",
    )
    local_port: IntProperty(
        name="Port",
        description=f"Where the server on this computer listens, reachable from this computer only. 0: any free port; "
        f"a server that you started yourself is looked for at {DEFAULT_PORT} then",
        default=0,
        min=0,
        max=65535,
    )
    start_by_itself: BoolProperty(
        name="Start When Needed",
        description="Start the server when something is spoken and none is running",
        default=True,
    )
    engine_kind: EnumProperty(
        name="Engine",
        description="Which engine the server on this computer runs",
        items=(
            (INSTALLED, "Installed Here", "An environment of its own, made by Install Engine"),
            (EXISTING, "Existing Python", "A Python in which you installed TalkCLIP yourself"),
        ),
    )
    engine_folder: StringProperty(
        name="Folder",
        description="Where the engine goes: an empty or new folder outside Blender. Empty: your data folder, "
        f"{engine_place.default_place()}",
        subtype="DIR_PATH",
    )
    engine_extra: EnumProperty(
        name="Size",
        description="How much is installed",
        items=(
            ("lite", "Light", _size_text(LITE, "All that animating, portraits and the default head need")),
            ("server", "Full", _size_text(FULL, "Adds torch, for foreign checkpoints; nothing in Blender needs it")),
        ),
    )
    engine_source: StringProperty(
        name="Wheel",
        description="The engine's wheel (talkclip-VERSION-py3-none-any.whl), TalkCLIP's source folder, or a "
        "requirement for your own package index. Empty: the wheel is looked for beside the .blend file, in Downloads, "
        "on the Desktop and in your home folder",
        subtype="FILE_PATH",
    )
    wheel_folder: StringProperty(
        name="Wheel Folder",
        description="Take all packages from this folder and none from the network. "
        'Fill it elsewhere by: pip download "talkclip-VERSION-py3-none-any.whl[lite]"',
        subtype="DIR_PATH",
    )
    base_python: StringProperty(
        name="Python",
        description="The Python (3.11 or newer) that makes the environment. Empty: Blender's own, or one that is found",
        subtype="FILE_PATH",
    )
    existing_python: StringProperty(
        name="Python",
        description="A Python with TalkCLIP: the program, or the folder of an environment",
        subtype="FILE_PATH",
    )

    show_prompts: BoolProperty(
        name="Prompts in the Dope Sheet",
        description="Show the character's prompts, words and intensities as bars in the Dope Sheet and the Timeline",
        default=True,
    )

    def draw(self, context: bpy.types.Context) -> None:
        """Blender draws this in Preferences > Add-ons > TalkCLIP."""
        drawing.draw_preferences(self.layout, context, self)
        self.layout.prop(self, "show_prompts")

"""Runs inside Blender (`blender -b --python`) or a Python with bpy, for `talkclip blender-batch`.

    ... blender_entry.py -- probe ANSWER.json               which Blender, which extension?
    ... blender_entry.py -- install EXTENSION.zip ANSWER.json
    ... blender_entry.py -- shot ORDER.json RESULT.json

Only Blender and the extension are imported: talkclip itself is in the extension.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy  # first: it makes Blender's own modules importable

import addon_utils  # isort: skip

EXTENSION = "talkclip_blender"
# Lines of ours among those of Blender.
MARK = "@talkclip "


def extension_module() -> str:
    """The installed extension's module, enabled; "" when it is not installed."""
    found = [module.__name__ for module in addon_utils.modules() if module.__name__.split(".")[-1] == EXTENSION]
    for name in found:
        if addon_utils.enable(name, default_set=True) is not None:
            return name
    return ""


def probe(answer: str) -> int:
    """Write what is here."""
    module = extension_module()
    facts: dict[str, Any] = {"blender": list(bpy.app.version), "module": module, "extension": ""}
    if module:
        facts["extension"] = importlib.import_module("talkclip").__version__
    Path(answer).write_text(json.dumps(facts), encoding="utf-8")
    return 0


def install(package: str, answer: str) -> int:
    """Install the extension into this user folder, and write what is here then."""
    addon_utils.enable("bl_pkg", default_set=True)
    bpy.ops.extensions.package_install_files(filepath=package, repo="user_default", enable_on_install=True)
    bpy.ops.wm.save_userpref()
    return probe(answer)


def shot(order: str, result: str) -> int:
    """Carry out one shot."""
    module = extension_module()
    if not module:
        print("The TalkCLIP extension is not installed.", file=sys.stderr)
        return 1
    last = ""

    def tell(share: float, text: str) -> None:
        nonlocal last
        line = MARK + json.dumps([round(share, 3), text])
        if line != last:
            last = line
            print(line, flush=True)

    run = importlib.import_module(f"{module}.batch.shot").run_file
    return 0 if run(Path(order), Path(result), tell) else 2


def main() -> int:
    """-> exit code."""
    what, *files = sys.argv[sys.argv.index("--") + 1 :]
    try:
        steps: dict[str, Callable[..., int]] = {"probe": probe, "install": install, "shot": shot}
        return steps[what](*files)
    except BaseException:
        traceback.print_exc()
        return 1


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Blender may hang or crash while it tidies up; all that matters is written.
    os._exit(code)

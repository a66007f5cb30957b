# SPDX-License-Identifier: GPL-3.0-or-later
"""Mapping tables as files: one JSON file per rig, in the presets folder of the user's Blender.

A file names shapes, not objects, so that it fits every character made the same way. A row that is for one object only
keeps that object's name, and goes to the object of that name, or to all where there is none.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import bpy

from talkclip.coefficients import ARKIT52
from talkclip.errors import InputError
from talkclip_rigs.profiles import rig_by_id

from .properties import TalkClipRig, filling

FORMAT: Final = "talkclip-rig-mapping"
VERSION: Final = 1
ENDING: Final = ".json"
_FOLDER: Final = "presets/talkclip/rigs"
_COPY_NUMBER: Final = re.compile(r"\.\d{3}$")
_REMEDY: Final = "Choose a file that TalkCLIP's Export Mapping wrote."


def folder() -> Path:
    """The folder of the user's presets; may not exist yet."""
    return Path(bpy.utils.user_resource("SCRIPTS", path=_FOLDER))


def names() -> list[str]:
    """The presets there are, by name."""
    return sorted(path.stem for path in folder().glob("*" + ENDING)) if folder().is_dir() else []


def path_of(name: str) -> Path:
    """Where the preset of that name is.

    Raises:
        InputError: no name, or one that cannot be a file's.
    """
    clean = bpy.path.clean_name(name.strip(), replace="_")
    if not clean.strip("_"):
        raise InputError("The preset has no name.", "Type one.")
    return folder() / (clean + ENDING)


def write(path: Path, settings: TalkClipRig, name: str) -> None:
    """Save a table.

    Raises:
        InputError: the file cannot be written.
    """
    rows = [_row_data(row) for row in settings.rows if row.channel and row.shape]
    data = {
        "format": FORMAT, "version": VERSION, "name": name, "rig": settings.rig_id,
        "range": [round(settings.low, 6), round(settings.high, 6)], "drivers": settings.driver_way, "rows": rows,
    }  # fmt: skip
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        part.replace(path)
    except OSError as problem:
        raise InputError(f"{path}: cannot be written: {problem.strerror}.", "Choose another folder.") from None


def read(path: Path, settings: TalkClipRig) -> list[str]:
    """Replace a table's rows by a file's; its objects stay -> object names that the character lacks.

    Raises:
        InputError: no such file, or it is not a mapping.
    """
    data = _checked(path)
    bodies = {_COPY_NUMBER.sub("", part.object.name): part.object for part in settings.parts if part.object}
    absent = []
    with filling():
        settings.rows.clear()
        settings.active_row = 0
        settings.rig_id, settings.label = data.get("rig", ""), data["name"]
        settings.low, settings.high = data["range"]
        settings.driver_way = data.get("drivers", settings.driver_way)
        for entry in data["rows"]:
            row = settings.rows.add()
            row.channel, row.shape, row.gain = entry["channel"], entry["shape"], entry.get("gain", 1.0)
            row.use, row.confidence = entry.get("use", True), entry.get("confidence", 1.0)
            row.by_hand = entry.get("by_hand", False)
            if only := entry.get("object"):
                row.object = bodies.get(only)
                absent += [only] if row.object is None else []
    return list(dict.fromkeys(absent))


def _row_data(row: Any) -> dict[str, Any]:
    data: dict[str, Any] = {"channel": row.channel, "shape": row.shape, "gain": round(row.gain, 6)}
    if row.object:
        data["object"] = _COPY_NUMBER.sub("", row.object.name)
    if not row.use:
        data["use"] = False
    if row.by_hand:
        data["by_hand"] = True
    if row.confidence < 1:
        data["confidence"] = round(row.confidence, 3)
    return data


def _checked(path: Path) -> dict[str, Any]:
    """A file's content, of which every field is known to be what it should be."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise InputError(f"{path}: cannot be read: {problem.strerror}.", _REMEDY) from None
    except ValueError:
        raise InputError(f"{path.name}: is no JSON file.", _REMEDY) from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise InputError(f"{path.name}: is no mapping of TalkCLIP's.", _REMEDY)
    if data.get("version") != VERSION:
        raise InputError(
            f"{path.name}: was written in version {data.get('version')} of the format, this TalkCLIP reads {VERSION}.",
            "Update the extension.",
        )
    if problem := _fault(data):
        raise InputError(f"{path.name}: {problem}.", _REMEDY)
    return data


def _fault(data: dict[str, Any]) -> str:
    """What is wrong with a file's fields, or ""."""
    if not isinstance(data.get("name"), str) or not isinstance(data.get("rig", ""), str):
        return "has no name"
    if data.get("drivers", "CONTROL") not in ("CONTROL", "REPLACE", "LEAVE"):
        return f"'drivers' cannot be {data['drivers']!r}"
    low_high = data.get("range")
    if not (isinstance(low_high, list) and len(low_high) == 2 and all(_is_number(x) for x in low_high)):
        return "'range' must be two numbers"
    if not isinstance(data.get("rows"), list) or not data["rows"]:
        return "has no rows"
    rig = rig_by_id(data.get("rig", ""))
    for number, row in enumerate(data["rows"], 1):
        if not isinstance(row, dict) or not all(isinstance(row.get(key), str) for key in ("channel", "shape")):
            return f"row {number} names no channel and shape"
        if (rig is None or rig.space == "arkit52") and row["channel"] not in ARKIT52:
            return f"row {number}: there is no channel '{row['channel']}'"
        if not _is_number(row.get("gain", 1.0)) or not _is_number(row.get("confidence", 1.0)):
            return f"row {number}: 'gain' and 'confidence' must be numbers"
        flags = (row.get("use", True), row.get("by_hand", False))
        if not all(isinstance(flag, bool) for flag in flags) or not isinstance(row.get("object", ""), str):
            return f"row {number}: 'use' and 'by_hand' must be true or false, 'object' a name"
    return ""


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)

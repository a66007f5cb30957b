"""Cells that the tables of `talkclip batch` and `talkclip blender-batch` have in common, and what is wrong with one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from talkclip.cli.options import parse_edits
from talkclip.cli.table import found
from talkclip.errors import InputError
from talkclip.files import unreadable
from talkclip.timeline import INTENSITY_MAX, PromptEdit


def file_named(cells: Mapping[str, str], column: str, folder: Path, suffix: str = "") -> str:
    """The absolute path of a file that is there; "" where none is named.

    Raises:
        InputError: it is not there, cannot be reached, or does not end in `suffix`.
    """
    name = cells.get(column, "")
    if not name:
        return ""
    path, remedy = found(name, folder).absolute(), "Check the name; files may lie beside the table."
    try:
        problem = "" if path.is_file() else "is a folder" if path.is_dir() else "there is no such file"
    except OSError as error:
        raise unreadable(f"{column} {name}", error, remedy) from None
    if problem:
        raise InputError(f"{column} {name}: {problem}.", remedy)
    if suffix and path.suffix.lower() != suffix:
        raise InputError(f"{column} {name}: does not end in {suffix}.", f"Name a {suffix} file.")
    return str(path)


def intensity(cells: Mapping[str, str]) -> float:
    """The prompt's intensity; 1 where none is given.

    Raises:
        InputError: no number, or out of range.
    """
    value = _number(cells, "intensity", INTENSITY_MAX, "Use 0 (neutral) to 2 (twice).")
    return 1.0 if value is None else value


def edits(cells: Mapping[str, str]) -> tuple[PromptEdit, ...]:
    """ "wrinkle the nose=0.4; smile=-0.2" -> edits.

    Raises:
        InputError: one is not understood.
    """
    return parse_edits([edit for edit in cells.get("edit", "").split(";") if edit.strip()])


def style_weight(cells: Mapping[str, str]) -> float | None:
    """The share of the clip in `style_video`; None where none is given.

    Raises:
        InputError: there is no clip, no number, or out of range.
    """
    if cells.get("style_weight") and not cells.get("style_video"):
        raise InputError("style_weight belongs to style_video.", "Name the video, or leave style_weight empty.")
    return _number(cells, "style_weight", 1.0, "Use 0 (the prompt alone) to 1 (the video alone).")


def _number(cells: Mapping[str, str], column: str, most: float, remedy: str) -> float | None:
    text = cells.get(column, "")
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= most:
        raise InputError(f"{column} '{text}' is out of range.", remedy)
    return value

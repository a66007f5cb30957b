"""Arguments that the tools of this package share; a wrong one is explained in a line (`talkclip.exits`)."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from talkclip.errors import InputError
from talkclip.files import checked_output


def at_least(low: int) -> Callable[[str], int]:
    """A `type` for argparse: a whole number from `low` on."""

    def whole(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if value < low:
            raise argparse.ArgumentTypeError(f"'{text}' is no whole number from {low} on")
        return value

    return whole


def result_file(*suffixes: str) -> Callable[[str], Path]:
    """A `type` for argparse: a file to write, with one of these endings, such as ".jpg"."""
    return lambda text: checked_output(Path(text), suffixes)


def files_in(folder: Path, *patterns: str) -> list[Path]:
    """The files of a folder that match, in the order of their names.

    Args:
        folder: given by the user.
        patterns: such as "*.jpg".

    Raises:
        InputError: there is no such folder, or nothing in it matches.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder.", "Check the path.")
    found = sorted(path for pattern in patterns for path in folder.glob(pattern))
    if not found:
        raise InputError(f"{folder}: holds no {' and no '.join(patterns)}.", "Give the folder that does.")
    return found

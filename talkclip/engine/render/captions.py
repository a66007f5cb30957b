"""Captions under pictures, and pictures side by side."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_BAR = (16, 18, 22)
_INK = (232, 234, 238)
_GAP_COLOR = (8, 9, 11)
_LINE_SPACING = 1.28


@functools.cache
def caption_font(size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """DejaVu Sans (it comes with matplotlib's wheel and knows Latin, Greek, Cyrillic, Arabic), else Pillow's own."""
    spec = importlib.util.find_spec("matplotlib")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        file = Path(folder) / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
        if file.is_file():
            return ImageFont.truetype(file, size_px)
    return ImageFont.load_default(size_px)


def caption_bar(text: str, width: int, n_lines: int | None = None) -> np.ndarray:
    """A bar of centred text, wrapped and, past two lines, shortened with an ellipsis -> uint8 (height, width, 3).

    Args:
        text: one caption; line breaks are kept.
        width: pixels.
        n_lines: reserve this many lines (bars side by side want one height); default: as many as needed.
    """
    size = max(9, round(width / 24))
    font = caption_font(size)
    lines = wrap_caption(text, width - 2 * size, size)
    step = round(size * _LINE_SPACING)
    rows = max(n_lines or 0, len(lines))
    height = step * rows + size
    height += height % 2
    bar = Image.new("RGB", (width, height), _BAR)
    draw = ImageDraw.Draw(bar)
    top = (height - step * len(lines)) / 2 + step / 2
    for number, line in enumerate(lines):
        draw.text((width / 2, top + number * step), line, font=font, fill=_INK, anchor="mm")
    return np.asarray(bar).copy()


def wrap_caption(text: str, width_px: int, size_px: int, max_lines: int = 2) -> list[str]:
    """Break a caption into lines that fit; the last one ends in an ellipsis when words are left."""
    font = caption_font(size_px)
    words = text.split()
    lines: list[str] = [""]
    for word in words:
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width_px or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    if len(lines) > max_lines:
        lines = [*lines[: max_lines - 1], " ".join(lines[max_lines - 1 :])]
    return [_shortened(line, width_px, font) for line in lines]


def _shortened(line: str, width_px: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    if font.getlength(line) <= width_px:
        return line
    while line and font.getlength(line + "…") > width_px:
        line = line[:-1]
    return line.rstrip() + "…"


def bars_for(captions: Sequence[str], width: int) -> list[np.ndarray]:
    """One bar per caption, all of the same height."""
    size = max(9, round(width / 24))
    n_lines = max(len(wrap_caption(text, width - 2 * size, size)) for text in captions)
    return [caption_bar(text, width, n_lines) for text in captions]


def tile(pictures: Sequence[np.ndarray], bars: Sequence[np.ndarray] | None = None, gap_px: int = 0) -> np.ndarray:
    """Pictures of one size in a row, each with its caption bar below -> uint8 (H, W, 3)."""
    columns = [
        picture if bars is None else np.concatenate([picture, bars[number]], 0)
        for number, picture in enumerate(pictures)
    ]
    if gap_px:
        gap = np.full((columns[0].shape[0], gap_px, 3), _GAP_COLOR, np.uint8)
        columns = [part for column in columns for part in (gap, column)][1:]
    return np.concatenate(columns, 1)

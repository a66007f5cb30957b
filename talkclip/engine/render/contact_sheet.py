"""A sheet of captioned stills: expressions side by side, for documentation and for judging a result by eye."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from talkclip.engine.render.captions import bars_for
from talkclip.engine.render.head_renderer import HeadRenderer
from talkclip.errors import InputError
from talkclip.files import atomic_write

_GAP_PX = 6
_GAP = (8, 9, 11)


def contact_sheet(
    stills: Mapping[str, np.ndarray | tuple[np.ndarray, np.ndarray]],
    path: str | Path | None = None,
    *,
    columns: int = 4,
    size: int = 256,
) -> np.ndarray:
    """Draw named expressions in a grid -> uint8 (H, W, 3), also written to `path` (.png, .jpg) if given.

    Args:
        stills: caption -> ARKit values (52,), or (values, head pose (6,)).
        path: image file.
        columns: pictures per row.
        size: pixels of each picture.

    Raises:
        InputError: no still, or the file cannot be written.
    """
    if not stills:
        raise InputError("there is no still for the contact sheet.")
    renderer = HeadRenderer(size)
    bars = bars_for(list(stills), size)
    cells = []
    for bar, still in zip(bars, stills.values(), strict=True):
        values, head = still if isinstance(still, tuple) else (still, None)
        cells.append(np.concatenate([renderer.frame(values, head), bar], 0))
    height, width = cells[0].shape[:2]
    columns = min(columns, len(cells))
    rows = math.ceil(len(cells) / columns)
    sheet = np.empty((rows * (height + _GAP_PX) - _GAP_PX, columns * (width + _GAP_PX) - _GAP_PX, 3), np.uint8)
    sheet[:] = _GAP
    for number, cell in enumerate(cells):
        y, x = (number // columns) * (height + _GAP_PX), (number % columns) * (width + _GAP_PX)
        sheet[y : y + height, x : x + width] = cell
    if path is not None:
        with atomic_write(path) as temporary:
            Image.fromarray(sheet).save(temporary)
    return sheet

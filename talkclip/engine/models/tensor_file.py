"""Reads safetensors files with numpy alone, so that the lite installation needs no further package.

Format: 8 bytes little-endian length of the header, the header (JSON: name -> dtype, shape, data_offsets), the numbers.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from talkclip.errors import InputError
from talkclip.files import unreadable

_DTYPES = {"F32": "<f4", "F16": "<f2", "F64": "<f8", "I64": "<i8", "I32": "<i4", "U8": "u1", "BOOL": "?"}
_LONGEST_HEADER = 1 << 24


def read_tensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """-> arrays by name, and the file's metadata.

    Raises:
        InputError: unreadable, damaged, or of a number type that is not read here.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error, "Give a safetensors file.") from None
    try:
        length = int.from_bytes(data[:8], "little")
        if len(data) < 8 or not 2 <= length <= min(_LONGEST_HEADER, len(data) - 8):
            raise ValueError("no header")
        header: dict[str, Any] = json.loads(data[8 : 8 + length])
        metadata = header.pop("__metadata__", {})
        arrays = {name: _array(entry, data[8 + length :]) for name, entry in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: is not a safetensors file ({error}).", "Give one that TalkCLIP wrote.") from None
    return arrays, {str(key): str(value) for key, value in metadata.items()}


def _array(entry: dict[str, Any], data: bytes) -> np.ndarray:
    dtype = np.dtype(_DTYPES[entry["dtype"]])
    shape = tuple(int(size) for size in entry["shape"])
    first, last = (int(offset) for offset in entry["data_offsets"])
    if (
        not 0 <= first <= last <= len(data)
        or last - first != math.prod(shape) * dtype.itemsize
        or min(shape, default=0) < 0
    ):
        raise ValueError("sizes do not fit")
    return np.frombuffer(data[first:last], dtype).reshape(shape)

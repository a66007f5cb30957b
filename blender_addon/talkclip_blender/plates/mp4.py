# SPDX-License-Identifier: GPL-3.0-or-later
"""A comment in an MP4 file, as players show it. Blender writes none.

The file is a tree of boxes (ISO/IEC 14496-12): four bytes of size, four of name, content. What players show stands in
`moov/udta/meta/ilst`, one box per entry with a `data` box in it (Apple's QuickTime metadata). Blender's encoder writes
`moov` last, so it may grow without moving the picture's bytes, to which it points.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

from talkclip.errors import TalkClipError

_PATH: Final = (b"moov", b"udta", b"meta", b"ilst")
_COMMENT: Final = b"\xa9cmt"
_UTF8: Final = 1


def add_comment(path: Path, text: str) -> None:
    """Write a comment into an MP4 file that Blender has just written.

    Raises:
        TalkClipError: the file is built in another way.
    """
    content = path.read_bytes()
    data = _box(b"data", struct.pack(">II", _UTF8, 0) + text.encode("utf-8"))
    entry = _box(_COMMENT, data)
    boxes: list[int] = []
    start, end = 0, len(content)
    for name in _PATH:
        at = _find(content, start, end, name)
        if at is None:
            raise TalkClipError(f"{path.name}: holds no {name.decode()}.", "Please report this.", "mp4")
        boxes.append(at)
        (size,) = struct.unpack_from(">I", content, at)
        # `meta` has four bytes of version and flags before its content.
        start, end = at + (12 if name == b"meta" else 8), at + size
    if boxes[0] + struct.unpack_from(">I", content, boxes[0])[0] != len(content):
        raise TalkClipError(f"{path.name}: moov is not at its end.", "Please report this.", "mp4")
    grown = bytearray(content)
    for at in boxes:
        struct.pack_into(">I", grown, at, struct.unpack_from(">I", content, at)[0] + len(entry))
    grown[end:end] = entry
    path.write_bytes(grown)


def _box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), name) + content


def _find(content: bytes, start: int, end: int, name: bytes) -> int | None:
    """Where a box begins, among those from `start` to `end`."""
    while start + 8 <= end:
        size, found = struct.unpack_from(">I4s", content, start)
        if found == name:
            return start
        if size == 1:  # a size of eight bytes follows
            (size,) = struct.unpack_from(">Q", content, start + 8)
        if size < 8:
            return None
        start += size
    return None

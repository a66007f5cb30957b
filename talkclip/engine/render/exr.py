"""OpenEXR files with half floats: scene-linear light and premultiplied alpha, as compositors expect plates.

Written after the published file layout (openexr.com, "OpenEXR File Layout"): one part, scan lines in blocks of
sixteen, deflated ("ZIP"). No library is needed, and no picture library reads colour more exactly.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from talkclip.engine.render.render_mesh import srgb_to_linear

_MAGIC, _VERSION = 20000630, 2
_HALF, _ZIP, _INCREASING_Y = 1, 3, 0
_LINES = 16


def linear_from_srgb(picture: np.ndarray) -> np.ndarray:
    """uint8 sRGB (H, W, 3 or 4), straight alpha -> float32 linear, alpha premultiplied."""
    color = srgb_to_linear(picture[..., :3].astype(np.float32) / 255.0)
    if picture.shape[2] == 3:
        return color
    alpha = picture[..., 3:].astype(np.float32) / 255.0
    return np.concatenate([color * alpha, alpha], -1)


def write_exr(path: Path, picture: np.ndarray, tags: Mapping[str, str]) -> None:
    """Write linear float (H, W, 3 or 4), red green blue alpha; `tags` become string attributes."""
    height, width, n = picture.shape
    order = sorted(zip("RGBA"[:n], range(n), strict=True))
    header = _header(width, height, [name for name, _ in order], tags)
    halves = np.ascontiguousarray(np.moveaxis(picture[..., [k for _, k in order]], -1, 1), "<f2")
    blocks = []
    for top in range(0, height, _LINES):
        data = _packed(halves[top : top + _LINES].tobytes())
        blocks.append(struct.pack("<ii", top, len(data)) + data)
    offset = len(header) + 8 * len(blocks)
    table = []
    for block in blocks:
        table.append(offset)
        offset += len(block)
    path.write_bytes(header + struct.pack(f"<{len(table)}Q", *table) + b"".join(blocks))


def _packed(raw: bytes) -> bytes:
    """Deflate as EXR does: even bytes before odd ones, differences instead of values; raw when that is no shorter."""
    data = np.frombuffer(raw, np.uint8)
    split = np.concatenate([data[0::2], data[1::2]])
    steps = split.copy()
    steps[1:] = split[1:] - split[:-1] + np.uint8(128)
    packed = zlib.compress(steps.tobytes(), 4)
    return packed if len(packed) < len(raw) else raw


def _header(width: int, height: int, channels: list[str], tags: Mapping[str, str]) -> bytes:
    def attribute(name: str, kind: str, value: bytes) -> bytes:
        return name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value

    listed = b"".join(c.encode() + b"\0" + struct.pack("<iBxxxii", _HALF, 0, 1, 1) for c in channels) + b"\0"
    window = struct.pack("<iiii", 0, 0, width - 1, height - 1)
    parts = [
        struct.pack("<ii", _MAGIC, _VERSION),
        attribute("channels", "chlist", listed),
        attribute("compression", "compression", struct.pack("B", _ZIP)),
        attribute("dataWindow", "box2i", window),
        attribute("displayWindow", "box2i", window),
        attribute("lineOrder", "lineOrder", struct.pack("B", _INCREASING_Y)),
        attribute("pixelAspectRatio", "float", struct.pack("<f", 1.0)),
        attribute("screenWindowCenter", "v2f", struct.pack("<ff", 0.0, 0.0)),
        attribute("screenWindowWidth", "float", struct.pack("<f", 1.0)),
    ]
    parts += [attribute(key[:31], "string", text.encode()) for key, text in tags.items()]
    return b"".join(parts) + b"\0"

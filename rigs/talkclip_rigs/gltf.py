"""The default head as one binary glTF file (.glb): 52 named shapes, materials, and, when a track is given, its motion.

Written by hand after the glTF 2.0 specification (https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html). glTF's
axes are the head's own: metres, +Y up, +Z forward. Shapes are sparse accessors, which keeps the file small.
"""

from __future__ import annotations

import json
import os
import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from talkclip.coefficients import CoefficientTrack
from talkclip.errors import InputError
from talkclip.files import atomic_write
from talkclip_rigs.head import DefaultHead, Material

FLOAT, UNSIGNED_SHORT, UNSIGNED_INT = 5126, 5123, 5125
ARRAY_BUFFER, ELEMENT_BUFFER = 34962, 34963
MAGIC, JSON_CHUNK, BINARY_CHUNK = 0x46546C67, 0x4E4F534A, 0x004E4942
MOVED_M = 1e-6
TURNED = 2e-3
"""A shape's change of a normal below this (about 0.1 degrees) is not stored."""
DOUBLE_SIDED = ("brows", "lashes", "hair", "mouth_interior")

Json = dict[str, Any]


@dataclass
class _Document:
    """The growing file: JSON tables and one binary buffer."""

    accessors: list[Json] = field(default_factory=list)
    views: list[Json] = field(default_factory=list)
    binary: bytearray = field(default_factory=bytearray)

    def view(self, data: NDArray[np.generic], target: int | None = None) -> int:
        """Append bytes, aligned to four; returns the buffer view's index."""
        self.binary.extend(b"\0" * (-len(self.binary) % 4))
        raw = np.ascontiguousarray(data).tobytes()
        entry: Json = {"buffer": 0, "byteOffset": len(self.binary), "byteLength": len(raw)}
        self.views.append(entry | ({"target": target} if target else {}))
        self.binary.extend(raw)
        return len(self.views) - 1

    def accessor(
        self, data: NDArray[np.generic], kind: str, component: int, target: int | None = None, **extra: Any
    ) -> int:
        """A plain accessor over `data` (count, ...); returns its index."""
        entry = {"bufferView": self.view(data, target), "componentType": component, "count": len(data), "type": kind}
        self.accessors.append(entry | extra)
        return len(self.accessors) - 1

    def sparse(self, dense: NDArray[np.float32], threshold: float, bounded: bool) -> int:
        """(V, 3) floats that are mostly zero, as a sparse accessor; returns its index."""
        rows = np.flatnonzero((np.abs(dense) > threshold).any(axis=1))
        entry: Json = {"componentType": FLOAT, "count": len(dense), "type": "VEC3"}
        if len(rows):
            index_type = UNSIGNED_SHORT if len(dense) < 65536 else UNSIGNED_INT
            indices = rows.astype(np.uint16 if index_type == UNSIGNED_SHORT else np.uint32)
            entry["sparse"] = {
                "count": len(rows),
                "indices": {"bufferView": self.view(indices), "componentType": index_type},
                "values": {"bufferView": self.view(dense[rows].astype(np.float32))},
            }
        if bounded:
            kept = np.concatenate([dense[rows], np.zeros((min(1, len(dense) - len(rows)), 3), dense.dtype)])
            entry |= _bounds(kept)
        self.accessors.append(entry)
        return len(self.accessors) - 1


def write_glb(head: DefaultHead, path: str | os.PathLike[str], track: CoefficientTrack | None = None) -> None:
    """Write the head, and the motion of `track` when given, as a .glb file.

    Args:
        path: the file to write; replaced only when everything succeeded.
        track: arkit52 values (T, 52) in the order of `head.names`; its head pose turns and moves the node.

    Raises:
        InputError: the track is not in the space arkit52, or the file cannot be written.
    """
    if track is not None and tuple(track.names) != head.names:
        raise InputError(
            f"The track's space is {track.space}; the head speaks arkit52.", "Export a track of the space arkit52."
        )
    document = _Document()
    body = _body(head, document)
    if track is not None:
        body["animations"] = [_animation(document, track)]
    body |= {
        "accessors": document.accessors,
        "bufferViews": document.views,
        "buffers": [{"byteLength": len(document.binary)}],
    }
    with atomic_write(path) as temporary:
        temporary.write_bytes(_container(body, bytes(document.binary)))


def _body(head: DefaultHead, document: _Document) -> Json:
    normals = head.normals()
    shaped = [head.normals(head.vertices + delta) - normals for delta in head.deltas]
    primitives = [_primitive(head, index, document, normals, shaped) for index in range(len(head.materials))]
    return {
        "asset": {
            "version": "2.0",
            "generator": "TalkCLIP",
            "copyright": "CC0 1.0 (MakeHuman hm08, Face Units 01; TalkCLIP)",
        },
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"name": "TalkCLIP head", "mesh": 0}],
        "meshes": [
            {
                "name": "TalkCLIP head",
                "primitives": primitives,
                "weights": [0.0] * len(head.names),
                "extras": {"targetNames": list(head.names)},
            }
        ],
        "materials": [_material(material, _brightest(head, index)) for index, material in enumerate(head.materials)],
    }


def _primitive(
    head: DefaultHead,
    material: int,
    document: _Document,
    normals: NDArray[np.float32],
    shaped: list[NDArray[np.float32]],
) -> Json:
    """One material's triangles. glTF keeps one texture point per vertex, so vertices double along texture seams."""
    chosen = head.triangle_material == material
    corner = np.stack([head.triangles[chosen].ravel(), head.triangle_uv[chosen].ravel()], axis=1)
    pairs, indices = np.unique(corner, axis=0, return_inverse=True)
    vertex, point = pairs[:, 0], pairs[:, 1]
    position = head.vertices[vertex]
    ratio = _linear(head.colors[vertex] / 255.0) / _brightest(head, material)
    color = np.concatenate([ratio, np.ones((len(ratio), 1))], axis=1)
    uv = head.uv[point] * [1, -1] + [0, 1]  # glTF counts v downwards
    attributes = {
        "POSITION": document.accessor(position, "VEC3", FLOAT, ARRAY_BUFFER, **_bounds(position)),
        "NORMAL": document.accessor(normals[vertex], "VEC3", FLOAT, ARRAY_BUFFER),
        "TEXCOORD_0": document.accessor(uv.astype(np.float32), "VEC2", FLOAT, ARRAY_BUFFER),
        "COLOR_0": document.accessor(
            np.round(color.clip(0, 1) * 65535).astype(np.uint16), "VEC4", UNSIGNED_SHORT, ARRAY_BUFFER, normalized=True
        ),
    }
    targets = [
        {
            "POSITION": document.sparse(delta[vertex], MOVED_M, bounded=True),
            "NORMAL": document.sparse(turn[vertex], TURNED, bounded=False),
        }
        for delta, turn in zip(head.deltas, shaped, strict=True)
    ]
    triangle = document.accessor(indices.ravel().astype(np.uint16), "SCALAR", UNSIGNED_SHORT, ELEMENT_BUFFER)
    return {"attributes": attributes, "indices": triangle, "material": material, "targets": targets}


def _material(material: Material, color: NDArray[np.float64]) -> Json:
    entry: Json = {
        "name": material.name,
        "pbrMetallicRoughness": {
            "baseColorFactor": [*(round(float(c), 5) for c in color), 1.0],
            "metallicFactor": 0.0,
            "roughnessFactor": material.roughness,
        },
    }
    return entry | ({"doubleSided": True} if material.name in DOUBLE_SIDED else {})


def _brightest(head: DefaultHead, material: int) -> NDArray[np.float64]:
    """(3,) linear colour that bounds a material's vertex colours: glTF multiplies the two, and viewers without vertex
    colours then still show a fair tone."""
    used = np.unique(head.faces[head.face_material == material])
    return np.asarray(np.maximum(_linear(head.colors[used] / 255.0).max(axis=0), 1e-4))


def _linear(srgb: NDArray[np.floating]) -> NDArray[np.float64]:
    """sRGB 0..1 to linear 0..1 (IEC 61966-2-1)."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def _bounds(points: NDArray[np.float32]) -> Json:
    return {"min": points.min(axis=0).tolist(), "max": points.max(axis=0).tolist()}


def _animation(document: _Document, track: CoefficientTrack) -> Json:
    times = track.times_s - min(0.0, track.start_s)  # glTF's clock has no negative seconds
    clock = document.accessor(
        times.astype(np.float32), "SCALAR", FLOAT, min=[float(np.float32(times[0]))], max=[float(np.float32(times[-1]))]
    )
    outputs = {"weights": document.accessor(track.values.astype(np.float32).ravel(), "SCALAR", FLOAT)}
    if track.head is not None:
        outputs["rotation"] = document.accessor(_quaternions(track.head[:, :3]), "VEC4", FLOAT)
        outputs["translation"] = document.accessor(track.head[:, 3:].astype(np.float32), "VEC3", FLOAT)
    return {
        "name": "speech",
        "samplers": [{"input": clock, "output": output, "interpolation": "LINEAR"} for output in outputs.values()],
        "channels": [
            {"sampler": index, "target": {"node": 0, "path": name}} for index, name in enumerate(outputs)
        ],
    }  # fmt: skip


def _quaternions(angles_rad: NDArray[np.float32]) -> NDArray[np.float32]:
    """(T, 4) xyzw of yaw about Y, then pitch about the turned X, then roll about the turned Z; `angles_rad` (T, 3) are
    pitch, yaw, roll."""
    half = angles_rad.astype(np.float64) / 2
    (sp, sy, sr), (cp, cy, cr) = np.sin(half).T, np.cos(half).T
    return np.stack(
        [
            cy * sp * cr + sy * cp * sr,
            sy * cp * cr - cy * sp * sr,
            cy * cp * sr - sy * sp * cr,
            cy * cp * cr + sy * sp * sr,
        ],
        axis=1,
    ).astype(np.float32)


def _container(body: Json, binary: bytes) -> bytes:
    """The .glb container: header, JSON chunk padded with spaces, binary chunk padded with zeros."""
    text = json.dumps(body, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    binary += b"\0" * (-len(binary) % 4)
    length = 12 + 8 + len(text) + 8 + len(binary)
    return b"".join(
        [
            struct.pack("<III", MAGIC, 2, length),
            struct.pack("<II", len(text), JSON_CHUNK),
            text,
            struct.pack("<II", len(binary), BINARY_CHUNK),
            binary,
        ]
    )

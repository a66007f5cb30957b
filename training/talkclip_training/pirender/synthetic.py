"""Moving faces of nobody, with coefficients: `python -m talkclip_training.pirender.synthetic --out DIR`.

For trying out the training of PIRenderer without films and without the Basel Face Model. Generated heads (CC0) make
faces and turn; 64 fixed random mixtures of their 52 shape values stand for the expression coefficients, head turn and
shift for angles and translation. Weights trained on them are of no use on people.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d

from talkclip.engine.bfm import N_EXPRESSION
from talkclip.engine.render.head_renderer import Camera, HeadRenderer
from talkclip.engine.render.render_mesh import RenderMesh
from talkclip.engine.tracking.identity import identity_basis, shaped_head
from talkclip.exits import explained
from talkclip_training.arguments import at_least
from talkclip_training.tracking.landmark_places import random_expression

# A key pose every so many frames; between them the face moves smoothly.
_KEY_FRAMES, _SMOOTH_FRAMES = 6, 3.0
_TURN_RAD = (0.10, 0.25, 0.10)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--people", type=at_least(1), default=24)
    parser.add_argument("--frames", type=at_least(1), default=48, help="per person")
    parser.add_argument("--size", type=at_least(32), default=96)
    parser.add_argument("--seed", type=at_least(0), default=0)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for number in range(arguments.people):
        make_clip(arguments.out, number, arguments.frames, arguments.size, arguments.seed)
    print(f"{arguments.out}: {arguments.people} people, {arguments.frames} pictures each")


def make_clip(out: Path, number: int, frames: int, size: int, seed: int) -> Path:
    """Draw one person -> the file of coefficients; pictures are in the folder of the same name."""
    rng = np.random.default_rng((seed, number))
    basis = identity_basis()
    mesh = RenderMesh(shaped_head(basis.skin_offsets(0.8 * rng.standard_normal(basis.n_components))))
    tint = (rng.uniform(0.45, 1.0) * rng.uniform(0.9, 1.1, 3)).astype(np.float32)
    mesh.paint[:, 3:6] = np.clip(mesh.paint[:, 3:6] * tint, 0, 1)
    renderer = HeadRenderer(size, mesh=mesh, camera=Camera(focal_mm=105.0, center_y_m=0.022))
    keys = 2 + frames // _KEY_FRAMES
    values = _between(np.stack([random_expression(rng) for _ in range(keys)]), frames)
    pose = np.zeros((frames, 6), np.float32)
    pose[:, :3] = _between(rng.normal(0, _TURN_RAD, (keys, 3)), frames)
    folder = out / f"P{number:03d}_synthetic"
    folder.mkdir(parents=True, exist_ok=True)
    for frame in range(frames):
        picture = renderer.frame(values[frame], pose[frame])
        cv2.imwrite(str(folder / f"{frame:06d}.png"), picture[:, :, ::-1])
    mixture = np.linalg.qr(np.random.default_rng(64).standard_normal((N_EXPRESSION, values.shape[1])))[0].T
    file = folder.with_suffix(".npz")
    crop = np.tile(np.array([1.0, 128.0, 128.0], np.float32), (frames, 1))
    np.savez_compressed(
        file, exp=(values @ mixture).astype(np.float32), angle=pose[:, :3], trans=pose[:, 3:], crop=crop,
    )  # fmt: skip
    return file


def _between(keys: np.ndarray, frames: int) -> np.ndarray:
    """(K, C) poses -> (frames, C), held and gone between smoothly."""
    held = np.repeat(keys, _KEY_FRAMES, axis=0)[:frames]
    return np.asarray(gaussian_filter1d(held, _SMOOTH_FRAMES, axis=0, mode="nearest"), np.float32)


if __name__ == "__main__":
    explained(main)

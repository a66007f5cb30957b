"""Where the 468 landmarks lie on the default head: `python -m talkclip_training.tracking.landmark_places --out FILE`.

The landmark network was trained on people, so its points are looked for where it puts them: generated heads are
drawn in many poses and expressions, the network marks each picture, and every landmark goes to the point of the skin
that moves with it, over all pictures. Motion tells the upper lip's edge from the lower one's, which a single picture
of a shut mouth cannot.

The network does not answer every movement in full: what it adds or leaves out, per shape and on average, is measured
too (a ridge regression of the remaining distances on the shapes), and what is left after that is each landmark's
deviation, the weight of later fits.

FILE is the tracker's data file that holds the identity basis; the places are added to it.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

from talkclip.coefficients import ARKIT52
from talkclip.engine.render.head_renderer import Camera, HeadRenderer
from talkclip.engine.render.render_mesh import RenderMesh
from talkclip.engine.tracking.identity import identity_basis, shaped_head
from talkclip.engine.tracking.landmarks import N_LANDMARKS, locate
from talkclip.errors import InputError
from talkclip.exits import explained
from talkclip.files import atomic_write
from talkclip_rigs.head import DefaultHead
from talkclip_rigs.rotations import matrix_from_pitch_yaw_roll
from talkclip_training.arguments import at_least

SEED, SIZE_PX = 7, 320
N_HEADS, FRAMES_PER_HEAD = 16, 60
# Nearest candidates, by the mean over all frames, that are then compared frame by frame.
_CANDIDATES = 60
# Pull of the response towards the geometry, in frames in which a shape is fully on.
_RIDGE = 3.0
STEP_M = 1e-5
SINGLES = (
    "jawOpen", "mouthPucker", "mouthFunnel", "mouthRollLower", "mouthRollUpper", "mouthLeft", "mouthRight", "jawLeft",
    "jawRight", "cheekPuff", "browInnerUp", "mouthShrugLower", "mouthShrugUpper",
)  # fmt: skip
PAIRS = (
    "eyeBlink", "eyeSquint", "eyeWide", "mouthSmile", "mouthFrown", "mouthStretch", "mouthDimple", "mouthPress",
    "mouthLowerDown", "mouthUpperUp", "browDown", "browOuterUp", "cheekSquint", "noseSneer",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="file of tracking.identities, to which this is added")
    parser.add_argument("--heads", type=at_least(1), default=N_HEADS)
    arguments = parser.parse_args()
    with np.load(arguments.out, allow_pickle=False) as archive:
        data = {key: archive[key] for key in archive.files}
    pictures = _pictures(arguments.heads)
    marks = pictures.marks
    corners, shares = place(pictures.screen, marks)
    response, bias, deviation_m = respond(pictures, corners, shares)
    data |= {"landmark_corners": corners.astype(np.uint16), "landmark_shares": shares.astype(np.float32),
             "landmark_deviation_m": deviation_m.astype(np.float32),
             "response_10um": np.round(response / STEP_M).astype(np.int16),
             "bias_10um": np.round(bias / STEP_M).astype(np.int16)}  # fmt: skip
    with atomic_write(arguments.out) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **data)
    print(f"{len(marks)} pictures; deviation {1000 * np.median(deviation_m):.2f} mm median, "
          f"{1000 * np.percentile(deviation_m, 90):.2f} mm in the worst tenth")  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Pictures:
    """What was drawn and what the network saw. F pictures.

    Attributes:
        screen: (F, S, 2) skin vertices, marks: (F, 468, 2) landmarks; metres at the head's distance.
        points: (F, S, 3) skin vertices in head axes, metres.
        turns: (F, 3, 3) rotation of the head.
        values: (F, 52) shapes.
        person: (F,) which head.
    """

    screen: np.ndarray
    marks: np.ndarray
    points: np.ndarray
    turns: np.ndarray
    values: np.ndarray
    person: np.ndarray


def _pictures(n_heads: int) -> Pictures:
    rng = np.random.default_rng(SEED)
    basis, camera = identity_basis(), Camera()
    metres_per_px = camera.distance_m * 24.0 / (SIZE_PX * camera.focal_mm)
    rows: list[tuple[np.ndarray, ...]] = []
    for number in range(n_heads):
        amount = 0.0 if number == 0 else 0.8
        head = shaped_head(basis.skin_offsets(amount * rng.standard_normal(basis.n_components)))
        mesh = RenderMesh(head)
        mesh._follows[:] = 1.0  # the whole head turns, as the tracker's head does
        renderer = HeadRenderer(SIZE_PX, mesh=mesh)
        for _ in range(FRAMES_PER_HEAD):
            values, pose = random_expression(rng), np.zeros(6, np.float32)
            pose[:3] = rng.normal(0, (0.10, 0.22, 0.08))
            try:
                found = locate(renderer.frame(values, pose))
            except InputError:
                continue
            points, turn = head.blend(values)[basis.skin_rows], matrix_from_pitch_yaw_roll(pose[:3])
            posed = points @ turn.T
            screen = posed[:, :2] * (camera.distance_m / (camera.distance_m - posed[:, 2:]))
            x = (found.points[:, 0] - SIZE_PX / 2) * metres_per_px
            y = (SIZE_PX / 2 - found.points[:, 1]) * metres_per_px + camera.center_y_m
            rows.append((screen, np.stack([x, y], 1), points, turn, values, np.array(number)))
    return Pictures(*(np.array(column, np.float32) for column in zip(*rows, strict=True)))


def random_expression(rng: np.random.Generator) -> np.ndarray:
    """(52,) a few shapes at once, both sides alike or not."""
    head = DefaultHead.load()
    values = np.zeros(len(ARKIT52), np.float32)
    for name in rng.choice(SINGLES, rng.integers(0, 4), replace=False):
        values[head.names.index(name)] = rng.uniform(0, 0.9)
    for name in rng.choice(PAIRS, rng.integers(1, 5), replace=False):
        left = rng.uniform(0, 1)
        right = left if rng.random() < 0.7 else rng.uniform(0, 1)
        values[head.names.index(f"{name}Left")], values[head.names.index(f"{name}Right")] = left, right
    return values


def place(truth: np.ndarray, marks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """-> skin-vertex corners (468, 3), shares (468, 3)."""
    head, basis = DefaultHead.load(), identity_basis()
    rest = head.vertices[basis.skin_rows]
    row_of = np.full(len(head.vertices), -1)
    row_of[basis.skin_rows] = np.arange(len(basis.skin_rows))
    triangles = row_of[head.triangles[(row_of[head.triangles] >= 0).all(1)]]
    facing = head.normals()[basis.skin_rows][:, 2] > -0.25
    usable = np.flatnonzero(facing & (rest[:, 2] > 0.0))
    corners, shares = np.empty((N_LANDMARKS, 3), int), np.empty((N_LANDMARKS, 3))
    for mark in range(N_LANDMARKS):
        offset = np.linalg.norm((truth[:, usable] - marks[:, None, mark]).mean(0), axis=1)
        near = usable[np.argsort(offset)[:_CANDIDATES]]
        # The median over frames: a badly marked picture must not decide.
        cost = np.median(np.linalg.norm(truth[:, near] - marks[:, None, mark], axis=2), axis=0)
        best = near[np.argsort(cost)[:4]]
        options = triangles[np.isin(triangles, best).any(1)]
        options = options[np.isin(options, usable).all(1)]
        errors = []
        for triangle in options:
            weights = _shares(truth[:, triangle], marks[:, mark])
            error = np.median(
                np.linalg.norm(np.einsum("fkc,k->fc", truth[:, triangle], weights) - marks[:, mark], axis=1)
            )
            errors.append((error, weights))
        chosen = int(np.argmin([error for error, _ in errors]))
        corners[mark], shares[mark] = options[chosen], errors[chosen][1]
    return corners, shares


def respond(pictures: Pictures, corners: np.ndarray, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """-> what the network adds to each shape (52, 468, 3), to everyone (468, 3), and its deviation (468,); metres."""
    camera = Camera()
    points = np.einsum("flkc,lk->flc", pictures.points[:, corners].astype(np.float64), shares)
    turned = np.einsum("fij,flj->fli", pictures.turns, points)
    # The network's point, taken to lie as far from the camera as the head's.
    away = (camera.distance_m - turned[..., 2:]) / camera.distance_m
    seen = np.concatenate([pictures.marks * away, turned[..., 2:]], -1)
    missing = np.einsum("fji,flj->fli", pictures.turns, seen) - points
    person = pictures.person.astype(int)
    own = np.stack([missing[person == p].mean(0) for p in np.unique(person)])
    values = pictures.values.astype(np.float64)
    mean = np.stack([values[person == p].mean(0) for p in np.unique(person)])
    x, y = values - mean[person], (missing - own[person]).reshape(len(values), -1)
    response = np.linalg.solve(x.T @ x + _RIDGE * np.eye(x.shape[1]), x.T @ y)
    left = np.linalg.norm((y - x @ response).reshape(missing.shape), axis=2)
    response = response.reshape(-1, N_LANDMARKS, 3)
    bias = own.mean(0) - np.tensordot(mean.mean(0), response, 1)
    return response, bias, np.sqrt(np.median(left**2, axis=0) + 0.25 * own.var(0).sum(-1))


def _shares(corners: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(3,) barycentric shares >= 0 that follow the target (F, 2) best; corners (F, 3, 2)."""
    strong = 1.0
    matrix = np.concatenate([corners.transpose(0, 2, 1).reshape(-1, 3), np.full((1, 3), strong)])
    weights, _ = nnls(matrix, np.concatenate([target.ravel(), [strong]]))
    return weights / weights.sum()


if __name__ == "__main__":
    explained(main)

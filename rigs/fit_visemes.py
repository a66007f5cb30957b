"""Fits the drives of rigs that have visemes instead of single movements: which of the 52 moves which viseme how far.

    python rigs/fit_visemes.py TRACK.npz ...

A viseme is a mouth pose, a mix of several of the 52. For each frame of the tracks (from `talkclip animate`) the visemes
are found that come closest to the mouth (non-negative least squares). Each viseme is then explained by at most six
channels (left and right together), chosen one after the other. Prints the drives as JSON and, for the error of the
mouth's channels, how much of a motionless mouth's error is left: with free visemes, and with these drives.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

from talkclip.coefficients import ARKIT52
from talkclip.track_io import read_track

MOST_CHANNELS = 6
LEAST_GAIN = 0.05  # smaller ones are noise
MOUTH = tuple(name for name in ARKIT52 if name.startswith(("jaw", "mouth", "tongue")))

# What each viseme looks like; a pair is named without its side. Oculus: openfacefx 0.24.0 (MIT), preset "arkit".
OCULUS = {
    "PP": {"mouthPress": 0.5, "mouthRollLower": 0.22, "mouthRollUpper": 0.22},
    "FF": {"mouthShrugLower": 0.52, "mouthUpperUp": 0.3, "mouthRollLower": 0.3, "jawOpen": 0.07},
    "TH": {"tongueOut": 0.95, "jawOpen": 0.12, "mouthUpperUp": 0.15, "mouthLowerDown": 0.15},
    "DD": {"jawOpen": 0.24, "tongueOut": 0.28, "mouthUpperUp": 0.12},
    "kk": {"jawOpen": 0.32, "mouthLowerDown": 0.12},
    "CH": {"mouthFunnel": 0.6, "mouthPucker": 0.4, "jawOpen": 0.16},
    "SS": {"jawOpen": 0.09, "mouthStretch": 0.3, "mouthUpperUp": 0.28, "mouthLowerDown": 0.28},
    "nn": {"jawOpen": 0.2, "tongueOut": 0.22, "mouthLowerDown": 0.1},
    "RR": {"mouthPucker": 0.45, "mouthFunnel": 0.3, "jawOpen": 0.18},
    "aa": {"jawOpen": 0.6, "mouthLowerDown": 0.1},
    "E": {"jawOpen": 0.42, "mouthStretch": 0.32, "mouthDimple": 0.22},
    "I": {"jawOpen": 0.16, "mouthStretch": 0.5, "mouthSmile": 0.32, "mouthUpperUp": 0.2},
    "O": {"mouthFunnel": 0.7, "mouthPucker": 0.42, "jawOpen": 0.42},
    "U": {"mouthPucker": 0.85, "mouthFunnel": 0.5, "jawOpen": 0.12},
}
# As VRM has them; poses ours.
VOWELS = {
    "A": {"jawOpen": 0.7},
    "I": {"jawOpen": 0.2, "mouthStretch": 0.4},
    "U": {"mouthPucker": 0.9, "jawOpen": 0.15},
    "E": {"jawOpen": 0.25, "mouthStretch": 0.5, "mouthSmile": 0.3},
    "O": {"mouthFunnel": 0.6, "jawOpen": 0.35},
}


def main(paths: list[str]) -> None:
    """Fit and print both tables."""
    tracks = [read_track(Path(path)) for path in paths]
    values = np.concatenate([track.values for track in tracks]).astype(np.float64)
    grouped, groups = _grouped(values)
    for name, table in (("oculus", OCULUS), ("vowels", VOWELS)):
        poses = np.array([[table[viseme].get(group, 0.0) for group in groups] for viseme in table]).T
        free = np.stack([nnls(poses, row)[0] for row in grouped])
        drives = {viseme: _explained(free[:, k], grouped, groups) for k, viseme in enumerate(table)}
        gains = np.array([[drives[viseme].get(group, 0.0) for viseme in table] for group in groups])
        linear = np.clip(grouped @ gains, 0.0, 1.0)
        moving = np.square(grouped).sum()
        left = [np.square(v @ poses.T - grouped).sum() / moving for v in (np.minimum(free, 1.0), linear)]
        print(
            f"{name}: left of a motionless mouth's squared error: {left[0]:.2f} free, {left[1]:.2f} with these drives"
        )
        print(json.dumps(_by_channel(drives), indent=1))


def _sides(group: str) -> list[str]:
    """The channels of a group: the pair, or the one of that name."""
    return [name for name in MOUTH if name in (group, group + "Left", group + "Right")]


def _grouped(values: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Left and right of the mouth's channels averaged -> (T, G), the groups' names."""
    pairs = {name.removesuffix("Left") for name in MOUTH} & {name.removesuffix("Right") for name in MOUTH}
    pairs -= {"jaw", "mouth"}  # jawLeft and jawRight are directions, not sides
    groups = [*sorted(pairs), "jawLeft", "jawRight", "mouthLeft", "mouthRight"]
    columns = [[ARKIT52.index(name) for name in _sides(group)] for group in groups]
    return np.stack([values[:, each].mean(axis=1) for each in columns], axis=1), groups


def _explained(wanted: np.ndarray, grouped: np.ndarray, groups: list[str]) -> dict[str, float]:
    """The few channels that explain a viseme best, each chosen for what the ones before it leave."""
    chosen: list[int] = []
    for _ in range(MOST_CHANNELS):
        errors = {}
        for k in set(range(len(groups))) - set(chosen):
            columns = grouped[:, [*chosen, k]]
            gains = _ridge(columns, wanted)
            errors[k] = np.square(columns @ gains - wanted).sum()
        best = min(errors, key=errors.__getitem__)
        before = np.square(grouped[:, chosen] @ _ridge(grouped[:, chosen], wanted) - wanted).sum() if chosen else np.inf
        if errors[best] > 0.98 * min(before, np.square(wanted).sum()):
            break
        chosen.append(best)
    gains = _ridge(grouped[:, chosen], wanted)
    small = [abs(gain) < LEAST_GAIN * len(_sides(groups[k])) for k, gain in zip(chosen, gains, strict=True)]
    chosen = [k for k, drop in zip(chosen, small, strict=True) if not drop] or chosen[:1]
    return {groups[k]: float(gain) for k, gain in zip(chosen, _ridge(grouped[:, chosen], wanted), strict=True)}


def _ridge(columns: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    weight = 1e-3 * len(columns)
    return np.linalg.solve(columns.T @ columns + weight * np.eye(columns.shape[1]), columns.T @ wanted)


def _by_channel(drives: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """{channel: {viseme: gain}}; a pair shares its gain."""
    table: dict[str, dict[str, float]] = {}
    for viseme, gains in drives.items():
        for group, gain in gains.items():
            sides = _sides(group)
            for name in sides:
                table.setdefault(name, {})[viseme] = round(gain / len(sides), 2)
    return {name: table[name] for name in ARKIT52 if name in table}


if __name__ == "__main__":
    main(sys.argv[1:])

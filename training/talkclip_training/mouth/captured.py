"""Fit the mouth's correction to captured speech: `python -m talkclip_training.mouth.captured --mocap DIR`.

The map of `train` learns a table of visemes, in which the jaw drops alike for every "a". Here a small ridge map learns
from mouths that were really filmed how far it drops: from loudness, eight bands and what the table's map says. The
takes are of one actress; so each is also heard faster and slower (pitch, formants and tempo together), the map has few
inputs, and the model gives it only a share. Prints what it gains on takes left out; writes into the weight file.

The takes: github.com/FACEGOOD/FACEGOOD-Audio2Face (MIT), as `<take>.flac` and `<take>.npz` (`values`, `names`, `fps`).
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import soxr

from talkclip.audio import AudioClip
from talkclip.engine.models.mouth import CORRECTED, KINDS, MouthModel, correction_inputs
from talkclip.engine.speech.features import FPS
from talkclip.engine.speech.frontend import SpeechFrontEnd
from talkclip.engine.speech.media import load_audio
from talkclip.exits import explained
from talkclip.files import atomic_write
from talkclip_training.mouth.train import WEIGHTS

# Take 2_03 is for measuring only.
TAKES = ("2_01", "2_02", "2_04", "3_15")
# How much faster the takes are heard.
SPEEDS = (0.82, 0.9, 1.0, 1.1)
RIDGE = 400.0


@dataclasses.dataclass(frozen=True, eq=False)
class Heard:
    """A take at one speed: inputs (F, I) and target (F,) of each channel in `CORRECTED`."""

    take: str
    speed: float
    inputs: tuple[np.ndarray, ...]
    targets: tuple[np.ndarray, ...]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mocap", type=Path, required=True, help="folder with the takes")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="weight file of the mouth, changed in place")
    arguments = parser.parse_args()
    with np.load(arguments.weights, allow_pickle=False) as data:
        arrays = {name: data[name] for name in data.files}
    table = MouthModel(tuple(map(str, arrays["channels"])), {kind: arrays[f"weight_{kind}"] for kind in KINDS})
    front_end = SpeechFrontEnd("fast", cache=None)
    heard = [_hear(arguments.mocap, take, speed, front_end, table) for take in TAKES for speed in SPEEDS]
    for column, name in enumerate(CORRECTED):
        for take in TAKES:
            print(f"{name} {take}, left out: {_gain(heard, take, column)}")
    captured = np.stack([_fit(heard, column) for column in range(len(CORRECTED))], axis=1).astype(np.float32)
    digest = hashlib.sha256(b"".join((arguments.mocap / f"{take}.npz").read_bytes() for take in TAKES)).hexdigest()
    arrays |= {"captured": captured, "captured_sha256": np.array(digest)}
    with atomic_write(arguments.weights) as temporary:
        np.savez_compressed(temporary, **arrays)
    print(f"{arguments.weights}: {captured.shape[0]} x {captured.shape[1]} weights from captures {digest[:12]}")


def _hear(folder: Path, take: str, speed: float, front_end: SpeechFrontEnd, table: MouthModel) -> Heard:
    clip = load_audio(folder / f"{take}.flac")
    samples = clip.samples if speed == 1 else soxr.resample(clip.samples, clip.sample_rate * speed, clip.sample_rate)
    analysis = front_end.analyse(AudioClip(np.asarray(samples, np.float32), clip.sample_rate, take))
    features = analysis.features
    times_s = np.arange(len(features.mel)) / FPS
    spoken = table.predict(analysis, FPS, 0, len(features.mel))
    with np.load(folder / f"{take}.npz", allow_pickle=False) as data:
        curves = dict(zip((str(name) for name in data["names"]), data["values"].T.astype(np.float32), strict=True))
        clock_s = np.arange(len(data["values"])) / float(data["fps"])
    targets, inputs = [], []
    for name in CORRECTED:
        channel = name if name in spoken.names else f"{name}Left"
        inputs.append(correction_inputs(features, spoken.channel(channel)))
        targets.append(np.interp(times_s * speed, clock_s, _target(name, curves)))
    return Heard(take, speed, tuple(inputs), tuple(targets))


def _target(name: str, curves: dict[str, np.ndarray]) -> np.ndarray:
    """The capture's own shapes in ARKit's terms: the "o" shape also drops the jaw a little (a judgement)."""
    if name == "jawOpen":
        return np.clip(curves["mouth_stretch_c"] + 0.15 * curves["mouth_oh_c"], 0, 1)
    return curves["mouth_lowerLipDepress_l"]


def _fit(heard: list[Heard], column: int) -> np.ndarray:
    """(I + 1,) weights with the bias at the end, as large in its movement as the table's map is."""
    inputs = np.concatenate([take.inputs[column] for take in heard]).astype(np.float64)
    target = np.concatenate([take.targets[column] for take in heard])
    mean = inputs.mean(axis=0)
    centred = inputs - mean
    gram = centred.T @ centred + RIDGE * np.eye(centred.shape[1])
    weight = np.linalg.solve(gram, centred.T @ (target - target.mean()))
    amplitude = inputs[:, -1].std() / (centred @ weight).std()
    return np.asarray(np.append(weight, target.mean() - mean @ weight) * amplitude)


def _gain(heard: list[Heard], take: str, column: int) -> str:
    weight = _fit([other for other in heard if other.take != take], column)
    (whole,) = (one for one in heard if one.take == take and one.speed == 1.0)
    inputs, target = whole.inputs[column], whole.targets[column]
    moving = target > 0.05
    before, after = inputs[:, -1], inputs @ weight[:-1] + weight[-1]
    corrected = [float(np.corrcoef(curve[moving], target[moving])[0, 1]) for curve in (before, after)]
    return f"r where it moves {corrected[0]:.2f} by the table, {corrected[1]:.2f} by captured speech"


if __name__ == "__main__":
    explained(main)

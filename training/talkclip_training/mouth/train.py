"""Train the mouth model: `python -m talkclip_training.mouth.train --lj DIR [--seed 0] [--out FILE]`.

Ridge regression from a short window of acoustic features and phones to viseme targets rendered on exactly aligned
speech, one map for recognised phones (which are wrong at times: lean on the acoustics) and one for aligned phones
(which are right: lean on them). Prints correlations on held-out voices and sentences; writes the weights and the
hashes of the data that made them. Afterwards `talkclip_training.mouth.captured` adds its correction to the file.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from talkclip.engine.models.inputs import window_features
from talkclip.engine.models.mouth import CONTEXT, KINDS
from talkclip.engine.speech import hama
from talkclip.engine.speech.features import FPS, AcousticFeatures, extract_features
from talkclip.engine.speech.recognise import recognise
from talkclip.exits import explained
from talkclip.files import atomic_write
from talkclip.phones import PhoneTrack
from talkclip_training.mouth.corpus import (
    PROMPTS,
    Utterance,
    content_hash,
    in_a_room,
    jittered,
    lj_utterances,
    synthetic_utterances,
)
from talkclip_training.mouth.visemes import CHANNELS, render_targets

HERE = Path(__file__).resolve().parent
WEIGHTS = HERE.parents[2] / "talkclip" / "engine" / "weights" / "mouth.npz"
HELD_OUT_VOICES = frozenset(("voice_ked_diphone", "en-gb+f3", "en-us+m3"))
HELD_OUT_LJ = 6
RIDGE = 300.0
# Real speech counts twice.
WEIGHT = {"lj": 2.0}


@dataclasses.dataclass(frozen=True, eq=False)
class Example:
    """One utterance ready to fit: windows per kind of phones, and targets."""

    voice: str
    windows: dict[str, np.ndarray]
    targets: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lj", type=Path, required=True, help="folder with LJSpeech clips and TextGrids")
    parser.add_argument("--prompts", type=Path, default=PROMPTS, help="lines to synthesise")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    spoken = synthetic_utterances(arguments.prompts, 60, 15, arguments.seed)
    spoken = [in_a_room(utterance, rng) for utterance in spoken] + lj_utterances(arguments.lj)
    examples = [_example(utterance, rng) for utterance in spoken]
    train, held = _split(examples)
    print(
        f"{len(train)} utterances to train on, {len(held)} held out (voices {', '.join(sorted(HELD_OUT_VOICES))}, LJ)"
    )
    weights = {kind: _fit(train, kind) for kind in KINDS}
    for kind, weight in weights.items():
        scores = _correlations(held, kind, weight)
        print(
            kind, " ".join(f"{c} {r:.2f}" for c, r in zip(CHANNELS, scores, strict=True)), f"mean {np.mean(scores):.3f}"
        )
    about = {"data_sha256": content_hash(spoken), "seed": arguments.seed, "ridge": RIDGE,
             "seconds": round(sum(u.clip.duration_s for u in spoken), 1)}  # fmt: skip
    with atomic_write(arguments.out) as temporary:
        arrays = {f"weight_{kind}": weight.astype(np.float32) for kind, weight in weights.items()}
        np.savez_compressed(temporary, channels=np.array(CHANNELS), about=np.array(json.dumps(about)), **arrays)
    print(f"{arguments.out}: {json.dumps(about)}")


def _example(utterance: Utterance, rng: np.random.Generator) -> Example:
    log_probs, tokens = hama.posteriors(utterance.clip)
    features = extract_features(utterance.clip, log_probs=log_probs)
    recognised = recognise(utterance.clip, log_probs, tokens)
    phones = {"recognised": recognised, "aligned": jittered(utterance.phones, rng)}
    times_s = np.arange(len(features.mel)) / FPS
    targets = render_targets(utterance.phones.phones, times_s, features.loudness)
    return Example(utterance.voice, {kind: _windows(features, phones[kind]) for kind in KINDS}, targets)


def _windows(features: AcousticFeatures, phones: PhoneTrack) -> np.ndarray:
    return window_features(features, phones, CONTEXT)


def _split(examples: Sequence[Example]) -> tuple[list[Example], list[Example]]:
    lj = [e for e in examples if e.voice == "lj"]
    held = [e for e in examples if e.voice in HELD_OUT_VOICES] + lj[-HELD_OUT_LJ:]
    kept = [e for e in examples if not any(e is other for other in held)]
    return kept, held


def _fit(examples: Sequence[Example], kind: str) -> np.ndarray:
    """(inputs + 1, channels): weights with the bias in the last row."""
    gram: np.ndarray | float = 0.0
    moment: np.ndarray | float = 0.0
    for example in examples:
        inputs = _with_one(example.windows[kind]).astype(np.float64)
        share = WEIGHT.get(example.voice, 1.0)
        gram = gram + share * inputs.T @ inputs
        moment = moment + share * inputs.T @ example.targets
    gram = np.asarray(gram)
    return np.asarray(np.linalg.solve(gram + RIDGE * np.eye(len(gram)), moment))


def _with_one(windows: np.ndarray) -> np.ndarray:
    return np.concatenate([windows, np.ones((len(windows), 1), np.float32)], axis=1)


def _correlations(examples: Sequence[Example], kind: str, weight: np.ndarray) -> list[float]:
    predicted = np.concatenate([_with_one(e.windows[kind]) @ weight for e in examples])
    targets = np.concatenate([e.targets for e in examples])
    return [float(np.corrcoef(p, t)[0, 1]) for p, t in zip(predicted.T, targets.T, strict=True)]


if __name__ == "__main__":
    explained(main)

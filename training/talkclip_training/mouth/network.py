"""Train the network of the lips' shapes: `python -m talkclip_training.mouth.network --lj DIR --kokoro DIR [--seed 0]`.

It hears what `train`'s map hears (recognised phones only) and learns the same targets, from more voices: LJSpeech, 28
voices of Kokoro, festival and espeak-ng, natural ones more than robotic ones; each also faster, slower and badly
recorded. Prints correlations on voices that it never heard beside those of the map; writes into the weight file.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from talkclip.engine.models.inputs import window_features, windows
from talkclip.engine.models.lip_network import CONTEXT, KERNELS, SHAPES, SHUT, LipNetwork
from talkclip.engine.models.mouth import CONTEXT as MAP_CONTEXT
from talkclip.engine.speech import hama
from talkclip.engine.speech.features import FPS, N_MELS, extract_features
from talkclip.engine.speech.recognise import recognise
from talkclip.exits import explained
from talkclip.files import atomic_write
from talkclip.phones import BILABIALS, PHONES41, PhoneTrack
from talkclip_training.mouth.corpus import (
    PROMPTS,
    Utterance,
    at_speed,
    content_hash,
    folder_utterances,
    in_a_room,
    in_noise,
    lj_utterances,
    synthetic_utterances,
)
from talkclip_training.mouth.train import WEIGHTS
from talkclip_training.mouth.visemes import CHANNELS, closing, render_targets
from talkclip_training.stages.lines import HELD_OUT_LJ, HELD_OUT_VOICES

# It learns all channels, which helps with those that are shipped.
OUTPUTS = (*CHANNELS, SHUT)
SHIPPED = (*SHAPES, SHUT)
HIDDEN, DROPOUT = 64, 0.2
STEPS, BATCH, CROP, RATE, DECAY = 3000, 16, 90, 2.5e-3, 0.02
SPEEDS = (0.88, 1.12)
# How often a second of each kind of speech is heard: clean, at another speed, badly recorded.
SHARES = {"natural": (2.0, 0.5, 0.6), "voice model": (1.5, 0.4, 0.5), "synthesiser": (0.6, 0.0, 0.2)}


@dataclasses.dataclass(frozen=True, eq=False)
class Example:
    """One utterance: who speaks, inputs (F, 122), targets (F, `OUTPUTS`), and how often it is heard."""

    voice: str
    inputs: np.ndarray
    targets: np.ndarray
    share: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lj", type=Path, required=True, help="folder with LJSpeech clips and TextGrids")
    parser.add_argument("--kokoro", type=Path, required=True, help="folder made by `talkclip train speech`")
    parser.add_argument("--prompts", type=Path, default=PROMPTS, help="lines for the synthesisers")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="weight file of the mouth, changed in place")
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    real = lj_utterances(arguments.lj)
    kinds = {
        "natural": real,
        "voice model": [in_a_room(u, rng) for u in folder_utterances(arguments.kokoro)],
        "synthesiser": [in_a_room(u, rng) for u in synthetic_utterances(arguments.prompts, 60, 15, arguments.seed)],
    }
    spoken = [utterance for group in kinds.values() for utterance in group]
    held = [u for u in spoken if u.voice in HELD_OUT_VOICES] + real[-HELD_OUT_LJ:]
    out = frozenset(map(id, held))
    examples = [
        _example(variation, share)
        for kind, group in kinds.items()
        for utterance in group
        if id(utterance) not in out
        for variation, share in _variations(utterance, SHARES[kind], rng)
    ]
    print(
        f"{len(spoken) - len(held)} utterances to train on in {len(examples)} forms, {len(held)} held out", flush=True
    )
    network = exported(train(examples, arguments.seed, arguments.steps))
    with np.load(arguments.weights, allow_pickle=False) as data:
        arrays = {name: data[name] for name in data.files}
    _report([_example(utterance, 1.0) for utterance in held], network, arrays)
    about = {"data_sha256": content_hash(spoken), "seed": arguments.seed, "steps": arguments.steps,
             "seconds": round(sum(u.clip.duration_s for u in spoken), 1)}  # fmt: skip
    arrays |= network.arrays() | {"lips_about": np.array(json.dumps(about))}
    with atomic_write(arguments.weights) as temporary:
        np.savez_compressed(temporary, **arrays)
    digest = hashlib.sha256(arguments.weights.read_bytes()).hexdigest()
    print(f"{arguments.weights} ({digest}): {json.dumps(about)}")


def _variations(
    utterance: Utterance, shares: tuple[float, float, float], rng: np.random.Generator
) -> Iterator[tuple[Utterance, float]]:
    clean, at_other_speed, badly = shares
    yield utterance, clean
    if at_other_speed:
        yield from ((at_speed(utterance, speed), at_other_speed) for speed in SPEEDS)
    yield dataclasses.replace(utterance, clip=in_noise(utterance.clip, rng)), badly


def _example(utterance: Utterance, share: float) -> Example:
    log_probs, tokens = hama.posteriors(utterance.clip)
    features = extract_features(utterance.clip, log_probs=log_probs)
    inputs = window_features(features, recognise(utterance.clip, log_probs, tokens), 0)
    times_s = np.arange(len(inputs)) / FPS
    targets = render_targets(utterance.phones.phones, times_s, features.loudness)
    return Example(utterance.voice, inputs, np.column_stack([targets, _shut(utterance.phones, times_s)]), share)


def _shut(phones: PhoneTrack, times_s: np.ndarray) -> np.ndarray:
    """(T,) 1 where a bilabial shuts the lips, smooth around."""
    spans = [phone for phone in phones.phones if phone.symbol in BILABIALS]
    return np.max([closing(phone, times_s) for phone in spans], axis=0, initial=0.0) * np.ones(len(times_s))


class _Lips(nn.Module):
    """`LipNetwork` for training: the same sums, with dropout; CONTEXT frames fall off at each end."""

    def __init__(self) -> None:
        super().__init__()
        n_inputs = N_MELS + 2 * len(PHONES41)
        widths = (n_inputs, HIDDEN, HIDDEN, HIDDEN)
        self.layers = nn.ModuleList(
            nn.Conv1d(n, m, k) for n, m, k in zip(widths, (*widths[1:], len(OUTPUTS)), KERNELS, strict=True)
        )
        self.drop = nn.Dropout(DROPOUT)

    def forward(self, heard: torch.Tensor) -> torch.Tensor:
        """(N, I, T + 2 * CONTEXT) -> (N, O, T)."""
        heard = torch.relu(self.layers[0](self.drop(heard)))
        for layer, width in zip(self.layers[1:3], KERNELS[1:3], strict=True):
            edge = width // 2
            heard = heard[:, :, edge:-edge] + torch.relu(layer(self.drop(heard)))
        said: torch.Tensor = self.layers[3](heard)
        return said


def train(examples: Sequence[Example], seed: int, steps: int) -> nn.Module:
    """One thread, so that the same seed gives the same weights."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    padded = [np.pad(e.inputs.T, ((0, 0), (CONTEXT, CONTEXT + CROP)), mode="edge") for e in examples]
    targets = [np.pad(e.targets.T, ((0, 0), (0, CROP)), mode="edge") for e in examples]
    shares = np.array([e.share * len(e.inputs) for e in examples])
    deviation = np.concatenate([e.targets for e in examples]).std(axis=0)
    scale = torch.tensor(1 / (deviation + 0.03), dtype=torch.float32)[None, :, None]
    network = _Lips()
    optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, steps, pct_start=0.1)
    running = 0.0
    for step in range(steps):
        batch = []
        for k in rng.choice(len(examples), BATCH, p=shares / shares.sum()):
            start = int(rng.integers(0, max(len(examples[k].inputs) - CROP, 0) + 1))
            heard = _otherwise_recorded(padded[k][:, start : start + CROP + 2 * CONTEXT], rng)
            batch.append((heard, targets[k][:, start : start + CROP]))
        heard, wanted = (torch.tensor(np.stack(part), dtype=torch.float32) for part in zip(*batch, strict=True))
        error = (network(heard) - wanted) * scale
        # Pseudo-Huber: what the recogniser got wrong shall not rule.
        loss = (torch.sqrt(1 + (error / 0.5) ** 2) - 1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        running += (loss.item() - running) * max(0.01, 1 / (step + 1))
        if (step + 1) % 500 == 0:
            print(f"step {step + 1} of {steps}: loss {running:.4f}", flush=True)
    return network.eval()


def _otherwise_recorded(inputs: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(122, T) with bands shifted (another vocal tract), tilted and lifted (another microphone), and a noise floor."""
    inputs = inputs.copy()
    bands = np.arange(N_MELS)
    position = np.clip(bands * rng.uniform(0.88, 1.12), 0, N_MELS - 1)
    low = np.floor(position).astype(np.int64)
    share = (position - low)[:, None]
    mel = inputs[low] * (1 - share) + inputs[np.minimum(low + 1, N_MELS - 1)] * share
    mel += np.interp(bands, np.linspace(0, N_MELS - 1, 5), rng.normal(0, 0.06, 5))[:, None] + rng.normal(0, 0.04)
    floor = rng.uniform(-0.1, 0.35)
    if floor > 0:
        mel = np.logaddexp(12 * mel, 12 * floor) / 12
    inputs[:N_MELS] = np.clip(mel, 0, 1.4)
    return inputs


def exported(network: nn.Module) -> LipNetwork:
    """What is shipped: the outputs `SHIPPED`, with weights already rounded."""
    layers = list(network.layers)  # type: ignore[arg-type]
    weights = tuple(layer.weight.detach().numpy().transpose(2, 1, 0).astype(np.float32) for layer in layers)
    biases = tuple(layer.bias.detach().numpy().astype(np.float32) for layer in layers)
    kept = [OUTPUTS.index(name) for name in SHIPPED]
    weights = (*weights[:-1], weights[-1][:, :, kept])
    biases = (*biases[:-1], biases[-1][kept])
    return LipNetwork.of(LipNetwork(SHIPPED, weights, biases).arrays())


def _report(held: Sequence[Example], network: LipNetwork, arrays: dict[str, np.ndarray]) -> None:
    weight = arrays["weight_recognised"]
    wanted = np.concatenate([e.targets for e in held])
    heard = np.concatenate([network.predict(e.inputs) for e in held])
    mapped = np.concatenate([windows(e.inputs, MAP_CONTEXT) @ weight[:-1] + weight[-1] for e in held])
    for column, name in enumerate(SHIPPED):
        k = OUTPUTS.index(name)
        ours = np.corrcoef(heard[:, column], wanted[:, k])[0, 1]
        other = f", map {np.corrcoef(mapped[:, k], wanted[:, k])[0, 1]:.2f}" if name != SHUT else ""
        print(f"held out, {name}: network {ours:.2f}{other}")


if __name__ == "__main__":
    explained(main)

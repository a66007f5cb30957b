"""Training PIRenderer (Ren et al., ICCV 2021): first the warp alone, then everything.

The loop is the paper's: Adam, pairs of one clip in both directions, perceptual and Gram losses on VGG-19 features, an
exponential average of the weights. `renderer.pt` is in the layout of the public files and goes the same way to ONNX.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Subset

from talkclip.engine.models.nets.losses import ssim
from talkclip.engine.models.nets.pirender.generator import Generator
from talkclip.engine.models.nets.state import read_tensors
from talkclip.errors import InputError
from talkclip.files import atomic_write
from talkclip_training.curves import plot_log
from talkclip_training.pirender.config import RenderConfig, RenderRun, load_render_config
from talkclip_training.pirender.data import Batch, Pairs, read_clips, split
from talkclip_training.pirender.losses import PictureLoss
from talkclip_training.pirender.vgg import load_vgg
from talkclip_training.stages.trainer import Place, Report, share_gradients

WEIGHTS, CHECKPOINT = "renderer.pt", "checkpoint.pt"
_BETAS = (0.5, 0.999)
_DEVIATION = 0.02
_COMPARED = {"held_warp": "held_copy", "held_l1": "held_copy_l1"}
# Seeds of the processes lie this far apart; those of the held-out pairs before them all.
_SEED_STEP = 1000


@dataclasses.dataclass
class State:
    """What a resumed run needs: the networks, the optimiser of the present stage, and how far it is."""

    generator: Generator
    averaged: Generator
    optimiser: torch.optim.Adam
    step: int = 0


def run_pirender(config: Path, data: Path, vgg: Path, out: Path, resume: bool, report: Report) -> Path:
    """Train -> path of the weights.

    Raises:
        InputError: configuration, data, VGG or folder cannot be used.
    """
    settings = load_render_config(config)
    place = Place.find()
    torch.set_num_threads(settings.run.threads)
    features = load_vgg(vgg)
    _check_folder(out, resume)
    clips = read_clips(data, out / "pictures", settings.run.size)
    learned, held = split(clips, settings.run.held_every)
    people = len({clip.person for clip in clips})
    device = torch.cuda.get_device_name(place.device) if place.device.type == "cuda" else "CPU"
    report(0.0, f"{device}: {len(clips)} clips of {people} people, {len(held)} clips held out")
    state = _start(settings.run, place.device)
    if resume:
        _restore(out / CHECKPOINT, state, settings.run)
    compare = PictureLoss(features, settings.loss.scales).to(place.device)
    run = settings.run
    seed = run.seed * _SEED_STEP + 1 + place.rank
    pairs = Pairs(learned, run.size, run.pairs, run.steps, seed)
    judged = [Pairs(held, run.size, 1, run.held_pairs, run.seed * _SEED_STEP)[k] for k in range(run.held_pairs)]
    train(state, settings, compare, pairs, judged, out, place, report)
    path = out / WEIGHTS
    if place.rank == 0:
        _save(path, {"net_G_ema": _on_processor(state.averaged), "current_iteration": state.step})
        plot_log(out / "log.jsonl", out / "log.png", _COMPARED)
    place.leave()
    return path


def train(
    state: State, settings: RenderConfig, compare: PictureLoss, pairs: Pairs, judged: list[Batch], out: Path,
    place: Place, report: Report,
) -> None:  # fmt: skip
    """The loop, from `state.step` to the end of the run; log and checkpoint go to `out`."""
    run, began_s, sums, summed = settings.run, time.monotonic(), dict[str, float](), 0
    loader = DataLoader(
        Subset(pairs, range(state.step, run.steps)), batch_size=None, num_workers=run.workers,
        persistent_workers=run.workers > 0,
    )  # fmt: skip
    for batch in loader:
        if state.step == run.warp_steps:
            state.optimiser = _optimiser(state.generator, run)
        for group in state.optimiser.param_groups:
            group["lr"] = run.rate * (run.rate_drop if state.step >= run.rate_drop_at else 1.0)
        terms = losses(state.generator, batch.to(place.device), compare, settings, state.step >= run.warp_steps)
        total = torch.stack(list(terms.values())).sum()
        if not torch.isfinite(total):
            raise InputError(f"The loss is not a number at step {state.step}.", "Lower run.rate.")
        state.optimiser.zero_grad()
        total.backward()
        share_gradients(list(state.generator.parameters()), place.world)
        state.optimiser.step()
        _average(state.averaged, state.generator, run.decay_ema)
        state.step += 1
        summed += 1
        for name, term in terms.items():
            sums[name] = sums.get(name, 0.0) + float(term.detach())
        if place.rank != 0:
            continue
        news = ""
        if state.step % run.every == 0 or state.step == run.steps:
            row = {"step": state.step, "seconds": round(time.monotonic() - began_s, 1)}
            row |= {name: round(value / summed, 4) for name, value in sums.items()}
            row |= evaluate(state.averaged, judged, compare, settings, place.device)
            news = json.dumps(row)
            with (out / "log.jsonl").open("a", encoding="utf-8") as log:
                log.write(news + "\n")
            _keep(out / CHECKPOINT, state)
            sums, summed = {}, 0
        report(state.step / run.steps, news)


def losses(
    generator: Generator, batch: Batch, compare: PictureLoss, settings: RenderConfig, whole: bool
) -> dict[str, Tensor]:
    """Weighted terms; without `whole` the warp's alone, and nothing else is computed."""
    weights = settings.loss
    truth = compare.truth(batch.wanted)
    if not whole:
        _, _, warped = generator.warp(batch.portrait, batch.motion)
        return {"warp": weights.warp * compare(warped, truth)[0]}
    made = generator(batch.portrait, batch.motion)
    final, style = compare(made.picture, truth)
    return {
        "warp": weights.warp * compare(made.warped, truth)[0],
        "final": weights.final * final,
        "style": weights.final * weights.style * style,
    }


@torch.no_grad()
def evaluate(
    averaged: Generator, judged: list[Batch], compare: PictureLoss, settings: RenderConfig, device: torch.device
) -> dict[str, float]:
    """Held-out people: perceptual losses of warp and picture, mean absolute error and SSIM of the picture (0..1).

    `held_copy` and `held_copy_l1` are the figures of the portrait itself, taken as it is: what doing nothing reaches.
    """
    rows: list[dict[str, float]] = []
    for batch in judged:
        pictures = batch.to(device)
        truth = compare.truth(pictures.wanted)
        made = averaged(pictures.portrait, pictures.motion)
        rows.append({
            "held_warp": float(compare(made.warped, truth)[0]),
            "held_final": float(compare(made.picture, truth)[0]),
            "held_copy": float(compare(pictures.portrait, truth)[0]),
            "held_l1": 0.5 * float(functional.l1_loss(made.picture, pictures.wanted)),
            "held_copy_l1": 0.5 * float(functional.l1_loss(pictures.portrait, pictures.wanted)),
            "held_ssim": float(ssim(made.picture.mean(1), pictures.wanted.mean(1), 2.0)),
        })  # fmt: skip
    return {name: round(sum(row[name] for row in rows) / len(rows), 4) for name in rows[0]}


def _start(run: RenderRun, device: torch.device) -> State:
    torch.manual_seed(run.seed)
    generator = Generator(run.width)
    for layer in generator.modules():
        if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(layer.weight, std=_DEVIATION)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    generator.to(device)
    averaged = copy.deepcopy(generator).eval().requires_grad_(False)
    return State(generator, averaged, _optimiser(generator, run))


def _optimiser(generator: Generator, run: RenderRun) -> torch.optim.Adam:
    return torch.optim.Adam(generator.parameters(), lr=run.rate, betas=_BETAS)


@torch.no_grad()
def _average(averaged: Generator, current: Generator, decay: float) -> None:
    for kept, new in zip(averaged.parameters(), current.parameters(), strict=True):
        kept.lerp_(new, 1 - decay)


def _check_folder(out: Path, resume: bool) -> None:
    if (out / CHECKPOINT).exists() != resume:
        if resume:
            raise InputError(f"{out}: holds no run to resume.", "Leave out --resume.")
        raise InputError(f"{out}: holds a run already.", "Use --resume, or another --out.")
    out.mkdir(parents=True, exist_ok=True)


def _keep(path: Path, state: State) -> None:
    """In the public files' layout, so that a checkpoint can be exported too."""
    _save(path, {
        "net_G": _on_processor(state.generator), "net_G_ema": _on_processor(state.averaged),
        "opt_G": state.optimiser.state_dict(), "current_iteration": state.step,
    })  # fmt: skip


def _restore(path: Path, state: State, run: RenderRun) -> None:
    remedy = "Use the configuration it was made with, or another --out."
    saved = read_tensors(path, "a run's weights", remedy)
    try:
        state.generator.load_state_dict(saved["net_G"])
        state.averaged.load_state_dict(saved["net_G_ema"])
        state.optimiser.load_state_dict(saved["opt_G"])
        state.step = int(saved["current_iteration"])
    except (RuntimeError, KeyError, ValueError, TypeError):
        raise InputError(f"{path}: is no checkpoint of this configuration.", remedy) from None
    if state.step >= run.steps:
        raise InputError(f"{path}: is at step {state.step} of {run.steps} already.", "Raise run.steps.")


def _on_processor(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}


def _save(path: Path, content: dict[str, Any]) -> None:
    with atomic_write(path) as temporary:
        torch.save(content, temporary)

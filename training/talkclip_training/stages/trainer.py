"""The loop both stages share: Adam, warm-up and cosine, averaged weights, checkpoints, logs, several processes."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import os
import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch import Tensor, nn

from talkclip.engine.models.nets.model import TalkClipModel
from talkclip.errors import InputError
from talkclip_training.stages.config import RunConfig

Report = Callable[[float, str], None]


class Task(Protocol):
    """Owns batches and losses; the loop knows neither.

    Attributes:
        model: what is trained and kept.
    """

    model: TalkClipModel

    def losses(self, step: int) -> dict[str, Tensor]:
        """Weighted terms of the generator's loss for the next batch; also trains what judges it."""
        ...

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Figures on what was held out, of a copy on the processor."""
        ...

    def state(self) -> dict[str, Any]:
        """What else a resumed run needs (the judge, random generators)."""
        ...

    def restore(self, state: dict[str, Any], step: int) -> None:
        """Take a `state` back and go on with other batches than those before `step`."""
        ...


@dataclasses.dataclass(frozen=True)
class Place:
    """Which of several processes this is (torchrun), and where it computes."""

    rank: int
    world: int
    device: torch.device

    @classmethod
    def find(cls) -> Place:
        """From torchrun's environment; a single process without it."""
        world, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
        local = int(os.environ.get("LOCAL_RANK", "0"))
        device = torch.device("cuda", local) if torch.cuda.is_available() else torch.device("cpu")
        if world > 1 and not dist.is_initialized():
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        return cls(rank, world, device)

    def leave(self) -> None:
        """Wait for the other processes and part from them."""
        if self.world > 1:
            dist.barrier()
            dist.destroy_process_group()


def train(task: Task, run: RunConfig, folder: Path, place: Place, report: Report, resume: bool) -> nn.Module:
    """Train to the end of the run.

    Args:
        task: model, batches, losses.
        run: the schedule.
        folder: checkpoint.pt and log.jsonl go here.
        place: this process.
        report: share done 0..1, and the log line where there is one ("" elsewhere); rank 0 reports every step.
        resume: go on from the checkpoint that stands in the folder.

    Returns:
        The model with averaged weights, on the processor.

    Raises:
        InputError: a checkpoint stands in the folder already, or there is none to resume; a loss is not a number.
    """
    torch.set_num_threads(run.threads)
    checkpoint = folder / "checkpoint.pt"
    if checkpoint.exists() != resume:
        problem = "holds a run already" if checkpoint.exists() else "holds no run to resume"
        raise InputError(f"{folder}: {problem}.", "Use --resume, or another --out." if checkpoint.exists() else "")
    folder.mkdir(parents=True, exist_ok=True)
    parameters = [p for p in task.model.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(parameters, lr=run.rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate_at(step, run))
    averaged = torch.optim.swa_utils.AveragedModel(task.model, avg_fn=_average(run.decay_ema))
    first = 0
    if resume:
        first = _restore(checkpoint, task, optimiser, schedule, averaged)
    began_s, sums, summed = time.monotonic(), dict[str, float](), 0
    for step in range(first, run.steps):
        task.model.train()
        terms = task.losses(step)
        total = torch.stack(list(terms.values())).sum()
        if not torch.isfinite(total):
            raise InputError(f"The loss is not a number at step {step}.", "Lower run.rate.")
        optimiser.zero_grad()
        total.backward()
        share_gradients(parameters, place.world)
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        averaged.update_parameters(task.model)
        for name, term in terms.items():
            sums[name] = sums.get(name, 0.0) + float(term.detach())
        done, summed = step + 1, summed + 1
        if place.rank != 0:
            continue
        news = ""
        if done % run.every == 0 or done == run.steps:
            ready = copy.deepcopy(averaged.module).cpu().eval()
            row = {"step": done, "seconds": round(time.monotonic() - began_s, 1)}
            row |= {name: round(value / summed, 5) for name, value in sums.items()}
            row |= {name: round(value, 4) for name, value in task.evaluate(ready).items()}
            news = json.dumps(row)
            with (folder / "log.jsonl").open("a", encoding="utf-8") as log:
                log.write(news + "\n")
            _keep(checkpoint, done, task, optimiser, schedule, averaged)
            sums, summed = {}, 0
        report(done / run.steps, news)
    return averaged.module.cpu().eval()


def _average(decay: float) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    """Exponential average that forgets the first steps faster, so that it is no longer the initial weights' mean."""

    def update(averaged: Tensor, current: Tensor, n: Tensor | int) -> Tensor:
        kept = min(decay, (1 + int(n)) / (10 + int(n)))
        return averaged + (current - averaged) * (1 - kept)

    return update


def _rate_at(step: int, run: RunConfig) -> float:
    if step < run.warmup:
        return (step + 1) / run.warmup
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - run.warmup) / max(1, run.steps - run.warmup)))


def share_gradients(parameters: list[nn.Parameter], world: int) -> None:
    """Mean over processes. The model is entered at several places, which DistributedDataParallel does not allow."""
    if world == 1:
        return
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        dist.all_reduce(parameter.grad)
        parameter.grad /= world


def _keep(path: Path, step: int, task: Task, optimiser: Any, schedule: Any, averaged: nn.Module) -> None:
    parts = {"optimiser": optimiser, "schedule": schedule, "averaged": averaged, "model": task.model}
    state = {name: part.state_dict() for name, part in parts.items()} | {"step": step, "task": task.state()}
    temporary = path.with_suffix(".new")
    torch.save(state, temporary)
    temporary.replace(path)


def _restore(path: Path, task: Task, optimiser: Any, schedule: Any, averaged: nn.Module) -> int:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise InputError(f"{path}: cannot be read ({reason}).", "Begin again in another --out.") from None
    parts = {"optimiser": optimiser, "schedule": schedule, "averaged": averaged, "model": task.model}
    try:
        for name, part in parts.items():
            part.load_state_dict(state[name])
    except (RuntimeError, ValueError, KeyError):
        raise InputError(
            f"{path}: is of a run with another configuration.", "Use that one, or another --out."
        ) from None
    task.restore(state["task"], int(state["step"]))
    return int(state["step"])

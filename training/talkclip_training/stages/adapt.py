"""What `talkclip adapt` does: T2SS for another text encoder or another decoder, from the written directions.

The frozen text encoder reads every direction; the frozen model encodes how each is played; the adapter learns from one
to the other. Only the adapter is trained, on vectors and codes that are computed once, so it takes minutes.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from talkclip.engine.models.adapter import REFERENCE_TEXTS, Adapter
from talkclip.engine.models.nets.text import TextStyle
from talkclip.engine.text.encoder import SAME_TOWER_COSINE, MiniLMEncoder, TextEncoder
from talkclip.errors import InputError
from talkclip.progress import ProgressCallback, report
from talkclip_training.performance.conditions import NEUTRAL, either_side, played_direction
from talkclip_training.performance.play import Spoken
from talkclip_training.stages.teacher import Teacher
from talkclip_training.text.corpus import Direction

# Shares of the time that may be spent before training itself, which takes seconds.
_HELD_UNTIL, _READ_UNTIL, _PLAY_UNTIL = 0.1, 0.65, 0.9
_AT_ONCE = 64
_BATCH, _RATE, _DECAY, _LEAST_RATE = 256, 2e-3, 0.03, 0.02
# int8 kernels differ between processors, towers in float32 do not; GELU for QuickGELU is at 0.9999.
_FLOAT_COSINE = 0.99999
# Encoders that were not tuned on directions are told what to look for: with plain MiniLM it brought two points.
_PLAIN, _FRAME = "{}", "A person's face shows the feeling when: {}"
# A direction whose code stands as near to the mean as this (of the farthest) has no direction of its own.
_SEEN = 0.1


@dataclasses.dataclass(frozen=True)
class AdaptPlan:
    """How an adapter is trained.

    Attributes:
        minutes: most time for all of it; directions that do not fit in are left out.
        seed: of weights, order and lines.
        mix: share of the adapted vector (the paper's 0.6).
        width: the adapter's bottleneck.
        steps: of the optimiser, each on a random part of the directions.
    """

    minutes: float = 12.0
    seed: int = 0
    mix: float = 0.6
    width: int = 128
    steps: int = 1200


@dataclasses.dataclass(frozen=True)
class AdaptReport:
    """What came of it, on unseen families.

    The cosine compares the code with the teacher's: its pose where the code has one, else the whole code measured from
    the mean one, so that the same answer to everything earns little.

    Attributes:
        directions, left_out: how many were learned from, and how many did not fit into the time.
        held: unseen directions that the cosines are means of.
        cosine_before, cosine_after: with the adapter's initial and its trained weights.
        seconds, cpu_seconds: of all of it.
    """

    directions: int
    left_out: int
    held: int
    cosine_before: float
    cosine_after: float
    seconds: float
    cpu_seconds: float


@dataclasses.dataclass(frozen=True, eq=False)
class _Lesson:
    """Vectors (n, D) and the codes (n, S) they should give.

    `clip` are V2SS's, `code` the condition encoder's or V2SS's again; `weight` (n,) is how much each counts.
    """

    vectors: Tensor
    clip: Tensor
    code: Tensor
    weight: Tensor


def adapt(
    encoder: TextEncoder,
    teacher: Teacher,
    spoken: Sequence[Spoken],
    directions: Sequence[Direction],
    held: Sequence[Direction],
    plan: AdaptPlan,
    progress: ProgressCallback | None = None,
) -> tuple[Adapter, AdaptReport]:
    """Train an adapter.

    Args:
        encoder: frozen.
        teacher: the frozen model.
        spoken: lines that the directions are played on.
        directions: to learn from.
        held: of other families, for the report.
        plan: time, seed, shape.
        progress: told the stages "texts", "performances" and "adapter".

    Raises:
        InputError: the time is too short for a few directions.
    """
    began_s, cpu_s = time.monotonic(), time.process_time()
    rng = np.random.default_rng([plan.seed, 0xAD])
    shuffled = [directions[int(k)] for k in rng.permutation(len(directions))]
    test_rows = [held[int(k)] for k in rng.permutation(len(held))]
    frame = _frame_for(encoder)
    test_vectors = _read(encoder, frame, test_rows, began_s + 60 * plan.minutes * _HELD_UNTIL, None)
    vectors = _read(encoder, frame, shuffled, began_s + 60 * plan.minutes * _READ_UNTIL, progress)
    read = shuffled[: len(vectors)]
    neutral = teacher.codes_of_clips([NEUTRAL] * len(spoken), spoken).mean(0)
    test = _lesson(teacher, test_rows[: len(test_vectors)], test_vectors, spoken, rng, float("inf"), None)
    until_s = began_s + 60 * plan.minutes * _PLAY_UNTIL
    lesson = _lesson(teacher, read, vectors, spoken, rng, until_s, progress)
    torch.manual_seed(plan.seed)
    net = TextStyle(encoder.dim, plan.width, teacher.config.style_width, plan.mix, "adapted", True, True)
    _begin_at(net, lesson)
    anchor = teacher.config.anchor
    mean = torch.zeros(anchor) if anchor else lesson.code.mean(0)
    before = _cosine(net, test, mean)
    _fit(net, lesson, torch.from_numpy(neutral), anchor, plan, progress)
    after = _cosine(net, test, mean)
    figures = AdaptReport(
        len(lesson.vectors), len(directions) - len(lesson.vectors), len(test_vectors),
        round(before, 4), round(after, 4),
        round(time.monotonic() - began_s, 1), round(time.process_time() - cpu_s, 1),
    )  # fmt: skip
    return _adapter(net, encoder, teacher, plan, figures), figures


def _frame_for(encoder: TextEncoder) -> str:
    return _PLAIN if encoder.id == MiniLMEncoder.id else _FRAME


def _read(
    encoder: TextEncoder, frame: str, rows: Sequence[Direction], until_s: float, progress: ProgressCallback | None
) -> np.ndarray:
    """(m, D), m <= n: as many as fit into the time, but a few in any case."""
    parts = [np.zeros((0, encoder.dim), np.float32)]
    for first in range(0, len(rows), _AT_ONCE):
        if first and time.monotonic() > until_s:
            break
        parts.append(encoder.encode([frame.replace("{}", row.text) for row in rows[first : first + _AT_ONCE]]))
        report(progress, "texts", min(1.0, (first + _AT_ONCE) / len(rows)), "Reading the directions")
    return np.concatenate(parts)


def _lesson(
    teacher: Teacher,
    rows: Sequence[Direction],
    vectors: np.ndarray,
    spoken: Sequence[Spoken],
    rng: np.random.Generator,
    until_s: float,
    progress: ProgressCallback | None,
) -> _Lesson:
    """Play as many directions as fit into the time, each once, on a line of its own."""
    clips, poses, done = [], [], 0
    for first in range(0, len(rows), _AT_ONCE):
        if time.monotonic() > until_s:
            break
        played = [either_side(played_direction(row), rng) for row in rows[first : first + _AT_ONCE]]
        lines = [spoken[int(k)] for k in rng.integers(len(spoken), size=len(played))]
        clips.append(teacher.codes_of_clips(played, lines))
        of_poses = teacher.codes_of_poses(played)
        poses.append(clips[-1] if of_poses is None else of_poses)
        done += len(played)
        report(progress, "performances", done / len(rows), "Playing the directions")
    if not done:
        raise InputError("The time was over before a direction was played.", "Give --minutes more.")
    weight = np.array([row.weight for row in rows[:done]], np.float32)
    return _Lesson(
        torch.from_numpy(vectors[:done]), torch.from_numpy(np.concatenate(clips)),
        torch.from_numpy(np.concatenate(poses)), torch.from_numpy(weight / weight.mean()),
    )  # fmt: skip


def _begin_at(net: TextStyle, lesson: _Lesson) -> None:
    """The projection's bias begins at the mean code: the scale of codes is the decoder's, not a random layer's."""
    assert isinstance(net.projection, nn.Linear)
    with torch.no_grad():
        net.projection.bias.copy_(lesson.code.mean(0))


def _fit(
    net: TextStyle, lesson: _Lesson, neutral: Tensor, anchor: int, plan: AdaptPlan, progress: ProgressCallback | None
) -> None:
    """L_cos to V2SS, and the distance to the code in units of its spread, pose and manner each in their own."""
    optimiser = torch.optim.AdamW(net.parameters(), lr=_RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, plan.steps, _LEAST_RATE * _RATE)
    spread = lesson.code.var(0)
    scale = torch.cat([part.mean().clamp(min=1e-8).expand_as(part) for part in (spread[:anchor], spread[anchor:])])
    for step in range(plan.steps):
        chosen = torch.randint(len(lesson.vectors), (min(_BATCH, len(lesson.vectors)),))
        code, wanted, clip = net(lesson.vectors[chosen]), lesson.code[chosen], lesson.clip[chosen]
        distance = ((code - wanted) ** 2 / scale).mean(1)
        apart = 1 - functional.cosine_similarity(code - neutral, clip - neutral, dim=-1)
        loss = (lesson.weight[chosen] * (distance + apart)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        report(progress, "adapter", (step + 1) / plan.steps, "Training the adapter")
    net.eval()


def _cosine(net: TextStyle, test: _Lesson, mean: Tensor) -> float:
    """Mean over directions that show anything; the first len(mean) numbers of the codes, measured from `mean`."""
    with torch.inference_mode():
        given, wanted = net(test.vectors)[:, : len(mean)] - mean, test.code[:, : len(mean)] - mean
    seen = wanted.norm(dim=1) > _SEEN * wanted.norm(dim=1).max()
    return float(functional.cosine_similarity(given[seen], wanted[seen], dim=-1).mean())


def _adapter(net: TextStyle, encoder: TextEncoder, teacher: Teacher, plan: AdaptPlan, figures: AdaptReport) -> Adapter:
    arrays = {name: tensor.detach().numpy() for name, tensor in net.state_dict().items()}
    notes = {"plan": json.dumps(dataclasses.asdict(plan)), "figures": json.dumps(dataclasses.asdict(figures))}
    return Adapter(
        encoder.id, encoder.dim, encoder.weight_hash,
        _FLOAT_COSINE if encoder.id.startswith("clip:") else SAME_TOWER_COSINE,
        teacher.config.space, teacher.decoder_hash, _frame_for(encoder), net.adapted_share, arrays,
        encoder.encode(REFERENCE_TEXTS), notes,
    )  # fmt: skip

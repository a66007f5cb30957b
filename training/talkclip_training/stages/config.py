"""One training run, read from TOML: unknown keys and wrong values are reported all together."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from talkclip.engine.models.config import ModelConfig, config_from_dict
from talkclip.engine.models.nets.losses import LossWeights
from talkclip.errors import InputError
from talkclip.files import unreadable


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """How one stage is trained.

    Attributes:
        steps: optimiser steps.
        batch: crops per step and process.
        frames: frames of a crop.
        rate: peak learning rate of Adam.
        warmup: steps until the peak; then a cosine to a hundredth.
        decay_ema: of the averaged weights, which are the ones kept.
        seed: of weights, batches and conditions.
        temporal_from: step from which the temporal discriminator takes part; 0 = never.
        text_from, text_to: probability that a crop's style comes from text (stage 2), at the start and from
            `text_ramp` of the steps on.
        text_ramp: share of the steps in which it rises.
        every: steps between log lines, evaluations and checkpoints.
        threads: torch threads.
    """

    steps: int = 4000
    batch: int = 32
    frames: int = 64
    rate: float = 1e-3
    warmup: int = 200
    decay_ema: float = 0.999
    seed: int = 0
    temporal_from: int = 0
    text_from: float = 0.0
    text_to: float = 0.9
    text_ramp: float = 0.7
    every: int = 250
    threads: int = 1

    def __post_init__(self) -> None:
        problems = too_small(
            self, ("steps", "batch", "frames", "every", "threads"), ("warmup", "seed", "temporal_from")
        )
        for name in ("text_from", "text_to", "text_ramp"):
            if not 0 <= getattr(self, name) <= 1:
                problems.append(f"{name} is {getattr(self, name)}, outside 0 .. 1")
        if not 0 < self.rate < 1:
            problems.append(f"rate is {self.rate}, outside 0 .. 1")
        if not 0 <= self.decay_ema < 1:
            problems.append(f"decay_ema is {self.decay_ema}, outside 0 .. 1")
        if problems:
            raise InputError(f"run: {'; '.join(problems)}.", "See training/configs.")


@dataclasses.dataclass(frozen=True)
class StageConfig:
    """A configuration file: tables [run], [model], [loss]."""

    run: RunConfig = dataclasses.field(default_factory=RunConfig)
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    loss: LossWeights = dataclasses.field(default_factory=LossWeights)


def load_config(path: Path) -> StageConfig:
    """Read a TOML file.

    Raises:
        InputError: it cannot be read, or holds unknown tables, keys or values; everything in one message.
    """
    return StageConfig(**read_tables(path, {"run": RunConfig, "model": ModelConfig, "loss": LossWeights}))


def too_small(config: object, counts: Sequence[str], amounts: Sequence[str]) -> list[str]:
    """A phrase for each of the fields `counts` that is below 1, and of `amounts` that is below 0."""
    problems = [f"{name} is {getattr(config, name)}, below 1" for name in counts if getattr(config, name) < 1]
    return problems + [f"{name} is {getattr(config, name)}, below 0" for name in amounts if getattr(config, name) < 0]


def read_tables(path: Path, kinds: Mapping[str, type]) -> dict[str, Any]:
    """Tables of a TOML file as dataclasses of their kinds, defaults where the file says nothing.

    Raises:
        InputError: as `load_config`.
    """
    try:
        tables: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise unreadable(path, error, "Give a training configuration.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is not TOML ({error}).", "See training/configs.") from error
    problems = [f"unknown table [{name}]" for name in tables if name not in kinds]
    built: dict[str, Any] = {}
    for name, kind in kinds.items():
        values = tables.get(name, {})
        if not isinstance(values, dict):
            problems.append(f"{name} is {values!r}, not a table")
            continue
        mistakes = _mistakes(name, values, kind)
        problems += mistakes
        if mistakes:
            continue
        try:
            built[name] = config_from_dict(values) if kind is ModelConfig else kind(**values)
        except InputError as error:
            problems.append(error.message.rstrip("."))
    if problems:
        raise InputError(f"{path}: {'; '.join(problems)}.", "See training/configs and the docstrings of its tables.")
    return built


def _mistakes(table: str, values: dict[str, Any], kind: type) -> list[str]:
    """Unknown keys, and values of another type than the default's; whole numbers do for fractions."""
    known = {field.name: type(field.default) for field in dataclasses.fields(kind)}
    if kind is ModelConfig:
        known["preset"] = str
    problems = []
    for key, value in values.items():
        if key not in known:
            problems.append(f"unknown key {table}.{key}")
        elif type(value) is not known[key] and not (known[key] is float and type(value) is int):
            problems.append(f"{table}.{key} is {value!r}, not of type {known[key].__name__}")
    return problems

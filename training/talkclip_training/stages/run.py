"""What `talkclip train` does: one stage, from a configuration to a folder with weights, log and plot."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from talkclip.engine.models.nets.weights import load_model, save_model
from talkclip.engine.text.encoder import MiniLMEncoder
from talkclip_training.curves import plot_log
from talkclip_training.stages.config import StageConfig, load_config
from talkclip_training.stages.lines import load_lines, split
from talkclip_training.stages.stage1 import Stage1
from talkclip_training.stages.stage2 import Stage2
from talkclip_training.stages.texts import read_texts
from talkclip_training.stages.trainer import Place, Report, train
from talkclip_training.text.corpus import Direction, read_all, read_corpus

WEIGHTS = "model.safetensors"
# Every twentieth family is kept out of T2SS's training, for the log; what is shipped is judged on frozen prompts.
_HELD_FAMILIES = 20


def run_stage1(config: Path, lines: Path, out: Path, resume: bool, report: Report) -> Path:
    """Train stage 1 -> path of its weights.

    Raises:
        InputError: configuration, lines or folder cannot be used.
    """
    settings = load_config(config)
    place = Place.find()
    spoken, about = load_lines(lines)
    train_lines, held = split(spoken)
    task = Stage1(settings, train_lines, held, read_corpus(), place)
    return _finish(task, settings, config, about, out, place, resume, report)


def run_stage2(config: Path, lines: Path, stage1: Path, out: Path, resume: bool, report: Report) -> Path:
    """Train stage 2 on the model of stage 1 -> path of its weights."""
    settings = load_config(config)
    place = Place.find()
    spoken, about = load_lines(lines)
    train_lines, held = split(spoken)
    model = load_model(stage1 / WEIGHTS if stage1.is_dir() else stage1)
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    encoder = MiniLMEncoder.load()
    kept, left_out = by_family(directions_for_text())
    texts, held_texts = read_texts(kept, encoder), read_texts(left_out, encoder)
    settings = dataclasses.replace(settings, model=model.config)
    task = Stage2(settings, model, train_lines, held, read_corpus(), texts, held_texts, place)
    return _finish(task, settings, config, about | {"text_encoder": encoder.id}, out, place, resume, report)


def directions_for_text() -> list[Direction]:
    """What T2SS reads: all written directions, plain phrases and words; movements count less, the parser reads them."""
    movements = [dataclasses.replace(row, weight=0.3) for row in read_corpus() if row.is_parsed or row.lang != "en"]
    return [*read_all(), *movements]


def by_family(rows: list[Direction]) -> tuple[list[Direction], list[Direction]]:
    """-> (to learn from, of families kept out)."""
    families = sorted({row.family for row in rows if row.source == "corpus"})
    left_out = set(families[::_HELD_FAMILIES])
    return [r for r in rows if r.family not in left_out], [r for r in rows if r.family in left_out]


def _finish(
    task: Stage1, settings: StageConfig, config: Path, about: dict[str, object], out: Path, place: Place,
    resume: bool, report: Report,
) -> Path:  # fmt: skip
    model = train(task, settings.run, out, place, report, resume)
    notes = {"config": config.read_text(encoding="utf-8"), "data": json.dumps(about)}
    path = out / WEIGHTS
    if place.rank == 0:
        save_model(model, path, notes)
        plot_log(out / "log.jsonl", out / "log.png")
    place.leave()
    return path

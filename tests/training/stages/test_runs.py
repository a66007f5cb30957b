"""Both stages from end to end in small: the loss falls, seeds repeat, a run goes on where it stopped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from talkclip.engine.models.nets.model import TalkClipModel
from talkclip.engine.models.nets.weights import load_model
from talkclip.errors import InputError
from talkclip_training.stages import run as runs
from talkclip_training.stages.config import RunConfig, StageConfig
from talkclip_training.stages.lines import load_lines, split
from talkclip_training.stages.stage1 import Stage1
from talkclip_training.stages.trainer import Place, _average, train
from tests.support.tiny_training import MODEL, made_directions, made_lines, stage_config
from tests.support.word_encoder import WordEncoder

HERE = Place(0, 1, torch.device("cpu"))
STAGE1 = """
[model]
width = 32
heads = 4
style_inner_width = 16
style_width = 64
adapter_width = 8
text_width = 24
style_frames = 40
[run]
steps = {steps}
batch = 6
frames = 16
rate = 0.004
warmup = 2
every = 10
temporal_from = {temporal_from}
[loss]
ssim_mix_on = "ssim"
"""


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_lines(tmp_path_factory.mktemp("lines") / "lines.npz")


@pytest.fixture(autouse=True)
def small_corpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "read_corpus", made_directions)
    monkeypatch.setattr(runs, "directions_for_text", made_directions)
    monkeypatch.setattr(runs.MiniLMEncoder, "load", classmethod(lambda cls: WordEncoder()))


def config_file(folder: Path, steps: int = 40, temporal_from: int = 0) -> Path:
    path = folder / f"stage-{steps}-{temporal_from}.toml"
    path.write_text(STAGE1.format(steps=steps, temporal_from=temporal_from))
    return path


def log_of(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def quiet(done: float, news: str) -> None:
    """Nobody watches."""


def stage1(lines: Path, config: StageConfig) -> Stage1:
    spoken, held = split(load_lines(lines)[0])
    return Stage1(config, spoken, held, made_directions(), HERE)


def test_both_stages_learn(lines: Path, tmp_path: Path) -> None:
    shares: list[float] = []
    config = config_file(tmp_path, 40, 20)
    first = runs.run_stage1(config, lines, tmp_path / "one", False, lambda done, news: shares.append(done))
    rows = log_of(tmp_path / "one")
    assert [row["step"] for row in rows] == [10, 20, 30, 40]
    assert rows[-1]["rec"] < 0.9 * rows[0]["rec"] and "tem" in rows[-1] and "tem" not in rows[0]
    assert len(shares) == 40 and shares == sorted(shares) and shares[-1] == 1.0
    assert {"r_jaw", "err_pose", "err_clip"} <= set(rows[-1])
    assert (tmp_path / "one" / "log.png").stat().st_size > 5000
    assert load_model(first).config.width == 32

    second = runs.run_stage2(config, lines, tmp_path / "one", tmp_path / "two", False, quiet)
    rows = log_of(tmp_path / "two")
    assert rows[-1]["anchor_text"] < 0.8 * rows[0]["anchor_text"] and rows[-1]["cos_text"] < rows[0]["cos_text"]
    assert rows[-1]["cos_held_texts"] > rows[0]["cos_held_texts"]
    before, after = load_model(first).state_dict(), load_model(second).state_dict()
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"audio_encoder", "style_encoder", "text_style", "condition_encoder", "decoder"}


def test_a_stopped_run_goes_on_to_the_same_step(lines: Path, tmp_path: Path) -> None:
    class PulledPlugError(Exception):
        pass

    def pull(done: float, news: str) -> None:
        if done >= 25 / 40:
            raise PulledPlugError

    config, out = config_file(tmp_path), tmp_path / "run"
    with pytest.raises(PulledPlugError):
        runs.run_stage1(config, lines, out, False, pull)
    assert [row["step"] for row in log_of(out)] == [10, 20]
    shares: list[float] = []
    runs.run_stage1(config, lines, out, True, lambda done, news: shares.append(done))
    assert len(shares) == 20 and shares[0] == pytest.approx(21 / 40)
    rows = log_of(out)
    assert [row["step"] for row in rows] == [10, 20, 30, 40]
    assert rows[2]["rec"] < rows[0]["rec"]


def test_a_resumed_run_draws_other_batches(lines: Path) -> None:
    def third(task: Stage1) -> torch.Tensor:
        return task._batch().face

    fresh, resumed = (stage1(lines, stage_config()) for _ in range(2))
    resumed.restore({}, 8)
    assert not torch.equal(third(fresh), third(resumed))


def test_equal_seeds_make_equal_models(lines: Path, tmp_path: Path) -> None:
    def weights(seed: int, name: str) -> dict[str, torch.Tensor]:
        config = stage_config(seed=seed, steps=4)
        return train(stage1(lines, config), config.run, tmp_path / name, HERE, quiet, False).state_dict()

    one, again, other = weights(1, "a"), weights(1, "b"), weights(2, "c")
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_kept_weights_are_averaged(lines: Path, tmp_path: Path) -> None:
    config = stage_config(steps=6, decay_ema=0.9)
    task = stage1(lines, config)
    kept = train(task, config.run, tmp_path / "run", HERE, quiet, False).state_dict()
    last = task.model.state_dict()
    assert any(not torch.equal(kept[name], last[name]) for name in kept)
    update, mean = _average(0.9), torch.zeros(1)
    for n in range(200):
        mean = update(mean, torch.ones(1), n)
    assert float(mean) == pytest.approx(1.0, abs=1e-4)
    assert float(_average(0.9)(torch.zeros(1), torch.ones(1), 10_000)) == pytest.approx(0.1)


def test_runs_are_not_overwritten_and_not_resumed_from_nothing(lines: Path, tmp_path: Path) -> None:
    config = config_file(tmp_path, 10)
    with pytest.raises(InputError, match="holds no run to resume"):
        runs.run_stage1(config, lines, tmp_path / "run", True, quiet)
    runs.run_stage1(config, lines, tmp_path / "run", False, quiet)
    with pytest.raises(InputError, match="holds a run already") as error:
        runs.run_stage1(config, lines, tmp_path / "run", False, quiet)
    assert "--resume" in error.value.hint
    other = tmp_path / "other.toml"
    other.write_text(config.read_text().replace("width = 32", "width = 16", 1))
    with pytest.raises(InputError, match="another configuration"):
        runs.run_stage1(other, lines, tmp_path / "run", True, quiet)
    (tmp_path / "run" / "checkpoint.pt").write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"checkpoint\.pt: cannot be read"):
        runs.run_stage1(config, lines, tmp_path / "run", True, quiet)


def test_a_loss_that_is_no_number_stops_the_run(tmp_path: Path) -> None:
    class Broken:
        model = TalkClipModel(MODEL)

        def losses(self, step: int) -> dict[str, torch.Tensor]:
            return {"rec": torch.tensor(float("nan"), requires_grad=True)}

    with pytest.raises(InputError, match="not a number at step 0"):
        train(Broken(), RunConfig(steps=2), tmp_path / "run", HERE, quiet, False)


@pytest.mark.slow
def test_two_processes_train_one_model(lines: Path, tmp_path: Path) -> None:
    config, out = config_file(tmp_path, 10, 5), tmp_path / "run"
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29613"]
    command += ["-m", "talkclip.cli.main", "train", "stage1", "--config", config, "--lines", lines, "--out", out]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=900, env=environment)
    assert done.returncode == 0, done.stderr
    assert [row["step"] for row in log_of(out)] == [10]
    assert done.stderr.count('"step": 10') == 1 and load_model(out / "model.safetensors").config.width == 32

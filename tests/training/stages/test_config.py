"""Configuration files: what is shipped loads; every mistake of a file is in one message."""

from __future__ import annotations

from pathlib import Path

import pytest

from talkclip.errors import InputError
from talkclip_training.stages.config import RunConfig, load_config
from talkclip_training.stages.stage2 import text_probability

CONFIGS = Path(__file__).resolve().parents[3] / "training" / "configs"


@pytest.mark.parametrize("name", ["stage1.toml", "stage2.toml"])
def test_the_shipped_configurations_load(name: str) -> None:
    assert load_config(CONFIGS / name).run.steps >= 500


def test_all_mistakes_are_named_together(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(
        '[run]\nstepz = 3\nbatch = "many"\nrate = true\n[model]\nwidht = 32\nheads = 2.5\n[loss]\ncosin = 1\n[modle]\n'
    )
    with pytest.raises(InputError) as error:
        load_config(path)
    message = str(error.value)
    for word in ("run.stepz", "run.batch", "run.rate", "model.widht", "model.heads", "loss.cosin", "[modle]"):
        assert word in message
    assert message.count("\n") == 0


def test_values_out_of_range_are_named_together(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("[run]\nsteps = 0\ntext_to = 2\nrate = -1\n[model]\nheads = 7\n[loss]\nssim_mix = 3\n")
    with pytest.raises(InputError) as error:
        load_config(path)
    for word in ("steps is 0", "text_to is 2", "rate is -1", "heads (7)", "ssim_mix is 3"):
        assert word in str(error.value)


def test_whole_numbers_do_for_fractions(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[run]\ntext_to = 1\n[loss]\ncosine = 2\n")
    assert load_config(tmp_path / "c.toml").loss.cosine == 2


@pytest.mark.parametrize("content", [b"[run\n", b"\xff\xfe", b"run = 3\n"])
def test_files_that_are_no_configuration_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "c.toml").write_bytes(content)
    with pytest.raises(InputError, match=r"c\.toml"):
        load_config(tmp_path / "c.toml")


def test_the_text_probability_rises_and_stays() -> None:
    run = RunConfig(steps=100, text_from=0.1, text_to=0.9, text_ramp=0.5)
    values = [text_probability(step, run) for step in range(101)]
    assert values[0] == pytest.approx(0.1) and values[25] == pytest.approx(0.5)
    assert values[50] == values[100] == pytest.approx(0.9) and values == sorted(values)

"""`talkclip train` and `talkclip adapt`: what cannot work is one line that names problem and remedy; exit code 2."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.support.command import talkclip

pytest.importorskip("torch")


def only_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 2, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("talkclip: "), done.stderr
    return lines[0]


def test_all_mistakes_of_a_configuration_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("[run]\nstepz = 3\nbatch = 0\n[model]\nwidht = 2\n")
    arguments = ("--config", tmp_path / "bad.toml", "--lines", "nowhere.npz", "--out", tmp_path / "run")
    line = only_line(talkclip("train", "stage1", *arguments))
    assert "run.stepz" in line and "model.widht" in line and not (tmp_path / "run").exists()


def test_missing_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "good.toml").write_text("[run]\nsteps = 3\n")
    arguments = ("--config", tmp_path / "good.toml", "--out", tmp_path / "run")
    line = only_line(talkclip("train", "stage1", *arguments, "--lines", tmp_path / "nowhere.npz"))
    assert "nowhere.npz" in line and "talkclip train lines" in line
    line = only_line(
        talkclip("train", "stage1", "--config", "none.toml", "--lines", "x.npz", "--out", tmp_path / "run")
    )
    assert "none.toml" in line
    assert "TextGrid" in only_line(talkclip("train", "lines", "--lj", tmp_path, "--kokoro", tmp_path, "-o", "x.npz"))
    assert "Kokoro" in only_line(talkclip("train", "speech", "--voices", tmp_path, "-o", tmp_path / "speech"))


def test_stage2_needs_stage1(tmp_path: Path) -> None:
    from tests.support.tiny_training import made_lines

    (tmp_path / "good.toml").write_text("[run]\nsteps = 3\n")
    arguments = ("--config", tmp_path / "good.toml", "--lines", made_lines(tmp_path / "lines.npz"))
    line = only_line(talkclip("train", "stage2", *arguments, "--stage1", tmp_path, "--out", tmp_path / "run"))
    assert "model.safetensors" in line


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--text-encoder", "clip:ViT-B-32-quickgelu/openai", "--space", "bfm64"], "--checkpoint"),
        (["--text-encoder", "minilm", "--space", "flame"], "arkit52, bfm64"),
        (["--text-encoder", "minilm", "-o", "adapter.pt"], ".safetensors"),
        (["--text-encoder", "minilm", "--checkpoint", "nowhere.pth"], "nowhere.pth"),
    ],
)
def test_adapt_says_what_is_missing(tmp_path: Path, arguments: list[str], expected: str) -> None:
    out = [] if "-o" in arguments else ["-o", "adapter.safetensors"]
    assert expected in only_line(talkclip("adapt", *arguments, *out, cwd=tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_adapt_names_the_map_that_a_public_decoder_needs(tmp_path: Path) -> None:
    import torch

    from talkclip.engine.models.config import paper
    from talkclip.engine.models.nets.checkpoints import public_places
    from talkclip.engine.models.nets.model import TalkClipModel

    places = public_places(TalkClipModel(paper()))
    torch.save(
        {"model_state_dict": {key: t.detach().reshape(shape) for key, (t, shape) in places.items()}}, tmp_path / "s.pth"
    )
    np.savez(tmp_path / "wrong.npz", matrix=np.zeros((52, 50)))
    arguments = (
        "adapt",
        "--text-encoder",
        "minilm",
        "--space",
        "bfm64",
        "--checkpoint",
        "s.pth",
        "-o",
        "a.safetensors",
    )
    line = only_line(talkclip(*arguments, cwd=tmp_path))
    assert "--map" in line and "(52, 64)" in line
    assert "(52, 50)" in only_line(talkclip(*arguments, "--map", "wrong.npz", cwd=tmp_path))


def test_without_torch_the_pip_command_is_told(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')\n")
    path = os.pathsep.join((str(tmp_path), *(p for p in sys.path if p)))
    for command in (
        ["train", "stage1", "--config", "c.toml", "--lines", "l.npz", "--out", "run"],
        ["adapt", "--text-encoder", "minilm", "-o", "a.safetensors"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "talkclip.cli.main", *command],
            capture_output=True, text=True, timeout=300, env={**os.environ, "PYTHONPATH": path},
        )  # fmt: skip
        line = only_line(done)
        assert "torch" in line and "pip install 'talkclip[train]'" in line


def test_help_needs_no_torch() -> None:
    code = "import sys, talkclip.cli.main; sys.exit(bool({'torch', 'talkclip_training'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], timeout=300).returncode == 0
    assert "stage1" in talkclip("train", "--help").stdout

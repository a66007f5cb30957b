"""The tools of training answer bad input with one line and exit code 2, before any work, and leave nothing behind."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from talkclip.exits import explained

pytest.importorskip("torch")


@pytest.mark.parametrize(
    ("tool", "arguments", "names"),
    [
        ("portraits.sheet", ["--portraits", "gone", "--out", "s.jpg"], "gone"),
        ("portraits.sheet", ["--portraits", "empty", "--out", "s.jpg"], "*.jpg"),
        ("portraits.sheet", ["--portraits", "empty", "--out", "gone/s.jpg"], "gone/s.jpg"),
        ("portraits.sheet", ["--portraits", "empty", "--out", "s.txt"], "s.txt: cannot write '.txt' files"),
        ("portraits.sheet", ["--portraits", "empty", "--out", "s"], "s: has no ending"),
        ("portraits.measure", ["--portraits", "empty"], "*.jpg"),
        ("portraits.measure", ["--portraits", "empty", "--json", "gone/f.json"], "gone/f.json"),
        ("portraits.make", ["--out", "text.txt"], "text.txt"),
        ("pirender.export", ["gone.pt", "-o", "r.onnx"], "gone.pt"),
        ("pirender.export", ["text.txt", "-o", "r.onnx"], "text.txt"),
        ("pirender.synthetic", ["--out", "text.txt", "--people", "1", "--frames", "1", "--size", "32"], "text.txt"),
        ("speech.evaluate_phones", ["gone"], "metadata.csv"),
        ("speech.evaluate_phones", ["clips"], "clip|words"),
        ("speech.evaluate_phones", ["empty", "--json", "gone/f.json"], "gone/f.json"),
        ("speech.make_sample", ["--voices", "empty"], "am_fenrir.bin"),
        ("text.tune_encoder", ["--model", "gone", "--out", "tuned"], "gone"),
        ("text.export_encoder", ["--tuned", "gone", "--model", "empty"], "vocab.txt"),
        ("text.movement_score", ["gone.jsonl"], "gone.jsonl"),
        ("text.movement_score", ["text.txt"], "text.txt:1"),
        ("text.movement_score", ["rows.jsonl"], "rows.jsonl:1"),
        ("text.prompt_score", ["gone.jsonl"], "gone.jsonl"),
        ("text.prompt_score", ["text.txt"], "text.txt:1: is no JSON"),
        ("text.prompt_score", ["rows.jsonl"], "rows.jsonl:1: has no id, group, prompt"),
        ("text.prompt_score", ["nothing.jsonl"], "nothing.jsonl: holds no prompts"),
        ("mouth.captured", ["--mocap", "gone"], "gone"),
        ("mouth.evaluate_lips", ["--clips", "empty", "--out", "tracks"], "*.flac"),
        ("tracking.identities", ["--out", "gone/i.npz"], "gone/i.npz"),
        ("tracking.landmark_places", ["--out", "gone.npz"], "gone.npz"),
        ("benchmarks.strong", ["--json", "gone/f.json"], "gone/f.json"),
        ("benchmarks.main", ["--json", "gone/f.json"], "gone/f.json"),
        ("benchmarks.server", ["--json", "gone/f.json"], "gone/f.json"),
        ("benchmarks.blind", ["--out", "page", "--prompts", "gone.txt"], "gone.txt"),
        ("benchmarks.blind", ["--out", "empty", "--answers", "text.txt"], "key.json"),
        ("benchmarks.prompts", ["--out", "text.txt"], "text.txt"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_line(
    tool: str, arguments: list[str], names: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    for folder in ("empty", "clips"):
        (tmp_path / folder).mkdir()
    (tmp_path / "clips" / "metadata.csv").write_text("a|b|c\n")
    (tmp_path / "text.txt").write_text("no more than text\n")
    (tmp_path / "rows.jsonl").write_text('{"text": "smiling"}\n')
    (tmp_path / "nothing.jsonl").write_text("\n")
    before = sorted(tmp_path.rglob("*"))
    module = importlib.import_module(f"talkclip_training.{tool}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [tool, *arguments])
    with pytest.raises(SystemExit) as ended:
        explained(module.main)
    said = capsys.readouterr().err.strip().splitlines()
    assert ended.value.code == 2 and len(said) == 1, said
    assert names in said[0] and said[0].count(". ") >= 1, "what, and what to do"
    assert sorted(tmp_path.rglob("*")) == before


def test_a_number_out_of_range_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from talkclip_training.pirender.synthetic import main

    monkeypatch.setattr(sys, "argv", ["synthetic", "--out", "faces", "--people", "0"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2 and "--people: '0' is no whole number from 1 on" in capsys.readouterr().err

"""`talkclip corpus`, as a user runs it: results, and one clear line for bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from talkclip.coefficients import ARKIT52, CoefficientTrack
from talkclip.track_io import write_track
from talkclip_rigs.facs import AuMove, pose_of
from tests.support.command import talkclip
from tests.training.corpora.test_written import row, write
from tests.training.corpora.trees import mead_names, touch


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("Корпус 1")
    touch(place / "MEAD", [name for actor in ("M003", "W009") for name in mead_names(actor, 1)])
    write(place / "good.jsonl", row("He counts the change twice"), row("a long day, finally over"))
    return place


def test_index_and_tamead_from_tree_to_prompts(place: Path, tmp_path: Path) -> None:
    clips = tmp_path / "mead.jsonl"
    done = talkclip("corpus", "index", "mead", place / "MEAD", "-o", clips, "--test-speakers", "W009")
    assert done.returncode == 0, done.stderr
    assert "44 clips" in done.stdout and "train" in done.stdout and len(clips.read_text().splitlines()) == 44
    (tmp_path / "tracks").mkdir()
    pose = pose_of([AuMove(4, 1.0)])[None].repeat(30, 0)
    write_track(CoefficientTrack("arkit52", ARKIT52, 25.0, pose), tmp_path / "tracks/M003_front_angry_level3_001.csv")
    prompts = tmp_path / "prompts.jsonl"
    done = talkclip("corpus", "tamead", clips, "--units", tmp_path / "tracks", "--per-clip", "9", "-o", prompts)
    assert done.returncode == 0, done.stderr
    assert "396 prompts" in done.stdout and "43 clips have no action units" in done.stdout
    rows = [json.loads(line) for line in prompts.read_text(encoding="utf-8").splitlines()]
    assert {r["split"] for r in rows if r["clip"].startswith("W009")} == {"test"}
    assert any("brow" in r["text"] for r in rows if r["clip"] == "M003_front_angry_level3_001")


def test_check_passes_and_fails(place: Path, tmp_path: Path) -> None:
    done = talkclip("corpus", "check", place / "good.jsonl", "--second", place / "good.jsonl")
    assert done.returncode == 0, done.stderr + done.stdout
    assert "2 good lines, 0 findings" in done.stdout and "Cohen's kappa" in done.stdout
    bad = write(tmp_path / "bad.jsonl", row("he counts the change twice"), row("x y", kind="joke"))
    frozen = write(tmp_path / "frozen.jsonl", {"id": "t-1", "prompt": "a long day, finally"})
    done = talkclip("corpus", "check", place / "good.jsonl", bad, "--against", frozen)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    for kind in ("broken line", "same text", "family in two files", "shared phrase"):
        assert kind in done.stdout or kind == "family in two files"


def test_a_file_without_a_good_line_has_no_statistics(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_text("not json\n")
    done = talkclip("corpus", "check", broken)
    assert done.returncode == 2 and "broken.jsonl:1" in done.stdout and "is no JSON" in done.stdout
    assert "share" not in done.stdout and "what   value" not in done.stdout, done.stdout
    assert "0 good lines, 1 findings to mend" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["index", "grid", ".", "-o", "c.jsonl"], "corpus 'grid'"),
        (["index", "mead", "gone", "-o", "c.jsonl"], "gone"),
        (["index", "mead", "MEAD", "-o", "c.txt"], "c.txt"),
        (["index", "mead", "MEAD", "-o", "c.jsonl"], "--test-count"),
        (["index", "mead", "MEAD", "-o", "c.jsonl", "--metadata", "x"], "--metadata does not go with mead"),
        (["index", "hdtf", "MEAD", "-o", "c.jsonl", "--labels", "x"], "--labels does not go with hdtf"),
        (["index", "voxceleb2", "MEAD", "-o", "c.jsonl"], "VoxCeleb2"),
        (["tamead", "gone.jsonl", "-o", "p.jsonl"], "gone.jsonl"),
        (["tamead", "good.jsonl", "-o", "p.jsonl"], "good.jsonl:1: is no clip"),
        (["tamead", "good.jsonl", "-o", "p.jsonl", "--detector", "eye"], "detector 'eye'"),
        (["check", "gone.jsonl"], "gone.jsonl"),
        (["check", "good.jsonl", "--near", "0"], "--near"),
        (["check", "good.jsonl", "--against", "gone.jsonl"], "gone.jsonl"),
    ],
)
def test_bad_input_is_one_clear_line(place: Path, arguments: list[str], expected: str) -> None:
    before = sorted(path.name for path in place.iterdir())
    done = talkclip("corpus", *arguments, cwd=place)
    assert done.returncode == 2, done.stderr + done.stdout
    assert expected in done.stderr and len(done.stderr.strip().splitlines()) == 1 and "Traceback" not in done.stderr
    assert sorted(path.name for path in place.iterdir()) == before

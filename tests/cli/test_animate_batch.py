"""The main job and the batch by command, on the bundled line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from talkclip.track_io import read_track
from tests.support.command import talkclip

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
LINE = SAMPLES / "line.flac"


@pytest.fixture(scope="module")
def angry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("angry") / "line.csv"
    prompt = "a furious man speaks with brows lowered"
    done = talkclip("animate", LINE, "--prompt", prompt, "--text", SAMPLES / "line.txt", "-o", target)
    assert done.returncode == 0, done.stderr
    return target


def test_a_line_and_a_prompt_become_a_speaking_feeling_face(angry: Path) -> None:
    track = read_track(angry)
    assert track.fps == 30
    assert track.values.min() >= 0 and track.values.max() <= 1
    assert track.channel("browDownLeft").mean() > 0.3, "brows lowered, as asked"
    assert track.channel("jawOpen").max() > 0.2 and track.channel("jawOpen").std() > 0.05, "the mouth speaks"
    assert track.channel("eyeBlinkLeft").max() > 0.9, "the face blinks"
    assert track.head is not None and track.head.std() > 0


def test_the_same_command_gives_the_same_file(angry: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.csv"
    prompt = "a furious man speaks with brows lowered"
    assert talkclip("animate", LINE, "-p", prompt, "-t", SAMPLES / "line.txt", "-o", again).returncode == 0
    assert again.read_bytes() == angry.read_bytes()


def test_prompts_change_the_face_and_not_the_words(angry: Path, tmp_path: Path) -> None:
    target = tmp_path / "happy.npz"
    assert talkclip("animate", LINE, "-p", "beaming with joy", "-t", SAMPLES / "line.txt", "-o", target).returncode == 0
    happy, furious = read_track(target), read_track(angry)
    assert happy.channel("mouthSmileLeft").mean() > furious.channel("mouthSmileLeft").mean() + 0.15
    assert furious.channel("browDownLeft").mean() > happy.channel("browDownLeft").mean() + 0.25
    assert np.corrcoef(happy.channel("jawOpen"), furious.channel("jawOpen"))[0, 1] > 0.85


def test_intensity_and_edits_scale(tmp_path: Path) -> None:
    rows = ["id,audio,prompt,intensity,edit,fps"]
    rows += [f"i{k},{LINE},angry,{v},,25" for k, v in enumerate((0, 0.5, 1.0))]
    rows += [f"sneer,{LINE},,,wrinkle the nose=0.8,25", f"plain,{LINE},,,,25"]
    (tmp_path / "m.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    assert talkclip("batch", tmp_path / "m.csv", "--out", tmp_path / "out").returncode == 0
    tracks = {p.stem: read_track(p) for p in (tmp_path / "out").glob("*.csv")}
    brows = [tracks[f"i{k}"].channel("browDownLeft").mean() for k in range(3)]
    assert brows[0] < 0.02 < brows[1] < brows[2]
    assert tracks["sneer"].channel("noseSneerLeft").mean() > tracks["plain"].channel("noseSneerLeft").mean() + 0.2


def test_a_bad_manifest_line_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    rows = [
        "id,audio,prompt,intensity,edit,fps", f"ok 1,{LINE},sad,,,24", "gone,nowhere.wav,sad,,,",
        f"high,{LINE},sad,9,,", f"ok 1,{LINE},again,,,", f"../up,{LINE},sad,,,", f"ok2,{LINE},,,,29.97",
    ]  # fmt: skip
    (tmp_path / "m.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    done = talkclip("batch", tmp_path / "m.csv", "--out", tmp_path / "out dir")
    assert done.returncode == 2
    assert sorted(p.name for p in (tmp_path / "out dir").iterdir()) == ["ok 1.csv", "ok2.csv"]
    for mark in ("gone (line 3)", "nowhere.wav", "high (line 4)", "intensity", "ok 1 (line 5)", "../up (line 6)"):
        assert mark in done.stderr, done.stderr
    assert read_track(tmp_path / "out dir" / "ok2.csv").fps == pytest.approx(30000 / 1001)


def test_a_manifest_that_is_no_manifest(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("name,file\n1,2\n")
    done = talkclip("batch", tmp_path / "m.csv", "--out", tmp_path / "out")
    assert done.returncode == 2 and "m.csv" in done.stderr and "id" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_script_changes_the_face_at_its_words(tmp_path: Path) -> None:
    words = (SAMPLES / "line.txt").read_text(encoding="utf-8").strip()
    cut = words.index("Please")
    target = tmp_path / "s.npz"
    script = f"[beaming with joy] {words[:cut]} [furious] {words[cut:]}"
    assert talkclip("animate", LINE, "--script", script, "-o", target).returncode == 0
    track = read_track(target)
    early, late = track.slice_s(0.3, 3.0), track.slice_s(track.duration_s - 1.5, track.duration_s)
    assert early.channel("mouthSmileLeft").mean() > late.channel("mouthSmileLeft").mean() + 0.1
    assert late.channel("browDownLeft").mean() > early.channel("browDownLeft").mean() + 0.25


def test_mended_phones_are_obeyed(tmp_path: Path) -> None:
    phones = tmp_path / "p.json"
    assert talkclip("phones", LINE, "-t", SAMPLES / "line.txt", "-o", phones).returncode == 0
    body = json.loads(phones.read_text(encoding="utf-8"))
    vowel = max(
        (p for p in body["phones"] if p["symbol"] in ("AA", "AE", "AO", "AY", "OW")),
        key=lambda p: p["end_s"] - p["start_s"],
    )
    vowel["symbol"] = "M"
    phones.write_text(json.dumps(body), encoding="utf-8")
    target = tmp_path / "o.npz"
    assert talkclip("animate", LINE, "--phones", phones, "-p", "shocked, jaw dropped", "-o", target).returncode == 0
    middle = (vowel["start_s"] + vowel["end_s"]) / 2
    jaw = read_track(target).sampled([middle])[0][0]
    names = read_track(target).names
    assert jaw[names.index("jawOpen")] - jaw[names.index("mouthClose")] < 0.05


def test_the_lite_path_never_imports_torch(tmp_path: Path) -> None:
    arguments = ["animate", str(LINE), "-p", "happy", "-q", "-o", str(tmp_path / "o.csv")]
    code = (
        "import sys; sys.modules['torch'] = None; sys.modules['bpy'] = None\n"
        "from talkclip.cli.main import app\n"
        f"app({arguments!r}, standalone_mode=False)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and (tmp_path / "o.csv").exists(), done.stderr


def test_doctor_explains_a_working_installation() -> None:
    done = talkclip("doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    for part in ("text encoder", "hama-ctc", "mouth", "speech fast", "speech align", "device", "portraits", "torch"):
        assert part in done.stdout
    assert "MISSING" not in done.stdout


def test_help_teaches() -> None:
    for command in ("animate", "render", "batch", "serve", "prompt", "phones", "doctor"):
        done = talkclip(command, "--help")
        assert done.returncode == 0 and len(done.stdout) > 200, command

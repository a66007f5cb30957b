"""`talkclip blender-batch` with bpy 4.5 and 5.2 as the Blender, and a real server."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from talkclip.client import Client, SegmentStyle, SpeakRequest
from talkclip.coefficients import ARKIT52, CoefficientTrack
from talkclip.timeline import PromptSegment, PromptTimeline
from talkclip.track_io import write_track
from tests.blender.environments import ROOT, VERSIONS, bpy_python
from tests.blender.running import HERE
from tests.support.command import talkclip

pytestmark = [pytest.mark.blender, pytest.mark.xdist_group("blender")]

HEAD = "TalkCLIP Head"
TIMELINE = PromptTimeline(
    (
        PromptSegment("a furious man", 0.0, 0.4, blend_in_s=0.0, uid="a"),
        PromptSegment("beaming with joy", 0.4, 1.0, 0.8, blend_out_s=0.0, uid="b"),
    )
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A second of speech."""
    samples, rate = soundfile.read(ROOT / "samples" / "line.flac")
    folder = tmp_path / "Szenen äöü"
    folder.mkdir()
    soundfile.write(folder / "line.wav", samples[rate // 2 : rate // 2 + rate], rate)
    (folder / "timeline.json").write_text(TIMELINE.to_json(), encoding="utf-8")
    smile = np.full((75, 52), 0.1, np.float32)
    smile[:, [ARKIT52.index("mouthSmileLeft"), ARKIT52.index("mouthSmileRight")]] = 0.9
    write_track(CoefficientTrack("arkit52", ARKIT52, 25.0, smile), folder / "style.json")
    return folder


def batch(folder: Path, rows: list[dict[str, str]], *more: str | Path) -> subprocess.CompletedProcess[str]:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with (folder / "shots.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, columns)
        writer.writeheader()
        writer.writerows(rows)
    return talkclip("blender-batch", folder / "shots.csv", *more)


def look(version: str, path: Path, *frames: int) -> dict[str, Any]:
    """What a .blend file holds, seen by a bpy without the extension."""
    command = [bpy_python(version), HERE / "inside" / "look_at_shot.py", path, HEAD, *frames]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("FACTS ")]
    return json.loads(line.removeprefix("FACTS "))


def same_as_asked(
    server: str, facts: dict[str, Any], folder: Path, first: int, timeline: PromptTimeline, *styles: SegmentStyle
) -> None:
    """The keys in the file are the server's answer."""
    request = SpeakRequest(folder / "line.wav", timeline, 24.0, layers=True, styles=styles)
    with Client(server) as client:
        reply = client.animate(request, timeout_s=120)
    track = reply.track
    assert facts["span"] == [first, first + track.n_frames - 1]
    for frame, shapes in facts["shapes"].items():
        at = int(frame) - first
        wanted = dict(zip(track.names, track.values[at].tolist(), strict=True))
        got = np.array([shapes[name] for name in track.names])
        np.testing.assert_allclose(got, [min(max(wanted[name], 0.0), 1.0) for name in track.names], atol=2e-3)


@pytest.mark.parametrize("version", VERSIONS)
def test_three_shots_one_broken_and_the_rest_later(
    version: str, extension_zip: Path, real_server: str, folder: Path
) -> None:
    how = ("--blender", bpy_python(version), "--extension", extension_zip, "--server", real_server)
    hero = [{"audio": "line.wav", "prompt": "sad", "output": "hero.blend"}]
    done = batch(folder, hero, *how)
    assert done.returncode == 0, done.stderr
    (folder / "shots.talkclip.json").unlink()
    rows = [
        {"id": "one", "audio": "line.wav", "prompt": "a furious man", "start_frame": "11",
         "style_video": "style.json", "style_weight": "0.7", "output": "new/one.blend"},
        {"id": "two", "blend": "hero.blend", "character": HEAD, "audio": "line.wav", "timeline": "timeline.json",
         "output": "two.blend", "video": "two.mp4", "size": "20", "view": "face"},
        {"id": "three", "audio": "lost.wav", "prompt": "sad", "output": "three.blend"},
    ]  # fmt: skip
    done = batch(folder, rows, *how)
    assert done.returncode == 2 and "2 done, 0 skipped, 1 failed" in done.stderr, done.stderr
    assert "lost.wav: there is no such file" in done.stderr
    assert not list(folder.rglob(".*")) and not (folder / "three.blend").exists()

    one = look(version, folder / "new" / "one.blend", 16, 24)
    furious = PromptTimeline((PromptSegment("a furious man", 0.0, 86_400.0, blend_in_s=0, blend_out_s=0, uid="f"),))
    same_as_asked(real_server, one, folder, 11, furious, SegmentStyle("f", folder / "style.json", 0.7))
    assert [Path(sound).resolve() for sound in one["sounds"]] == [(folder / "line.wav").resolve()]
    two = look(version, folder / "two.blend", 5, 20)
    rounded = [(round(s.start_s * 24) / 24, round(s.end_s * 24) / 24) for s in TIMELINE.segments]
    segments = tuple(
        PromptSegment(s.prompt, start, end, s.intensity, (), s.blend_in_s, s.blend_out_s, uid=s.uid)
        for s, (start, end) in zip(TIMELINE.segments, rounded, strict=True)
    )
    same_as_asked(real_server, two, folder, 1, PromptTimeline(segments))
    check_sound = folder / "two.mp4"
    assert check_sound.stat().st_size > 10_000

    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.blend")}
    shutil.copy(folder / "line.wav", folder / "lost.wav")
    done = batch(folder, rows, *how)
    assert done.returncode == 0 and "1 done, 2 skipped, 0 failed" in done.stderr, done.stderr
    assert {path: path.stat().st_mtime_ns for path in before} == before and (folder / "three.blend").is_file()
    with (folder / "shots.report.csv").open(newline="", encoding="utf-8") as handle:
        report = {row["id"]: row for row in csv.DictReader(handle)}
    assert [row["state"] for row in report.values()] == ["skipped", "skipped", "done"]
    assert "frames on 52 shape keys" in report["three"]["take"]


def test_what_only_blender_can_say(extension_zip: Path, rehearsal_server: str, folder: Path) -> None:
    """No face, no such object, a sound that is none, no camera; a script; and a Blender without the extension."""
    how = ("--blender", bpy_python("45"), "--extension", extension_zip, "--server", rehearsal_server)
    (folder / "noise.wav").write_text("no sound")
    (folder / "not.blend").write_text("no file of Blender")
    rows = [
        {"id": "script", "audio": "line.wav", "script": "[furious] Get [sad] out", "output": "script.blend"},
        {"id": "noise", "audio": "noise.wav", "output": "noise.blend"},
        {"id": "nobody", "audio": "line.wav", "character": "Ada", "output": "nobody.blend"},
        {"id": "damaged", "blend": "not.blend", "audio": "line.wav", "output": "damaged.blend"},
        {"id": "silent", "output": "silent.blend"},
        {"id": "dark", "audio": "line.wav", "video": "dark.mp4", "view": "camera"},
    ]  # fmt: skip
    done = batch(folder, rows, *how, "--jobs", "2")
    assert done.returncode == 2, done.stderr
    with (folder / "shots.report.csv").open(newline="", encoding="utf-8") as handle:
        report = {row["id"]: row for row in csv.DictReader(handle)}
    assert report["script"]["state"] == "done", report["script"]
    problems = {
        "noise": "noise.wav",
        "nobody": "no object 'Ada'",
        "damaged": "cannot be opened",
        "silent": "No sound is chosen",
        "dark": "no camera",
    }
    for name, words in problems.items():
        assert report[name]["state"] == "failed" and words in report[name]["problem"], report[name]
        assert report[name]["remedy"], name
    assert [path.name for path in folder.rglob("*.blend")].count("script.blend") == 1
    assert not list(folder.rglob(".*")) and not (folder / "dark.mp4").exists()

    done = talkclip("blender-batch", folder / "shots.csv", "--blender", bpy_python("45"), "--server", rehearsal_server)
    assert done.returncode == 2 and "extension is not installed in Blender 4.5" in done.stderr

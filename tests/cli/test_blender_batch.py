"""`talkclip blender-batch` with a program that behaves like Blender: what it asks of it, remembers and reports."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from talkclip import __version__
from talkclip.cli.shot_list import COLUMNS, fingerprint, read_shots
from talkclip.errors import InputError
from talkclip.shots import FORMAT
from talkclip.timeline import PromptEdit
from talkclip_server import running_server
from tests.support.command import talkclip
from tests.support.small_engine import SmallEngine

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the program that behaves like Blender is a script")

FAKE = """\
#!{python}
import json, os, sys, time
from pathlib import Path
here = Path(__file__).parent
if "--version" in sys.argv:
    print("Blender {version} LTS")
    sys.exit()
what, *files = sys.argv[sys.argv.index("--") + 1:]
if what in ("probe", "install"):
    facts = {{"blender": {numbers}, "module": {module!r}, "extension": {extension!r}}}
    Path(files[-1]).write_text(json.dumps(facts))
    sys.exit()
order = json.loads(Path(files[0]).read_text())
with (here / "asked.jsonl").open("a") as asked:
    asked.write(json.dumps(order) + "\\n")
print("some noise of Blender")
print('@talkclip [0.5, "speaking"]', flush=True)
for path in filter(None, (order["output"], order["video"])):
    Path(path).write_text("half")
if order["prompt"] == "hang":
    Path(order["output"] + "@").write_text("half")
    (here / "pid").write_text(str(os.getpid()))
    time.sleep(60)
if order["prompt"] == "crash":
    print("Segmentation fault")
    os.kill(os.getpid(), 9)
problem = "no face" if order["prompt"] == "fail" else ""
for path in filter(None, (order["output"], order["video"])):
    Path(path).write_text("whole " + order["prompt"])
result = {{"format": {format}, "take": "Take 1: 9 frames.", "notes": ["a note"], "frames": [1, 9], "problem": problem,
          "remedy": "look", "code": "bad_input"}}
Path(files[1]).write_text(json.dumps(result))
"""


def fake_blender(
    folder: Path, version: tuple[int, ...] = (4, 5, 3), module: str = "m", extension: str = __version__
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "blender"
    text = FAKE.format(
        python=sys.executable, version=".".join(map(str, version)), numbers=list(version), module=module,
        extension=extension, format=FORMAT,
    )  # fmt: skip
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with running_server(SmallEngine()) as running:
        yield running.address


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Three shots, the last one without its sound."""
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).write_bytes(name.encode() * 100)
    (tmp_path / "hero.blend").write_bytes(b"BLENDER")
    path = tmp_path / "shots.csv"
    path.write_text(
        textwrap.dedent("""\
        id,blend,audio,prompt,output,video
        one,,a.wav,furious,one.blend,
        two,hero.blend,b.wav,happy,out/two.blend,out/two.mp4
        three,,gone.wav,sad,three.blend,
        """)
    )
    return path


def batch(table: Path, server: str, *more: str | Path, blender: Path | None = None) -> subprocess.CompletedProcess[str]:
    program = blender or fake_blender(table.parent / "program")
    return talkclip("blender-batch", table, "--blender", program, "--server", server, *more)


def asked(table: Path) -> list[dict[str, object]]:
    """What Blender was told so far."""
    path = table.parent / "program" / "asked.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def report_of(table: Path) -> dict[str, dict[str, str]]:
    with table.with_name("shots.report.csv").open(newline="") as handle:
        return {row["id"]: row for row in csv.DictReader(handle)}


def results(table: Path) -> dict[str, int]:
    """{result: time of its last change}, and nothing hidden."""
    folder = table.parent
    assert not list(folder.rglob(".*"))
    files = [path for path in folder.rglob("*.*") if path.suffix in (".blend", ".mp4")]
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in files}


def test_a_broken_shot_does_not_stop_the_others_and_later_only_it_is_done(table: Path, server: str) -> None:
    done = batch(table, server)
    assert done.returncode == 2
    assert "2 done, 0 skipped, 1 failed" in done.stderr and "gone.wav: there is no such file" in done.stderr
    first = results(table)
    assert set(first) == {"hero.blend", "one.blend", "out/two.blend", "out/two.mp4"}
    assert (table.parent / "out" / "two.mp4").read_text() == "whole happy"
    rows = report_of(table)
    assert [row["state"] for row in rows.values()] == ["done", "done", "failed"]
    assert [rows["one"][column] for column in ("take", "first_frame", "last_frame")] == ["Take 1: 9 frames.", "1", "9"]
    assert "gone.wav" in rows["three"]["problem"] and rows["three"]["remedy"]
    orders = {Path(str(order["audio"])).name: order for order in asked(table)}
    assert set(orders) == {"a.wav", "b.wav"} and orders["a.wav"]["server"] == server
    assert orders["b.wav"]["blend"] == str(table.parent / "hero.blend")

    (table.parent / "gone.wav").write_bytes(b"found")
    done = batch(table, server)
    assert done.returncode == 0 and "1 done, 2 skipped, 0 failed" in done.stderr
    after = results(table)
    assert {name: after[name] for name in first} == first and "three.blend" in after
    assert len(asked(table)) == 3
    assert "0 done, 3 skipped" in batch(table, server).stderr and len(asked(table)) == 3
    assert batch(table, server, "--again", "--quiet").stderr == "" and len(asked(table)) == 6


@pytest.mark.parametrize("change", ["prompt", "sound", "blend", "lost"])
def test_what_has_changed_is_done_again_and_nothing_else(table: Path, server: str, change: str) -> None:
    batch(table, server)
    if change == "prompt":
        table.write_text(table.read_text().replace("happy", "very happy"))
    elif change == "sound":
        (table.parent / "b.wav").write_bytes(b"another take")
    elif change == "blend":
        (table.parent / "hero.blend").write_bytes(b"BLENDER, with a hat")
    else:
        (table.parent / "out" / "two.mp4").unlink()
    assert "1 done, 1 skipped, 1 failed" in batch(table, server).stderr
    assert [Path(str(order["audio"])).name for order in asked(table)] == ["a.wav", "b.wav", "b.wav"]


def test_a_result_that_was_changed_by_hand_is_not_written_over(table: Path, server: str) -> None:
    (table.parent / "three.blend").write_text("mine from before")
    (table.parent / "gone.wav").write_bytes(b"found")
    batch(table, server)
    one, three = table.parent / "one.blend", table.parent / "three.blend"
    one.write_text("polished by hand")
    done = batch(table, server)
    assert done.returncode == 2 and "0 done, 1 skipped, 2 failed" in done.stderr and "--overwrite" in done.stderr
    assert (one.read_text(), three.read_text()) == ("polished by hand", "mine from before")
    assert batch(table, server, "--overwrite").returncode == 0
    assert (one.read_text(), three.read_text()) == ("whole furious", "whole sad")


def test_a_shot_that_fails_or_crashes_leaves_nothing(table: Path, server: str) -> None:
    table.write_text("id,audio,prompt,output\nf,a.wav,fail,f.blend\nc,a.wav,crash,c.blend\ng,a.wav,good,g.blend\n")
    done = batch(table, server, "--jobs", "3")
    assert done.returncode == 2 and set(results(table)) == {"hero.blend", "g.blend"}
    rows = report_of(table)
    assert (rows["f"]["problem"], rows["f"]["remedy"]) == ("no face", "look")
    assert "Segmentation fault" in rows["c"]["problem"] and "shots" not in rows["c"]["problem"]
    assert "Segmentation fault" in (table.parent / "c.log").read_text() and "c.log" in rows["c"]["remedy"]


def test_a_dry_run_does_nothing(table: Path) -> None:
    done = batch(table, "tcp://127.0.0.1:1", "--dry-run")
    assert done.returncode == 2 and "2 would run" in done.stderr and "gone.wav" in done.stderr
    assert set(results(table)) == {"hero.blend"} and not asked(table)
    assert not table.with_name("shots.report.csv").exists()


def test_ctrl_c_ends_blender_and_leaves_nothing(table: Path, server: str) -> None:
    table.write_text("id,audio,prompt,output\nh,a.wav,hang,h.blend\nn,a.wav,never,n.blend\n")
    program = fake_blender(table.parent / "program")
    command = [sys.executable, "-m", "talkclip.cli.main", "blender-batch", table, "--blender", program]
    with subprocess.Popen(
        [*map(str, command), "--server", server], stderr=subprocess.PIPE, text=True,
        # Whoever runs the tests in the background has Ctrl-C ignored, and so would this.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:  # fmt: skip
        try:
            pid = table.parent / "program" / "pid"
            deadline = time.monotonic() + 60
            while not pid.is_file() or not pid.read_text():
                assert time.monotonic() < deadline and process.poll() is None
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 130 and "Cancelled" in said and "Traceback" not in said
    assert set(results(table)) == {"hero.blend"}
    assert [row["state"] for row in report_of(table).values()] == ["cancelled", "cancelled"]
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


@pytest.mark.parametrize(
    ("blender", "words"),
    [
        ({"version": (3, 4, 1)}, "is Blender 3.4.1.*needs Blender 4.5"),
        ({"module": ""}, "not installed in Blender 4.5.3.*--extension"),
        ({"extension": "0.0.9"}, f"is TalkCLIP 0.0.9, this is {__version__}"),
    ],
)
def test_a_blender_that_cannot_do_it_is_said(table: Path, server: str, blender: dict[str, object], words: str) -> None:
    program = fake_blender(table.parent / "program", **blender)  # type: ignore[arg-type]
    done = batch(table, server, blender=program)
    assert done.returncode == 2 and not asked(table)
    assert re.search(words, done.stderr), done.stderr


def test_programs_that_are_no_blender(table: Path, server: str) -> None:
    assert "there is no such program" in batch(table, server, blender=table.parent / "nowhere").stderr
    assert "neither Blender nor a Python" in batch(table, server, blender=Path("/bin/echo")).stderr
    done = batch(table, server, blender=Path(sys.executable))
    assert "has no bpy" in done.stderr and done.returncode == 2


def test_files_that_are_no_extension(table: Path, server: str) -> None:
    (table.parent / "notes.zip").write_text("no zip")
    done = batch(table, server, "--extension", table.parent / "notes.zip")
    assert "is no Blender extension" in done.stderr and done.returncode == 2
    source = Path(__file__).parents[2] / "blender_addon" / "talkclip_blender"
    assert "dev.py extension" in batch(table, server, "--extension", source).stderr


def test_nobody_answers(table: Path) -> None:
    done = batch(table, "tcp://127.0.0.1:1")
    assert done.returncode == 1 and "No TalkCLIP server answers" in done.stderr and not asked(table)


@pytest.mark.parametrize(
    ("header", "line", "words"),
    [
        ("audio,output", "a.wav,a.blend1", "does not end in .blend"),
        ("audio,output,video", "a.wav,,", "asks for nothing"),
        ("audio,output,prompt,script", "a.wav,a.blend,sad,[sad] No", "prompt and script exclude each other"),
        ("audio,strip,output", "a.wav,line,a.blend", "audio and strip exclude"),
        ("audio,output,script", "a.wav,a.blend,[sad", "no partner"),
        ("audio,output,intensity", "a.wav,a.blend,3", "intensity '3' is out of range"),
        ("audio,output,style_video", "a.wav,a.blend,lost.mp4", "style_video lost.mp4: there is no such file"),
        ("audio,output,style_weight", "a.wav,a.blend,0.5", "style_weight belongs to style_video"),
        ("audio,output,style_video,style_weight", "a.wav,a.blend,a.wav,1.5", "style_weight '1.5' is out of range"),
        ("audio,output,script,style_video", "a.wav,a.blend,[sad] No,a.wav", "style_video belongs to a prompt"),
        ("audio,output,start_frame", "a.wav,a.blend,soon", "start_frame 'soon' is no whole number"),
        ("audio,output,start_frame", ",a.blend,7", "belongs to a sound file"),
        ("audio,output,edit", "a.wav,a.blend,frown", "not understood"),
        ("audio,video,view", "a.wav,a.mp4,above", "view 'above' is unknown"),
        ("audio,output,timeline", "a.wav,a.blend,a.wav", "a.wav"),
        ("audio,blend,output", "a.wav,hero.blend,hero.blend", "would be written over"),
        ("audio,transcript,script,output", "a.wav,No,[sad] No,a.blend", "already holds the words"),
    ],
)
def test_lines_that_cannot_be_used(table: Path, header: str, line: str, words: str) -> None:
    table.write_text(f"{header}\n{line}\n")
    (shot,) = read_shots(table)
    assert shot.order is None and shot.problem is not None and words in f"{shot.problem}"


def test_two_shots_with_one_result(table: Path) -> None:
    table.write_text("id,audio,output\na,a.wav,x.blend\nb,a.wav,./x.blend\na,a.wav,y.blend\n")
    problems = [shot.problem and shot.problem.message for shot in read_shots(table)]
    assert problems[0] is None and "same" in str(problems[1]) and "same id a as line 2" in str(problems[2])


@pytest.mark.parametrize(
    ("text", "words"),
    [("audio,outptu\na,b\n", "unknown columns outptu"), ("audio\na\n", "no column output"), ("output\n", "no lines")],
)
def test_tables_that_cannot_be_used(table: Path, text: str, words: str) -> None:
    table.write_text(text)
    with pytest.raises(InputError, match=words):
        read_shots(table)


def test_every_cell_reaches_blender(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = table.parent
    (folder / "words.txt").write_text("I told you so.\n")
    (folder / "map.json").write_text("{}")
    (folder / "style.mp4").write_text("a film")
    cells = {
        "id": "s", "blend": "hero.blend", "character": "Ada", "preset": "map.json", "audio": "a.wav",
        "start_frame": "-5", "prompt": "sad", "transcript": "words.txt", "intensity": "1.5",
        "edit": "frown=0.4; smile=-0.2", "seed": "7", "output": "o.blend", "video": "v.mp4", "view": "Face",
        "engine": "SCENE", "size": "50", "style_video": "style.mp4", "style_weight": "0.25",
    }  # fmt: skip
    assert set(COLUMNS) - set(cells) == {"strip", "script", "timeline"}
    with table.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, cells)
        writer.writeheader()
        writer.writerow(cells)
    monkeypatch.chdir("/")
    (shot,) = read_shots(table)
    order = shot.order
    assert order is not None and shot.id == "s"
    assert (order.character, order.preset, order.blend) == ("Ada", str(folder / "map.json"), str(folder / "hero.blend"))
    assert (order.audio, order.start_frame, order.seed) == (str(folder / "a.wav"), -5, 7)
    assert (order.prompt, order.transcript, order.intensity) == ("sad", "I told you so.", 1.5)
    assert order.edits == (PromptEdit("frown", 0.4), PromptEdit("smile", -0.2))
    assert (order.style_video, order.style_weight) == (str(folder / "style.mp4"), 0.25)
    assert (order.output, order.video) == (str(folder / "o.blend"), str(folder / "v.mp4"))
    assert (order.view, order.engine, order.percentage) == ("face", "scene", 50)


def test_a_style_video_has_half_beside_a_prompt_and_counts_as_a_file_of_the_shot(table: Path) -> None:
    film = table.parent / "style.mp4"
    film.write_text("a film")
    table.write_text("audio,output,prompt,style_video\na.wav,a.blend,sad,style.mp4\na.wav,b.blend,,style.mp4\n")
    orders = [shot.order for shot in read_shots(table)]
    assert [order and order.style_weight for order in orders] == [0.5, 1.0]
    assert orders[0] is not None
    before = fingerprint(orders[0], "")
    film.write_text("another film")
    assert fingerprint(orders[0], "") != before

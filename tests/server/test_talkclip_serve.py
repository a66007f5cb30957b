"""`talkclip serve` with the real engine: what comes over the wire is what the pipeline computes."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from talkclip.client import Client, SpeakRequest
from talkclip.engine.pipeline import Pipeline
from talkclip.engine.request import AnimateRequest
from talkclip.engine.speech.media import load_audio
from talkclip.timeline import PromptEdit, PromptTimeline
from tests.support.command import talkclip
from tests.support.synthetic_flame import build

ROOT = Path(__file__).parents[2]
LINE = ROOT / "samples" / "line.flac"
TIMELINE = PromptTimeline.single("a furious man, brows lowered", 9.0, 1.2, (PromptEdit("wrinkle the nose", 0.5),))


@contextlib.contextmanager
def serve(folder: Path, *options: str) -> Iterator[str]:
    """A server started as a user starts it -> its address."""
    command = [sys.executable, "-m", "talkclip.cli.main", "serve", "--bind", "tcp://127.0.0.1:*", *options]
    environment = os.environ | {"TALKCLIP_CACHE": str(folder / "cache")}
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment) as server,
    ):
        assert server.stdout is not None
        ready = server.stdout.readline()
        assert ready.startswith("TalkCLIP server ready at "), (folder / "log").read_text()
        yield ready.split(" at ")[1].strip()
        server.terminate()
        assert server.wait(timeout=20) == 0


def test_the_wire_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(tmp_path) as address, Client(address) as client:
        reply = client.animate(SpeakRequest(LINE, TIMELINE, 29.97, seed=3))
    monkeypatch.setenv("TALKCLIP_CACHE", "off")
    here = Pipeline.load().animate(AnimateRequest(load_audio(LINE), TIMELINE, fps=29.97, seed=3))
    # Linear algebra adds up in another order when it has another number of threads.
    assert np.abs(reply.track.values - here.track.values).max() < 1e-6
    assert (reply.track.names, reply.track.fps, reply.phones) == (here.track.names, here.track.fps, here.phones)
    assert here.track.head is not None and reply.track.head is not None
    assert np.abs(reply.track.head - here.track.head).max() < 1e-6
    assert np.ptp(here.track.channel("jawOpen")) > 0.1


def test_an_earlier_answer_and_a_corrected_word_come_back_mended(tmp_path: Path) -> None:
    text = LINE.with_suffix(".txt").read_text(encoding="utf-8").strip()
    with serve(tmp_path) as address, Client(address) as client:
        before = client.animate(SpeakRequest(LINE, TIMELINE, 25.0, text=text.replace("door", "boor"))).phones
        assert before is not None
        corrected = before.with_word(13, "door").words_text()
        reply = client.animate(SpeakRequest(LINE, TIMELINE, 25.0, text=corrected, phones=before))
        again = client.animate(SpeakRequest(LINE, TIMELINE, 25.0, text=corrected, phones=before))
    after = reply.phones
    assert after is not None and (reply.backend, after.words[13].text) == ("mended", "door")
    assert "aligned anew: 3." in reply.notes[0]
    far_s = (3.2, 4.2)
    for a, b in ((before.words, after.words), (before.phones, after.phones)):
        assert [x for x in a if not far_s[0] < x.start_s < far_s[1]] == [
            x for x in b if not far_s[0] < x.start_s < far_s[1]
        ]
    assert after.phones != before.phones and again.phones == after and again.notes == reply.notes


@pytest.mark.slow  # the map to the model is solved first
def test_flame_is_answered_from_the_servers_model(tmp_path: Path) -> None:
    flame = build().write_npz(tmp_path / "face model.npz")
    with serve(tmp_path, "--flame", str(flame)) as address, Client(address) as client:
        assert client.connect().engine.spaces == ("arkit52", "flame")
        track = client.animate(SpeakRequest(LINE, TIMELINE, 25.0, space="flame")).track
    assert track.space == "flame" and track.names[0] == "exp0" and "jaw_x" in track.names
    assert np.ptp(track.channel("jaw_x")) > 0.05  # the jaw opens, radians


def test_a_flame_file_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    result = talkclip("serve", "--bind", "tcp://127.0.0.1:*", "--flame", tmp_path / "no such model.pkl")
    assert result.returncode == 2 and "no such model.pkl" in result.stderr and "Traceback" not in result.stderr
    assert result.stdout == ""


def test_cuda_that_is_not_there_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    result = talkclip("serve", "--bind", "tcp://127.0.0.1:*", "--device", "cuda")
    assert result.returncode == 2 and "no CUDA here" in result.stderr and "--device cpu" in result.stderr
    assert "Traceback" not in result.stderr and result.stdout == ""


def test_an_address_others_can_reach_is_refused() -> None:
    result = talkclip("serve", "--bind", "tcp://0.0.0.0:5599")
    assert result.returncode == 2 and "keys" in result.stderr and "Traceback" not in result.stderr


def test_status_says_what_a_server_is_and_does(tmp_path: Path) -> None:
    with serve(tmp_path, "--workers", "2", "--device", "cpu") as address:
        with Client(address) as client:
            client.animate(SpeakRequest(LINE, TIMELINE, 25.0))
        told = talkclip("status", "--address", address)
        plain = json.loads(talkclip("status", "-a", address, "--json").stdout)
    assert told.returncode == 0 and told.stderr == ""
    for words in ("talkclip-server", "1 done", "renderers: head", "1 files", "is idle; knows 1 sounds"):
        assert words in told.stdout
    assert plain["status"]["jobs_done"] == 1 and len(plain["status"]["workers"]) == 2
    assert "head" in plain["welcome"]["engine"]["renderers"]
    assert plain["welcome"]["engine"]["portraits_on"] == "CPU" and "portraits on CPU" in told.stdout


def test_status_of_nobody_is_explained() -> None:
    result = talkclip("status", "--address", "tcp://127.0.0.1:9")
    assert result.returncode == 1 and "talkclip serve" in result.stderr and "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "option",
    [
        ("--workers", "0"),
        ("--workers", "1000"),
        ("--device", "tpu"),
        ("--exit-when-idle", "-1"),
        ("--exit-when-idle", "nan"),
    ],
)
def test_options_out_of_range_are_explained(option: tuple[str, str]) -> None:
    result = talkclip("serve", "--bind", "tcp://127.0.0.1:*", *option)
    assert result.returncode == 2 and option[0] in result.stderr and "Traceback" not in result.stderr


def test_it_ends_with_the_program_that_started_it(tmp_path: Path) -> None:
    """Also when that one is killed and can say nothing: no server is left behind."""
    command = [sys.executable, "-m", "talkclip.cli.main", "serve", "--bind", "tcp://127.0.0.1:*", "--parent"]
    starter = f"""
import os, subprocess, sys, time
server = subprocess.Popen({command!r} + [str(os.getpid())], stdout=subprocess.PIPE, text=True)
print(server.pid, server.stdout.readline(), flush=True)
time.sleep(60)
"""
    with (
        (tmp_path / "log").open("w") as log,
        subprocess.Popen([sys.executable, "-c", starter], stdout=subprocess.PIPE, stderr=log, text=True) as program,
    ):
        assert program.stdout is not None
        pid, _, ready = program.stdout.readline().partition(" ")
        assert ready.startswith("TalkCLIP server ready at "), (tmp_path / "log").read_text()
        program.kill()
    deadline = time.monotonic() + 10
    while "event=stop" not in (tmp_path / "log").read_text():
        assert time.monotonic() < deadline, f"server {pid} is still there"
        time.sleep(0.05)
    assert "event=parent_gone" in (tmp_path / "log").read_text()


def test_a_parent_that_is_no_process_is_explained() -> None:
    result = talkclip("serve", "--bind", "tcp://127.0.0.1:*", "--parent", "4194305")
    assert result.returncode == 2 and "4194305" in result.stderr and "Traceback" not in result.stderr

"""`talkclip blender-batch`: many shots from a table, each opened, spoken and saved in a Blender of its own."""

from __future__ import annotations

import dataclasses
import glob
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from talkclip.cli import options
from talkclip.cli.batch_report import (
    CANCELLED,
    DONE,
    FAILED,
    SKIPPED,
    WOULD_RUN,
    Memory,
    Outcome,
    print_report,
    write_report,
)
from talkclip.cli.blender_process import Blender, find_blender, prepared, run_shot
from talkclip.cli.progress import progress_bar
from talkclip.cli.shot_list import Shot, fingerprint, read_shots
from talkclip.errors import EXIT_INPUT, Cancelled, InputError, TalkClipError
from talkclip.progress import ProgressCallback
from talkclip.shots import ShotResult

_MOST_JOBS = 32
_TICK_S = 0.1


def blender_batch(
    shots: Annotated[Path, typer.Argument(help="CSV with a line per shot; see below for its columns.")],
    blender: Annotated[
        Path | None, typer.Option(help="Blender 4.5 or later, or a Python with bpy; default: `blender` of the PATH.")
    ] = None,
    extension: Annotated[
        Path | None, typer.Option(help="TalkCLIP's extension (zip), where it is not installed in that Blender.")
    ] = None,
    server: Annotated[
        str | None, typer.Option(help="Address of a server; default: the usual one if it answers, else our own.")
    ] = None,
    key: options.KeyFile = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Blenders at once; each needs memory and a core.")] = 1,
    again: Annotated[bool, typer.Option("--again", help="Also do shots that are done already.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files that something else wrote, or that were changed since.")
    ] = False,
    trust: Annotated[
        bool, typer.Option("--trust-scripts", help="Let scripts and driver expressions of the .blend files run.")
    ] = False,
    report: Annotated[Path | None, typer.Option(help="Where the report goes; default: SHOTS.report.csv.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, say what would be done, do nothing.")
    ] = False,
    quiet: options.Quiet = False,
) -> None:
    """Key characters in many .blend files, and render videos of them, without a window.

    For each line of SHOTS: open a .blend file, let its character speak, save it under another name, render a video.

    Columns of SHOTS, in any order; an empty cell is the default:

    \b
      output       .blend to write
      video        .mp4 to render, with sound; a shot has one of the two, or both
      blend        .blend to open; empty: a new file with the default head
      character    an object of the character; empty: the file's only one
      audio        sound or video file, or
      strip        a sound strip of the file's Sequencer; neither: what the file has
      start_frame  scene frame at which the sound file starts; empty: the scene's first
      prompt       how it is spoken, or
      script       "[furious] Get out! [breaking] Please.", or
      timeline     a JSON file (docs/formats.md); none: the file's own prompts
      transcript   what is said, or a .txt file with it
      intensity    0 to 2
      edit         "wrinkle the nose=0.4; smile=-0.2"
      style_video  a clip whose way of speaking is mixed into the prompt
      style_weight its share, 0 to 1; empty: 0.5 beside a prompt or edit, else 1
      seed         of blinks and head motion
      preset       a mapping: a .json file, or a preset's name
      id           what the shot is called; empty: the result's name
      view         of the video: camera or face
      engine       of the video: workbench or scene
      size         of the video: 10 to 100 percent

    Files are looked for from the working folder, then beside SHOTS; results lie beside SHOTS.

    What is done stays done: SHOTS.talkclip.json keeps the hash of each shot's line, files and results, and the same
    command later does only what is missing or has changed. A result that you have changed is not written over. A shot
    that fails does not stop the others; the exit code is then 2, and the report says why. Ctrl-C stops all; no file is
    left half-written.

    Examples:

      talkclip blender-batch shots.csv --dry-run

      talkclip blender-batch shots.csv --blender /opt/blender-4.5/blender --jobs 2
    """
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    if not 1 <= jobs <= _MOST_JOBS:
        raise InputError(f"--jobs {jobs} is out of range.", f"Use 1 to {_MOST_JOBS}.")
    listed = read_shots(shots)
    memory = Memory(shots.with_name(f"{shots.stem}.talkclip.json"))
    program, is_python = find_blender(blender)
    with prepared(program, is_python, extension) as ready:
        if not quiet:
            console.print(f"Blender {ready.version} at {ready.path}")
        outcomes, to_do = _sorted(listed, memory, ready, again, overwrite)
        if dry_run:
            outcomes |= {shot: Outcome(shot, WOULD_RUN) for shot in to_do}
        elif to_do:
            from talkclip.cli.own_server import server_for_us

            run = _Run(ready, memory, trust, "" if key is None else str(key.absolute()), shots.parent)
            with progress_bar(quiet) as progress:
                progress("batch", 0.0, "Looking for a server")
                with server_for_us(server, key) as address:
                    outcomes |= run.all(to_do, address, jobs, progress)
    in_order = [outcomes[shot] for shot in listed]
    if not quiet:
        print_report(console, in_order)
    if not dry_run:
        target = report or shots.with_name(f"{shots.stem}.report.csv")
        write_report(target, in_order)
    _end(console, in_order, quiet)


def _end(console: Console, outcomes: list[Outcome], quiet: bool) -> None:
    """The last line, and the exit code."""
    states = [outcome.state for outcome in outcomes]
    if not quiet:
        parts = [f"{states.count(state)} {state}" for state in dict.fromkeys((DONE, SKIPPED, FAILED, *states))]
        console.print(", ".join(parts))
    else:
        for outcome in outcomes:
            if outcome.state == FAILED:
                console.print(
                    f"talkclip: {outcome.shot.id} (line {outcome.shot.number}): {outcome.problem} {outcome.remedy}"
                )
    if CANCELLED in states:
        raise Cancelled()
    if FAILED in states:
        raise typer.Exit(EXIT_INPUT)


def _sorted(
    listed: list[Shot], memory: Memory, ready: Blender, again: bool, overwrite: bool
) -> tuple[dict[Shot, Outcome], list[Shot]]:
    """-> (what is settled already, what is to be done)."""
    settled: dict[Shot, Outcome] = {}
    to_do: list[Shot] = []
    for shot in listed:
        if shot.order is None or shot.problem is not None:
            problem = shot.problem or InputError("cannot be used.")
            settled[shot] = Outcome(shot, FAILED, problem=problem.message, remedy=problem.hint)
        elif not again and memory.is_done(shot, fingerprint(shot.order, ready.identity)):
            settled[shot] = Outcome(shot, SKIPPED, problem="done before")
        elif not overwrite and (foreign := memory.foreign(shot)) is not None:
            text = f"{foreign}: is not as blender-batch wrote it."
            settled[shot] = Outcome(shot, FAILED, problem=text, remedy="Name another file, or use --overwrite.")
        else:
            to_do.append(shot)
    return settled, to_do


class _Run:
    """Shots that are being done."""

    def __init__(self, blender: Blender, memory: Memory, trust: bool, key: str, logs: Path) -> None:
        self._blender, self._memory, self._trust, self._key, self._logs = blender, memory, trust, key, logs
        self._stop = threading.Event()
        self._shares: dict[Shot, float] = {}
        self._words = ""

    def all(self, shots: list[Shot], address: str, jobs: int, progress: ProgressCallback) -> dict[Shot, Outcome]:
        """Do them, some at once; Ctrl-C ends those that run, and the others do not begin."""
        self._shares = dict.fromkeys(shots, 0.0)
        with ThreadPoolExecutor(jobs, thread_name_prefix="talkclip-shot") as pool:
            futures: dict[Future[Outcome], Shot] = {pool.submit(self._one, shot, address): shot for shot in shots}
            try:
                while wait(futures, timeout=_TICK_S).not_done:
                    progress("batch", sum(self._shares.values()) / len(shots), self._words)
            except KeyboardInterrupt:
                self._stop.set()
                wait(futures)
        return {shot: future.result() for future, shot in futures.items()}

    def _one(self, shot: Shot, address: str) -> Outcome:
        begin_s = time.monotonic()
        if self._stop.is_set():
            return Outcome(shot, CANCELLED)
        assert shot.order is not None

        def tell(share: float, words: str) -> None:
            self._shares[shot] = share
            self._words = f"{shot.id}: {words}"

        try:
            result = self._done(shot, address, tell)
        except Cancelled:
            return Outcome(shot, CANCELLED, time.monotonic() - begin_s)
        except TalkClipError as error:
            return Outcome(shot, FAILED, time.monotonic() - begin_s, problem=error.message, remedy=error.hint)
        finally:
            self._shares[shot] = 1.0
            _sweep(shot)
        return Outcome(shot, DONE, time.monotonic() - begin_s, result.take, result.frames, result.notes)

    def _done(self, shot: Shot, address: str, tell: Callable[[float, str], None]) -> ShotResult:
        """Do a shot: Blender writes hidden files beside the results, which get their names when all are there.

        Raises:
            TalkClipError: why not.
        """
        assert shot.order is not None
        mark = fingerprint(shot.order, self._blender.identity)
        hidden = {str(target): str(_hidden(target)) for target in shot.targets}
        order = dataclasses.replace(
            shot.order, output=hidden.get(shot.order.output, ""), video=hidden.get(shot.order.video, ""),
            server=address, key=self._key, trust=self._trust,
        )  # fmt: skip
        try:
            for target in shot.targets:
                target.parent.mkdir(parents=True, exist_ok=True)
            result = run_shot(self._blender, order, self._stop, tell, self._logs / f"{_file_name(shot.id)}.log")
            if result.problem:
                raise TalkClipError(result.problem, result.remedy, result.code)
            for name, made in hidden.items():
                Path(made).replace(name)
        except OSError as error:
            raise InputError(f"{error.filename}: cannot be written ({error.strerror}).", "Is the disk full?") from None
        self._memory.remember(shot, mark)
        return result


def _hidden(target: Path) -> Path:
    return target.with_name(f".{target.stem}.talkclip{target.suffix}")


def _sweep(shot: Shot) -> None:
    """Take away what a Blender that was killed left beside the results."""
    for hidden in map(_hidden, shot.targets):
        for pattern in (glob.escape(hidden.name) + "*", glob.escape(f".{hidden.stem}") + "*"):
            for left in hidden.parent.glob(pattern):
                left.unlink(missing_ok=True)


def _file_name(text: str) -> str:
    return re.sub(r"[^\w.-]+", "_", text)[:80]

"""What `talkclip blender-batch` remembers of shots that are done, and what it tells of a run."""

from __future__ import annotations

import csv
import dataclasses
import json
import threading
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from talkclip.cli.shot_list import Shot, hash_of
from talkclip.errors import InputError
from talkclip.files import atomic_write

_FORMAT = 1
DONE, SKIPPED, FAILED, CANCELLED, WOULD_RUN = "done", "skipped", "failed", "cancelled", "would run"
REPORT_COLUMNS = (
    "id", "line", "state", "seconds", "first_frame", "last_frame", "output", "video", "take", "notes", "problem",
    "remedy",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How one shot went.

    Attributes:
        shot: which.
        state: DONE, SKIPPED, FAILED, CANCELLED or WOULD_RUN.
        seconds: it took.
        take: what was keyed.
        frames: first and last scene frame of the line.
        notes: for people.
        problem, remedy: why it failed, or why it is skipped.
    """

    shot: Shot
    state: str
    seconds: float = 0.0
    take: str = ""
    frames: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    problem: str = ""
    remedy: str = ""


class Memory:
    """Which shots are done: the fingerprint they were done with, and the hash of each file they wrote.

    Kept in a JSON file beside the table and written after each shot.
    """

    def __init__(self, path: Path) -> None:
        """Read the file, if it is there.

        Raises:
            InputError: it is damaged.
        """
        self.path = path
        self._lock = threading.Lock()
        self._shots: dict[str, dict[str, object]] = {}
        if path.is_file():
            try:
                content = json.loads(path.read_text(encoding="utf-8"))
                self._shots = dict(content["shots"]) if content["format"] == _FORMAT else {}
            except (OSError, ValueError, KeyError, TypeError):
                raise InputError(f"{path}: cannot be read.", "Delete it; then all shots are done anew.") from None

    def is_done(self, shot: Shot, fingerprint: str) -> bool:
        """Whether all its files are there as they were written, from the same line and the same files."""
        known = self._files(shot)
        same = self._shots.get(shot.id, {}).get("fingerprint") == fingerprint
        return same and all(path.is_file() and hash_of(path) == known.get(str(path)) for path in shot.targets)

    def foreign(self, shot: Shot) -> Path | None:
        """A file in a result's place that no shot has written, or that was changed since; None: there is none."""
        known = self._files(shot)
        return next((path for path in shot.targets if path.exists() and hash_of(path) != known.get(str(path))), None)

    def remember(self, shot: Shot, fingerprint: str) -> None:
        """The shot's files are written."""
        files = {str(path): hash_of(path) for path in shot.targets}
        with self._lock:
            self._shots[shot.id] = {"fingerprint": fingerprint, "files": files}
            with atomic_write(self.path) as temporary:
                content = {"format": _FORMAT, "shots": self._shots}
                temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def _files(self, shot: Shot) -> dict[str, str]:
        files = self._shots.get(shot.id, {}).get("files", {})
        return files if isinstance(files, dict) else {}


def write_report(path: Path, outcomes: Iterable[Outcome]) -> None:
    """One line per shot, as CSV.

    Raises:
        InputError: it cannot be written.
    """
    with atomic_write(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(REPORT_COLUMNS)
        for outcome in outcomes:
            shot, order = outcome.shot, outcome.shot.order
            first, last = outcome.frames or ("", "")
            files = (order.output, order.video) if order is not None else ("", "")
            notes = "; ".join(outcome.notes)
            told = (outcome.take, notes, outcome.problem, outcome.remedy)
            writer.writerow((shot.id, shot.number, outcome.state, f"{outcome.seconds:.1f}", first, last, *files, *told))


def print_report(console: Console, outcomes: Iterable[Outcome]) -> None:
    """The same as a table for people."""
    table = Table(box=None, pad_edge=False)
    for column in ("shot", "line", "", "seconds", "what"):
        table.add_column(column, overflow="fold")
    for outcome in outcomes:
        what = " ".join(filter(None, (outcome.problem, outcome.remedy))) or outcome.take
        seconds = f"{outcome.seconds:.1f}" if outcome.seconds else ""
        table.add_row(outcome.shot.id, str(outcome.shot.number), outcome.state, seconds, what)
    console.print(table)

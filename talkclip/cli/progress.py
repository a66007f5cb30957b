"""Progress of the pipeline as one bar on stderr."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from talkclip.progress import ProgressCallback


@contextlib.contextmanager
def progress_bar(quiet: bool = False) -> Iterator[ProgressCallback]:
    """Yield a callback that draws; nothing is drawn when quiet or when stderr is not a terminal."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield _silent
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("Starting", total=1.0)

        def draw(stage: str, fraction: float, message: str) -> None:
            bar.update(task, completed=min(max(fraction, 0.0), 1.0), description=(message or stage)[:48])

        yield draw


def _silent(stage: str, fraction: float, message: str) -> None:
    """Progress nobody watches."""

"""`talkclip serve`: answer Blender and other clients over ZeroMQ."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from talkclip.cli import options
from talkclip.protocol import DEFAULT_ADDRESS

if TYPE_CHECKING:
    from talkclip.engine.pipeline import Pipeline


def serve(
    bind: Annotated[
        str, typer.Option("--bind", help="Address; tcp://127.0.0.1:* takes a free port.")
    ] = DEFAULT_ADDRESS,
    backend: options.Backend = "auto",
    flame: options.FlameFile = None,
) -> None:
    """Serve coefficients on this machine until stopped (Ctrl-C).

    Prints "TalkCLIP server ready at ADDRESS" once it answers. Loopback only.

    Example:  talkclip serve --bind tcp://127.0.0.1:5599
    """
    from talkclip_server import log_to_stderr
    from talkclip_server import serve as run

    log_to_stderr()
    run(bind, functools.partial(_load, backend, flame))


def _load(backend: str, flame: Path | None) -> Pipeline:
    """Runs in the worker process: the server's own process never loads the engine."""
    from talkclip.engine.pipeline import Pipeline

    return Pipeline.load(backend, flame)

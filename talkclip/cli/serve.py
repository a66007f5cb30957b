"""`talkclip serve`: answer Blender and other clients over ZeroMQ."""

from __future__ import annotations

from typing import Annotated

import typer

from talkclip.cli import options
from talkclip.protocol import DEFAULT_ADDRESS


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
    from talkclip.engine.pipeline import Pipeline
    from talkclip_server import log_to_stderr
    from talkclip_server import serve as run

    log_to_stderr()
    run(bind, lambda: Pipeline.load(backend, flame))

"""`talkclip serve`: answer Blender and other clients over ZeroMQ."""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from talkclip.cli import options
from talkclip.errors import InputError
from talkclip.protocol import DEFAULT_ADDRESS

if TYPE_CHECKING:
    from talkclip.engine.pipeline import Pipeline

MOST_WORKERS = 64


def serve(
    bind: Annotated[
        str, typer.Option("--bind", help="Address; tcp://127.0.0.1:* takes a free port.")
    ] = DEFAULT_ADDRESS,
    workers: Annotated[int, typer.Option(help="Processes that compute, each with its own engine.")] = 1,
    keys: options.KeysFolder = None,
    store: Annotated[Path | None, typer.Option(help="Folder that keeps uploaded sounds between runs.")] = None,
    device: Annotated[
        str, typer.Option(help="Where to compute: auto (CUDA where it is), cpu, or cuda (portraits at least).")
    ] = "auto",
    backend: options.Backend = "auto",
    flame: options.FlameFile = None,
    adapter: options.AdapterFile = None,
    text_encoder: options.TextEncoder = None,
    exit_when_idle: Annotated[float | None, typer.Option(help="Stop after so many seconds without a client.")] = None,
    parent: Annotated[int | None, typer.Option(help="Stop when the process of this number has ended.")] = None,
) -> None:
    """Serve coefficients and videos until stopped (Ctrl-C: finish what runs; twice: at once).

    Prints "TalkCLIP server ready at ADDRESS" once it answers. Without --keys it listens on this machine only.

    Examples:

      talkclip serve --bind tcp://127.0.0.1:5599

      talkclip keys new anna --keys ~/talkclip-keys; talkclip serve --bind "tcp://*:5599" --keys ~/talkclip-keys
    """
    from talkclip.engine.render.portrait.device import DEVICES
    from talkclip_server import log_to_stderr
    from talkclip_server import serve as run

    if not 1 <= workers <= MOST_WORKERS:
        raise InputError(f"--workers {workers} is out of range.", f"Use 1 to {MOST_WORKERS}.")
    if device not in DEVICES:
        raise InputError(f"--device {device} is not available.", f"Use one of {', '.join(DEVICES)}.")
    if exit_when_idle is not None and not 0 < exit_when_idle < math.inf:
        raise InputError(f"--exit-when-idle {exit_when_idle:g} is out of range.", "Give seconds above 0.")
    log_to_stderr()
    run(
        bind, functools.partial(_load, backend, flame, adapter, text_encoder, device), keys=keys, workers=workers,
        store_folder=store, device=device, exit_when_idle_s=exit_when_idle, parent=parent,
    )  # fmt: skip


def _load(
    backend: str, flame: Path | None, adapter: Path | None, text_encoder: str | None, device: str
) -> Pipeline:  # fmt: skip
    """Runs in the worker process: the server's own process never loads the engine."""
    from talkclip.cli.encoders import adapted_encoder
    from talkclip.engine.streaming import StreamingPipeline

    return StreamingPipeline.load(
        backend, flame, "cpu" if device == "cpu" else "auto", adapted=adapted_encoder(adapter, text_encoder)
    )

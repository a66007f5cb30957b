"""`talkclip`: the command line. Each command imports what it needs when it runs, so that --help is instant."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer
from rich.console import Console

from talkclip.cli import (
    adapt,
    animate,
    batch,
    blender_batch,
    corpus,
    doctor,
    keys,
    phones,
    prompt,
    render,
    serve,
    status,
    train,
)
from talkclip.errors import EXIT_INPUT, Cancelled, InputError, TalkClipError

EXIT_FAILURE, EXIT_CANCELLED = 1, 130

app = typer.Typer(
    name="talkclip",
    help="Type how a line is spoken, and the face speaks it that way.\n\n"
    'Start with:  talkclip animate line.wav --prompt "a furious man speaks with brows lowered" -o line.csv',
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("animate")(animate.animate)
app.command("render")(render.render)
app.command("batch")(batch.batch)
app.command("blender-batch")(blender_batch.blender_batch)
app.command("serve")(serve.serve)
app.command("status")(status.status)
app.add_typer(keys.app)
app.command("prompt")(prompt.prompt)
app.command("phones")(phones.phones)
app.command("adapt")(adapt.adapt)
app.add_typer(train.app)
app.command("doctor")(doctor.doctor)
app.add_typer(corpus.app, name="corpus")


def main() -> None:
    """Entry point of `talkclip`."""
    _explained(app)


def run(command: Callable[..., None]) -> None:
    """Run one function as a command of its own, with the same handling of errors."""
    _explained(lambda: typer.run(command))


def _explained(work: Callable[[], object]) -> None:
    """Errors we can explain are one line on stderr; bad input exits with 2."""
    try:
        work()
    except (Cancelled, KeyboardInterrupt):
        _say("Cancelled; nothing half-written was left.")
        sys.exit(EXIT_CANCELLED)
    except TalkClipError as error:
        _say(f"talkclip: {error}")
        sys.exit(EXIT_INPUT if isinstance(error, InputError) else EXIT_FAILURE)


def _say(line: str) -> None:
    Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(line)


if __name__ == "__main__":
    main()

"""`talkclip`: the command line. Each command imports what it needs when it runs, so that --help is instant."""

from __future__ import annotations

from collections.abc import Callable

import typer

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
from talkclip.exits import explained

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
    explained(app)


def run(command: Callable[..., None]) -> None:
    """Run one function as a command of its own, with the same handling of errors."""
    explained(lambda: typer.run(command))


if __name__ == "__main__":
    main()

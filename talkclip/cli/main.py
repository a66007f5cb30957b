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
# The short helps fit a line of a narrow terminal whole.
app.command("animate", short_help="Speech and a prompt become animation curves.")(animate.animate)
app.command("render", short_help="Speech or a track becomes a video of a face.")(render.render)
app.command("batch", short_help="Animate every line of a table.")(batch.batch)
app.command("blender-batch", short_help="Key or film characters in many .blend files.")(blender_batch.blender_batch)
app.command("serve", short_help="Answer Blender and other clients.")(serve.serve)
app.command("status", short_help="Ask a server what it is doing.")(status.status)
app.add_typer(keys.app, short_help="Keys for servers in a network.")
app.command("prompt", short_help="Show what is understood from a prompt.")(prompt.prompt)
app.command("phones", short_help="Find the phones of a recording, to be mended.")(phones.phones)
app.command("adapt", short_help="Hear prompts through another text encoder.")(adapt.adapt)
app.add_typer(train.app, short_help="Train the model, or the portrait renderer.")
app.command("doctor", short_help="Explain this installation, and what is missing.")(doctor.doctor)
app.add_typer(corpus.app, name="corpus", short_help="Training corpora: index, write, check.")


def main() -> None:
    """Entry point of `talkclip`."""
    explained(app)


def run(command: Callable[..., None]) -> None:
    """Run one function as a command of its own, with the same handling of errors."""
    explained(lambda: typer.run(command))


if __name__ == "__main__":
    main()

"""`talkclip adapt`: prompts through another text encoder, or for another decoder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from talkclip.cli import options
from talkclip.cli.progress import progress_bar
from talkclip.cli.train import training_module
from talkclip.errors import InputError

SPACES = ("arkit52", "bfm64")


def adapt(
    encoder: Annotated[
        str,
        typer.Option(
            "--text-encoder", help="clip:MODEL/TAG, clip:MODEL=FILE, clip:FILE, or minilm (for another decoder)."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="ADAPTER.safetensors")],
    space: Annotated[str, typer.Option(help="Coefficient space of the decoder: arkit52 or bfm64.")] = "arkit52",
    checkpoint: Annotated[
        Path | None, typer.Option(help="The decoder: StyleTalk's or DreamTalk's .pth, or ours; default: the shipped.")
    ] = None,
    matrix: Annotated[
        Path | None, typer.Option("--map", help="For bfm64: npz with 'matrix' (52, 64), see docs/model.md.")
    ] = None,
    lines: Annotated[Path | None, typer.Option(help="Of `talkclip train lines`; default: the bundled line.")] = None,
    minutes: Annotated[float, typer.Option(min=0.01, help="Most time; directions beyond it are left out.")] = 12.0,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same adapter.")] = 0,
    quiet: options.Quiet = False,
) -> None:
    """Train an adapter (T2SS) from our written directions; the text encoder and the decoder stay as they are.

    Example:  talkclip adapt --text-encoder clip:ViT-B-32-quickgelu/openai -o clip.safetensors
    """
    if space not in SPACES:
        raise InputError(f"There is no coefficient space '{space}' here.", f"Use one of {', '.join(SPACES)}.")
    options.checked_output(out, (".safetensors",))
    run = training_module("stages.adapt_run")
    plan = training_module("stages.adapt").AdaptPlan(minutes, seed)
    request = run.AdaptRequest(encoder, space, checkpoint, matrix, lines, out)
    with progress_bar(quiet) as progress:
        figures, notes = run.run_adapt(request, plan, progress)
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    for note in notes:
        console.print(f"note: {note}")
    if not quiet:
        console.print(
            f"{out}: {figures.directions} directions in {figures.seconds:.0f} s ({figures.cpu_seconds:.0f} s of "
            f"processor time); on {figures.held} directions of unseen families the cosine with the wanted code went "
            f"from {figures.cosine_before:.2f} to {figures.cosine_after:.2f}"
        )

"""`talkclip train`: the speech to train on, the two stages, the ablations, the paper's renderer."""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from talkclip.cli.progress import progress_bar
from talkclip.errors import InputError

app = typer.Typer(
    name="train",
    help="Train the model: speech, lines, stage1, stage2, export; or pirender. Needs talkclip[train].",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Config = Annotated[Path, typer.Option("--config", help="TOML, see training/configs.")]
Lines = Annotated[Path, typer.Option("--lines", help="Spoken lines made by `talkclip train lines`.")]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder of the run: weights, log, plot, checkpoint.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in --out.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
Seed = Annotated[int, typer.Option(help="The same seed makes the same result.")]

# Share done 0..1 and one line of news, as `talkclip_training.stages.trainer` reports.
Report = Callable[[float, str], None]


@app.command("stage1", short_help="Speech and styles: everything but prompts.")
def stage1(config: Config, lines: Lines, out: Out, resume: Resume = False, quiet: Quiet = False) -> None:
    """Audio encoder, V2SS, condition encoder and decoder, style from performances.

    Several processes:  torchrun --nproc-per-node 2 -m talkclip.cli.main train stage1 ...
    """
    run = training_module("stages.run")
    with _steps("stage 1", quiet) as report:
        written = run.run_stage1(config, lines, out, resume, report)
    _say(f"{written}", quiet)


@app.command("stage2", short_help="Prompts, from the written directions.")
def stage2(
    config: Config,
    lines: Lines,
    first: Annotated[Path, typer.Option("--stage1", help="Folder of stage 1, or its model.safetensors.")],
    out: Out,
    resume: Resume = False,
    quiet: Quiet = False,
) -> None:
    """T2SS from the written directions; the rest goes on learning."""
    run = training_module("stages.run")
    with _steps("stage 2", quiet) as report:
        written = run.run_stage2(config, lines, first, out, resume, report)
    _say(f"{written}", quiet)


@app.command("export", short_help="A trained model as the files that run.")
def export(
    run: Annotated[Path, typer.Argument(help="Folder of stage 2, or its model.safetensors.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the files; made if missing.")],
    quiet: Quiet = False,
) -> None:
    """What `talkclip` runs, from a trained model: ONNX, the style space, and the SHA-256 of each file."""
    written = training_module("stages.export").run_export(run, out)
    for name, digest in written.items():
        _say(f"{out / name}: {digest}", quiet)


@app.command("pirender", short_help="The paper's portrait renderer, on your videos.")
def pirender(
    config: Config,
    data: Annotated[Path, typer.Option(help="Folder of filmed faces with their coefficients (docs/training.md).")],
    vgg: Annotated[Path, typer.Option(help="torchvision's vgg19-dcbb9e9d.pth.")],
    out: Out,
    resume: Resume = False,
    quiet: Quiet = False,
) -> None:
    """PIRenderer, the paper's renderer, on your own videos: first the warp, then everything."""
    run = training_module("pirender.train")
    with _steps("pirender", quiet) as report:
        written = run.run_pirender(config, data, vgg, out, resume, report)
    _say(f"{written}", quiet)


@app.command("lines", short_help="What the model hears, once for all training.")
def lines(
    lj: Annotated[Path, typer.Option(help="Folder with LJSpeech clips (.flac) and their TextGrids.")],
    kokoro: Annotated[Path, typer.Option(help="Folder made by `talkclip train speech`.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The .npz to write.")],
    prompts: Annotated[Path | None, typer.Option(help="Lines that synthetic voices say; default: our corpus.")] = None,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Listen to all speech and let a neutral face say it, once for all training."""
    made = training_module("stages.lines")
    corpus = training_module("mouth.corpus")
    with progress_bar(quiet) as progress:
        about = made.make_lines(lj, kokoro, prompts or corpus.PROMPTS, seed, out, progress)
    _say(f"{out}: {about['lines']} lines, {about['seconds']} s", quiet)


@app.command("speech", short_help="Synthetic voices to train on.")
def speech(
    voices: Annotated[Path, typer.Option(help="Folder of kokoro-js's voices (*.bin), see docs/training.md.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for VOICE-NNN.flac and .json.")],
    per_voice: Annotated[int, typer.Option("--per-voice", min=1, help="Sentences per voice.")] = 36,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """English voices speak sentences of the prompt corpus, with exact phone times."""
    kokoro = training_module("speech.kokoro")
    with progress_bar(quiet) as progress:
        number = kokoro.make_speech(voices, out, per_voice, seed, progress)
    _say(f"{out}: {number} sentences", quiet)


@app.command("ablations", short_help="What each part of T2SS brings.")
def ablations(
    lines: Lines,
    first: Annotated[Path, typer.Option("--stage1", help="Folder of stage 1, or its model.safetensors.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for table.md, table.json and the vectors read.")],
    steps: Annotated[int, typer.Option(min=1, help="Steps of each variant.")] = 600,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """What each part of T2SS brings: short runs of stage 2 without it, as in the paper's Table II."""
    variants = training_module("stages.ablations")
    with _steps("ablations", quiet) as report:
        table = variants.run_ablations(lines, first, out, steps, seed, report)
    Console(highlight=False, markup=False, soft_wrap=True).print(table)


def training_module(name: str) -> Any:
    """Import a module of `talkclip_training`.

    Raises:
        InputError: a package of [train] is missing; names the command that gets it.
    """
    try:
        return importlib.import_module(f"talkclip_training.{name}")
    except ModuleNotFoundError as error:
        missing = (error.name or "").split(".")[0]
        if missing.startswith("talkclip"):
            raise
        raise InputError(
            f"Training needs {missing}, which is not installed.", "Run: pip install 'talkclip[train]'"
        ) from None


@contextlib.contextmanager
def _steps(what: str, quiet: bool) -> Iterator[Report]:
    """Yield a callback: a bar with the time left on a terminal, else the log's lines; rank 0 alone says anything."""
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    if quiet or os.environ.get("RANK", "0") != "0":
        yield lambda done, news: None
        return
    if not console.is_terminal:
        yield lambda done, news: console.print(news) if news else None
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:5.1f} %"), TimeElapsedColumn(),
        TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=1.0)

        def draw(done: float, news: str) -> None:
            bar.update(task, completed=done)
            if news:
                bar.console.print(news)

        yield draw


def _say(line: str, quiet: bool) -> None:
    if not quiet and os.environ.get("RANK", "0") == "0":
        Console(stderr=True, highlight=False, markup=False, soft_wrap=True).print(line)

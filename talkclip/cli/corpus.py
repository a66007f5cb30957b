"""`talkclip corpus`: training corpora on disk: index video corpora, make TA-MEAD prompts, check the written corpus."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from talkclip.cli import options
from talkclip.errors import EXIT_INPUT, InputError

if TYPE_CHECKING:
    from talkclip_training.corpora.clips import Index
    from talkclip_training.corpora.units import UnitDetector

app = typer.Typer(
    help="Training corpora: index MEAD, HDTF or VoxCeleb2, make TA-MEAD prompts, check the written corpus.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
CORPORA = ("mead", "hdtf", "voxceleb2")
DETECTORS = ("arkit", "pyfeat", "maeface")
# Reports that go into a file or a pipe keep whole lines.
_PIPE_WIDTH = 160
_Seed = Annotated[int, typer.Option("--seed", help="What is drawn by lot is drawn by this number.")]


@app.command("index", short_help="Find the clips of a video corpus.")
def index(
    corpus: Annotated[str, typer.Argument(help="mead, hdtf or voxceleb2.")],
    folder: Annotated[Path, typer.Argument(help="Where it is.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Result: .jsonl with one clip a line.")],
    views: Annotated[str, typer.Option(help="MEAD: cameras, with commas (front,left_30,...).")] = "front",
    labels: Annotated[Path | None, typer.Option(help="MEAD: CSV of wrong labels: clip,emotion,level.")] = None,
    metadata: Annotated[
        Path | None, typer.Option(help="HDTF: the folder HDTF_dataset. VoxCeleb2: vox2_meta.csv.")
    ] = None,
    test_speakers: Annotated[str, typer.Option(help="Speakers to test on, with commas; default: by lot.")] = "",
    test_count: Annotated[int | None, typer.Option(help="How many by lot; default: the paper's 6 (MEAD), 25.")] = None,
    seed: _Seed = 0,
    all_defects: Annotated[bool, typer.Option("--all-defects", help="List every defect, not a few of a kind.")] = False,
    quiet: options.Quiet = False,
) -> None:
    """Find the clips of a video corpus, with speakers to train and to test on, and list its defects.

    Example:  talkclip corpus index mead /data/MEAD -o mead.jsonl
    """
    options.checked_output(output, (".jsonl",))
    if corpus not in CORPORA:
        raise InputError(f"corpus '{corpus}' is unknown.", f"Use {', '.join(CORPORA)}.")
    unused = {"--labels": labels and corpus != "mead", "--metadata": metadata and corpus == "mead",
              "--test-count": test_count is not None and corpus == "voxceleb2"}  # fmt: skip
    for option, given in unused.items():
        if given:
            raise InputError(f"{option} does not go with {corpus}.", "Leave it away.")
    from talkclip_training.corpora.clips import write_clips

    found = _indexed(corpus, folder, _names(views), labels, metadata, _names(test_speakers), test_count, seed)
    write_clips(found.clips, output)
    if not quiet:
        _print(found.tables(all_defects))
        _console().print(f"{output}: {len(found.clips)} clips")


@app.command("tamead", short_help="Write TA-MEAD prompts for indexed clips.")
def tamead(
    clips: Annotated[Path, typer.Argument(help="What `corpus index` wrote.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Result: .jsonl with one prompt a line.")],
    units: Annotated[
        Path | None, typer.Option(help="Folder with a file of action units for each clip (<clip id>.csv), or a table.")
    ] = None,
    detector: Annotated[str, typer.Option(help="Who made them: arkit (our tracks), pyfeat, maeface.")] = "arkit",
    heads: Annotated[str, typer.Option(help="maeface with .npy files: disfa or bp4d.")] = "",
    per_clip: Annotated[int, typer.Option(help="Prompts for each clip.")] = 1,
    seed: _Seed = 0,
    quiet: options.Quiet = False,
) -> None:
    """Write TA-MEAD prompts for indexed clips: emotion words of the clip's group, action units as a detector saw them.

    Without --units the prompts speak of emotions only.

    Example:  talkclip corpus tamead mead.jsonl --units tracks -o prompts.jsonl
    """
    options.checked_output(output, (".jsonl",))
    from talkclip_training.corpora.clips import read_clips
    from talkclip_training.corpora.tamead import Grammar, build, write_prompts

    seeing = _detector(units, detector, heads)
    made = build(read_clips(clips), seeing, Grammar(per_clip=per_clip, seed=seed))
    write_prompts(made.prompts, output)
    if quiet:
        return
    if made.unmeasured:
        shown = ", ".join(made.unmeasured[:3])
        _console().print(f"note: {len(made.unmeasured)} clips have no action units in {units} ({shown}, ...)")
    _console().print(
        f"{output}: {len(made.prompts)} prompts, {sum(bool(p.units) for p in made.prompts)} with movements"
    )


@app.command("check", short_help="Check lines of the written corpus.")
def check(
    files: Annotated[list[Path], typer.Argument(help="Corpus files, .jsonl; several are the corpus' splits.")],
    against: Annotated[
        list[Path] | None, typer.Option(help="Frozen test prompts, .jsonl, with which no line may share a phrase.")
    ] = None,
    second: Annotated[Path | None, typer.Option(help="A second annotation: how far do the two agree?")] = None,
    near: Annotated[float, typer.Option(help="Likeness from which two lines are near duplicates, 0..1.")] = 0.7,
    phrase: Annotated[int, typer.Option(help="Words in a row that make a phrase.")] = 4,
    shown: Annotated[int, typer.Option("--list", help="Findings of a kind to show.")] = 20,
    quiet: options.Quiet = False,
) -> None:
    """Check lines of the written corpus; the exit code is 2 when a line must be mended.

    That is: a line that breaks the guide, the same text twice, a family in two files, a phrase shared with a frozen
    prompt. Near duplicates are listed for a person to judge.

    Example:  talkclip corpus check directions.jsonl new.jsonl --against heldout_open.jsonl
    """
    from talkclip_training.corpora import check as checking
    from talkclip_training.corpora.agreement import agreement
    from talkclip_training.corpora.written import read_written

    result = checking.check(files, against or (), near, phrase)
    other, broken = read_written(second) if second else ([], [])
    if broken:
        raise InputError(f"{broken[0].where}: {'; '.join(broken[0].problems)}.", "Mend the second annotation first.")
    tables = [] if quiet else list(checking.statistics_tables(result.lines))
    if second:
        tables.append(checking.agreement_table(agreement(result.lines, other)))
    if result.warnings and not quiet:
        tables.append(checking.finding_table("to be looked at", result.warnings, shown))
    if result.faults:
        tables.append(checking.finding_table("to be mended", result.faults, shown))
    _print(tables)
    _console().print(
        f"{len(result.lines)} good lines, {len(result.faults)} findings to mend, {len(result.warnings)} to look at"
    )
    if result.faults:
        raise typer.Exit(EXIT_INPUT)


def _indexed(
    corpus: str,
    folder: Path,
    views: list[str],
    labels: Path | None,
    metadata: Path | None,
    named: list[str],
    count: int | None,
    seed: int,
) -> Index:
    from talkclip_training.corpora import hdtf, mead, voxceleb2

    if corpus == "voxceleb2":
        return voxceleb2.index(folder, metadata, named)
    if corpus == "hdtf":
        return hdtf.index(folder, metadata, hdtf.TEST_SPEAKERS if count is None else count, named, seed)
    corrections = mead.read_corrections(labels) if labels else ()
    return mead.index(folder, views, corrections, mead.TEST_SPEAKERS if count is None else count, named, seed)


def _detector(units: Path | None, name: str, heads: str) -> UnitDetector | None:
    from talkclip_training.corpora.unit_files import HEADS, MaeFaceUnits, PyFeatUnits
    from talkclip_training.corpora.units import ArkitUnits

    if name not in DETECTORS:
        raise InputError(f"detector '{name}' is unknown.", f"Use {', '.join(DETECTORS)}.")
    if heads and heads not in HEADS:
        raise InputError(f"--heads {heads} is unknown.", f"Use {' or '.join(HEADS)}.")
    if units is None:
        return None
    if not units.is_dir() and not (name == "maeface" and units.is_file()):
        raise InputError(f"{units}: is no folder.", "Give the folder that holds <clip id>.csv and so on.")
    if name == "arkit":
        return ArkitUnits(units)
    return PyFeatUnits(units) if name == "pyfeat" else MaeFaceUnits(units, heads)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _console() -> Console:
    return Console(highlight=False, markup=False, soft_wrap=True)


def _print(tables: Iterable[Table]) -> None:
    terminal = Console().is_terminal
    console = Console(highlight=False, markup=False, width=None if terminal else _PIPE_WIDTH)
    for table in tables:
        table.box, table.pad_edge = None, False
        for column in table.columns:
            column.overflow = "fold"
        console.print(table)
        console.print()

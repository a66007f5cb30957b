"""`talkclip batch`: many lines from a manifest, models loaded once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from talkclip.cli import cells as cells_of
from talkclip.cli import options
from talkclip.cli.progress import progress_bar
from talkclip.cli.table import TableRow, found, read_table
from talkclip.errors import EXIT_INPUT, InputError, TalkClipError
from talkclip.track_io import SUFFIXES, write_track

if TYPE_CHECKING:
    from talkclip.engine.pipeline import Pipeline
    from talkclip.engine.style_clips import StyleClips
    from talkclip.progress import ProgressCallback

REQUIRED = ("id", "audio")
OPTIONAL = (
    "prompt", "intensity", "edit", "fps", "text", "script", "timeline", "phones", "seed", "style_video", "style_weight",
)  # fmt: skip


def batch(
    manifest: Annotated[Path, typer.Argument(help="CSV with columns id,audio,prompt,intensity,edit,fps (and more).")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results; made if missing.")],
    suffix: Annotated[str, typer.Option("--format", help="csv, json or npz.")] = "csv",
    fps: options.Fps = "30",
    backend: options.Backend = "auto",
    adapter: options.AdapterFile = None,
    text_encoder: options.TextEncoder = None,
    resume: Annotated[bool, typer.Option(help="Skip lines whose result is there already.")] = False,
    quiet: options.Quiet = False,
) -> None:
    """Animate every line of MANIFEST; results are DIR/<id>.csv.

    Columns: id, audio (required), prompt, intensity, edit ("wrinkle the nose=0.4; smile=-0.2"), fps; also text,
    script, timeline, phones, seed, style_video (a clip whose way of speaking is mixed in) and style_weight (its share,
    0 to 1; empty: 0.5 beside a prompt, script, timeline or edit, else 1). An empty cell is the default. Files are
    looked for from the working folder, then from the manifest's. With --resume a result that is there stays, also when
    its line or a file of it has changed. A bad line is reported with its id on stderr and the others go on; the exit
    code is then 2.
    """
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    if f".{suffix}" not in SUFFIXES:
        raise InputError(f"--format {suffix} is unknown.", "Use csv, json or npz.")
    rows = read_manifest(manifest)
    default_fps = options.parse_fps(fps)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out}: cannot be made ({error.strerror}).", "Choose another folder.") from None
    from talkclip.cli.encoders import adapted_encoder
    from talkclip.engine.pipeline import Pipeline
    from talkclip.engine.style_clips import StyleClips

    clips = StyleClips.default()
    pipeline = Pipeline.load(backend, adapted=adapted_encoder(adapter, text_encoder))
    failed, skipped, seen = 0, 0, set[str]()
    with progress_bar(quiet) as progress:
        for done, row in enumerate(rows):
            name = row.cells["id"]
            at = done / len(rows), f"{done + 1} of {len(rows)}: {name}"
            progress("batch", *at)
            try:
                _check_id(name, seen)
                target = out / f"{name}.{suffix}"
                if resume and target.is_file():
                    skipped += 1
                    continue
                if not row.cells["audio"]:
                    raise InputError("has no audio file.", "Fill the column 'audio'.")
                direction = _direction(row.cells, manifest.parent, default_fps)
                audio = found(row.cells["audio"], manifest.parent)
                for note in _speak(audio, direction, pipeline, clips, target, _within(progress, *at)):
                    if not quiet:
                        console.print(f"note: {name} (line {row.number}): {note}")
            except TalkClipError as error:
                failed += 1
                console.print(f"talkclip: {name or '(no id)'} (line {row.number}): {error}")
    if not quiet:
        console.print(f"{out}: {len(rows) - failed - skipped} done, {skipped} skipped, {failed} failed")
    if failed:
        raise typer.Exit(EXIT_INPUT)


def read_manifest(path: Path) -> tuple[TableRow, ...]:
    """Rows of a manifest; columns in any order.

    Raises:
        InputError: unreadable, no rows, unknown or missing columns.
    """
    table = read_table(path, (*REQUIRED, *OPTIONAL))
    missing = [name for name in REQUIRED if name not in table.columns]
    if missing:
        text = f"{path}: columns {', '.join(missing)} are missing."
        raise InputError(text, f"Known columns: {', '.join((*REQUIRED, *OPTIONAL))}.")
    return table.rows


def _within(progress: ProgressCallback, share: float, name: str) -> ProgressCallback:
    """Tells the words of a step of one row, and stays at the share of the table that is done."""
    return lambda stage, _, words: progress(stage, share, f"{name}: {words}")


def _check_id(name: str, seen: set[str]) -> None:
    if not re.fullmatch(r"[^/\\:*?\"<>|\x00-\x1f]+", name) or name.strip(". ") == "":
        raise InputError(f"id '{name}' cannot be a file name.", "Use letters, digits, - and _.")
    if name.lower() in seen:
        raise InputError(f"id '{name}' occurs twice.", "Give each line its own.")
    seen.add(name.lower())


def _direction(cells: Mapping[str, str], folder: Path, default_fps: float) -> options.Direction:
    """How a row is spoken; its files are in `folder` where they are not in the working folder."""
    style_video = cells_of.file_named(cells, "style_video", folder)
    return options.Direction(
        prompt=cells.get("prompt", ""),
        text=cells.get("text") or None,
        script=cells.get("script") or None,
        timeline=found(cells["timeline"], folder) if cells.get("timeline") else None,
        phones=found(cells["phones"], folder) if cells.get("phones") else None,
        intensity=cells_of.intensity(cells),
        edits=cells_of.edits(cells),
        fps=options.parse_fps(cells["fps"]) if cells.get("fps") else default_fps,
        seed=_whole_number(cells, "seed", 0),
        style_video=Path(style_video) if style_video else None,
        style_weight=cells_of.style_weight(cells),
    )


def _speak(
    audio: Path, direction: options.Direction, pipeline: Pipeline, clips: StyleClips, target: Path,
    progress: ProgressCallback,
) -> tuple[str, ...]:  # fmt: skip
    """Write one row's track; `progress` follows a style video. -> notes for the user."""
    from talkclip.engine.speech.media import load_media

    media = load_media(audio)
    result = pipeline.animate(direction.request(media.clip, progress, clips))
    write_track(result.track, target)
    misread = (note for reading in result.readings if reading.prompt.strip() for note in reading.notes)
    return (*media.notes, *result.notes, *misread)


def _whole_number(cells: Mapping[str, str], column: str, default: int) -> int:
    try:
        return int(cells.get(column) or default)
    except ValueError:
        raise InputError(f"{column} '{cells[column]}' is not a whole number.", "Write for example 7.") from None

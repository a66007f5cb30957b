"""`talkclip batch`: many lines from a manifest, models loaded once."""

from __future__ import annotations

import csv
import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from talkclip.cli import options
from talkclip.cli.progress import progress_bar
from talkclip.errors import EXIT_INPUT, InputError, TalkClipError
from talkclip.track_io import SUFFIXES, write_track

if TYPE_CHECKING:
    from talkclip.engine.pipeline import Pipeline

REQUIRED = ("id", "audio")
OPTIONAL = ("prompt", "intensity", "edit", "fps", "text", "script", "timeline", "phones", "seed")


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the manifest."""

    number: int
    id: str
    cells: Mapping[str, str]


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
    script, timeline, phones, seed. An empty cell is the default. Files are looked for from the working folder, then
    from the manifest's. A bad line is reported with its id on stderr and the others go on; the exit code is then 2.
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

    pipeline = Pipeline.load(backend, adapted=adapted_encoder(adapter, text_encoder))
    failed, skipped, seen = 0, 0, set[str]()
    with progress_bar(quiet) as progress:
        for done, row in enumerate(rows):
            progress("batch", done / len(rows), f"{done + 1} of {len(rows)}: {row.id}")
            target = out / f"{row.id}.{suffix}"
            if resume and target.is_file():
                skipped += 1
                continue
            try:
                _check_id(row, seen)
                for note in _speak(row, manifest.parent, default_fps, pipeline, target):
                    if not quiet:
                        console.print(f"note: {row.id} (line {row.number}): {note}")
            except TalkClipError as error:
                failed += 1
                console.print(f"talkclip: {row.id or '(no id)'} (line {row.number}): {error}")
    if not quiet:
        console.print(f"{out}: {len(rows) - failed - skipped} done, {skipped} skipped, {failed} failed")
    if failed:
        raise typer.Exit(EXIT_INPUT)


def read_manifest(path: Path) -> list[Row]:
    """Rows of a manifest; columns in any order.

    Raises:
        InputError: unreadable, no rows, unknown or missing columns.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.DictReader(handle)
            rows = [
                Row(
                    reader.line_num,
                    (cells.get("id") or "").strip(),
                    {k: (v or "").strip() for k, v in cells.items() if k},
                )
                for cells in reader
            ]
            columns = tuple(name.strip() for name in reader.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read ({error}).", "Give a UTF-8 CSV file.") from None
    unknown = [name for name in columns if name not in (*REQUIRED, *OPTIONAL)]
    missing = [name for name in REQUIRED if name not in columns]
    if unknown or missing:
        problem = f"columns {', '.join(missing)} are missing" if missing else f"unknown columns {', '.join(unknown)}"
        raise InputError(f"{path}: {problem}.", f"Known columns: {', '.join((*REQUIRED, *OPTIONAL))}.")
    if not rows:
        raise InputError(f"{path}: has no lines below its header.", "Add one line per recording.")
    return rows


def _check_id(row: Row, seen: set[str]) -> None:
    if not re.fullmatch(r"[^/\\:*?\"<>|\x00-\x1f]+", row.id) or row.id.strip(". ") == "":
        raise InputError(f"id '{row.id}' cannot be a file name.", "Use letters, digits, - and _.")
    if row.id.lower() in seen:
        raise InputError(f"id '{row.id}' occurs twice.", "Give each line its own.")
    seen.add(row.id.lower())


def _speak(row: Row, folder: Path, default_fps: float, pipeline: Pipeline, target: Path) -> tuple[str, ...]:
    """Write one row's track. -> notes for the user."""
    from talkclip.engine.speech.media import load_media

    cells = row.cells
    if not cells["audio"]:
        raise InputError("has no audio file.", "Fill the column 'audio'.")
    direction = options.Direction(
        prompt=cells.get("prompt", ""),
        text=cells.get("text") or None,
        script=cells.get("script") or None,
        timeline=_found(cells["timeline"], folder) if cells.get("timeline") else None,
        phones=_found(cells["phones"], folder) if cells.get("phones") else None,
        intensity=_number(cells, "intensity", 1.0),
        edits=options.parse_edits([e for e in cells.get("edit", "").split(";") if e.strip()]),
        fps=options.parse_fps(cells["fps"]) if cells.get("fps") else default_fps,
        seed=int(_number(cells, "seed", 0)),
    )
    media = load_media(_found(cells["audio"], folder))
    result = pipeline.animate(direction.request(media.clip))
    write_track(result.track, target)
    return (*media.notes, *result.notes)


def _number(cells: Mapping[str, str], column: str, default: float) -> float:
    try:
        return float(cells.get(column) or default)
    except ValueError:
        raise InputError(f"{column} '{cells[column]}' is not a number.") from None


def _found(name: str, folder: Path) -> Path:
    """As given from the working folder where it exists, else beside the manifest."""
    return Path(name) if Path(name).exists() or Path(name).is_absolute() else folder / name

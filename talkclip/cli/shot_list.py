"""The table of `talkclip blender-batch`: one shot a line, read and checked before Blender is started."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from talkclip import __version__
from talkclip.cli import cells as cells_of
from talkclip.cli import options
from talkclip.cli.table import found, read_table
from talkclip.errors import InputError
from talkclip.script import parse_script
from talkclip.shots import ENGINES, VIEWS, ShotOrder
from talkclip.timeline import PromptTimeline

COLUMNS = (
    "id", "blend", "character", "preset", "audio", "strip", "start_frame", "prompt", "script", "timeline", "transcript",
    "intensity", "edit", "style_video", "style_weight", "seed", "output", "video", "view", "engine", "size",
)  # fmt: skip
_HASH_STEP = 1 << 20
_FRAME_MAX = 1_048_574  # Blender's last


@dataclasses.dataclass(frozen=True)
class Shot:
    """One line of the table.

    Attributes:
        number: of the line in the file, from 1.
        id: what the user calls it.
        order: what is to be done; None where the line cannot be used.
        problem: why not.
    """

    number: int
    id: str
    order: ShotOrder | None
    problem: InputError | None = None

    @property
    def targets(self) -> tuple[Path, ...]:
        """The files it writes."""
        order = self.order
        return () if order is None else tuple(Path(path) for path in (order.output, order.video) if path)


def read_shots(path: Path) -> list[Shot]:
    """The shots of a CSV file; columns in any order, files found from the working folder or from the table's.

    A line that cannot be used becomes a shot with a problem, so that the others go on.

    Raises:
        InputError: unreadable, no lines, unknown columns, or no column for a result.
    """
    table = read_table(path, COLUMNS)
    if not {"output", "video"} & set(table.columns):
        text = f"{path}: has no column output and no column video."
        raise InputError(text, f"Known columns: {', '.join(COLUMNS)}.")
    seen: dict[str, str] = {}
    opened = {found(row.cells["blend"], path.parent).resolve() for row in table.rows if row.cells.get("blend")}
    return [_shot(row.number, row.cells, path.parent, seen, opened) for row in table.rows]


def fingerprint(order: ShotOrder, blender: str) -> str:
    """Changes when a shot has to be done again: with its line, the content of its files, Blender, or TalkCLIP.

    Args:
        blender: which Blender and which extension do it.
    """
    told = dataclasses.asdict(dataclasses.replace(order, server="", key=""))
    preset = order.preset if Path(order.preset).is_absolute() else ""
    files = [order.blend, order.audio, order.timeline, order.style_video, preset]
    contents = [hash_of(Path(name)) if name else "" for name in files]
    text = json.dumps([told, contents, blender, __version__], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def hash_of(path: Path) -> str:
    """sha256 of a file; "" where it cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as handle:
            while block := handle.read(_HASH_STEP):
                digest.update(block)
    except OSError:
        return ""
    return digest.hexdigest()


def _shot(number: int, cells: Mapping[str, str], folder: Path, seen: dict[str, str], opened: set[Path]) -> Shot:
    result = cells.get("output") or cells.get("video") or ""
    name = cells.get("id") or Path(result).stem or f"line {number}"
    try:
        order = _order(cells, folder)
        for key in (f"id {name.lower()}", *(str(Path(p).resolve()) for p in (order.output, order.video) if p)):
            if key in seen:
                raise InputError(f"has the same {key} as {seen[key]}.", "Give each shot its own.")
            seen[key] = f"line {number}"
        if order.output and Path(order.output).resolve() in opened:
            raise InputError(f"{order.output}: is opened by a shot and would be written over.", "Choose another name.")
    except InputError as problem:
        return Shot(number, name, None, problem)
    return Shot(number, name, order)


def _order(cells: Mapping[str, str], folder: Path) -> ShotOrder:
    """A line as an order; the server is filled in later.

    Raises:
        InputError: a cell that cannot be used.
    """
    _exclude(cells, "prompt", "script", "timeline")
    _exclude(cells, "audio", "strip")
    if cells.get("transcript") and cells.get("script"):
        raise InputError("The script already holds the words.", "Leave the column transcript empty.")
    if cells.get("start_frame") and not cells.get("audio"):
        raise InputError("start_frame belongs to a sound file.", "Fill the column audio, or leave start_frame empty.")
    of_prompt = [column for column in ("intensity", "edit", "style_video") if cells.get(column)]
    if of_prompt and (cells.get("script") or cells.get("timeline")):
        remedy = "Fill the column prompt." if of_prompt == ["style_video"] else "Put them into the timeline."
        verb = "belongs" if len(of_prompt) == 1 else "belong"
        raise InputError(f"{' and '.join(of_prompt)} {verb} to a prompt.", remedy)
    if cells.get("script"):
        parse_script(cells["script"])
    timeline = cells_of.file_named(cells, "timeline", folder)
    if timeline:
        PromptTimeline.read(Path(timeline))
    text = cells.get("transcript", "")
    if text.lower().endswith(".txt"):
        text = str(found(text, folder))
    preset, edits = cells.get("preset", ""), cells_of.edits(cells)
    output, video = _target(cells, "output", ".blend", folder), _target(cells, "video", ".mp4", folder)
    if not output and not video:
        raise InputError("asks for nothing.", "Fill the column output or video.")
    return ShotOrder(
        blend=cells_of.file_named(cells, "blend", folder, ".blend"),
        character=cells.get("character", ""),
        preset=cells_of.file_named(cells, "preset", folder) if preset.lower().endswith(".json") else preset,
        audio=cells_of.file_named(cells, "audio", folder),
        strip=cells.get("strip", ""),
        start_frame=_whole(cells, "start_frame", -_FRAME_MAX, _FRAME_MAX),
        prompt=cells.get("prompt", ""),
        script=cells.get("script", ""),
        timeline=timeline,
        transcript=options.transcript(text or None) or "",
        intensity=cells_of.intensity(cells),
        edits=edits,
        style_video=cells_of.file_named(cells, "style_video", folder),
        style_weight=options.style_share(cells_of.style_weight(cells), cells.get("prompt"), edits),
        seed=_whole(cells, "seed", 0, 2**31 - 1),
        view=_choice(cells, "view", VIEWS, ""),
        engine=_choice(cells, "engine", ENGINES, ENGINES[0]),
        percentage=_whole(cells, "size", 10, 100) or 100,
        output=output,
        video=video,
    )


def _target(cells: Mapping[str, str], column: str, suffix: str, folder: Path) -> str:
    """The absolute path of a result: beside the table, wherever the command is run; "" where none is named."""
    name = cells.get(column, "")
    if name and Path(name).suffix.lower() != suffix:
        raise InputError(f"{column} {name}: does not end in {suffix}.", f"Name a {suffix} file.")
    return str((folder / name).absolute()) if name else ""


def _exclude(cells: Mapping[str, str], *columns: str) -> None:
    given = [column for column in columns if cells.get(column)]
    if len(given) > 1:
        raise InputError(f"{given[0]} and {given[1]} exclude each other.", f"Fill one of {', '.join(columns)}.")


def _whole(cells: Mapping[str, str], column: str, low: int, high: int) -> int | None:
    text = cells.get(column, "").removesuffix("%").strip() if column == "size" else cells.get(column, "")
    if not text:
        return None
    try:
        value = int(text)
    except ValueError:
        raise InputError(f"{column} '{text}' is no whole number.", f"Use {low} to {high}.") from None
    if not low <= value <= high:
        raise InputError(f"{column} {value} is out of range.", f"Use {low} to {high}.")
    return value


def _choice(cells: Mapping[str, str], column: str, known: tuple[str, ...], default: str) -> str:
    value = cells.get(column, "").lower() or default
    if value and value not in known:
        raise InputError(f"{column} '{cells[column]}' is unknown.", f"Use one of {', '.join(known)}.")
    return value

"""Tables of work to do: CSV files with a header, of which each line is one order."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Mapping
from pathlib import Path

from talkclip.errors import InputError
from talkclip.files import read_text


@dataclasses.dataclass(frozen=True)
class Table:
    """A table as it stands in its file.

    Attributes:
        columns: of the header, in its order.
        rows: the lines below it; there is at least one.
    """

    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]


@dataclasses.dataclass(frozen=True)
class TableRow:
    """One line of a table.

    Attributes:
        number: of the line in the file, from 1.
        cells: column -> text without blanks around it; "" where the cell is empty.
    """

    number: int
    cells: Mapping[str, str]


def read_table(path: Path, known: tuple[str, ...]) -> Table:
    """A UTF-8 CSV file; its columns come in any order.

    Raises:
        InputError: unreadable, a column that is not known, or no line below the header.
    """
    remedy = "Give a CSV file in UTF-8."
    reader = csv.DictReader(io.StringIO(read_text(path, remedy), newline=""))
    try:
        columns = tuple(name.strip() for name in reader.fieldnames or ())
        reader.fieldnames = columns
        rows = tuple(
            TableRow(reader.line_num, {name: (cell or "").strip() for name, cell in cells.items() if name})
            for cells in reader
        )
    except csv.Error as error:
        raise InputError(f"{path}: is no CSV file ({error}).", remedy) from None
    unknown = [name for name in columns if name not in known]
    if unknown:
        text = f"{path}: unknown columns {', '.join(name[:40] for name in unknown)}."
        raise InputError(text, f"Known columns: {', '.join(known)}.")
    if columns and not rows:
        raise InputError(f"{path}: has no lines below its header.", "Add a line for each.")
    return Table(columns, rows)


def found(name: str, folder: Path) -> Path:
    """As given from the working folder where it exists, else beside the table, which lies in `folder`."""
    try:
        is_here = Path(name).is_absolute() or Path(name).exists()
    except OSError:  # a name that the system does not take, which the file's reader explains
        is_here = False
    return Path(name) if is_here else folder / name

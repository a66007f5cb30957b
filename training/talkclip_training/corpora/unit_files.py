"""Action units from files that other people's detectors wrote.

py-feat (cosanlab/py-feat): one CSV a video, as `Fex.to_csv` writes it: a row for each face in each frame, columns
AU01 .. AU43 among hundreds of others, values 0..1, empty where no face was found; `frame` and `FaceScore` tell which
face is meant. The values are a classifier's confidence, not an intensity: times five they are a proxy only.

MAE-Face (FuxiVirtualHuman/MAE-Face, the paper's detector): the release is a network without heads and fixes no file
format. Read are (a) a table of means, one row a video, columns `video`, AU1, AU2, ... on the scale 0..5, the form in
which public preparation code for these prompts keeps them, and (b) one table a video, `<clip id>.csv` with such columns
and a row a frame, or `<clip id>.npy` of (frames, heads), with the order of the heads given.
"""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from talkclip.errors import InputError
from talkclip_training.corpora.units import FACS_MAXIMUM, UnitTrack

# Units of the data sets with coded intensities on which MAE-Face is trained.
HEADS: Mapping[str, tuple[int, ...]] = {
    "disfa": (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26),
    "bp4d": (6, 10, 12, 14, 17),
}
_UNIT = re.compile(r"\s*AU0*(\d+)\s*$")
# Rounding of a network's output around the ends of the scale.
_SLACK = 0.2


@dataclass(frozen=True)
class PyFeatUnits:
    """py-feat's CSVs, `<clip id>.csv` in a folder."""

    folder: Path

    @property
    def name(self) -> str:
        """See `UnitDetector`."""
        return "pyfeat"

    def units_of(self, clip_id: str) -> UnitTrack | None:
        """See `UnitDetector`."""
        path = self.folder / f"{clip_id}.csv"
        return read_pyfeat(path) if path.is_file() else None


@dataclass(frozen=True)
class MaeFaceUnits:
    """MAE-Face's results.

    Attributes:
        source: a CSV of means, one row a video, or a folder with one .csv or .npy a clip.
        heads: key of `HEADS`: what the columns of .npy files are; "" when there are none.
    """

    source: Path
    heads: str = ""

    @property
    def name(self) -> str:
        """See `UnitDetector`."""
        return "maeface"

    def units_of(self, clip_id: str) -> UnitTrack | None:
        """See `UnitDetector`."""
        if not self.source.is_dir():
            return _means_by_video(self.source).get(clip_id)
        if (table := self.source / f"{clip_id}.csv").is_file():
            return read_frames(table)
        array = self.source / f"{clip_id}.npy"
        return read_heads(array, self.heads) if array.is_file() else None


def read_pyfeat(path: Path) -> UnitTrack:
    """One py-feat CSV; of several faces in a frame the surest counts, frames without a face do not.

    Raises:
        InputError: unreadable, no AU columns, no face in any frame, values outside 0..1.
    """
    header, rows = _csv_rows(path)
    columns = _unit_columns(header, path)
    frame = header.index("frame") if "frame" in header else None
    score = header.index("FaceScore") if "FaceScore" in header else None
    surest: dict[str, tuple[float, list[float]]] = {}
    for number, row in enumerate(rows, 2):
        values = [_number(row, column, f"{path}:{number}") for column in columns.values()]
        if np.isnan(values).any():
            continue
        sure = _number(row, score, f"{path}:{number}") if score is not None else 1.0
        key = row[frame] if frame is not None else str(number)
        if key not in surest or sure > surest[key][0]:
            surest[key] = (sure, values)
    if not surest:
        raise InputError(f"{path}: has no frame with a face.", "Look at the video; leave the clip out if it is empty.")
    shares = _within(np.array([values for _, values in surest.values()]), 1.0, path)
    return _sorted_track(tuple(columns), shares * FACS_MAXIMUM)


def read_frames(path: Path) -> UnitTrack:
    """A CSV with AU columns on the scale 0..5 and a row a frame; frames with an empty cell do not count.

    Raises:
        InputError: unreadable, no AU columns, no full row, values outside 0..5.
    """
    header, rows = _csv_rows(path)
    columns = _unit_columns(header, path)
    values = np.array(
        [[_number(row, column, f"{path}:{n}") for column in columns.values()] for n, row in enumerate(rows, 2)]
    ).reshape(len(rows), len(columns))
    values = values[~np.isnan(values).any(axis=1)]
    if len(values) == 0:
        raise InputError(f"{path}: has no frame with all its action units.", "Run the detector again.")
    return _sorted_track(tuple(columns), _within(values, FACS_MAXIMUM, path))


def read_heads(path: Path, heads: str) -> UnitTrack:
    """A .npy of (frames, heads) on the scale 0..5.

    Raises:
        InputError: unreadable, heads unknown or not as many as columns, values outside 0..5.
    """
    if heads not in HEADS:
        raise InputError(
            f"{path}: which unit is which column is not said in the file.", f"Give --heads {' or '.join(HEADS)}."
        )
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: cannot be read ({error}).", "Write it with numpy.save.") from None
    if values.ndim != 2 or len(values) == 0 or values.shape[1] != len(HEADS[heads]):
        raise InputError(f"{path}: {values.shape} values are not frames of the {len(HEADS[heads])} units of {heads}.")
    return _sorted_track(HEADS[heads], _within(values, FACS_MAXIMUM, path))


@functools.cache
def _means_by_video(path: Path) -> dict[str, UnitTrack]:
    header, rows = _csv_rows(path)
    if "video" not in header:
        raise InputError(f"{path}: has no column 'video'.", "Give a table of means with video,AU1,AU2,... or a folder.")
    columns = _unit_columns(header, path)
    video = header.index("video")
    tracks = {}
    for number, row in enumerate(rows, 2):
        values = np.array([[_number(row, column, f"{path}:{number}") for column in columns.values()]])
        if not np.isnan(values).any():
            tracks[row[video].strip()] = _sorted_track(tuple(columns), _within(values, FACS_MAXIMUM, path))
    return tracks


def _csv_rows(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            rows = [row for row in csv.reader(handle) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read ({error}).", "Give the detector's CSV.") from None
    if len(rows) < 2:
        raise InputError(f"{path}: has no lines below its header.", "Run the detector again.")
    return [name.strip() for name in rows[0]], rows[1:]


def _unit_columns(header: Sequence[str], path: Path) -> dict[int, int]:
    """FACS number -> column."""
    columns = {int(found[1]): column for column, name in enumerate(header) if (found := _UNIT.match(name))}
    if not columns:
        raise InputError(f"{path}: has no columns AU1, AU2, ...", "Give the detector's CSV.")
    return columns


def _number(row: Sequence[str], column: int, where: str) -> float:
    """A cell as a number; an empty one is NaN."""
    cell = row[column].strip() if column < len(row) else ""
    try:
        return float(cell) if cell else float("nan")
    except ValueError:
        raise InputError(f"{where}: '{cell}' is not a number.", "Run the detector again.") from None


def _within(values: np.ndarray, highest: float, path: Path) -> np.ndarray:
    """Values on their scale; what a network overshoots a little is cut, more means that the scale is another."""
    if not np.isfinite(values).all() or values.min() < -_SLACK * highest or values.max() > (1 + _SLACK) * highest:
        raise InputError(
            f"{path}: action units from {values.min():.3g} to {values.max():.3g} are not on the scale 0..{highest:g}.",
            "Check which detector wrote the file.",
        )
    return np.clip(values, 0.0, highest)


def _sorted_track(units: Sequence[int], values: np.ndarray) -> UnitTrack:
    rising = np.argsort(units)
    return UnitTrack(tuple(units[i] for i in rising), values[:, rising])

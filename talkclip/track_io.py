"""Coefficient tracks as files: Live Link Face CSV, JSON, npz.

JSON and npz keep everything. The CSV is what Unreal, Faceit and other tools read: `arkit52` only, head
rotation in radians, the clock counted from the first row (a start offset and head translation are not kept).
"""

from __future__ import annotations

import csv
import io
import json
import math
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from talkclip.coefficients import ARKIT52, HEAD6, CoefficientTrack
from talkclip.errors import InputError
from talkclip.files import atomic_write, unreadable
from talkclip.timebase import fps_fraction, split_timecode, timecode

SUFFIXES = (".csv", ".json", ".npz")
_HINT = "Tracks are written as .csv (Live Link Face), .json or .npz."

# Live Link Face's column order swaps these two pairs against Apple's.
_SWAPPED = {"jawLeft": "jawRight", "jawRight": "jawLeft", "mouthLeft": "mouthRight", "mouthRight": "mouthLeft"}
_CSV_SHAPES = tuple(_SWAPPED.get(name, name) for name in ARKIT52)
_HEAD_COLUMNS = ("HeadYaw", "HeadPitch", "HeadRoll")
_EYE_COLUMNS = ("LeftEyeYaw", "LeftEyePitch", "LeftEyeRoll", "RightEyeYaw", "RightEyePitch", "RightEyeRoll")
# Radians of an eye at full eyeLook weight (rig_maps/flame_blender.json `arkit_to_pose`).
EYE_YAW_RAD, EYE_PITCH_RAD = 0.6, 0.35
_STANDARD_BASES = (24, 25, 30, 48, 50, 60, 90, 100, 120, 240)


def write_track(track: CoefficientTrack, path: str | Path) -> None:
    """Write a track; the suffix chooses the format. A failure leaves no file.

    Raises:
        InputError: unknown suffix, path not writable, or a CSV of another space than `arkit52`.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: unknown ending '{suffix}'.", _HINT)
    with atomic_write(path) as temporary:
        if suffix == ".npz":
            _write_npz(track, temporary)
        else:
            text = _csv_text(track, str(path)) if suffix == ".csv" else _json_text(track)
            temporary.write_text(text, encoding="utf-8", newline="")


def read_track(path: str | Path, fps: float | None = None) -> CoefficientTrack:
    """Read a track written by `write_track` or, for CSV, by Live Link Face and tools that imitate it.

    Args:
        path: .csv, .json or .npz.
        fps: frame rate of a CSV; needed only where its time codes do not tell (shorter than a second).

    Raises:
        InputError: missing, empty, truncated, wrong type, a value that is not a number; names file and place.
    """
    _reader_of(path)
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise unreadable(path, error, "Check the path.") from None
    return parse_track(content, str(path), fps)


def parse_track(content: bytes, name: str, fps: float | None = None) -> CoefficientTrack:
    """`read_track` for a file's content; `name` is the file's, whose ending tells the format."""
    reader = _reader_of(name)
    if not content.strip():
        raise InputError(f"{name}: is empty.", "Export the track again.")
    try:
        return reader(content, fps)
    except InputError as error:
        raise InputError(f"{name}: {error.message}", error.hint) from None
    except (ValueError, KeyError, TypeError, IndexError, EOFError, OSError, zipfile.BadZipFile) as error:
        text = f"{name}: is not a readable {Path(name).suffix} track ({error})."
        raise InputError(text, "Export the track again.") from None


def _reader_of(path: str | Path) -> Callable[[bytes, float | None], CoefficientTrack]:
    """What reads a file of this ending.

    Raises:
        InputError: unknown ending.
    """
    reader = {".csv": _read_csv, ".json": _read_json, ".npz": _read_npz}.get(Path(path).suffix.lower())
    if reader is None:
        raise InputError(f"{path}: unknown ending '{Path(path).suffix}'.", _HINT)
    return reader


def _json_text(track: CoefficientTrack) -> str:
    body = {
        "version": 1, "space": track.space, "fps": track.fps, "start_s": track.start_s, "names": list(track.names),
        "values": _digits(track.values),
        "head_names": list(HEAD6), "head": None if track.head is None else _digits(track.head),
    }  # fmt: skip
    return json.dumps(body)


def _digits(rows: np.ndarray) -> list[list[float]]:
    """Nine significant digits carry a float32 exactly."""
    return [[float(f"{x:.9g}") for x in row] for row in rows.tolist()]


def _read_json(content: bytes, _fps: float | None) -> CoefficientTrack:
    body = json.loads(content)
    values = np.array(body["values"], np.float32).reshape(-1, len(body["names"]))
    head = None if body.get("head") is None else np.array(body["head"], np.float32)
    return CoefficientTrack(
        str(body["space"]), tuple(body["names"]), float(body["fps"]), values, float(body.get("start_s", 0.0)), head
    )


def _write_npz(track: CoefficientTrack, path: Path) -> None:
    arrays = {
        "space": np.array(track.space),
        "names": np.array(track.names),
        "fps": np.array(track.fps),
        "start_s": np.array(track.start_s),
        "values": track.values,
    }
    if track.head is not None:
        arrays["head"] = track.head
    with path.open("wb") as handle:
        np.savez_compressed(handle, allow_pickle=False, **arrays)


def _read_npz(content: bytes, _fps: float | None) -> CoefficientTrack:
    if not zipfile.is_zipfile(io.BytesIO(content)):
        raise InputError("is not a readable .npz track.", "Export the track again.")
    with np.load(io.BytesIO(content), allow_pickle=False) as data:
        missing = [name for name in ("space", "names", "fps", "start_s", "values") if name not in data.files]
        if missing:
            raise InputError(f"is no track: it holds no {', '.join(missing)}.", "Export the track again.")
        names = tuple(str(name) for name in data["names"])
        head = data["head"] if "head" in data.files else None
        return CoefficientTrack(
            str(data["space"]), names, float(data["fps"]), data["values"], float(data["start_s"]), head
        )


def _csv_text(track: CoefficientTrack, path: str) -> str:
    if track.space != "arkit52":
        raise InputError(
            f"{path}: Live Link Face CSV holds arkit52, not {track.space}.", "Write .json or .npz instead."
        )
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    shapes = [_pascal(name) for name in _CSV_SHAPES]
    writer.writerow(["Timecode", "BlendshapeCount", *shapes, *_HEAD_COLUMNS, *_EYE_COLUMNS])
    order = [track.names.index(name) for name in _CSV_SHAPES]
    head = np.zeros((track.n_frames, 6), np.float32) if track.head is None else track.head
    table = np.hstack([track.values[:, order], head[:, [1, 0, 2]], _eye_angles(track)])
    base = math.ceil(track.fps - 1e-6)
    rate = fps_fraction(track.fps)
    for frame, row in enumerate(table.tolist()):
        clock = timecode(float(frame / rate), base)
        writer.writerow([clock, len(row), *(f"{value:.9g}" for value in row)])
    return out.getvalue()


def _eye_angles(track: CoefficientTrack) -> np.ndarray:
    """(T, 6) eye rotations in radians that the eyeLook weights stand for; yaw > 0 to the character's left."""
    look = {name: track.channel(name) for name in ARKIT52 if name.startswith("eyeLook")}
    columns = []
    for side, to_left, to_right in (("Left", "Out", "In"), ("Right", "In", "Out")):
        columns += [
            EYE_YAW_RAD * (look[f"eyeLook{to_left}{side}"] - look[f"eyeLook{to_right}{side}"]),
            EYE_PITCH_RAD * (look[f"eyeLookDown{side}"] - look[f"eyeLookUp{side}"]),
            np.zeros(track.n_frames, np.float32),
        ]
    return np.stack(columns, 1)


def _pascal(name: str) -> str:
    return name[0].upper() + name[1:]


def _read_csv(content: bytes, fps: float | None) -> CoefficientTrack:
    rows = [row for row in csv.reader(io.StringIO(content.decode("utf-8-sig"))) if row]
    header = {name.strip().lower(): column for column, name in enumerate(rows[0])}
    missing = [name for name in ARKIT52 if name.lower() not in header]
    if "timecode" not in header or len(missing) == len(ARKIT52):
        raise InputError("has no Timecode and ARKit columns.", "Expected the CSV of Live Link Face.")
    if len(rows) < 2:
        raise InputError("has a header and no frame.", "Export the recording again.")
    body = rows[1:]
    for line, row in enumerate(body, 2):
        if len(row) < len(rows[0]):
            raise InputError(
                f"line {line} has {len(row)} of {len(rows[0])} columns; the file may be truncated.", "Export it again."
            )

    def column(name: str) -> np.ndarray:
        if name.lower() not in header:
            return np.zeros(len(body), np.float32)
        return np.array([float(row[header[name.lower()]] or 0) for row in body], np.float32)

    times_s, rate = _clock([split_timecode(row[header["timecode"]]) for row in body], fps)
    head = None
    angles = [column(name) for name in ("HeadPitch", "HeadYaw", "HeadRoll")]
    if any(angle.any() for angle in angles):
        head = np.stack([*angles, *[np.zeros(len(body), np.float32)] * 3], 1)
    track = CoefficientTrack("arkit52", ARKIT52, rate, np.stack([column(name) for name in ARKIT52], 1), 0.0, head)
    return _regular(track, times_s)


def _clock(codes: Sequence[tuple[int, float]], fps: float | None) -> tuple[np.ndarray, float]:
    """Time codes -> (seconds from the first row (T,), frames per second).

    The number of parts in a second is not in the file: it is the standard base under which rows are most evenly spaced.
    """
    seconds = np.array([s for s, _ in codes], np.float64)
    parts = np.array([p for _, p in codes], np.float64)

    def spaced(base: int) -> np.ndarray:
        times = seconds + parts / base
        return np.asarray(times - times[0], np.float64)

    if fps is not None:
        return spaced(math.ceil(fps - 1e-6)), fps
    if len(codes) < 2 or seconds[-1] == seconds[0]:
        raise InputError("is too short for its time codes to tell the frame rate.", "Give it (--fps).")
    bases = [base for base in range(1, 241) if base > parts.max()]
    preferred = [base for base in _STANDARD_BASES if base > parts.max()]
    best = min([*preferred, *bases], key=lambda base: round(float(np.diff(spaced(base)).std()), 5))
    times = spaced(best)
    steps = np.diff(times)
    if (steps <= 0).any():
        raise InputError("has time codes that do not increase.", "Export the recording again.")
    return times, float(fps_fraction(_nominal(steps)))


def _nominal(steps_s: np.ndarray) -> float:
    """Frames per second behind measured steps: the NTSC or whole rate next to them; dropped frames do not count."""
    measured = 1.0 / float(steps_s[steps_s < 1.5 * np.median(steps_s)].mean())
    near = min((round(measured), round(measured) * 1000 / 1001), key=lambda rate: abs(rate - measured))
    return near if abs(near - measured) < 0.02 else measured


def _regular(track: CoefficientTrack, times_s: np.ndarray) -> CoefficientTrack:
    """Rows that are not evenly spaced (dropped frames) are interpolated onto the regular clock."""
    if np.allclose(times_s, np.arange(track.n_frames) / track.fps, atol=2e-3):
        return track
    n_frames = int(np.floor(times_s[-1] * track.fps + 1e-6)) + 1
    clock = np.arange(n_frames) / track.fps

    def even(rows: np.ndarray) -> np.ndarray:
        return np.stack([np.interp(clock, times_s, column) for column in rows.T], 1).astype(np.float32)

    head = None if track.head is None else even(track.head)
    return CoefficientTrack(track.space, track.names, track.fps, even(track.values), track.start_s, head)

"""PromptTimeline: which prompt speaks when, how strongly, and how one hands over to the next."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from talkclip.errors import InputError
from talkclip.files import read_text

INTENSITY_MAX = 2.0
BLEND_S = 0.2
_SCHEMA = 1


@dataclasses.dataclass(frozen=True)
class PromptEdit:
    """A weighted change on top of a prompt: 'wrinkle the nose' at 0.4; negative weights take away.

    Attributes:
        text: what to add.
        weight: -2..2.
    """

    text: str
    weight: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.weight) or abs(self.weight) > INTENSITY_MAX:
            raise InputError(f"edit '{self.text}': weight {self.weight} is out of range.", "Use -2 to 2.")


@dataclasses.dataclass(frozen=True)
class PromptSegment:
    """One prompt over a span of the line.

    Attributes:
        prompt: how it is spoken; "" is neutral.
        start_s, end_s: the span, seconds on the audio's clock.
        intensity: scale from neutral, 0..2; 1 = as the prompt says.
        edits: weighted changes on top.
        blend_in_s, blend_out_s: length of the hand-over, centred on the segment's border.
        uid: what anything keyed or stored refers to; never the position in the list.
        intensity_keys: (seconds on the audio's clock, intensity 0..2), times rising: the intensity over time, linear
            between keys and held outside; where there are any, they replace `intensity`.
    """

    prompt: str
    start_s: float
    end_s: float
    intensity: float = 1.0
    edits: tuple[PromptEdit, ...] = ()
    blend_in_s: float = BLEND_S
    blend_out_s: float = BLEND_S
    uid: str = dataclasses.field(default_factory=lambda: uuid.uuid4().hex[:12])
    intensity_keys: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        label = f"prompt segment '{self.prompt[:40]}'"
        if not all(map(math.isfinite, (self.start_s, self.end_s))) or self.end_s <= self.start_s:
            raise InputError(
                f"{label}: spans {self.start_s:g} to {self.end_s:g} s.", "The end must be after the start."
            )
        if not math.isfinite(self.intensity) or not 0 <= self.intensity <= INTENSITY_MAX:
            raise InputError(f"{label}: intensity {self.intensity} is out of range.", "Use 0 (neutral) to 2 (twice).")
        if not all(math.isfinite(b) and b >= 0 for b in (self.blend_in_s, self.blend_out_s)):
            raise InputError(f"{label}: a blend length is negative or not a number.", "Use seconds, 0 or more.")
        object.__setattr__(self, "edits", tuple(self.edits))
        object.__setattr__(self, "intensity_keys", _checked_keys(self.intensity_keys, label))

    def intensity_at(self, times_s: np.ndarray) -> np.ndarray:
        """The intensity at any times.

        Args:
            times_s: (T,) seconds on the audio's clock.

        Returns:
            (T,) float64, 0..2.
        """
        if not self.intensity_keys:
            return np.full(len(times_s), self.intensity)
        keys_s, intensities = zip(*self.intensity_keys, strict=True)
        return np.asarray(np.interp(times_s, keys_s, intensities), np.float64)


@dataclasses.dataclass(frozen=True)
class PromptTimeline:
    """Prompt segments in order of their start; outside all of them the face is neutral.

    Where segments overlap, both play in proportion to their weights, so that a hand-over is a cross-fade.
    """

    segments: tuple[PromptSegment, ...]

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.segments, key=lambda s: (s.start_s, s.end_s)))
        object.__setattr__(self, "segments", ordered)
        uids = [s.uid for s in ordered]
        if len(set(uids)) != len(uids):
            raise InputError("timeline: two segments share a uid.", "Give each segment its own.")

    @classmethod
    def single(
        cls, prompt: str, duration_s: float, intensity: float = 1.0, edits: tuple[PromptEdit, ...] = ()
    ) -> PromptTimeline:
        """One prompt over the whole line, without fades at its ends."""
        return cls((PromptSegment(prompt, 0.0, max(duration_s, 1e-3), intensity, edits, 0.0, 0.0, uid="line"),))

    def weights(self, times_s: np.ndarray) -> np.ndarray:
        """How much each segment plays at each time.

        Each segment ramps (smoothstep) over its blend lengths, centred on its borders; where the sum exceeds 1
        it is shared out. What is missing to 1 is neutral.

        Args:
            times_s: (T,) seconds.

        Returns:
            (T, S) float32, rows sum to at most 1.
        """
        times = np.asarray(times_s, np.float64)[:, None]
        if not self.segments:
            return np.zeros((times.shape[0], 0), np.float32)
        starts, ends, ins, outs = (
            np.array([getattr(s, name) for s in self.segments])
            for name in ("start_s", "end_s", "blend_in_s", "blend_out_s")
        )
        raw = np.minimum(_ramp(times - starts, ins), _ramp(ends - times, outs))
        return np.asarray(raw / np.maximum(raw.sum(1, keepdims=True), 1.0), np.float32)

    def to_json(self) -> str:
        """-> JSON text, read back by `from_json`."""
        return json.dumps({"version": _SCHEMA, "segments": [dataclasses.asdict(s) for s in self.segments]}, indent=1)

    @classmethod
    def from_json(cls, text: str, name: str = "timeline") -> PromptTimeline:
        """Read `{"segments": [{"prompt", "start_s", "end_s", ...}]}`; every mistake is reported, all at once.

        Raises:
            InputError: not JSON, unknown or missing fields, values out of range.
        """
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            raise InputError(
                f"{name}: is not JSON ({error.msg}, line {error.lineno}).", "See docs/formats.md."
            ) from None
        rows = data.get("segments") if isinstance(data, dict) else data
        if not isinstance(rows, list):
            raise InputError(f"{name}: has no list of segments.", 'Expected {"segments": [...]}; see docs/formats.md.')
        segments, problems = [], []
        for number, row in enumerate(rows, 1):
            try:
                segments.append(_segment(row))
            except InputError as error:
                problems.append(f"segment {number}: {error}")
        if problems:
            raise InputError(f"{name}: " + " ".join(problems), "See docs/formats.md.")
        return cls(tuple(segments))

    @classmethod
    def read(cls, path: str | Path) -> PromptTimeline:
        """`from_json` on a file.

        Raises:
            InputError: missing, unreadable, without segments, or wrong content; the message names the file.
        """
        timeline = cls.from_json(read_text(path, "Give a timeline JSON file."), str(path))
        if not timeline.segments:
            raise InputError(f"{path}: holds no segments.", "Write one for each prompt; see docs/formats.md.")
        return timeline


def _checked_keys(keys: Any, label: str) -> tuple[tuple[float, float], ...]:
    """Keys of an intensity as pairs of numbers."""
    try:
        pairs = tuple((float(time_s), float(intensity)) for time_s, intensity in keys)
    except (TypeError, ValueError):
        raise InputError(f"{label}: an intensity key is not a pair of numbers.", "Use [seconds, intensity].") from None
    for time_s, intensity in pairs:
        if not math.isfinite(time_s) or not 0 <= intensity <= INTENSITY_MAX:
            text = f"{label}: the intensity key {intensity:g} at {time_s:g} s is out of range."
            raise InputError(text, "Use intensities from 0 (neutral) to 2 (twice).")
    if any(later[0] <= earlier[0] for earlier, later in itertools.pairwise(pairs)):
        raise InputError(f"{label}: the times of its intensity keys do not rise.", "Sort them; one key at a time.")
    return pairs


def _ramp(past_s: np.ndarray, length_s: np.ndarray) -> np.ndarray:
    """0 -> 1 smoothstep over `length_s` centred on 0; a step (1 at 0) where the length is 0."""
    hard = np.where(past_s >= 0, 1.0, 0.0)
    x = np.clip(past_s / np.maximum(length_s, 1e-9) + 0.5, 0.0, 1.0)
    return np.asarray(np.where(length_s > 0, x * x * (3 - 2 * x), hard), np.float64)


def _segment(row: Any) -> PromptSegment:
    if not isinstance(row, Mapping):
        raise InputError("is not an object in braces.")
    known = {field.name for field in dataclasses.fields(PromptSegment)}
    unknown, missing = sorted(set(row) - known), sorted({"prompt", "start_s", "end_s"} - set(row))
    if unknown or missing:
        raise InputError(
            " ".join([f"unknown fields {', '.join(unknown)}." if unknown else "",
                      f"fields {', '.join(missing)} are missing." if missing else ""]).strip(),
            f"Known: {', '.join(sorted(known))}.",
        )  # fmt: skip
    values = dict(row)
    try:
        values["edits"] = tuple(PromptEdit(str(e["text"]), float(e["weight"])) for e in row.get("edits", ()))
        for field in ("start_s", "end_s", "intensity", "blend_in_s", "blend_out_s"):
            if field in values:
                values[field] = float(values[field])
        if "intensity_keys" in values and not isinstance(values["intensity_keys"], list):
            raise TypeError("intensity_keys is not a list")
        if not isinstance(values["prompt"], str):
            raise TypeError("prompt is not text")
        return PromptSegment(**values)
    except (TypeError, ValueError, KeyError) as error:
        raise InputError(f"has a field of the wrong type ({error}).") from None

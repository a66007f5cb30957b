"""A picture of an animation: the main curves over the waveform, with words and phones."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from talkclip.audio import AudioClip
from talkclip.coefficients import CoefficientTrack
from talkclip.errors import InputError
from talkclip.files import atomic_write
from talkclip.phones import PhoneTrack

# What a lip reader and an acting coach look at: label -> channels whose mean is drawn.
MOUTH_CURVES: dict[str, tuple[str, ...]] = {
    "jaw open": ("jawOpen",),
    "mouth close": ("mouthClose",),
    "rounding": ("mouthPucker", "mouthFunnel"),
    "smile": ("mouthSmileLeft", "mouthSmileRight"),
    "stretch": ("mouthStretchLeft", "mouthStretchRight"),
}
FACE_CURVES: dict[str, tuple[str, ...]] = {
    "brows down": ("browDownLeft", "browDownRight"),
    "inner brows up": ("browInnerUp",),
    "frown": ("mouthFrownLeft", "mouthFrownRight"),
    "squint": ("eyeSquintLeft", "eyeSquintRight"),
    "blink": ("eyeBlinkLeft", "eyeBlinkRight"),
}
_COLORS = ("#d1495b", "#2b2d42", "#2f6f9f", "#e09f3e", "#5b8e55")
_COLUMNS = 3000
# Of the picture's width, what the curves take; of a letter's height, its mean width.
_PLOT_SHARE, _LETTER = 0.91, 0.62
_GREY, _PALE, _INK = "#8d949e", "#cfd6df", "#23272e"


def plot_track(
    track: CoefficientTrack | Sequence[CoefficientTrack],
    path: str | Path,
    clip: AudioClip | None = None,
    phones: PhoneTrack | None = None,
    *,
    titles: Sequence[str] = (),
    title: str = "",
) -> None:
    """Write a wide PNG (or SVG, PDF): waveform with words and phones, then mouth and expression curves per track.

    Args:
        track: one `arkit52` track, or several takes of one line: they share the waveform.
        path: image file; its suffix chooses the format.
        clip: the line.
        phones: labelled above the waveform.
        titles: a name for each track.
        title: heading of the whole picture.

    Raises:
        InputError: the file cannot be written, or the format is unknown.
    """
    # matplotlib without pyplot: no window system, no global state, nothing to close.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    tracks = [track] if isinstance(track, CoefficientTrack) else list(track)
    start_s = min(t.start_s for t in tracks)
    end_s = max([float(t.times_s[-1]) for t in tracks] + ([clip.duration_s] if clip is not None else []))
    width = float(np.clip(4 + 2.2 * (end_s - start_s), 14, 48))
    figure = Figure(figsize=(width, 2.3 + 3.7 * len(tracks)), dpi=100, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    rows = figure.subplots(1 + 2 * len(tracks), 1, sharex=True, height_ratios=[1.7] + [1.6, 1.3] * len(tracks))
    _draw_sound(rows[0], clip, phones, start_s, end_s)
    for number, take in enumerate(tracks):
        name = titles[number] if number < len(titles) else ""
        _draw_curves(rows[1 + 2 * number], take, MOUTH_CURVES, "mouth", name, phones)
        _draw_curves(rows[2 + 2 * number], take, FACE_CURVES, "expression", "", phones)
    note = "seconds" if phones is None else "seconds   (shaded: P B M, where the lips must close)"
    rows[-1].set_xlabel(note, color=_INK)
    rows[0].set_xlim(start_s, end_s)
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=14, fontweight="bold", color=_INK)
    with atomic_write(path) as temporary:
        try:
            figure.savefig(temporary)
        except ValueError as error:
            raise InputError(f"{path}: {error}.", "End the name in .png, .svg or .pdf.") from None


def _draw_sound(axes: Any, clip: AudioClip | None, phones: PhoneTrack | None, start_s: float, end_s: float) -> None:
    """Waveform envelope, phone boundaries, phones and words."""
    if clip is not None:
        peak = max(float(np.abs(clip.samples).max()), 1e-6)
        edges = np.unique(np.linspace(0, clip.samples.size - 1, _COLUMNS).astype(int))
        times_s = edges / clip.sample_rate
        high = np.maximum.reduceat(clip.samples, edges) / peak
        low = np.minimum.reduceat(clip.samples, edges) / peak
        axes.fill_between(times_s, low, high, color=_PALE, linewidth=0)
    axes.set_ylim(-1.05, 2.75)
    axes.set_yticks([])
    _plain(axes)
    axes.set_ylabel("sound", color=_INK)
    if phones is None:
        return
    shown = [p for p in phones.phones if p.symbol != "SIL" and p.end_s >= start_s and p.start_s <= end_s]
    for phone in shown:
        axes.axvline(phone.start_s, color=_GREY, linewidth=0.4, ymax=0.56)
    seconds_per_point = (end_s - start_s) / (72 * _PLOT_SHARE * axes.figure.get_figwidth())
    symbols = [_Label(0.5 * (p.start_s + p.end_s), p.symbol) for p in shown]
    words = [_Label(0.5 * (w.start_s + w.end_s), w.text) for w in phones.words]
    for labels, size, color, heights in ((symbols, 7, "#2f6f9f", (1.1, 1.42)), (words, 11, _INK, (1.8, 2.28))):
        for label, row in zip(labels, _rows(labels, _LETTER * size * seconds_per_point), strict=True):
            axes.text(
                label.middle_s, heights[row], label.text, ha="center", va="bottom", fontsize=size, color=color,
                clip_on=True,
            )  # fmt: skip


@dataclasses.dataclass(frozen=True)
class _Label:
    middle_s: float
    text: str


def _rows(labels: Sequence[_Label], letter_s: float) -> list[int]:
    """Which of two rows each label stands in, so that neighbours do not run into each other; letters are so wide."""
    ends_s, rows = [-math.inf, -math.inf], []
    for label in labels:
        half_s = 0.5 * letter_s * (len(label.text) + 1)
        row = 0 if label.middle_s - half_s >= ends_s[0] else int(np.argmin(ends_s))
        ends_s[row] = label.middle_s + half_s
        rows.append(row)
    return rows


def _draw_curves(
    axes: Any, track: CoefficientTrack, curves: dict[str, tuple[str, ...]], label: str, name: str,
    phones: PhoneTrack | None,
) -> None:  # fmt: skip
    """One line per label, filled towards zero, on a scale that all takes share."""
    for phone in phones.phones if phones is not None else ():
        if phone.symbol in ("P", "B", "M"):
            axes.axvspan(phone.start_s, phone.end_s, color="#eef1f5", linewidth=0, zorder=0)
    for color, (text, channels) in zip(_COLORS, curves.items(), strict=True):
        present = [track.channel(c) for c in channels if c in track.names]
        if not present:
            continue
        values = np.mean(present, axis=0)
        axes.plot(track.times_s, values, color=color, linewidth=1.6, label=text, solid_capstyle="round")
        axes.fill_between(track.times_s, values, color=color, alpha=0.08, linewidth=0)
    axes.set_ylim(-0.02, 1.02)
    axes.set_yticks([0, 0.5, 1])
    axes.set_ylabel(label, color=_INK)
    axes.grid(axis="y", color="#e6e9ee", linewidth=0.8)
    _plain(axes)
    axes.legend(
        loc="upper left", bbox_to_anchor=(1.002, 1.0), frameon=False, fontsize=9, borderaxespad=0, labelcolor=_INK
    )
    if name:
        axes.set_title(name, loc="left", fontsize=11, fontweight="bold", color=_INK)


def _plain(axes: Any) -> None:
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_PALE)
    axes.tick_params(colors=_GREY, length=0)

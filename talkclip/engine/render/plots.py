"""A picture of an animation: the main curves over the waveform, with words and phones."""

from __future__ import annotations

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
    axes.set_ylim(-1.05, 2.0)
    axes.set_yticks([])
    _plain(axes)
    for phone in phones.phones if phones is not None else ():
        if phone.symbol == "SIL" or phone.end_s < start_s or phone.start_s > end_s:
            continue
        middle = 0.5 * (phone.start_s + phone.end_s)
        axes.axvline(phone.start_s, color=_GREY, linewidth=0.4, ymax=0.74)
        axes.text(middle, 1.1, phone.symbol, ha="center", va="bottom", fontsize=7, color="#2f6f9f", clip_on=True)
    for word in phones.words if phones is not None else ():
        middle = 0.5 * (word.start_s + word.end_s)
        axes.text(middle, 1.5, word.text, ha="center", va="bottom", fontsize=11, color=_INK, clip_on=True)
    axes.set_ylabel("sound", color=_INK)


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

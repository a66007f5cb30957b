# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws the overlay with the GPU, in the pixel space of a region (or of an offscreen buffer)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import blf
import bpy
import gpu
from gpu_extras.batch import batch_for_shader

from talkclip.timeline import INTENSITY_MAX

from .overlay_layout import Picture, Placed, Row, View, placed, rows

Color = tuple[float, float, float, float]
Point = tuple[float, float]

_FONT: Final = 0
_TEXT_PX: Final = 11.0
_SMALL_TEXT_PX: Final = 10.0
_PADDING_PX: Final = 5.0
_LEAST_TEXT_PX: Final = 14.0


@dataclass(frozen=True)
class Palette:
    """The theme's colours."""

    bar: Color
    active: Color
    row: Color
    line: Color


def palette() -> Palette:
    """Prompts look like text strips of the Sequencer, the active one like a selected strip, in whatever theme."""
    theme = bpy.context.preferences.themes[0]
    text = tuple(theme.dopesheet_editor.space.text)
    return Palette(
        (*theme.sequence_editor.text_strip[:3], 0.85),
        (*theme.nla_editor.strips_selected[:3], 0.9),
        (*theme.dopesheet_editor.space.back[:3], 0.75),
        (*text[:3], 0.9),
    )


def draw(picture: Picture, view: View, colors: Palette) -> None:
    """Draw what is seen of the picture: one batch of areas, one of lines, and the texts that fit."""
    canvas = _Canvas()
    bars, marks = placed(picture, view), rows(picture, view)
    for bar in bars:
        _draw_bar(canvas, bar, view, colors)
    for row in marks:
        _draw_row(canvas, row, view, colors)
    canvas.flush()
    _write_bars(bars, view, colors)
    _write_rows(marks, view, colors)


class _Canvas:
    """Collects areas and lines, so that the GPU is called twice in all."""

    def __init__(self) -> None:
        self.areas: tuple[list[Point], list[Color]] = ([], [])
        self.lines: tuple[list[Point], list[Color]] = ([], [])

    def quad(self, corners: Sequence[Point], color: Color) -> None:
        """A convex area of four corners, in order around it."""
        a, b, c, d = corners
        self.areas[0].extend((a, b, c, a, c, d))
        self.areas[1].extend([color] * 6)

    def polyline(self, points: Sequence[Point], color: Color) -> None:
        """Lines from point to point."""
        for start, end in itertools.pairwise(points):
            self.lines[0].extend((start, end))
            self.lines[1].extend((color, color))

    def flush(self) -> None:
        """Draw all."""
        shader = gpu.shader.from_builtin("SMOOTH_COLOR")
        gpu.state.blend_set("ALPHA")
        for kind, (points, colors) in (("TRIS", self.areas), ("LINES", self.lines)):
            if points:
                batch_for_shader(shader, kind, {"pos": points, "color": colors}).draw(shader)
        gpu.state.blend_set("NONE")


def _draw_bar(canvas: _Canvas, at: Placed, view: View, colors: Palette) -> None:
    """A body with a slope where it takes over and hands over, and the intensity's line."""
    bar, color = at.bar, colors.active if at.bar.active else colors.bar
    half_in, half_out = (view.x(frames / 2) - view.x(0) for frames in (bar.blend_in, bar.blend_out))
    middle = (at.left + at.right) / 2
    top_left, top_right = min(at.left + half_in, middle), max(at.right - half_out, middle)
    outline = [
        (at.left - half_in, at.bottom), (at.right + half_out, at.bottom), (top_right, at.top), (top_left, at.top)
    ]  # fmt: skip
    canvas.quad(outline, color)
    border = colors.line if bar.active else _faded(colors.line, 0.5)
    canvas.polyline([*outline, outline[0]], border)
    _draw_intensity(canvas, at, view, _ink(color))


def _draw_intensity(canvas: _Canvas, at: Placed, view: View, ink: Color) -> None:
    """A shade as high as the intensity: the whole bar is 2, half of it 1."""
    height = (at.top - at.bottom) / INTENSITY_MAX
    curve = [
        (min(max(view.x(frame), at.left), at.right), at.bottom + height * value) for frame, value in at.bar.intensity
    ]
    if not curve:
        return
    curve = [(at.left, curve[0][1]), *curve, (at.right, curve[-1][1])]
    for (x0, y0), (x1, y1) in itertools.pairwise(curve):
        if x1 > x0 and x1 >= 0 and x0 <= view.width:
            canvas.quad([(x0, at.bottom), (x1, at.bottom), (x1, y1), (x0, y0)], _faded(ink, 0.16))
    canvas.polyline(curve, _faded(ink, 0.4))


def _draw_row(canvas: _Canvas, row: Row, view: View, colors: Palette) -> None:
    for mark in row.marks:
        left, right = view.x(mark.first), max(view.x(mark.end) - 1.0, view.x(mark.first) + 1.0)
        corners = [(left, row.bottom), (right, row.bottom), (right, row.top), (left, row.top)]
        canvas.quad(corners, colors.row)
        canvas.polyline([corners[3], corners[0]], _faded(colors.line, 0.6))


def _write_bars(bars: Sequence[Placed], view: View, colors: Palette) -> None:
    blf.size(_FONT, _TEXT_PX * view.scale)
    for at in bars:
        slope = view.x(at.bar.blend_in / 2) - view.x(0)
        left, right = max(min(at.left + slope, at.right), 0.0), min(at.right, float(view.width))
        ink = _ink(colors.active if at.bar.active else colors.bar)
        _write(at.bar.text or "neutral", left, right, at.bottom, at.top, view, ink)


def _write_rows(marks: Sequence[Row], view: View, colors: Palette) -> None:
    blf.size(_FONT, _SMALL_TEXT_PX * view.scale)
    for row in marks:
        for mark in row.marks:
            left, right = max(view.x(mark.first), 0.0), min(view.x(mark.end), float(view.width))
            _write(mark.text, left, right, row.bottom, row.top, view, colors.line)


def _write(text: str, left: float, right: float, bottom: float, top: float, view: View, ink: Color) -> None:
    """Text that ends with the bar it is on; nothing where there is no room for a letter or two."""
    padding = min(_PADDING_PX * view.scale, (right - left) / 8)
    left, right = left + padding, right - padding
    if right - left < min(_LEAST_TEXT_PX * view.scale, blf.dimensions(_FONT, text)[0]):
        return
    blf.enable(_FONT, blf.CLIPPING)
    blf.clipping(_FONT, left, bottom, right, top)
    blf.color(_FONT, *ink)
    blf.position(_FONT, round(left), round((bottom + top) / 2 - _TEXT_PX * view.scale * 0.35), 0)
    blf.draw(_FONT, text)
    blf.disable(_FONT, blf.CLIPPING)


def _ink(background: Color) -> Color:
    """Black or white, whichever is read better."""
    red, green, blue, _ = background
    return (0.0, 0.0, 0.0, 1.0) if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.45 else (1.0, 1.0, 1.0, 1.0)


def _faded(color: Color, share: float) -> Color:
    return (*color[:3], color[3] * share)

"""The engine's `render`: a track drawn into an MP4, and that in pieces.

A renderer is a function in `RENDERERS`; `hello` names them, so that a client knows what it may ask for.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from talkclip import __version__
from talkclip.audio import AudioClip
from talkclip.coefficients import CoefficientTrack
from talkclip.errors import InputError
from talkclip.progress import CancelCheck, ProgressCallback, stop_if
from talkclip.protocol import Message, Render, VideoChunk, VideoHeader

CHUNK_BYTES = 262_144
# Drawing takes nearly all of the time.
STAGE_SPANS = {
    "audio": (0.0, 0.02),
    "phones": (0.02, 0.06),
    "features": (0.06, 0.07),
    "style": (0.07, 0.08),
    "motion": (0.08, 0.1),
    "render": (0.1, 1.0),
}


class Renderer(Protocol):
    """Draws a track into a file."""

    def __call__(
        self,
        order: Render,
        track: CoefficientTrack,
        clip: AudioClip,
        portrait: Path | None,
        target: Path,
        progress: ProgressCallback,
        cancel: CancelCheck,
    ) -> None:
        """Write `target`, an .mp4 of `track` with the sound of `clip`.

        Args:
            order: size, caption, prompts.
            track: in `arkit52`.
            clip: the sound; frame 0 of the track stands at its beginning.
            portrait: the picture that speaks.
            target: does not exist yet; its folder does.
            progress: told the stage "render".
            cancel: asked before each frame.

        Raises:
            InputError: the order cannot be met: no face in the portrait, ...
        """


def render_messages(
    order: Render,
    track: CoefficientTrack,
    clip: AudioClip,
    portrait: Path | None,
    progress: ProgressCallback,
    cancel: CancelCheck,
) -> Iterator[Message]:
    """Draw, then yield `VideoHeader` and `VideoChunk`s.

    Raises:
        InputError: the renderer is not there, or does not fit the order.
    """
    renderer = chosen_renderer(order)
    with tempfile.TemporaryDirectory(prefix="talkclip-render-", ignore_cleanup_errors=True) as folder:
        target = Path(folder) / "line.mp4"
        renderer(order, track, clip, portrait, target, progress, cancel)
        yield VideoHeader(order.id, order.size, order.size, track.fps, track.n_frames, target.stat().st_size)
        offset = 0
        with target.open("rb") as handle:
            while data := handle.read(CHUNK_BYTES):
                stop_if(cancel)
                yield VideoChunk(order.id, offset, data)
                offset += len(data)


def chosen_renderer(order: Render) -> Renderer:
    """The function that draws it.

    Raises:
        InputError: there is none of this name here, or a portrait is given to one that takes none.
    """
    renderer = RENDERERS.get(order.renderer)
    if renderer is None:
        there = ", ".join(RENDERERS)
        raise InputError(f"This server has no renderer '{order.renderer}'.", f"It has: {there}.")
    if (order.portrait is not None) != (order.renderer == "portrait"):
        raise InputError(
            f"The renderer '{order.renderer}' " + ("needs a" if order.portrait is None else "takes no") + " portrait.",
            "A portrait and the renderer 'portrait' belong together.",
        )
    return renderer


def _render_head(
    order: Render,
    track: CoefficientTrack,
    clip: AudioClip,
    portrait: Path | None,
    target: Path,
    progress: ProgressCallback,
    cancel: CancelCheck,
) -> None:
    from talkclip.engine.render.video import render_track

    render_track(
        track, target, clip, size=order.size, caption=order.caption, progress=progress, cancel=cancel,
        metadata=_provenance(order),
    )  # fmt: skip


def _render_portrait(
    order: Render,
    track: CoefficientTrack,
    clip: AudioClip,
    portrait: Path | None,
    target: Path,
    progress: ProgressCallback,
    cancel: CancelCheck,
) -> None:
    from talkclip.engine.render.portrait.video import PortraitSettings, render_portrait

    if portrait is None:
        raise InputError("The renderer 'portrait' needs a portrait.", "Send a picture with 'put'.")
    render_portrait(
        track, portrait, target, clip, settings=PortraitSettings(order.size), progress=progress, cancel=cancel,
        metadata=_provenance(order),
    )  # fmt: skip


def _provenance(order: Render) -> dict[str, str]:
    prompts = "; ".join(segment.prompt for segment in order.timeline.segments if segment.prompt)
    return {"comment": f"synthetic face, made with talkclip {__version__}: {prompts}"}


RENDERERS: dict[str, Renderer] = {"head": _render_head, "portrait": _render_portrait}

"""The engine's `render`: a track drawn, and sent as an MP4 in pieces or as pictures while they are drawn.

A renderer is a function in `RENDERERS`; `hello` names them and `FORMATS`, so that a client knows what it may ask for.
"""

from __future__ import annotations

import contextlib
import datetime
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from talkclip import __version__
from talkclip.audio import AudioClip
from talkclip.coefficients import CoefficientTrack
from talkclip.engine.render.frames import FrameSource
from talkclip.engine.render.portrait.device import Device
from talkclip.errors import InputError
from talkclip.progress import CancelCheck, ProgressCallback, report, stop_if
from talkclip.protocol import Message, PictureChunk, Render, SequenceHeader, VideoChunk, VideoHeader

CHUNK_BYTES = 262_144
FORMATS = ("mp4", "png")
# Drawing takes nearly all of the time.
STAGE_SPANS = {
    "audio": (0.0, 0.02),
    "phones": (0.02, 0.06),
    "features": (0.06, 0.07),
    "style": (0.07, 0.08),
    "motion": (0.08, 0.1),
    "portrait": (0.1, 0.12),
    "render": (0.12, 1.0),
}


class Renderer(Protocol):
    """Says how a track is drawn."""

    def __call__(
        self,
        order: Render,
        track: CoefficientTrack,
        portrait: Path | None,
        device: Device,
        progress: ProgressCallback,
        cancel: CancelCheck,
    ) -> FrameSource:
        """The pictures of `track`, one for each of its frames.

        Args:
            order: size, caption, alpha ...
            track: in `arkit52`.
            portrait: the picture that speaks.
            device: what portraits are drawn on.
            progress: told what comes before the first picture.
            cancel: asked meanwhile.

        Raises:
            InputError: the order cannot be met: no face in the portrait, ...
        """


def render_messages(
    order: Render,
    track: CoefficientTrack,
    clip: AudioClip,
    portrait: Path | None,
    device: Device,
    progress: ProgressCallback,
    cancel: CancelCheck,
) -> Iterator[Message]:
    """Draw, and yield `VideoHeader` and `VideoChunk`s, or `SequenceHeader` and `PictureChunk`s.

    Raises:
        InputError: the renderer or the format is not there, or does not fit the order.
    """
    source = chosen_renderer(order)(order, track, portrait, device, progress, cancel)
    if order.file_format == "png":
        yield from _pictures(order, track, source, progress, cancel)
    else:
        yield from _video(order, track, source, clip, progress, cancel)


def chosen_renderer(order: Render) -> Renderer:
    """The function that draws it.

    Raises:
        InputError: there is none of this name here, or the order contradicts itself.
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
    if (order.full or order.face is not None) and order.renderer != "portrait":
        raise InputError(f"The renderer '{order.renderer}' has no whole picture and one face.", "Leave these out.")
    if order.file_format not in FORMATS:
        raise InputError(f"This server sends no '{order.file_format}'.", f"It sends: {', '.join(FORMATS)}.")
    if order.file_format == "mp4" and (order.alpha or order.frames):
        raise InputError("An MP4 has no alpha channel and holds all frames.", "Ask for png.")
    return renderer


def write_mp4(
    order: Render, track: CoefficientTrack, source: FrameSource, clip: AudioClip, target: Path,
    progress: ProgressCallback, cancel: CancelCheck,
) -> None:  # fmt: skip
    """Write `target`, which does not exist yet: the pictures with the sound of `clip`, whose frame 0 is its start."""
    from talkclip.engine.render.encode import write_video

    write_video(
        source.frames(), track.fps, target, clip, track.start_s, provenance(order), progress, cancel, source.n_frames
    )


def provenance(order: Render) -> dict[str, str]:
    """What a file says of itself: that it is synthetic, made with what, from which prompts, when."""
    prompts = "; ".join(segment.prompt for segment in order.timeline.segments if segment.prompt)
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    made = f"synthetic face, made with talkclip {__version__}"
    return {"comment": f"{made}: {prompts}" if prompts else made, "date": now.isoformat()}


def _video(
    order: Render, track: CoefficientTrack, source: FrameSource, clip: AudioClip, progress: ProgressCallback,
    cancel: CancelCheck,
) -> Iterator[Message]:  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="talkclip-render-", ignore_cleanup_errors=True) as folder:
        target = Path(folder) / "line.mp4"
        write_mp4(order, track, source, clip, target, progress, cancel)
        height, width = source.draw(0).shape[:2]
        yield VideoHeader(order.id, width, height, track.fps, track.n_frames, target.stat().st_size)
        offset = 0
        with target.open("rb") as handle:
            while data := handle.read(CHUNK_BYTES):
                stop_if(cancel)
                yield VideoChunk(order.id, offset, data)
                offset += len(data)


def _pictures(
    order: Render, track: CoefficientTrack, source: FrameSource, progress: ProgressCallback, cancel: CancelCheck
) -> Iterator[Message]:
    """Each picture leaves when it and those before it are drawn."""
    from talkclip.engine.render.encode import png_bytes

    tags = provenance(order)

    def as_file(picture: np.ndarray) -> tuple[tuple[int, ...], bytes]:
        return picture.shape, png_bytes(picture, tags)

    numbers = wanted_frames(order, source.n_frames)
    if not numbers:  # the client has them all
        height, width, planes = source.draw(0).shape
        yield SequenceHeader(order.id, width, height, track.fps, source.n_frames, planes == 4)
    with contextlib.closing(source.each(numbers, as_file)) as drawn:
        for done, (shape, data) in enumerate(drawn):
            stop_if(cancel)
            if done == 0:
                yield SequenceHeader(order.id, shape[1], shape[0], track.fps, source.n_frames, shape[2] == 4)
            for offset in range(0, len(data), CHUNK_BYTES):
                stop_if(cancel)
                yield PictureChunk(order.id, numbers[done], offset, len(data), data[offset : offset + CHUNK_BYTES])
            text = f"frame {numbers[done] + 1} of {source.n_frames}"
            report(progress, "render", (done + 1) / len(numbers), text)


def wanted_frames(order: Render, n_frames: int) -> list[int]:
    """The numbers of the pictures that the order asks for, rising.

    Raises:
        InputError: the spans overlap, or go beyond the line.
    """
    if not order.frames:
        return list(range(n_frames))
    numbers: list[int] = []
    for span in order.frames:
        end = span.first_frame + span.n_frames
        if end > n_frames or (numbers and span.first_frame <= numbers[-1]):
            raise InputError(f"The line has {n_frames} frames; others were asked for.", "Ask for all of them again.")
        numbers += range(span.first_frame, end)
    return numbers


def _head(
    order: Render, track: CoefficientTrack, portrait: Path | None, device: Device, progress: ProgressCallback,
    cancel: CancelCheck,
) -> FrameSource:  # fmt: skip
    from talkclip.engine.render.video import head_frames

    return head_frames(track, order.size, order.caption, order.alpha)


def _portrait(
    order: Render, track: CoefficientTrack, portrait: Path | None, device: Device, progress: ProgressCallback,
    cancel: CancelCheck,
) -> FrameSource:  # fmt: skip
    from talkclip.engine.render.portrait.video import PortraitSettings, portrait_frames

    if portrait is None:
        raise InputError("The renderer 'portrait' needs a portrait.", "Send a picture with 'put'.")
    settings = PortraitSettings(order.size, order.face, order.full, order.alpha)
    return portrait_frames(track, portrait, settings, device, progress, cancel)


RENDERERS: dict[str, Renderer] = {"head": _head, "portrait": _portrait}

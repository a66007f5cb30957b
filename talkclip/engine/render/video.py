"""Coefficient tracks to video: one head, or several side by side with captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from talkclip.audio import AudioClip
from talkclip.coefficients import ARKIT52, CoefficientTrack
from talkclip.engine.render.captions import bars_for, tile
from talkclip.engine.render.encode import check_target, write_video
from talkclip.engine.render.frames import FrameSource, in_order
from talkclip.engine.render.head_renderer import HeadRenderer
from talkclip.errors import InputError
from talkclip.progress import CancelCheck, ProgressCallback
from talkclip.timebase import frame_count

__all__ = ["head_frames", "render_comparison", "render_track", "write_video"]

_GAP_PX = 4


def render_track(
    track: CoefficientTrack,
    path: str | Path,
    audio: AudioClip | None = None,
    *,
    size: int = 512,
    fps: float | None = None,
    caption: str = "",
    metadata: Mapping[str, str] | None = None,
    workers: int | None = None,
    progress: ProgressCallback | None = None,
    cancel: CancelCheck | None = None,
) -> int:
    """Draw a track on the default head -> number of frames written.

    Args:
        track: space `arkit52`; frame 0 stands at `track.start_s` on the audio's clock and is the first picture.
        path: .mp4, .mov, .mkv, or a folder for PNG files.
        audio: the line; cut or padded to the length of the track.
        size: pixels, width = height of the head's picture.
        fps: of the video; default: the track's.
        caption: text under the picture.
        metadata: see `write_video`.
        workers: threads; default: one per processor, at most 8. The heavy work runs outside Python's lock.
        progress, cancel: see `write_video`.

    Raises:
        InputError: another space, or the path cannot be written.
    """
    captions = [caption] if caption else None
    return render_comparison(
        [track], captions, path, audio, size=size, fps=fps, metadata=metadata, workers=workers, progress=progress,
        cancel=cancel,
    )  # fmt: skip


def render_comparison(
    tracks: Sequence[CoefficientTrack],
    captions: Sequence[str] | None,
    path: str | Path,
    audio: AudioClip | None = None,
    *,
    size: int = 512,
    fps: float | None = None,
    metadata: Mapping[str, str] | None = None,
    workers: int | None = None,
    progress: ProgressCallback | None = None,
    cancel: CancelCheck | None = None,
) -> int:
    """Draw several tracks of the same line side by side -> number of frames written.

    Args:
        tracks: one or more, space `arkit52`; the first one gives start and rate, the longest one the length.
        captions: one per track, or None.
        Everything else as in `render_track`.

    Raises:
        InputError: no track, another space, captions that do not match, or the path cannot be written.
    """
    check_target(path)
    if not tracks:
        raise InputError("there is no track to render.")
    if captions is not None and len(captions) != len(tracks):
        raise InputError(f"{len(captions)} captions do not fit {len(tracks)} tracks.")
    rate = fps if fps is not None else tracks[0].fps
    start_s = tracks[0].start_s
    end_s = max(track.times_s[-1] for track in tracks)
    moving = [poses(track, rate, start_s, end_s) for track in tracks]
    n_frames = len(moving[0][0])
    renderer = _renderer(size)
    bars = None if captions is None else bars_for(captions, size)

    def picture(number: int) -> np.ndarray:
        pictures = [renderer.frame(values[number], head[number]) for values, head in moving]
        return pictures[0] if bars is None and len(pictures) == 1 else tile(pictures, bars, _GAP_PX)

    frames = in_order(picture, n_frames, workers)
    return write_video(frames, rate, path, audio, start_s, metadata, progress, cancel, n_frames)


def head_frames(track: CoefficientTrack, size: int, caption: str = "", alpha: bool = False) -> FrameSource:
    """The default head acting a track, a picture for each of its frames.

    Args:
        track: space `arkit52`.
        size: pixels, width = height of the head's picture.
        caption: text under the picture.
        alpha: the head alone, transparent around.

    Raises:
        InputError: another space or size, or a caption beside alpha.
    """
    if caption and alpha:
        raise InputError("A head without its background has no caption.", "Leave out one of the two.")
    values, head = poses(track, track.fps, track.start_s, float(track.times_s[-1]))
    renderer = _renderer(size)
    bars = bars_for([caption], size) if caption else None

    def draw(number: int) -> np.ndarray:
        if alpha:
            return renderer.frame_rgba(values[number], head[number])
        picture = renderer.frame(values[number], head[number])
        return picture if bars is None else tile([picture], bars)

    return FrameSource(len(values), draw)


def poses(track: CoefficientTrack, fps: float, start_s: float, end_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Shape values (N, 52) in Apple's order and head poses (N, 6) at the video's frames."""
    if track.space != "arkit52":
        raise InputError(
            f"a track in space '{track.space}' cannot be drawn on the default head.", "Give an arkit52 track."
        )
    n_frames = frame_count(end_s - start_s, fps)
    values, head = track.sampled(start_s + np.arange(n_frames) / fps)
    ordered = np.zeros((n_frames, len(ARKIT52)), np.float32)
    for column, name in enumerate(track.names):
        if name in ARKIT52:
            ordered[:, ARKIT52.index(name)] = values[:, column]
    return ordered, np.zeros((n_frames, 6), np.float32) if head is None else head


def _renderer(size: int) -> HeadRenderer:
    try:
        return HeadRenderer(size)
    except ValueError as error:
        raise InputError(f"{error}.", "Choose a picture size such as 512.") from None

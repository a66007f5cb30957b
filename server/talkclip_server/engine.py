"""What the server needs of an engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from talkclip.progress import CancelCheck, ProgressCallback
from talkclip.protocol import Animate, EngineInfo, Message, Render, UnderstoodPrompt

# Uploaded files by the hash of their content.
Files = Mapping[str, Path]


class Engine(Protocol):
    """Carries out orders. Called from the server's worker thread, one order at a time."""

    def info(self) -> EngineInfo:
        """What it can do; asked once, at the start."""

    def animate(
        self, order: Animate, files: Files, chunk_frames: int, progress: ProgressCallback, cancel: CancelCheck
    ) -> Iterator[Message]:
        """Yield one `TrackHeader`, then `Chunk`s in order, at last `Done`, all with the order's id.

        Args:
            order: what to do; an `Edit` is answered with the frames it changes.
            files: the uploaded files that the order names.
            chunk_frames: most frames in one chunk.
            progress: to be called with (stage, fraction 0..1 of the whole job, text).
            cancel: to be asked now and then, while nothing is locked: other orders may be carried out meanwhile; True
                = raise `Cancelled`.

        Raises:
            TalkClipError: whatever the user should know; anything else counts as a fault of the engine.
        """


@runtime_checkable
class ReadingEngine(Engine, Protocol):
    """An engine that also says what it understands of a prompt."""

    def read(self, prompt: str) -> UnderstoodPrompt:
        """Called from another thread than orders, while one may be carried out; about a hundredth of a second."""


@runtime_checkable
class VideoEngine(Engine, Protocol):
    """An engine that also draws: its `info` names its renderers."""

    def render(self, order: Render, files: Files, progress: ProgressCallback, cancel: CancelCheck) -> Iterator[Message]:
        """Yield one `VideoHeader` and `VideoChunk`s in order, or one `SequenceHeader` and `PictureChunk`s in order, as
        the order's format says; at last `Done`. See `Engine.animate`."""

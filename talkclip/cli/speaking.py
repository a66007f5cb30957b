"""What `animate` and `render` share: a recording is spoken as directed, and the user told what was understood."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from talkclip.cli.options import Direction

if TYPE_CHECKING:
    from talkclip.engine.request import AnimateResult
    from talkclip.engine.speech.media import LoadedMedia
    from talkclip.progress import ProgressCallback

_SHOWN = 400


@dataclasses.dataclass(frozen=True)
class Spoken:
    """A recording and its animation; `has_style_video`: a clip says how, where no prompt does."""

    media: LoadedMedia
    result: AnimateResult
    has_style_video: bool

    def tell(self, console: Console) -> None:
        """Print what was understood from the prompts, and what is to be known about the sound."""
        for reading in self.result.readings:
            if self.has_style_video and not reading.prompt.strip():
                continue
            summary = reading.summary()
            console.print(summary if len(summary) <= _SHOWN else f"{summary[:_SHOWN]} ...")
        for note in (*self.media.notes, *self.result.notes):
            console.print(f"note: {note}")


@dataclasses.dataclass(frozen=True)
class Ears:
    """Who hears the recording and the prompts, as the options name it."""

    backend: str = "auto"
    flame: Path | None = None
    adapter: Path | None = None
    text_encoder: str | None = None


def speak(audio: Path, direction: Direction, ears: Ears, progress: ProgressCallback) -> Spoken:
    """Speak a recording.

    Raises:
        InputError: a file or value cannot be used.
    """
    from talkclip.cli.encoders import adapted_encoder
    from talkclip.engine.pipeline import Pipeline
    from talkclip.engine.speech.media import load_media

    media = load_media(audio)
    request = direction.request(media.clip, progress)
    adapted = adapted_encoder(ears.adapter, ears.text_encoder)
    pipeline = Pipeline.load(ears.backend, ears.flame, adapted=adapted)
    return Spoken(media, pipeline.animate(request, progress), direction.style_video is not None)

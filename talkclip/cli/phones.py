"""`talkclip phones`: the phones of a recording as a file people can mend."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from talkclip.cli import options
from talkclip.cli.progress import progress_bar
from talkclip.phones import write_phones


def phones(
    audio: Annotated[Path, typer.Argument(help="Speech: wav, flac, mp3, ogg, m4a, or a video file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Result: .TextGrid (for Praat) or .json.")],
    text: options.Text = None,
    backend: options.Backend = "auto",
    quiet: options.Quiet = False,
) -> None:
    """Find the phones and words of a recording; mend the file and give it back with `animate --phones`.

    Example:  talkclip phones line.wav --text "Get out! Please." -o line.TextGrid
    """
    options.checked_output(output, (".textgrid", ".json"))
    from talkclip.engine.speech.frontend import SpeechFrontEnd
    from talkclip.engine.speech.media import load_media

    with progress_bar(quiet) as progress:
        media = load_media(audio)
        analysis = SpeechFrontEnd(backend).analyse(media.clip, options.transcript(text), None, progress)
        write_phones(analysis.phones, output)
    if not quiet:
        track = analysis.phones
        console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
        for note in (*media.notes, *analysis.notes):
            console.print(f"note: {note}")
        console.print(f"{output}: {len(track.phones)} phones, {len(track.words)} words, found by '{track.backend}'")

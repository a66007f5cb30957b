"""`talkclip phones`: the phones of a recording as a file people can mend."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from talkclip.cli import options
from talkclip.cli.progress import progress_bar
from talkclip.phones import read_phones, write_phones


def phones(
    audio: Annotated[Path, typer.Argument(help="Speech: wav, flac, mp3, ogg, m4a, or a video file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Result: .TextGrid (for Praat) or .json.")],
    text: options.Text = None,
    earlier: options.Phones = None,
    backend: options.Backend = "auto",
    quiet: options.Quiet = False,
) -> None:
    """Find the phones and words of a recording; mend the file and give it back with `animate --phones`.

    With --phones and --text an earlier result is mended: only around the words that --text changes is anything timed
    anew.

    Examples:

      talkclip phones line.wav --text "Get out! Pleas." -o line.TextGrid

      talkclip phones line.wav --phones line.TextGrid --text "Get out! Please." -o line.TextGrid
    """
    options.checked_output(output, (".textgrid", ".json"))
    from talkclip.engine.speech.frontend import SpeechFrontEnd
    from talkclip.engine.speech.media import load_media

    with progress_bar(quiet) as progress:
        given = None if earlier is None else read_phones(earlier)
        media = load_media(audio)
        analysis = SpeechFrontEnd(backend).analyse(media.clip, options.transcript(text), given, progress)
        write_phones(analysis.phones, output)
    if not quiet:
        track = analysis.phones
        console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
        for note in (*media.notes, *analysis.notes):
            console.print(f"note: {note}")
        console.print(f"{output}: {len(track.phones)} phones, {len(track.words)} words, found by '{track.backend}'")

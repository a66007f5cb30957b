"""`talkclip animate`: a recording and a prompt -> coefficients."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from talkclip.cli import options
from talkclip.cli.progress import progress_bar
from talkclip.track_io import SUFFIXES, write_track


def animate(
    audio: Annotated[Path, typer.Argument(help="Speech: wav, flac, mp3, ogg, m4a, or a video file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Result: .csv (Live Link Face), .json or .npz.")],
    prompt: options.Prompt = "",
    text: options.Text = None,
    script: options.Script = None,
    timeline: options.Timeline = None,
    phones: options.Phones = None,
    intensity: options.Intensity = 1.0,
    edit: options.Edit = None,
    style_video: options.StyleVideo = None,
    style_weight: options.StyleWeight = None,
    fps: options.Fps = "30",
    seed: options.Seed = 0,
    mouth: options.Mouth = 1.0,
    blinks: options.Blinks = 1.0,
    head: options.Head = 1.0,
    backend: options.Backend = "auto",
    space: Annotated[str, typer.Option(help="Coefficient space: arkit52, or flame (with --flame).")] = "arkit52",
    flame: options.FlameFile = None,
    adapter: options.AdapterFile = None,
    text_encoder: options.TextEncoder = None,
    quiet: options.Quiet = False,
) -> None:
    """Animate a face: AUDIO and a prompt become expression coefficients, frame by frame.

    Examples:

      talkclip animate line.wav --prompt "a furious man speaks with brows lowered" -o line.csv

      talkclip animate line.wav --script "[furious] Get out! [breaking] Please." -o line.csv

      talkclip animate line.wav --style-video actor.mp4 --prompt "a little tired" --style-weight 0.7 -o line.csv

      talkclip animate line.wav --prompt "delighted" --edit "wrinkle the nose=0.4" --fps 24 -o line.npz
    """
    options.checked_output(output, SUFFIXES)
    direction = options.Direction(
        prompt, text, script, timeline, phones, intensity, options.parse_edits(edit), options.parse_fps(fps),
        seed, mouth, blinks, head, "flame" if flame and space == "arkit52" else space, style_video,
        style_weight,
    )  # fmt: skip
    from talkclip.cli.encoders import adapted_encoder
    from talkclip.engine.pipeline import Pipeline
    from talkclip.engine.speech.media import load_media

    with progress_bar(quiet) as progress:
        media = load_media(audio)
        request = direction.request(media.clip, progress)
        pipeline = Pipeline.load(backend, flame, adapted=adapted_encoder(adapter, text_encoder))
        result = pipeline.animate(request, progress)
        write_track(result.track, output)
    if not quiet:
        console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
        for reading in result.readings:
            console.print(reading.summary())
        for note in (*media.notes, *result.notes):
            console.print(f"note: {note}")
        track = result.track
        console.print(f"{output}: {track.n_frames} frames at {track.fps:g} fps, speech by '{result.phones.backend}'")

"""`talkclip animate`: a recording and a prompt -> coefficients."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from talkclip.cli import options
from talkclip.cli.progress import progress_bar
from talkclip.cli.speaking import Ears, speak
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
    with progress_bar(quiet) as progress:
        spoken = speak(audio, direction, Ears(backend, flame, adapter, text_encoder), progress)
        write_track(spoken.result.track, output)
    if not quiet:
        console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
        spoken.tell(console)
        track, heard_by = spoken.result.track, spoken.result.phones.backend
        console.print(f"{output}: {track.n_frames} frames at {track.fps:g} fps, speech by '{heard_by}'")

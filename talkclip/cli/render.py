"""`talkclip render`: a track, or a recording and a prompt -> a video of the default head."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from talkclip.cli import options
from talkclip.cli.progress import progress_bar
from talkclip.errors import InputError
from talkclip.progress import ProgressCallback
from talkclip.track_io import SUFFIXES, read_track

if TYPE_CHECKING:
    from talkclip.audio import AudioClip
    from talkclip.coefficients import CoefficientTrack


def render(
    source: Annotated[Path, typer.Argument(help="A track (.csv, .json, .npz) or speech to animate first.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Result: .mp4.")],
    audio: Annotated[Path | None, typer.Option(help="Sound for a track.")] = None,
    size: Annotated[int, typer.Option(help="Width and height in pixels.")] = 512,
    prompt: options.Prompt = "",
    text: options.Text = None,
    script: options.Script = None,
    timeline: options.Timeline = None,
    phones: options.Phones = None,
    intensity: options.Intensity = 1.0,
    edit: options.Edit = None,
    fps: Annotated[str | None, typer.Option(help="Frames per second; default: the track's, or 30.")] = None,
    seed: options.Seed = 0,
    mouth: options.Mouth = 1.0,
    blinks: options.Blinks = 1.0,
    head: options.Head = 1.0,
    backend: options.Backend = "auto",
    quiet: options.Quiet = False,
) -> None:
    """Render the default head speaking, with sound.

    Examples:

      talkclip render line.wav --prompt "a delighted woman, eyes wide" -o line.mp4

      talkclip render line.csv --audio line.wav -o line.mp4
    """
    options.checked_output(output, (".mp4",))
    if not 64 <= size <= 2048:
        raise InputError(f"--size {size} is out of range.", "Use 64 to 2048.")
    rate = None if fps is None else options.parse_fps(fps)
    is_track = source.suffix.lower() in SUFFIXES
    directed = any((prompt, text, script, timeline, phones, edit)) or intensity != 1.0
    if is_track and directed:
        raise InputError(
            f"{source}: is a finished track; prompts no longer change it.", "Render the recording instead."
        )
    if not is_track and audio is not None:
        raise InputError("--audio belongs to a track; a recording brings its own sound.", "Leave out --audio.")
    from talkclip.engine.render.video import render_track

    with progress_bar(quiet) as progress:
        if is_track:
            track, clip = _read(source, audio, rate)
        else:
            direction = options.Direction(
                prompt, text, script, timeline, phones, intensity, options.parse_edits(edit), rate or 30.0,
                seed, mouth, blinks, head,
            )  # fmt: skip
            track, clip = _animate(source, direction, backend, progress)
        render_track(track, output, audio=clip, size=size, progress=progress)
    if not quiet:
        Console(stderr=True, highlight=False, markup=False, soft_wrap=True).print(
            f"{output}: {track.n_frames} frames at {track.fps:g} fps, {size} px" + ("" if clip else ", no sound")
        )


def _read(source: Path, audio: Path | None, fps: float | None) -> tuple[CoefficientTrack, AudioClip | None]:
    from talkclip.engine.speech.media import load_audio

    track = read_track(source, fps if source.suffix.lower() == ".csv" else None)
    if track.space != "arkit52":
        raise InputError(
            f"{source}: holds {track.space}; the default head speaks arkit52.", "Animate with --space arkit52."
        )
    if fps is not None and abs(fps - track.fps) > 1e-6:
        track = track.resampled(fps)
    return track, None if audio is None else load_audio(audio)


def _animate(
    source: Path, direction: options.Direction, backend: str, progress: ProgressCallback
) -> tuple[CoefficientTrack, AudioClip]:
    from talkclip.engine.pipeline import Pipeline
    from talkclip.engine.speech.media import load_audio

    clip = load_audio(source)
    return Pipeline.load(backend).animate(direction.request(clip), progress).track, clip

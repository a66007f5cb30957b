"""`talkclip render`: a track, or a recording and a prompt -> a video of the default head or of a portrait."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

import talkclip
from talkclip.cli import options
from talkclip.cli.progress import progress_bar
from talkclip.cli.speaking import Ears, speak
from talkclip.errors import InputError
from talkclip.progress import ProgressCallback
from talkclip.track_io import SUFFIXES, read_track

if TYPE_CHECKING:
    from talkclip.audio import AudioClip
    from talkclip.coefficients import CoefficientTrack
    from talkclip.engine.render.portrait.device import Device
    from talkclip.engine.render.portrait.video import PortraitSettings


def render(
    source: Annotated[Path, typer.Argument(help="A track (.csv, .json, .npz) or speech to animate first.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Result: .mp4, .mov, .mkv, or a folder of frames.")],
    audio: Annotated[Path | None, typer.Option(help="Sound for a track.")] = None,
    size: Annotated[int, typer.Option(help="Width and height in pixels.")] = 512,
    portrait: Annotated[
        Path | None, typer.Option(help="Picture of a face that shall speak; else the default head.")
    ] = None,
    face: Annotated[int | None, typer.Option(help="Which face of the portrait, from the left and from 1.")] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Give the whole portrait back, not the square around the face.")
    ] = False,
    alpha: Annotated[
        bool, typer.Option("--alpha", help="The person alone, transparent around: a folder or .mov.")
    ] = False,
    file_format: Annotated[str, typer.Option("--format", help="Of a folder of frames: png or exr.")] = "png",
    first_number: Annotated[int, typer.Option("--start-number", help="Number of a folder's first frame.")] = 0,
    pose: Annotated[Path | None, typer.Option(help="Head motion from a track or a video, instead of our own.")] = None,
    pirender: Annotated[
        Path | None, typer.Option(help="Draw by the paper's renderer: its weights as .onnx (docs/portraits.md).")
    ] = None,
    covered: Annotated[
        bool, typer.Option("--covered", help="Draw a face that seems to be covered all the same.")
    ] = False,
    bfm: Annotated[Path | None, typer.Option(help="Your BFM_model_front.mat, for --pirender.")] = None,
    device: Annotated[str, typer.Option(help="What draws a portrait: auto (CUDA where it is), cpu or cuda.")] = "auto",
    prompt: options.Prompt = "",
    text: options.Text = None,
    script: options.Script = None,
    timeline: options.Timeline = None,
    phones: options.Phones = None,
    intensity: options.Intensity = 1.0,
    edit: options.Edit = None,
    style_video: options.StyleVideo = None,
    style_weight: options.StyleWeight = None,
    fps: Annotated[str | None, typer.Option(help="Frames per second; default: the track's, or 30.")] = None,
    seed: options.Seed = 0,
    mouth: options.Mouth = 1.0,
    blinks: options.Blinks = 1.0,
    head: options.Head = 1.0,
    backend: options.Backend = "auto",
    adapter: options.AdapterFile = None,
    text_encoder: options.TextEncoder = None,
    quiet: options.Quiet = False,
) -> None:
    """Render a face speaking, with sound: the default head, or the one in a portrait.

    Examples:

      talkclip render line.wav --prompt "a delighted woman, eyes wide" -o line.mp4

      talkclip render line.wav --portrait ada.jpg --prompt "heartbroken" -o ada.mp4

      talkclip render line.wav --portrait ada.jpg --alpha --format exr -o plates

      talkclip render line.csv --audio line.wav -o line.mp4
    """
    from talkclip.engine.render.portrait.video import PortraitSettings

    is_track = source.suffix.lower() in SUFFIXES
    directed = any((prompt, text, script, timeline, phones, edit, style_video, adapter, text_encoder))
    _require_fitting(source, is_track, directed or intensity != 1.0 or style_weight is not None, audio)
    asked = PortraitSettings(
        face=face, full=full, alpha=alpha, file_format=file_format, first_number=first_number,
        weights=str(pirender or ""), bfm=str(bfm or ""), covered=covered,
    )  # fmt: skip
    settings = _checked(portrait, output, size, asked)
    place = _place(device, portrait, pirender)
    rate = None if fps is None else options.parse_fps(fps)
    spoken = None
    with progress_bar(quiet) as progress:
        if is_track:
            track, clip = _read(source, audio, rate, "bfm64" if pirender else "arkit52")
        else:
            direction = options.Direction(
                prompt, text, script, timeline, phones, intensity, options.parse_edits(edit), rate or 30.0,
                seed, mouth, blinks, head, style_video=style_video, style_weight=style_weight,
            )  # fmt: skip
            spoken = speak(source, direction, Ears(backend, None, adapter, text_encoder), progress)
            track, clip = spoken.result.track, spoken.media.clip
        if pose is not None:
            track = _with_pose(track, pose, progress)
        elif head == 0:
            track = dataclasses.replace(track, head=None)
        directions = prompt or script or (str(timeline) if timeline else "")
        _draw(track, clip, output, size, portrait, settings, place, _provenance(source, directions, portrait), progress)
    if not quiet:
        console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
        if spoken is not None:
            spoken.tell(console)
        sound = "" if clip else ", no sound"
        console.print(
            f"{output}: {track.n_frames} frames at {track.fps:g} fps, {size} px, drawn on {place.name}{sound}"
        )


def _require_fitting(source: Path, is_track: bool, directed: bool, audio: Path | None) -> None:
    """Raise InputError for options that do not belong to such a source."""
    if is_track and directed:
        raise InputError(
            f"{source}: is a finished track; prompts and styles no longer change it.", "Render the recording instead."
        )
    if not is_track and audio is not None:
        raise InputError("--audio belongs to a track; a recording brings its own sound.", "Leave out --audio.")


def _checked(portrait: Path | None, output: Path, size: int, asked: PortraitSettings) -> PortraitSettings:
    """The settings at that size.

    Raises:
        InputError: they belong to a portrait that is not given or not there, the size is out of range, or the result
            cannot be written.
    """
    from talkclip.engine.render.encode import check_target
    from talkclip.engine.render.portrait.video import PortraitSettings, check_portrait_target

    options.check_size(size)
    if portrait is not None:
        settings = dataclasses.replace(asked, size=size)
        check_portrait_target(output, settings)
        if not portrait.is_file():
            raise InputError(f"{portrait}: there is no such picture.", "Check the name.")
        return settings
    if asked != PortraitSettings():
        raise InputError(
            "--face, --full, --alpha, --format, --start-number, --pirender, --covered and --bfm belong to a portrait.",
            "Give --portrait.",
        )
    check_target(output)
    return asked


def _place(device: str, portrait: Path | None, pirender: Path | None) -> Device:
    """What draws; the default head is the processor's.

    Raises:
        InputError: there is no such device here.
    """
    from talkclip.engine.render.portrait.device import choose_device

    if portrait is not None:
        return choose_device(device, neural=pirender is not None)
    if device == "cuda":
        raise InputError("The default head is drawn by the processor, not on CUDA.", "Leave out --device.")
    return choose_device("cpu" if device == "auto" else device)


def _draw(
    track: CoefficientTrack, clip: AudioClip | None, output: Path, size: int, portrait: Path | None,
    settings: PortraitSettings, place: Device, metadata: dict[str, str], progress: ProgressCallback,
) -> None:  # fmt: skip
    if portrait is None:
        from talkclip.engine.render.video import render_track

        render_track(track, output, audio=clip, size=size, metadata=metadata, progress=progress)
        return
    from talkclip.engine.render.portrait.video import render_portrait

    render_portrait(
        track, portrait, output, clip, settings=settings, device=place, metadata=metadata, progress=progress
    )


def _provenance(source: Path, prompt: str, portrait: Path | None) -> dict[str, str]:
    """What the file says about itself: that it is synthetic, and made with what, from what, when."""
    made = [f"Synthetic video made with TalkCLIP {talkclip.__version__}", f"speech: {source.name}"]
    made += [f"portrait: {portrait.name}"] if portrait else []
    made += [f"prompt: {prompt}"] if prompt else []
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    return {"title": prompt or source.stem, "comment": "; ".join(made), "date": now.isoformat()}


def _with_pose(track: CoefficientTrack, pose: Path, progress: ProgressCallback) -> CoefficientTrack:
    """The track with the head motion of another track or of a filmed head."""
    if pose.suffix.lower() in SUFFIXES:
        moving = read_track(pose, track.fps if pose.suffix.lower() == ".csv" else None)
    else:
        from talkclip.engine.tracking.video import track_video

        moving = track_video(pose, progress)
    if moving.head is None:
        raise InputError(f"{pose}: holds no head motion.", "Give a track with a head pose, or a video.")
    _, head = dataclasses.replace(moving, start_s=track.start_s).sampled(track.times_s)
    return dataclasses.replace(track, head=head)


def _read(source: Path, audio: Path | None, fps: float | None, also: str) -> tuple[CoefficientTrack, AudioClip | None]:
    from talkclip.engine.speech.media import load_audio

    track = read_track(source, fps if source.suffix.lower() == ".csv" else None)
    if track.space not in ("arkit52", also):
        raise InputError(
            f"{source}: holds {track.space}; the default head speaks arkit52.", "Animate with --space arkit52."
        )
    if fps is not None and abs(fps - track.fps) > 1e-6:
        track = track.resampled(fps)
    return track, None if audio is None else load_audio(audio)

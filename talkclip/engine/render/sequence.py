"""Numbered pictures in a folder that may be interrupted and gone on with.

A stream of frames (`encode.write_video`) appears all at once or not at all. Hours of plates are another matter: here
every file is whole as soon as it has its name, and `sequence.json` says what belongs together, so that the same
request goes on where it stopped and another one does not mix its frames in.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Generator, Mapping
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image, PngImagePlugin

from talkclip.audio import AudioClip
from talkclip.engine.render.encode import STAGE, Sound
from talkclip.engine.render.exr import linear_from_srgb, write_exr
from talkclip.errors import InputError
from talkclip.files import atomic_write, unwritable
from talkclip.progress import CancelCheck, ProgressCallback, report, stop_if
from talkclip.timebase import fps_fraction

FORMATS = ("png", "exr")
MANIFEST = "sequence.json"


def write_sequence(
    frames: Callable[[list[int]], Generator[np.ndarray, None, None]],
    n_frames: int,
    fps: float,
    folder: Path,
    request: Mapping[str, str],
    audio: AudioClip | None = None,
    audio_start_s: float = 0.0,
    *,
    file_format: str = "png",
    first_number: int = 0,
    metadata: Mapping[str, str] | None = None,
    progress: ProgressCallback | None = None,
    cancel: CancelCheck | None = None,
) -> int:
    """Write `frame_00000.png` ... and `audio.wav` -> how many frames had to be drawn.

    Args:
        frames: draws the frames of the given numbers, in that order: uint8 (H, W, 3 or 4).
        request: everything that decides how frames look; equal requests continue each other.
        first_number: what the first file is called.
        audio, audio_start_s, metadata: as in `encode.write_video`.
        progress: stage "render". cancel: asked between frames; what is written stays, for the next attempt.

    Raises:
        InputError: unknown format, or the folder holds another sequence.
    """
    if file_format not in FORMATS:
        raise InputError(f"'{file_format}' is no format for sequences.", f"Use {' or '.join(FORMATS)}.")
    manifest = {"frames": n_frames, "fps": fps, "first": first_number, "format": file_format, "request": dict(request)}
    _claim(folder, manifest)
    paths = [folder / f"frame_{first_number + k:05d}.{file_format}" for k in range(n_frames)]
    missing = [k for k, path in enumerate(paths) if not path.is_file()]
    tags = dict(metadata or {})
    with contextlib.closing(frames(missing)) as drawn:
        for done, (number, frame) in enumerate(zip(missing, drawn, strict=True), 1):
            with atomic_write(paths[number]) as temporary:
                _write_picture(temporary, frame, tags)
            written = n_frames - len(missing) + done
            report(progress, STAGE, written / n_frames, f"frame {written} of {n_frames}")
            stop_if(cancel)
    if audio is not None:
        sound = Sound(audio, audio_start_s)
        with atomic_write(folder / "audio.wav") as temporary:
            stop = round(n_frames / fps_fraction(fps) * sound.rate)
            soundfile.write(temporary, sound.between(0, stop), sound.rate, subtype="PCM_16")
    return len(missing)


def _write_picture(path: Path, frame: np.ndarray, tags: Mapping[str, str]) -> None:
    if path.suffix == ".exr":
        write_exr(path, linear_from_srgb(frame), tags)
        return
    info = PngImagePlugin.PngInfo()
    for key, text in tags.items():
        info.add_itxt(key, text)
    Image.fromarray(frame).save(path, pnginfo=info, compress_level=4)


def _claim(folder: Path, manifest: dict[str, object]) -> None:
    """Make the folder ours, or find that it already is."""
    text = json.dumps(manifest, indent=1, sort_keys=True) + "\n"
    path = folder / MANIFEST
    try:
        if path.is_file():
            if path.read_text(encoding="utf-8") != text:
                raise InputError(
                    f"{folder}: holds a sequence of another line, portrait or setting.",
                    "Choose another folder, or delete it.",
                )
            return
        if folder.is_dir() and any(folder.glob("frame_*")):
            raise InputError(
                f"{folder}: already holds frames of unknown origin.", "Choose another folder, or delete them."
            )
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from error
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")

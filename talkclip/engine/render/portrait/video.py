"""A track and a portrait to a video, ProRes with alpha, or a PNG or EXR sequence."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Generator, Mapping
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from talkclip.audio import AudioClip
from talkclip.coefficients import CoefficientTrack
from talkclip.engine.render.encode import check_target, is_sequence, write_video
from talkclip.engine.render.portrait.person import Crop, fit_person
from talkclip.engine.render.portrait.renderer import PortraitRenderer
from talkclip.engine.render.sequence import FORMATS, write_sequence
from talkclip.engine.render.video import MAX_WORKERS, in_order, poses
from talkclip.errors import InputError
from talkclip.progress import CancelCheck, ProgressCallback, report, stop_if

SIZE_MIN, SIZE_MAX = 128, 2048
# Larger files are no portraits but attempts to fill the memory.
_MAX_PIXELS = 100_000_000
# The pasted crop's edge, as a share of its side.
_FEATHER = 0.04


@dataclasses.dataclass(frozen=True)
class PortraitSettings:
    """How a portrait is drawn.

    Attributes:
        size: pixels of the square that holds the face; also the result's size unless `full`.
        face: which face of the picture, from the left and from 1; None: the only one.
        full: paste the square back into the whole picture.
        alpha: the person alone, with transparency.
        file_format: of a sequence, `png` or `exr`.
        first_number: of a sequence's files.
    """

    size: int = 512
    face: int | None = None
    full: bool = False
    alpha: bool = False
    file_format: str = "png"
    first_number: int = 0

    def __post_init__(self) -> None:
        if not SIZE_MIN <= self.size <= SIZE_MAX:
            raise InputError(f"A portrait of {self.size} pixels is out of range.", f"Use {SIZE_MIN} to {SIZE_MAX}.")
        if self.full and self.alpha:
            raise InputError("The whole picture has no alpha channel.", "Choose one of full picture and alpha.")
        if self.file_format not in FORMATS:
            raise InputError(f"'{self.file_format}' is no format for sequences.", f"Use {' or '.join(FORMATS)}.")
        if not 0 <= self.first_number <= 9_999_999:
            raise InputError(f"{self.first_number} is no frame number.", "Count from 0.")


def check_portrait_target(path: str | Path, settings: PortraitSettings) -> Path:
    """The path, if such a portrait can go there; nothing is written.

    Raises:
        InputError: unknown suffix, no folder to write to, or a format without alpha.
    """
    target = check_target(path)
    if settings.alpha and not is_sequence(target) and target.suffix.lower() != ".mov":
        raise InputError(
            f"{target}: {target.suffix} files have no alpha channel.", "Use .mov (ProRes 4444) or a folder."
        )
    return target


def render_portrait(
    track: CoefficientTrack, portrait: str | Path, path: str | Path, audio: AudioClip | None = None, *,
    settings: PortraitSettings | None = None, fps: float | None = None, metadata: Mapping[str, str] | None = None,
    workers: int | None = None, progress: ProgressCallback | None = None, cancel: CancelCheck | None = None,
) -> int:  # fmt: skip
    """Let a portrait act a track -> number of frames drawn.

    Args:
        track: space `arkit52`; frame 0 stands at `track.start_s` on the audio's clock and is the first picture. Its
            head pose, if any, is relative to the portrait's.
        portrait: a picture file.
        path: .mp4, .mov, .mkv, or a folder for a sequence, which an interrupted run of the same request continues.
        audio, fps, metadata, workers, progress, cancel: as in `render_track`; stages "portrait" and "render".

    Raises:
        InputError: the portrait shows no usable face, another space, or the path cannot be written.
        Cancelled: `cancel` said so.
    """
    how = settings or PortraitSettings()
    target = check_portrait_target(path, how)
    rate = fps if fps is not None else track.fps
    values, head = poses(track, rate, track.start_s, float(track.times_s[-1]))
    report(progress, "portrait", 0.0, "finding the face")
    picture = read_picture(portrait)
    person = fit_person(picture, how.size, how.face, str(portrait))
    stop_if(cancel)
    renderer = PortraitRenderer(person)
    report(progress, "portrait", 1.0, "face fitted")
    threads = workers or min(os.cpu_count() or 1, MAX_WORKERS)

    def frame(number: int) -> np.ndarray:
        if how.alpha:
            return renderer.frame_rgba(values[number], head[number])
        drawn = renderer.frame(values[number], head[number])
        return paste(picture, drawn, person.crop) if how.full else drawn

    n_frames = len(values)
    if not is_sequence(target):
        frames = in_order(frame, n_frames, threads)
        return write_video(frames, rate, target, audio, track.start_s, metadata, progress, cancel, n_frames)

    def frames_of(numbers: list[int]) -> Generator[np.ndarray, None, None]:
        return in_order(lambda k: frame(numbers[k]), len(numbers), threads)

    request = {
        "track": hashlib.sha256(values.tobytes() + head.tobytes()).hexdigest(),
        "portrait": hashlib.sha256(picture.tobytes()).hexdigest(),
        "settings": repr(how),
    }
    return write_sequence(
        frames_of, n_frames, rate, target, request, audio, track.start_s, file_format=how.file_format,
        first_number=how.first_number, metadata=metadata, progress=progress, cancel=cancel,
    )  # fmt: skip


def read_picture(path: str | Path) -> np.ndarray:
    """A picture file, turned as its camera says -> uint8 (H, W, 3) sRGB; transparency becomes grey.

    Raises:
        InputError: missing, no picture, damaged, or far too large.
    """
    remedy = "Give a picture file such as .jpg or .png."
    try:
        with Image.open(path) as image:
            if image.width * image.height > _MAX_PIXELS:
                raise InputError(f"{path}: has {image.width} x {image.height} pixels.", "Scale it down first.")
            turned = ImageOps.exif_transpose(image)
            if turned.mode in ("RGBA", "LA", "PA") or "transparency" in turned.info:
                layered = turned.convert("RGBA")
                turned = Image.alpha_composite(Image.new("RGBA", layered.size, (128, 128, 128, 255)), layered)
            return np.ascontiguousarray(turned.convert("RGB"))
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file.", remedy) from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder.", remedy) from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: cannot be read as a picture ({error}).", remedy) from None


def paste(picture: np.ndarray, drawn: np.ndarray, crop: Crop) -> np.ndarray:
    """The whole picture with the drawn square (S, S, 3) in its place, its edge blended in."""
    side = crop.side
    if drawn.shape[0] != side:
        method = cv2.INTER_AREA if drawn.shape[0] > side else cv2.INTER_CUBIC
        drawn = cv2.resize(drawn, (side, side), interpolation=method)
    out = picture.copy()
    place = out[crop.top : crop.top + side, crop.left : crop.left + side]
    ramp = np.minimum(np.arange(side) + 0.5, side - np.arange(side) - 0.5) / max(1.0, _FEATHER * side)
    share = np.clip(np.minimum.outer(ramp, ramp), 0, 1)[..., None].astype(np.float32)
    place[:] = (share * drawn + (1 - share) * place + 0.5).astype(np.uint8)
    return out

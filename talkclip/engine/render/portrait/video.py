"""A track and a portrait to a video, ProRes with alpha, or a PNG or EXR sequence."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from talkclip.audio import AudioClip
from talkclip.coefficients import CoefficientTrack
from talkclip.engine.bfm import solve_bfm_map
from talkclip.engine.render.encode import check_target, is_sequence, write_video
from talkclip.engine.render.frames import FrameSource, Together
from talkclip.engine.render.portrait.device import PROCESSOR, Device
from talkclip.engine.render.portrait.neural import NeuralRenderer, motion_window, require_bfm
from talkclip.engine.render.portrait.person import Crop, fit_person
from talkclip.engine.render.portrait.renderer import PortraitRenderer
from talkclip.engine.render.sequence import FORMATS, write_sequence
from talkclip.engine.render.video import poses
from talkclip.errors import InputError
from talkclip.progress import CancelCheck, ProgressCallback, report, stop_if
from talkclip.timebase import frame_count, frame_times

SIZE_MIN, SIZE_MAX = 128, 2048
# Larger files are no portraits but attempts to fill the memory.
_MAX_PIXELS = 100_000_000
# The pasted crop's edge, as a share of its side.
_FEATHER = 0.04
# Of pictures drawn at once on a graphics card: how many at most, and how many pixels they have at most, be it of the
# enlarged portrait that colours are read from or of the whole picture.
_TOGETHER, _TOGETHER_PIXELS = 16, 1 << 23


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
        weights: ONNX file of PIRenderer; "": the mesh warp.
        bfm: the user's `BFM_model_front.mat`, to convert `arkit52` for PIRenderer; "": the track is bfm64.
        covered: draw a face that seems to be covered all the same.
    """

    size: int = 512
    face: int | None = None
    full: bool = False
    alpha: bool = False
    file_format: str = "png"
    first_number: int = 0
    weights: str = ""
    bfm: str = ""
    covered: bool = False

    def __post_init__(self) -> None:
        if not SIZE_MIN <= self.size <= SIZE_MAX:
            raise InputError(f"A portrait of {self.size} pixels is out of range.", f"Use {SIZE_MIN} to {SIZE_MAX}.")
        if self.full and self.alpha:
            raise InputError("The whole picture has no alpha channel.", "Choose one of full picture and alpha.")
        if self.weights and self.alpha:
            raise InputError("PIRenderer draws no alpha channel.", "Leave out one of the two.")
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
    settings: PortraitSettings | None = None, device: Device = PROCESSOR, fps: float | None = None,
    metadata: Mapping[str, str] | None = None, workers: int | None = None, progress: ProgressCallback | None = None,
    cancel: CancelCheck | None = None,
) -> int:  # fmt: skip
    """Let a portrait act a track -> number of frames drawn.

    Args:
        track: space `arkit52` (PIRenderer without `bfm`: `bfm64`); frame 0 stands at `track.start_s` on the audio's
            clock and is the first picture. Its head pose, if any, is relative to the portrait's.
        portrait: a picture file.
        path: .mp4, .mov, .mkv, or a folder for a sequence, which an interrupted run of the same request continues.
        device: of `choose_device`, with `neural` where the settings have weights.
        audio, fps, metadata, workers, progress, cancel: as in `render_track`; stages "portrait" and "render".

    Raises:
        InputError: the portrait shows no usable face, another space, or the path cannot be written.
        Cancelled: `cancel` said so.
    """
    how = settings or PortraitSettings()
    target = check_portrait_target(path, how)
    rate = fps if fps is not None else track.fps
    picture = read_picture(portrait)
    source, moving = _acting(track, rate, picture, how, device, str(portrait), progress, cancel)
    n_frames = source.n_frames
    if not is_sequence(target):
        frames = source.frames(workers)
        return write_video(frames, rate, target, audio, track.start_s, metadata, progress, cancel, n_frames)

    def frames_of(numbers: list[int]) -> Generator[np.ndarray, None, None]:
        return source.each(numbers, lambda picture: picture, workers)

    request = {
        "track": hashlib.sha256(np.ascontiguousarray(moving).tobytes()).hexdigest(),
        "portrait": hashlib.sha256(picture.tobytes()).hexdigest(),
        "settings": repr(how),
    }
    return write_sequence(
        frames_of, n_frames, rate, target, request, audio, track.start_s, file_format=how.file_format,
        first_number=how.first_number, metadata=metadata, progress=progress, cancel=cancel,
    )  # fmt: skip


def portrait_frames(
    track: CoefficientTrack, portrait: str | Path, settings: PortraitSettings, device: Device = PROCESSOR,
    progress: ProgressCallback | None = None, cancel: CancelCheck | None = None,
) -> FrameSource:  # fmt: skip
    """A portrait acting a track, a picture for each of its frames; arguments and errors as in `render_portrait`."""
    return _acting(track, track.fps, read_picture(portrait), settings, device, str(portrait), progress, cancel)[0]


def _acting(
    track: CoefficientTrack, rate: float, picture: np.ndarray, how: PortraitSettings, device: Device, name: str,
    progress: ProgressCallback | None, cancel: CancelCheck | None,
) -> tuple[FrameSource, np.ndarray]:  # fmt: skip
    """-> the pictures, and everything that moves in them (T, n)."""
    report(progress, "portrait", 0.0, "finding the face")
    act = _neural if how.weights else _mesh
    source, moving = act(track, rate, picture, how, device, name)
    stop_if(cancel)
    report(progress, "portrait", 1.0, f"face fitted; drawing on {device.name}")
    return source, moving


def _mesh(
    track: CoefficientTrack, rate: float, picture: np.ndarray, how: PortraitSettings, device: Device, name: str
) -> tuple[FrameSource, np.ndarray]:
    """-> the pictures, and everything that moves (T, 52 + 6)."""
    values, head = poses(track, rate, track.start_s, float(track.times_s[-1]))
    person = fit_person(picture, how.size, how.face, name, how.covered)
    renderer = PortraitRenderer(person, device)

    def several(numbers: Sequence[int]) -> list[np.ndarray]:
        rows = list(numbers)
        drawn = renderer.frames(values[rows], head[rows], how.alpha)
        return [paste(picture, each, person.crop) for each in drawn] if how.full else drawn

    pixels = max(person.fine[..., 0].size, picture[..., 0].size if how.full else 0)
    count = int(np.clip(_TOGETHER_PIXELS // pixels, 1, _TOGETHER)) if device.is_card else 1
    moving = np.concatenate([values, head], 1)
    return FrameSource(len(moving), lambda number: several([number])[0], Together(several, count)), moving


def _neural(
    track: CoefficientTrack, rate: float, picture: np.ndarray, how: PortraitSettings, device: Device, name: str
) -> tuple[FrameSource, np.ndarray]:
    """-> the pictures, and everything that moves (T, 64)."""
    if track.space == "arkit52" and how.bfm:
        track = solve_bfm_map(how.bfm).converted(track)
    n_frames = frame_count(track.duration_s, rate)
    values, _ = require_bfm(track).sampled(frame_times(n_frames, rate, track.start_s))
    renderer = NeuralRenderer(picture, how.weights, how.face, name, how.covered, device)

    def frame(number: int) -> np.ndarray:
        drawn = renderer.frame(motion_window(values, number))
        if how.full:
            return paste(picture, drawn, renderer.crop)
        if how.size == drawn.shape[0]:
            return drawn
        return np.asarray(cv2.resize(drawn, (how.size, how.size), interpolation=cv2.INTER_CUBIC))

    return FrameSource(len(values), frame), values


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

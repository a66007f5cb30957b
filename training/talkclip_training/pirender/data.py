"""Filmed faces and their 3DMM coefficients: what PIRenderer learns from.

    DIR/NAME.mp4  or  DIR/NAME/*.jpg|png    one face, cropped as PIRender does; videos are unpacked once
    DIR/NAME.npz                            `motion` (T, 73), or `exp` (T, 64), `angle`, `trans`, `crop` (T, 3)
    DIR/NAME.mat                            instead: `coeff` (T, 257), `transform_params` (T, 5) of Deep3DFaceRecon

The person is what stands before the first `_` or `#` of NAME. A pair is two pictures of one clip; each is drawn from
the other, with the motion around the one that is wanted.
"""

from __future__ import annotations

import dataclasses
import zipfile
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import torch
from scipy.io import loadmat
from torch import Tensor
from torch.utils.data import Dataset

from talkclip.engine.models.nets.pirender.generator import MOTION, WINDOW
from talkclip.errors import InputError
from talkclip.progress import ProgressCallback, report

_PICTURES, _VIDEOS = (".jpg", ".jpeg", ".png"), (".mp4", ".mov", ".mkv", ".avi", ".webm")
_PARTS = (("exp", 64), ("angle", 3), ("trans", 3), ("crop", 3))
# Where Deep3DFaceRecon keeps them in its 257 numbers; the crop is the end of `transform_params`.
_COEFF, _EXP, _ANGLE, _TRANS, _PARAMS = 257, slice(80, 144), slice(224, 227), slice(254, 257), 5
_NAMED = 4
_REMEDY = "See docs/training.md for the layout."
# Trackers and players disagree about the last frame of a video.
_SLACK = 2


@dataclasses.dataclass(frozen=True)
class FilmedClip:
    """One clip.

    Attributes:
        name, person: who is seen.
        pictures: T files in order.
        motion: (T, 73) float32, as in `Generator`.
    """

    name: str
    person: str
    pictures: tuple[Path, ...]
    motion: np.ndarray

    def window(self, frame: int) -> np.ndarray:
        """(73, 27): the motion around a frame, the ends held."""
        rows = np.clip(frame + np.arange(WINDOW) - WINDOW // 2, 0, len(self.motion) - 1)
        return np.ascontiguousarray(self.motion[rows].T)


def read_clips(folder: Path, unpacked: Path, size: int, progress: ProgressCallback | None = None) -> list[FilmedClip]:
    """All clips of a folder, in the order of their names.

    Args:
        unpacked: where the pictures of videos go (or already are, from an earlier run).
        size: pixels of unpacked pictures.

    Raises:
        InputError: no clip, or clips that cannot be used; the first few are named.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder.", _REMEDY)
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in (".npz", ".mat") and not p.name.startswith("."))
    clips, problems = [], []
    for number, file in enumerate(files):
        report(progress, "data", number / len(files), file.stem)
        try:
            clips.append(_read_clip(file, unpacked, size))
        except InputError as error:
            problems.append(error.message.rstrip("."))
    if problems:
        more = f" and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
        raise InputError(f"{'; '.join(problems[:_NAMED])}{more}.", _REMEDY)
    if not clips:
        raise InputError(f"{folder}: holds no coefficients (.npz or .mat).", _REMEDY)
    return clips


def split(clips: list[FilmedClip], every: int) -> tuple[list[FilmedClip], list[FilmedClip]]:
    """-> (to learn from, held out): every `every`-th person is held out, at least one.

    Raises:
        InputError: there is one person only.
    """
    people = sorted({clip.person for clip in clips})
    if len(people) < 2:
        raise InputError(f"All clips show '{people[0]}'; somebody else must be held out.", _REMEDY)
    held = set(people[every - 1 :: every]) or {people[-1]}
    return [c for c in clips if c.person not in held], [c for c in clips if c.person in held]


@dataclasses.dataclass(frozen=True)
class Batch:
    """B wanted pictures.

    Attributes:
        portrait, wanted: (B, 3, S, S) -1..1. motion: (B, 73, 27) around the wanted picture.
    """

    portrait: Tensor
    wanted: Tensor
    motion: Tensor

    def to(self, device: torch.device) -> Batch:
        return Batch(self.portrait.to(device), self.wanted.to(device), self.motion.to(device))


class Pairs(Dataset[Batch]):
    """Item k is batch k of a run: the same for equal seeds, wherever a run was interrupted.

    Args:
        clips: where pairs are drawn from, first the person, then one of their clips, then two of its frames.
        size: pixels of a picture.
        pairs: per batch; a batch holds both directions of each.
        n_batches: length of the run.
        seed: another one for every process and use.
    """

    def __init__(self, clips: list[FilmedClip], size: int, pairs: int, n_batches: int, seed: int) -> None:
        self._people: dict[str, list[FilmedClip]] = {}
        for clip in clips:
            self._people.setdefault(clip.person, []).append(clip)
        self._size, self._pairs, self._n_batches, self._seed = size, pairs, n_batches, seed

    def __len__(self) -> int:
        return self._n_batches

    def __getitem__(self, number: int) -> Batch:
        rng = np.random.default_rng((self._seed, number))
        people = sorted(self._people)
        one, other, motion_one, motion_other = [], [], [], []
        for _ in range(self._pairs):
            of_person = self._people[people[rng.integers(len(people))]]
            clip = of_person[rng.integers(len(of_person))]
            a, b = rng.integers(len(clip.pictures), size=2)
            one.append(read_tensor(clip.pictures[a], self._size))
            other.append(read_tensor(clip.pictures[b], self._size))
            motion_one.append(clip.window(int(a)))
            motion_other.append(clip.window(int(b)))
        pictures = torch.stack(one + other)
        turned = torch.stack(other + one)
        return Batch(pictures, turned, torch.from_numpy(np.stack(motion_other + motion_one)))


def read_tensor(path: Path, size: int) -> Tensor:
    """A picture file -> (3, size, size) float32, -1..1."""
    read = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if read is None or read.shape[0] != read.shape[1]:
        raise InputError(f"{path}: is no square picture.", _REMEDY)
    picture = _sized(read[:, :, ::-1], size)
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1), np.float32)) / 127.5 - 1.0


def _sized(picture: np.ndarray, size: int) -> np.ndarray:
    if picture.shape[:2] == (size, size):
        return picture
    method = cv2.INTER_AREA if picture.shape[0] > size else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(np.ascontiguousarray(picture), (size, size), interpolation=method))


def _read_clip(file: Path, unpacked: Path, size: int) -> FilmedClip:
    motion = _read_motion(file)
    pictures = _pictures_of(file.with_suffix(""), unpacked, size)
    if abs(len(pictures) - len(motion)) > _SLACK:
        raise InputError(f"{file}: {len(motion)} rows do not fit {len(pictures)} pictures", _REMEDY)
    count = min(len(pictures), len(motion))
    if count < 2:
        raise InputError(f"{file}: fewer than two pictures", _REMEDY)
    person = file.stem.replace("#", "_").split("_")[0]
    return FilmedClip(file.stem, person, tuple(pictures[:count]), motion[:count])


def _read_motion(file: Path) -> np.ndarray:
    try:
        if file.suffix.lower() == ".mat":
            data = loadmat(file)
            coeff, params = np.asarray(data["coeff"], np.float32), np.asarray(data["transform_params"], np.float32)
            if coeff.ndim != 2 or coeff.shape[1] != _COEFF or params.shape != (len(coeff), _PARAMS):
                raise ValueError(f"coeff is {coeff.shape}, transform_params {params.shape}")
            motion = np.concatenate([coeff[:, _EXP], coeff[:, _ANGLE], coeff[:, _TRANS], params[:, 2:]], 1)
        else:
            with np.load(file, allow_pickle=False) as archive:
                if "motion" in archive:
                    motion = np.asarray(archive["motion"], np.float32)
                else:
                    motion = np.concatenate([np.asarray(archive[n], np.float32).reshape(-1, w) for n, w in _PARTS], 1)
    except KeyError as error:
        raise InputError(f"{file}: has no {error}", _REMEDY) from None
    except (ValueError, TypeError, OSError, EOFError, NotImplementedError, zipfile.BadZipFile) as error:
        raise InputError(f"{file}: cannot be read ({error})", _REMEDY) from None
    if motion.ndim != 2 or motion.shape[1] != MOTION or not np.isfinite(motion).all():
        raise InputError(f"{file}: motion is {motion.shape} or not all numbers, expected (T, {MOTION})", _REMEDY)
    return motion


def _pictures_of(stem: Path, unpacked: Path, size: int) -> list[Path]:
    if stem.is_dir():
        return sorted(p for p in stem.iterdir() if p.suffix.lower() in _PICTURES)
    for suffix in _VIDEOS:
        video = stem.with_name(stem.name + suffix)
        if video.is_file():
            return _unpack(video, unpacked / f"{size}px" / stem.name, size)
    raise InputError(f"{stem}: neither a folder of pictures nor a video", _REMEDY)


def _unpack(video: Path, folder: Path, size: int) -> list[Path]:
    """Pictures of a video, written once; a folder that bears its final name is whole."""
    if not folder.is_dir():
        temporary = folder.with_name(f".{folder.name}.new")
        temporary.mkdir(parents=True, exist_ok=True)
        for number, picture in enumerate(_frames(video)):
            cv2.imwrite(
                str(temporary / f"{number:06d}.jpg"), _sized(picture, size)[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95]
            )
        temporary.rename(folder)
    return sorted(folder.glob("*.jpg"))


def _frames(video: Path) -> Iterator[np.ndarray]:
    try:
        with av.open(str(video)) as container:
            for frame in container.decode(video=0):
                yield frame.to_ndarray(format="rgb24")
    except (av.FFmpegError, IndexError) as error:
        raise InputError(f"{video}: cannot be read as a video ({error})", _REMEDY) from None

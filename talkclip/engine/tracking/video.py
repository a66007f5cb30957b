"""A filmed face to coefficients: what it does and how the head moves, frame by frame."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import numpy as np
from scipy.ndimage import gaussian_filter1d

from talkclip.coefficients import ARKIT52, HEAD6, CoefficientTrack
from talkclip.engine.tracking.detector import find_faces
from talkclip.engine.tracking.face_model import face_model
from talkclip.engine.tracking.fit import CAMERA_M, KNOWN_COST, FaceFit, fit_face
from talkclip.engine.tracking.landmarks import Landmarks, in_face, track_from
from talkclip.errors import InputError
from talkclip.progress import CancelCheck, ProgressCallback, report, stop_if

STAGE = "track"
# Twenty minutes: the landmarks of all frames are held in memory (6 KB each).
MAX_FRAMES = 36000
_SAMPLES, _ROUNDS = 24, 3
_MIN_PRESENCE, _MIN_SEEN = 0.5, 0.5
# Landmarks tremble by about a third of a pixel; this much smoothing (frames) removes it and keeps a closing of lips.
_SMOOTH_FRAMES = 0.7
# How far the person's own residual is trusted over the identity basis.
_OWN_SHARE = 0.85
# Directions of the shapes weaker than this share of the strongest are noise.
_SHAPE_RANK = 0.03


@dataclasses.dataclass(frozen=True)
class Person:
    """Who is filmed: identity (K,) in standard deviations and (468, 3) metres that the basis cannot say."""

    identity: np.ndarray
    offsets: np.ndarray


def track_video(
    path: str | Path, progress: ProgressCallback | None = None, cancel: CancelCheck | None = None
) -> CoefficientTrack:
    """Follow the one face of a video -> `arkit52` coefficients and head pose at the video's frame rate.

    The head pose is relative to the clip's median; gaze (`eyeLook...`) and `tongueOut` are not seen and stay 0.
    With several faces the largest one of the first picture is followed. Frames without a face are bridged.

    Args:
        path: any video that FFmpeg reads.
        progress: stage "track".
        cancel: asked before every frame.

    Raises:
        InputError: not a video, no face in half of it, or too long.
        Cancelled: `cancel` said so.
    """
    frames, fps, count = open_video(path)
    return track_frames(frames, fps, str(path), count, progress, cancel)


def track_frames(
    frames: Iterator[np.ndarray] | Sequence[np.ndarray], fps: float, name: str = "video", count: int = 0,
    progress: ProgressCallback | None = None, cancel: CancelCheck | None = None,
) -> CoefficientTrack:  # fmt: skip
    """The same for pictures uint8 (H, W, 3) sRGB; `count` is how many will come, 0: unknown."""
    points = _landmarks(frames, name, count, progress, cancel)
    seen = np.flatnonzero([p is not None for p in points])
    if len(seen) == 0 or len(seen) < _MIN_SEEN * len(points):
        raise InputError(
            f"{name}: a face was found in {len(seen)} of {len(points)} pictures.",
            "Give a video that shows one face from the front.",
        )
    known = [point for point in points if point is not None]
    sample = [known[i] for i in np.unique(np.linspace(0, len(known) - 1, _SAMPLES).round().astype(int))]
    person = find_person(sample)
    values, poses = np.empty((len(known), len(ARKIT52))), np.empty((len(known), 6))
    last: FaceFit | None = None
    for row, point in enumerate(known):
        stop_if(cancel)
        last = fit_face(
            point, last, person.identity, person.offsets, iterations=3 if last else 8, value_cost=KNOWN_COST
        )
        values[row] = last.values
        poses[row] = np.concatenate([last.pose.angles, last.pose.center, [last.pose.scale]])
        report(progress, STAGE, 0.6 + 0.4 * (row + 1) / len(known), f"frame {row + 1} of {len(known)} fitted")
    everywhere = np.arange(len(points))
    values = np.stack([np.interp(everywhere, seen, column) for column in values.T], 1)
    poses = np.stack([np.interp(everywhere, seen, column) for column in poses.T], 1)
    smooth = gaussian_filter1d(values, _SMOOTH_FRAMES, axis=0, mode="nearest")
    head = gaussian_filter1d(_relative(poses), _SMOOTH_FRAMES, axis=0, mode="nearest")
    return CoefficientTrack("arkit52", ARKIT52, fps, np.clip(smooth, 0, 1).astype(np.float32), head=head)


def find_person(points: Sequence[np.ndarray]) -> Person:
    """Who is seen, from landmarks (468, 3) of several pictures: what all of them share is the person."""
    model = face_model()
    offsets = np.zeros((len(model.rest), 3))
    fits = [fit_face(p, value_cost=KNOWN_COST) for p in points]
    identity = np.median([fit.person for fit in fits], axis=0)
    for _ in range(_ROUNDS):
        fits = [fit_face(p, fit, identity, offsets, 4, KNOWN_COST) for p, fit in zip(points, fits, strict=True)]
        left = np.median([_residual(p, fit, identity, offsets) for p, fit in zip(points, fits, strict=True)], axis=0)
        offsets = offsets + _OWN_SHARE * _not_expression(left)
    return Person(identity, offsets)


def _not_expression(offsets: np.ndarray) -> np.ndarray:
    """(468, 3) without what shapes could explain: a smile held through the whole clip is no part of the person."""
    model = face_model()
    shapes = model.expression[model.seen].reshape(int(model.seen.sum()), -1).T
    u, s, _ = np.linalg.svd(shapes, full_matrices=False)
    u = u[:, s > _SHAPE_RANK * s[0]]
    flat = offsets.ravel()
    return (flat - u @ (u.T @ flat)).reshape(offsets.shape)


def _residual(points: np.ndarray, fit: FaceFit, identity: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """(468, 3) metres in head axes, across the line of sight, that the fit leaves."""
    model = face_model()
    shape = model.points(np.tensordot(identity, model.identity, 1) + offsets, fit.values)
    away = (points[:, :2] - fit.pose.project(shape)) * np.array([1.0, -1.0]) / fit.pose.scale
    return np.concatenate([away, np.zeros((len(away), 1))], 1) @ fit.pose.turn


def _landmarks(
    frames: Iterator[np.ndarray] | Sequence[np.ndarray], name: str, count: int, progress: ProgressCallback | None,
    cancel: CancelCheck | None,
) -> list[np.ndarray | None]:  # fmt: skip
    """Landmarks per picture, None where there is no face."""
    points: list[np.ndarray | None] = []
    last: Landmarks | None = None
    for number, frame in enumerate(frames):
        stop_if(cancel)
        if number >= MAX_FRAMES:
            raise InputError(f"{name}: has more than {MAX_FRAMES} pictures.", "Cut out the part that matters.")
        last = _follow(frame, last)
        points.append(None if last is None else last.points)
        of_all = f" of {count}" if count else ""
        report(progress, STAGE, 0.6 * min(1.0, (number + 1) / count) if count else 0.0, f"frame {number + 1}{of_all}")
    if not points:
        raise InputError(f"{name}: holds no picture.", "Give a video.")
    return points


def _follow(frame: np.ndarray, last: Landmarks | None) -> Landmarks | None:
    """From the picture before, or by looking for the largest face."""
    if last is not None:
        found = track_from(frame, last)
        if found.presence >= _MIN_PRESENCE:
            return found
    faces = find_faces(frame)
    if not faces:
        return None
    found = track_from(frame, in_face(frame, max(faces, key=lambda face: face.width_px)))
    return found if found.presence >= _MIN_PRESENCE else None


def _relative(poses: np.ndarray) -> np.ndarray:
    """(T, 6) angles, pixels, scale -> (T, 6) in the columns of HEAD6, around the clip's median."""
    middle = np.median(poses, axis=0)
    head = np.zeros((len(poses), len(HEAD6)), np.float32)
    head[:, :3] = np.unwrap(poses[:, :3], axis=0) - middle[:3]
    head[:, 3] = (poses[:, 3] - middle[3]) / middle[5]
    head[:, 4] = -(poses[:, 4] - middle[4]) / middle[5]
    # Twice as large is half as far.
    head[:, 5] = CAMERA_M * (1.0 - middle[5] / poses[:, 5])
    return head


def open_video(path: str | Path) -> tuple[Iterator[np.ndarray], float, int]:
    """-> pictures uint8 (H, W, 3) sRGB, frames per second, number of pictures or 0.

    Raises:
        InputError: the file is missing or no video.
    """
    remedy = "Give a video file, such as .mp4 or .mov."
    if not Path(path).is_file():
        raise InputError(f"{path}: there is no such file.", remedy)
    try:
        container = av.open(str(path))
    except av.FFmpegError as error:
        raise InputError(f"{path}: cannot be read as a video ({error}).", remedy) from None
    if not container.streams.video:
        container.close()
        raise InputError(f"{path}: holds no picture.", remedy)
    stream = container.streams.video[0]
    rate = stream.average_rate or stream.guessed_rate
    if not rate:
        container.close()
        raise InputError(f"{path}: does not say its frame rate.", remedy)

    def pictures() -> Iterator[np.ndarray]:
        try:
            with container:
                for frame in container.decode(stream):
                    yield frame.to_ndarray(format="rgb24")
        except av.FFmpegError as error:
            raise InputError(f"{path}: is damaged ({error}).", remedy) from None

    return pictures(), float(rate), int(stream.frames or 0)

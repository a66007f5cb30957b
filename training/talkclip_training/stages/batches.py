"""Batches: crops of performances with what the model hears around them, and a clip of the same style."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from talkclip.engine.models.inputs import silent_speech
from talkclip_training.performance.conditions import Played
from talkclip_training.performance.play import act
from talkclip_training.stages.lines import KINDS, Line


@dataclasses.dataclass(frozen=True, eq=False)
class Batch:
    """B crops of T frames.

    Attributes:
        heard: float32 (B, T + 2 * context, 244).
        face: float32 (B, T, 52), what is to be predicted.
        clip: float32 (B, N, 52), the whole performance, zero-padded.
        padding: bool (B, N), True where there is no frame.
        pose: float32 (B, 52), the sustained expression.
        scalars: float32 (B, 2), arousal and intensity.
    """

    heard: Tensor
    face: Tensor
    clip: Tensor
    padding: Tensor
    pose: Tensor
    scalars: Tensor

    def to(self, device: torch.device) -> Batch:
        """The same on another device."""
        return Batch(**{field.name: getattr(self, field.name).to(device) for field in dataclasses.fields(self)})


def weighted_lines(lines: Sequence[Line]) -> np.ndarray:
    """(n,) chances: by length, real speech twice."""
    chances = np.array([len(line.spoken.mouth) * (2.0 if line.voice == "lj" else 1.0) for line in lines])
    return np.asarray(chances / chances.sum())


def make_batch(
    lines: Sequence[Line], conditions: Sequence[Played], frames: int, context: int, clip_frames: int,
    rng: np.random.Generator,
) -> Batch:  # fmt: skip
    """Play one line per condition.

    Args:
        lines: one for each condition.
        conditions: how they are played.
        frames: T of the crops; shorter lines are followed by silence.
        context: frames on each side that the model hears beyond the crop.
        clip_frames: most frames of the style clip.
        rng: where the crops begin, and which phones are heard.
    """
    heard, faces, clips = [], [], []
    for line, played in zip(lines, conditions, strict=True):
        performance = act(line.spoken, played.condition)
        sound = line.heard[str(rng.choice(KINDS))]
        first = int(rng.integers(max(len(performance) - frames, 0) + 1))
        heard.append(_with_silence(sound, first - context, first + frames + context))
        faces.append(_held(performance, first, first + frames))
        start = int(rng.integers(max(len(performance) - clip_frames, 0) + 1))
        clips.append(performance[start : start + clip_frames])
    longest = max(map(len, clips))
    clip = np.zeros((len(clips), longest, clips[0].shape[1]), np.float32)
    padding = np.ones((len(clips), longest), bool)
    for row, part in enumerate(clips):
        clip[row, : len(part)], padding[row, : len(part)] = part, False
    return Batch(
        torch.from_numpy(np.stack(heard)),
        torch.from_numpy(np.stack(faces).astype(np.float32)),
        torch.from_numpy(clip),
        torch.from_numpy(padding),
        torch.from_numpy(np.stack([played.condition.pose for played in conditions]).astype(np.float32)),
        torch.tensor([played.scalars for played in conditions], dtype=torch.float32),
    )


def _with_silence(sound: np.ndarray, first: int, last: int) -> np.ndarray:
    """Frames first .. last - 1, silence where the line has none."""
    out = np.tile(silent_speech(), (last - first, 1))
    begin, end = max(first, 0), min(last, len(sound))
    out[begin - first : end - first] = sound[begin:end]
    return out


def _held(performance: np.ndarray, first: int, last: int) -> np.ndarray:
    """Frames first .. last - 1; past the end the last face is held."""
    return performance[np.clip(np.arange(first, last), 0, len(performance) - 1)]

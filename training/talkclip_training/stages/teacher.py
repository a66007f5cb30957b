"""The frozen model whose style codes an adapter learns: performances in, codes out, in the decoder's own space."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from talkclip.coefficients import ARKIT52
from talkclip.engine.models.config import N_CHANNELS, ModelConfig
from talkclip.engine.models.inputs import MODEL_FPS
from talkclip.engine.models.nets.adapters import decoder_hash
from talkclip.engine.models.nets.checkpoints import DREAMTALK_PREFIX, load_dreamtalk, load_styletalk, read_state
from talkclip.engine.models.nets.diffusion import DenoisingModel
from talkclip.engine.models.nets.model import TalkClipModel
from talkclip.engine.models.nets.weights import load_model
from talkclip.errors import InputError
from talkclip.files import unreadable
from talkclip_training.performance.conditions import Played
from talkclip_training.performance.play import Spoken, act

MATRIX = "matrix"
_AT_ONCE = 32


class Teacher:
    """Codes of V2SS, and of the condition encoder where there is one.

    Attributes:
        config: of the model.
        decoder_hash: what adapters know it by.
    """

    def __init__(self, model: TalkClipModel | DenoisingModel, matrix: np.ndarray | None = None) -> None:
        """Freeze a model.

        Args:
            model: its style encoder is asked.
            matrix: float32 (52, C), ARKit weights -> coefficients of the model's space; None for arkit52.

        Raises:
            InputError: a space without a matrix, or a matrix of another shape.
        """
        self.config: ModelConfig = model.config
        _check_matrix(self.config.space, matrix)
        self._matrix = matrix
        self._v2ss = model.style_encoder.eval()
        self._conditions = model.condition_encoder if isinstance(model, TalkClipModel) else None
        self.decoder_hash = decoder_hash(self._v2ss, self._conditions)

    @torch.inference_mode()
    def codes_of_clips(self, played: Sequence[Played], spoken: Sequence[Spoken]) -> np.ndarray:
        """V2SS: each condition played on its line -> float32 (n, S)."""
        rows = []
        for first in range(0, len(played), _AT_ONCE):
            part = slice(first, first + _AT_ONCE)
            clips = [self._clip(s, p) for p, s in zip(played[part], spoken[part], strict=True)]
            whole = np.zeros((len(clips), max(map(len, clips)), self.config.channels), np.float32)
            padding = np.ones(whole.shape[:2], bool)
            for row, clip in enumerate(clips):
                whole[row, : len(clip)], padding[row, : len(clip)] = clip, False
            rows.append(self._v2ss(torch.from_numpy(whole), torch.from_numpy(padding)).numpy())
        return np.concatenate(rows)

    @torch.inference_mode()
    def codes_of_poses(self, played: Sequence[Played]) -> np.ndarray | None:
        """Condition encoder -> float32 (n, S); None for a model without one."""
        if self._conditions is None:
            return None
        poses = np.stack([p.condition.pose for p in played]).astype(np.float32)
        scalars = torch.tensor([p.scalars for p in played], dtype=torch.float32)
        return np.asarray(self._conditions(torch.from_numpy(poses), scalars).numpy())

    def _clip(self, spoken: Spoken, played: Played) -> np.ndarray:
        """(N, C) at the model's rate, at most as long as V2SS looks."""
        values = act(spoken, played.condition)
        n_frames = max(1, min(self.config.style_frames, round(len(values) * self.config.fps / MODEL_FPS)))
        if self.config.fps != MODEL_FPS:
            at = np.arange(n_frames) * MODEL_FPS / self.config.fps
            values = np.stack([np.interp(at, np.arange(len(values)), channel) for channel in values.T], axis=1)
        values = values[:n_frames]
        return np.asarray(values if self._matrix is None else values @ self._matrix, np.float32)


def load_teacher(checkpoint: Path, space: str, matrix: Path | None) -> Teacher:
    """A model from a file: ours (.safetensors), StyleTalk's or DreamTalk's.

    Args:
        checkpoint: the file.
        space: what the user says it is; must be the model's.
        matrix: npz with the array "matrix".

    Raises:
        InputError: unreadable, another space, no matrix where one is needed.
    """
    if not checkpoint.is_file():
        raise InputError(f"{checkpoint}: there is no such file.", "Give a decoder's weights.")
    model: TalkClipModel | DenoisingModel
    if checkpoint.suffix == ".safetensors":
        model = load_model(checkpoint)
    elif any(key.startswith(DREAMTALK_PREFIX) for key in read_state(checkpoint)):
        model = load_dreamtalk(checkpoint)
    else:
        model = load_styletalk(checkpoint)
    if model.config.space != space:
        raise InputError(
            f"{checkpoint}: its decoder speaks {model.config.space}, not {space}.",
            f"Use --space {model.config.space}.",
        )
    return Teacher(model, None if matrix is None else read_matrix(matrix, space))


def read_matrix(path: Path, space: str) -> np.ndarray:
    """-> float32 (52, C) of an npz.

    Raises:
        InputError: unreadable, no such array, or another shape.
    """
    try:
        with np.load(path, allow_pickle=False) as data:
            matrix = np.asarray(data[MATRIX], np.float32)
    except OSError as error:
        raise unreadable(path, error, _matrix_remedy(space)) from None
    except (KeyError, ValueError, TypeError, AttributeError, zipfile.BadZipFile):
        raise InputError(f"{path}: is no npz with an array '{MATRIX}' of numbers.", _matrix_remedy(space)) from None
    _check_matrix(space, matrix)
    return matrix


def _check_matrix(space: str, matrix: np.ndarray | None) -> None:
    if matrix is None and space != "arkit52":
        raise InputError(
            f"Performances are in arkit52; a decoder in {space} needs a map, and none was given.", _matrix_remedy(space)
        )
    if matrix is None:
        return
    wanted = (len(ARKIT52), N_CHANNELS[space])
    if matrix.shape != wanted or not np.isfinite(matrix).all():
        raise InputError(f"The map is {matrix.shape}, not finite numbers {wanted}.", _matrix_remedy(space))


def _matrix_remedy(space: str) -> str:
    return (
        f"Give --map FILE.npz with an array '{MATRIX}' ({len(ARKIT52)}, {N_CHANNELS.get(space, 64)}): each ARKit shape "
        f"in coefficients of your face model (docs/model.md)."
    )

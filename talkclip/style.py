"""StyleTrack: how the line is spoken, per frame."""

from __future__ import annotations

import dataclasses

import numpy as np

from talkclip.errors import InputError

# Arousal, 0..1, of somebody who reads aloud without feeling: prompts raise or lower it.
CALM = 0.35


@dataclasses.dataclass(frozen=True, eq=False)
class StyleTrack:
    """A style code per frame; frame k stands at k / fps.

    Attributes:
        space: what a code means. `arkit52-pose`: the sustained expression itself, one signed value per
            ARKit channel (0 = neutral). A trained T2SS names its own space by encoder and weights.
        fps: frames per second.
        codes: float32 (T, D), T >= 1, finite.

    Raises:
        InputError: wrong shape or not finite.
    """

    space: str
    fps: float
    codes: np.ndarray

    def __post_init__(self) -> None:
        codes = np.ascontiguousarray(self.codes, dtype=np.float32)
        object.__setattr__(self, "codes", codes)
        if codes.ndim != 2 or codes.shape[0] == 0:
            raise InputError(f"style: codes of shape {codes.shape}; expected at least one frame x dimensions.")
        if not np.isfinite(codes).all():
            raise InputError("style: a code holds a value that is not a number.")

    @property
    def n_frames(self) -> int:
        """T."""
        return int(self.codes.shape[0])

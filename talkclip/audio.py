"""AudioClip: the sound of one line."""

from __future__ import annotations

import dataclasses
import functools
import hashlib

import numpy as np

from talkclip.errors import InputError


@dataclasses.dataclass(frozen=True, eq=False)
class AudioClip:
    """Mono sound.

    Attributes:
        samples: float32 (N,), -1..1, N >= 1, finite.
        sample_rate: Hz; the engine works at 16000.
        name: what to call it in messages (file name or datablock name).

    Raises:
        InputError: empty, not finite, or not one-dimensional.
    """

    samples: np.ndarray
    sample_rate: int
    name: str = "audio"

    def __post_init__(self) -> None:
        samples = np.ascontiguousarray(self.samples, dtype=np.float32)
        if samples.ndim != 1 or samples.size == 0:
            raise InputError(
                f"{self.name}: holds no sound (shape {samples.shape}).", "Give a mono recording of speech."
            )
        if not np.isfinite(samples).all():
            raise InputError(f"{self.name}: holds samples that are not numbers (NaN or infinite).", "Export it again.")
        if self.sample_rate <= 0:
            raise InputError(f"{self.name}: sample rate {self.sample_rate} is not positive.", "Export it again.")
        object.__setattr__(self, "samples", samples)

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.samples.size / self.sample_rate

    @functools.cached_property
    def sha256(self) -> str:
        """Content hash over rate and samples: the name under which caches and servers know this clip."""
        digest = hashlib.sha256(self.sample_rate.to_bytes(4, "little"))
        digest.update(self.samples.astype("<f4", copy=False).data)  # no copy: it may be hours
        return digest.hexdigest()

    def slice_s(self, start_s: float, end_s: float) -> AudioClip:
        """The part between two times, both clipped to the clip.

        Raises:
            InputError: nothing is left.
        """
        first, last = (round(min(max(t, 0.0), self.duration_s) * self.sample_rate) for t in (start_s, end_s))
        return AudioClip(self.samples[first:last], self.sample_rate, self.name)

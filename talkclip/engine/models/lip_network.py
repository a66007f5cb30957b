"""A small network that hears which shape the lips take: rounding, spreading, pressing, and whether they are shut.

Three convolutions in time over what `inputs.window_features` hears. What shape lips take depends on the phone, so it is
a matter of telling phones apart, and here a network is better than a linear map on voices that it never heard; how far
the mouth opens is a matter of degree, and there it is not (see docs/model_cards/mouth.md).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

# Of each convolution, in frames; the second and the third add to what stands before them.
KERNELS = (5, 5, 3, 1)
# Frames on each side that it sees.
CONTEXT = sum(width // 2 for width in KERNELS)
# Which channels it says, as the mouth's map names them.
SHAPES = (
    "mouthFunnel", "mouthPucker", "mouthSmile", "mouthStretch", "mouthRollLower", "mouthRollUpper", "mouthPress",
    "mouthShrugUpper",
)  # fmt: skip
# The last output: 1 where the lips are shut.
SHUT = "shut"


@dataclasses.dataclass(frozen=True, eq=False)
class LipNetwork:
    """Weights.

    Attributes:
        outputs: names of the outputs: `SHAPES` and `SHUT`.
        weights: one per convolution, float32 (width, inputs, outputs).
        biases: one per convolution, float32 (outputs,).
    """

    outputs: tuple[str, ...]
    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> LipNetwork:
        """From the arrays of a weight file; see `arrays`."""
        weights = tuple(
            arrays[f"lips_weight_{k}"].astype(np.float32) * arrays[f"lips_scale_{k}"] for k in range(len(KERNELS))
        )
        biases = tuple(arrays[f"lips_bias_{k}"] for k in range(len(KERNELS)))
        return cls(tuple(str(name) for name in arrays["lips_outputs"]), weights, biases)

    def arrays(self) -> dict[str, np.ndarray]:
        """For a weight file: 8 bits a weight, with a scale for each output of a convolution."""
        found: dict[str, np.ndarray] = {"lips_outputs": np.array(self.outputs)}
        for k, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            scale = np.maximum(np.abs(weight).max(axis=(0, 1)), 1e-9) / 127
            found |= {
                f"lips_weight_{k}": np.round(weight / scale).astype(np.int8),
                f"lips_scale_{k}": scale.astype(np.float32),
                f"lips_bias_{k}": bias.astype(np.float32),
            }
        return found

    def predict(self, frames: np.ndarray) -> np.ndarray:
        """What the lips do.

        Args:
            frames: (F, inputs) of `window_features` without context; the ends repeat.

        Returns:
            float32 (F, outputs), mostly 0..1. A frame depends on `CONTEXT` frames on each side.
        """
        heard = np.pad(frames, ((CONTEXT, CONTEXT), (0, 0)), mode="edge")
        heard = np.maximum(self._convolved(heard, 0), 0)
        for k in (1, 2):
            edge = KERNELS[k] // 2
            heard = heard[edge : len(heard) - edge] + np.maximum(self._convolved(heard, k), 0)
        return np.asarray(self._convolved(heard, 3), np.float32)

    def _convolved(self, heard: np.ndarray, k: int) -> np.ndarray:
        """(F, I) -> (F - width + 1, O)."""
        width, n_inputs, n_outputs = self.weights[k].shape
        windows = np.lib.stride_tricks.sliding_window_view(heard, width, axis=0).transpose(0, 2, 1)
        flat = self.weights[k].reshape(-1, n_outputs)
        return np.asarray(windows.reshape(-1, width * n_inputs) @ flat + self.biases[k])

"""One clip of any length through a model of fixed memory: in blocks, or as a stream. Numpy only.

A model frame depends on a fixed number of input frames around it, and what stands outside the clip is defined
(`inputs.padding_frame`), so every way of cutting gives the same values; only the order of floating-point sums differs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from talkclip.errors import InputError
from talkclip.progress import CancelCheck, ProgressCallback, report, stop_if

# (inputs (n + 2 * context, ...), styles (n, S)) -> coefficients (n, C), every frame with its whole context.
Decode = Callable[[np.ndarray, np.ndarray], np.ndarray]
BLOCK_FRAMES = 500


def decode_clip(
    decode: Decode,
    inputs: np.ndarray,
    styles: np.ndarray,
    context: int,
    padding: np.ndarray,
    block_frames: int = BLOCK_FRAMES,
    progress: ProgressCallback | None = None,
    cancel: CancelCheck | None = None,
) -> np.ndarray:
    """Coefficients of a whole clip.

    Args:
        decode: the model.
        inputs: (T, ...) one row per model frame.
        styles: float32 (T, S), or (S,) for the whole clip.
        context: frames on each side that an output depends on.
        padding: one input row for outside the clip.
        block_frames: most output frames per call; memory grows with it, not with T.
        progress: told the stage "motion".
        cancel: asked between blocks.

    Returns:
        float32 (T, C)

    Raises:
        InputError: no frame, or another number of styles.
        Cancelled: `cancel` said so.
    """
    n_frames = len(inputs)
    if n_frames == 0:
        raise InputError("There is no frame to animate.", "Give a recording that is not empty.")
    if styles.ndim == 2 and len(styles) != n_frames:
        raise InputError(f"{n_frames} frames came with {len(styles)} styles.", "Give one per frame, or one for all.")
    styles = np.broadcast_to(styles, (n_frames, styles.shape[-1]))
    out: np.ndarray | None = None
    for first in range(0, n_frames, block_frames):
        stop_if(cancel)
        last = min(first + block_frames, n_frames)
        block = decode(_cut(inputs, first - context, last + context, padding), styles[first:last].copy())
        if out is None:
            out = np.empty((n_frames, block.shape[-1]), np.float32)
        out[first:last] = block
        report(progress, "motion", last / n_frames, "Animating")
    assert out is not None
    return out


def _cut(inputs: np.ndarray, first: int, last: int, padding: np.ndarray) -> np.ndarray:
    """Rows first .. last - 1, `padding` where there are none."""
    rows = inputs[max(first, 0) : last]
    before, after = max(-first, 0), max(last - len(inputs), 0)
    if not before and not after:
        return rows
    edge = np.asarray(padding, inputs.dtype)
    return np.concatenate(
        [np.broadcast_to(edge, (before, *edge.shape)), rows, np.broadcast_to(edge, (after, *edge.shape))]
    )


class FaceStream:
    """Frames come in as they are heard, coefficients come out `context` frames later."""

    def __init__(self, decode: Decode, context: int, padding: np.ndarray) -> None:
        self._decode = decode
        self._context = context
        self._padding = np.asarray(padding)
        edge = np.broadcast_to(self._padding, (context, *self._padding.shape))
        self._inputs = edge.copy()  # rows that some frame to come still needs
        self._styles: np.ndarray | None = None  # styles of frames that did not come out yet
        self._ended = False

    def push(self, inputs: np.ndarray, styles: np.ndarray) -> np.ndarray | None:
        """Take frames that were heard.

        Args:
            inputs: (n, ...).
            styles: float32 (n, S).

        Returns:
            float32 (m, C): the frames whose context is complete now; None while there are none.

        Raises:
            InputError: the stream has ended, or there are not as many styles as frames.
        """
        if self._ended:
            raise InputError("The stream has ended.", "Begin a new one.")
        if len(inputs) != len(styles):
            raise InputError(f"{len(inputs)} frames came with {len(styles)} styles.", "Give one style per frame.")
        self._styles = styles if self._styles is None else np.concatenate([self._styles, styles])
        self._inputs = np.concatenate([self._inputs, inputs])
        return self._ready()

    def finish(self) -> np.ndarray | None:
        """The frames that waited for what comes after them: there is silence. None if nothing was pushed."""
        self._ended = True
        edge = np.broadcast_to(self._padding, (self._context, *self._padding.shape))
        self._inputs = np.concatenate([self._inputs, edge.astype(self._inputs.dtype)])
        return self._ready()

    def _ready(self) -> np.ndarray | None:
        ready = len(self._inputs) - 2 * self._context
        if ready <= 0 or self._styles is None or not len(self._styles):
            return None
        out = self._decode(self._inputs, self._styles[:ready])
        self._inputs, self._styles = self._inputs[ready:], self._styles[ready:]
        return np.asarray(out, np.float32)
